//! Each misuse of the attribute has one message, at the word that is wrong, and
//! costs the function's callers nothing.

#[test]
fn each_misuse_has_one_message_at_its_word() {
    trybuild::TestCases::new().compile_fail("ui/fail/*.rs");
}
