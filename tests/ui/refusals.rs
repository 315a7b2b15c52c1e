//! Each misuse of the attribute causes one error, at the wrong word, and no errors in the
//! function's callers.

#[test]
fn each_misuse_has_one_message_at_its_word() {
    trybuild::TestCases::new().compile_fail("fail/*.rs");
}
