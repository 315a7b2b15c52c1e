//! A process may fork while other threads are in the middle of anything. They don't exist in the
//! child, so the child must not wait for them.
#![cfg(unix)]

use memprof::{Scope, memprofile, report, reset};
use memprof_tests::{Program, run};
use std::hint::black_box;
use std::process::Stdio;
use std::thread;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof_tests::system(env!("CARGO_CRATE_NAME"));

/// Forks many children while other threads call `act` in a loop. Each child calls `act` once.
fn fork_while_others(act: impl Fn() + Clone + Send + 'static) {
    act();
    for _ in 0..3 {
        let act = act.clone();
        thread::spawn(move || {
            loop {
                act();
            }
        });
    }
    for _ in 0..200 {
        // SAFETY: the test checks that profiled code works in a child with only this thread. The
        // child exits by itself, or is killed by an alarm if it waits.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::alarm(20);
                act();
                libc::_exit(0);
            }
            let mut status = -1;
            assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
            assert_eq!(status, 0);
        }
    }
}

#[memprofile(print = "exit", columns = "hits, allocated")]
fn kept() -> u64 {
    black_box(1)
}

#[test]
fn a_child_calls_profiled_functions_as_other_threads_did() {
    run(|| fork_while_others(|| _ = kept()));
}

#[memprofile(columns = "hits, allocated")]
fn printed() -> u64 {
    black_box(1)
}

#[test]
fn a_child_prints_tables_as_other_threads_did() {
    let mut program = Program::new(|| fork_while_others(|| _ = printed()));
    // There are hundreds of thousands of tables.
    let status = program.command().stdout(Stdio::null()).status();
    assert!(status.unwrap().success());
}

#[test]
fn a_child_takes_reports_as_other_threads_did() {
    run(|| {
        kept();
        fork_while_others(|| {
            reset();
            assert_eq!(report().functions.len(), 1);
        });
    });
}

#[test]
fn a_child_makes_scopes_as_other_threads_did() {
    run(|| fork_while_others(|| drop(Scope::new("short"))));
}

#[test]
fn a_child_is_in_a_scope_that_other_threads_are_in() {
    run(|| {
        let scope = Scope::new("of all");
        fork_while_others(move || scope.run(|| {}));
    });
}
