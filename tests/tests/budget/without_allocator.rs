//! A budget in a program without the counting allocator fails, and says what to add. Otherwise, it
//! would always pass, since all numbers are zero.

use memprof::baseline::Baseline;
use memprof::leak::Epochs;
use memprof::{
    Scope, assert_alloc, assert_alloc_async, assert_no_alloc, assert_no_growth, assert_no_leak,
    memprofile,
};
use memprof_tests::{Program, block};
use std::panic::{self, UnwindSafe};

const THREE_LINES: &str = "\n\n#[cfg(test)] // without this line, the program itself uses it, too\n\
                           #[global_allocator]\n\
                           static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();\n";

#[track_caller]
fn assert_fails(work: impl FnOnce() + UnwindSafe) {
    let panic = panic::catch_unwind(work).expect_err("nobody counts");
    let said = panic.downcast::<String>().expect("it has a message");
    assert!(said.ends_with(THREE_LINES), "{said}");
}

#[test]
fn each_assertion_says_which_three_lines_to_add_and_runs_nothing() {
    assert_fails(|| assert_alloc!(net_bytes == 0, { unreachable!("it isn't run") }));
    assert_fails(|| assert_no_alloc!(unreachable!("it isn't run")));
    assert_fails(|| assert_no_leak!(unreachable!("it isn't run")));
    assert_fails(|| drop(assert_alloc_async!(net_bytes == 0, async {})));
    assert_fails(|| assert_no_growth(16, || unreachable!("it isn't run")));
    assert_fails(|| drop(Epochs::new().begin()));
}

#[memprof::test(max_net_bytes = 0)]
#[should_panic(expected = "or to the file of the test:\n\n#[cfg(test)]")]
fn a_test_under_a_budget_says_it_too() {
    unreachable!("it isn't run")
}

#[memprofile(print = "never")]
fn makes() -> Vec<u8> {
    block(100)
}

#[test]
fn leaks_and_baselines_say_it_too() {
    let scope = Scope::new("nobody counts");
    let report = scope.report();
    let kept = scope.run(makes);
    let after = scope.report();
    assert_fails(move || drop(memprof::leak::leaks(&report, &after)));
    drop(kept);

    let folder = tempfile::tempdir().unwrap();
    let baseline = Baseline::new("work").folder(folder.path());
    let error = baseline.check(&scope.report()).unwrap_err();
    assert!(error.to_string().ends_with(THREE_LINES), "{error}");
    assert!(!folder.path().join("work.json").exists());
}

#[memprofile(max_peak_bytes = 10, on_exceed = "panic")]
fn guarded() -> Vec<u8> {
    block(100)
}

#[test]
fn functions_under_a_budget_run_and_it_is_said_once_that_nobody_looks() {
    let output = Program::new(|| {
        guarded();
        guarded();
    })
    .output();
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "memprof: `max_peak_bytes` and `max_net_bytes` are not checked: they need the counting allocator: \
         `#[global_allocator] static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();`\n"
    );
}
