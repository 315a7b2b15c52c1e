//! A budget in a program whose allocator isn't the counting one fails, and says what to
//! add: zeroes would keep to every limit.

use memprof::{assert_alloc, assert_alloc_async, assert_no_alloc, assert_no_leak};
use std::panic::{self, UnwindSafe};

#[track_caller]
fn assert_fails(work: impl FnOnce() + UnwindSafe) {
    let panic = panic::catch_unwind(work).expect_err("nobody counts");
    let said = panic
        .downcast_ref::<&str>()
        .expect("the message is the same each time");
    assert!(
        said.ends_with(
            "\n\n#[cfg(test)] // or not, if the program itself is to have it, too\n\
             #[global_allocator]\n\
             static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();\n"
        ),
        "{said}"
    );
}

#[test]
fn each_assertion_says_which_three_lines_to_add_and_runs_nothing() {
    assert_fails(|| assert_alloc!(net_bytes == 0, { unreachable!("it isn't run") }));
    assert_fails(|| assert_no_alloc!(unreachable!("it isn't run")));
    assert_fails(|| assert_no_leak!(unreachable!("it isn't run")));
    assert_fails(|| drop(assert_alloc_async!(net_bytes == 0, async {})));
}
