//! `#[memprofile(max_peak_bytes = .., max_net_bytes = ..)]`: budgets of functions in production,
//! and what happens when a call exceeds one.

use memprof::budget::on_exceed;
use memprof::memprofile;
use memprof_tests::{Program, block, pause};
use std::future::Future;
use std::panic;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::time::Instant;

fn is_exceeded(work: impl FnOnce() + panic::UnwindSafe) -> Option<String> {
    let panic = panic::catch_unwind(work).err()?;
    Some(*panic.downcast::<String>().expect("the message has numbers"))
}

#[memprofile(
    print = "never",
    max_peak_bytes = "2 KiB",
    max_net_bytes = 100,
    on_exceed = "panic"
)]
fn limited(peak: usize, net: usize) -> Vec<u8> {
    drop(block(peak));
    block(net)
}

#[memprofile(max_peak_bytes = "1 MiB")]
fn quiet() {
    drop(block(10));
}

#[memprofile(max_peak_bytes = "1 MiB", print = "call")]
fn asked() {
    drop(block(10));
}

#[test]
fn a_function_with_a_budget_has_no_table_unless_it_asks() {
    let said = Program::new(|| {
        quiet();
        asked();
    })
    .stdout();
    assert!(said.contains("fn asked()"), "{said}");
    assert!(!said.contains("fn quiet()"), "{said}");
}

#[test]
fn a_call_may_go_up_to_its_limits_and_not_beyond() {
    assert_eq!(is_exceeded(|| drop(limited(2048, 100))), None);

    let said = is_exceeded(|| drop(limited(2049, 100))).expect("one byte more");
    let line = "memory budget exceeded: budget::function_budgets::limited (tests/tests/budget/function_budgets.rs:";
    assert!(said.starts_with(line), "{said}");
    assert!(
        said.ends_with(") had a peak of 2,049 B, and max_peak_bytes is 2,048 B"),
        "{said}"
    );

    let said = is_exceeded(|| drop(limited(0, 101))).expect("one byte more");
    assert!(
        said.ends_with(") left 101 B, and max_net_bytes is 100 B"),
        "{said}"
    );

    let said = is_exceeded(|| drop(limited(3000, 101))).expect("both");
    let both = ") had a peak of 3,000 B, and max_peak_bytes is 2,048 B; left 101 B, and max_net_bytes is 100 B";
    assert!(said.ends_with(both), "{said}");
}

#[memprofile(
    columns = "peak",
    stream = "stderr",
    max_peak_bytes = 10,
    on_exceed = "panic"
)]
fn shown(bytes: usize) {
    drop(block(bytes));
}

#[test]
fn a_function_that_is_shown_is_guarded_too() {
    assert_eq!(is_exceeded(|| shown(10)), None);
    assert!(is_exceeded(|| shown(11)).is_some());
}

#[memprofile(
    print = "never",
    max_peak_bytes = "1 MiB",
    max_net_bytes = 0,
    on_exceed = "panic"
)]
fn panics(bytes: usize) {
    drop(block(bytes));
    panic!("{}", "for another reason");
}

/// Calls a function that exceeds its budget while the thread is already unwinding.
struct CallsWhenDropped;

impl Drop for CallsWhenDropped {
    fn drop(&mut self) {
        shown(12);
    }
}

/// The stderr of a program, which has to be three lines: messages about budgets and the program's
/// own.
fn three_lines_said(mut program: Program) -> Vec<String> {
    let output = program.env("RUST_BACKTRACE", "0").output();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");

    let is_one = |line: &&str| line.starts_with("memprof: ") || *line == "and now";
    let lines: Vec<String> = said.lines().filter(is_one).map(str::to_owned).collect();
    assert_eq!(lines.len(), 3, "{said}");
    lines
}

#[test]
fn a_call_that_panics_is_looked_at_and_keeps_its_panic() {
    let program = Program::new(|| {
        assert_eq!(
            is_exceeded(|| panics(1000)).as_deref(),
            Some("for another reason")
        );
        eprintln!("and now");
        assert_eq!(
            is_exceeded(|| panics(3 << 20)).as_deref(),
            Some("for another reason")
        );
        assert_eq!(
            is_exceeded(|| {
                let _calls = CallsWhenDropped;
                panic!("{}", "around it");
            })
            .as_deref(),
            Some("around it")
        );
    });
    let lines = three_lines_said(program);
    // The program's own line.
    assert_eq!(lines[0], "and now");
    assert!(
        lines[1].starts_with(
            "memprof: budget::function_budgets::panics (tests/tests/budget/function_budgets.rs:"
        ),
        "{lines:?}"
    );
    assert!(
        lines[1].contains(
            ") had a peak of 3,145,728 B, and max_peak_bytes is 1,048,576 B (it panicked,"
        ),
        "{lines:?}"
    );
    assert!(
        lines[2].ends_with(") had a peak of 12 B, and max_peak_bytes is 10 B"),
        "{lines:?}"
    );
}

#[memprofile(
    print = "never",
    max_peak_bytes = 300,
    max_net_bytes = 0,
    on_exceed = "panic"
)]
async fn waits(bytes: usize) {
    let kept = block(200);
    pause().await;
    drop(block(bytes));
    pause().await;
    drop(kept);
}

#[test]
fn an_async_call_is_measured_in_its_polls() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .build()
        .expect("a runtime starts");
    let run = |bytes| {
        runtime.block_on(async {
            let tasks: Vec<_> = (0..50).map(|_| tokio::spawn(waits(bytes))).collect();
            let mut panics = 0;
            for task in tasks {
                panics += u32::from(task.await.is_err());
            }
            panics
        })
    };
    assert_eq!(run(100), 0);
    assert_eq!(run(101), 50);
}

struct Cache(usize);

#[memprofile(print = "never", max_net_bytes = 0, on_exceed = "panic")]
impl Cache {
    fn finds(&self) -> usize {
        block(10 + self.0).capacity()
    }

    #[memprofile(max_net_bytes = 20)]
    fn fills(&self, bytes: usize) -> Vec<u8> {
        block(self.0 + bytes)
    }
}

#[test]
fn a_budget_on_an_impl_is_each_functions() {
    assert_eq!(Cache(0).finds(), 10);
    assert_eq!(Cache(0).fills(20).capacity(), 20);
    assert!(is_exceeded(|| drop(Cache(0).fills(21))).is_some());
}

#[async_trait::async_trait]
trait Loads {
    async fn load(&self, bytes: usize) -> Vec<u8>;
}

#[async_trait::async_trait]
impl Loads for Cache {
    #[memprofile(print = "never", max_net_bytes = 5, on_exceed = "panic")]
    async fn load(&self, bytes: usize) -> Vec<u8> {
        pause().await;
        block(bytes)
    }
}

#[tokio::test]
async fn a_boxed_future_is_guarded() {
    assert_eq!(Cache(0).load(5).await.capacity(), 5);
    assert!(
        tokio::spawn(async { Cache(0).load(6).await })
            .await
            .is_err()
    );
}

#[memprofile(print = "never", max_peak_bytes = 1)]
fn warned(bytes: usize) {
    drop(block(bytes));
}

#[test]
fn offences_are_lines_on_the_standard_error_and_not_more_than_one_in_a_second() {
    let mut program = Program::new(|| {
        for _ in 0..10_000 {
            warned(2);
        }
    });
    let begin = Instant::now();
    let output = program.output();
    let seconds = begin.elapsed().as_secs();
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("memprof: "))
        .collect();
    assert!(
        lines[0].ends_with(") had a peak of 2 B, and max_peak_bytes is 1 B"),
        "{said}"
    );
    assert!(lines.len() as u64 <= seconds + 1, "{said}");
}

#[test]
fn nothing_is_said_where_profiling_is_off() {
    let mut program = Program::new(|| {
        warned(2);
        limited(5000, 5000);
    });
    let output = program.env("MEMPROF", "off").output();
    assert!(output.status.success());
    assert!(!String::from_utf8_lossy(&output.stderr).contains("memprof"));
}

#[memprofile(print = "never", max_peak_bytes = 1, on_exceed = "callback")]
fn reported(bytes: usize) {
    drop(block(bytes));
}

#[test]
fn the_program_is_told_of_each_offence_and_its_own_are_passed_over() {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static BYTES: AtomicU64 = AtomicU64::new(0);
    // No other test sets the callback.
    on_exceed(|offence| {
        assert_eq!(offence.function, "budget::function_budgets::reported");
        COUNT.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(offence.usage.peak_bytes, Ordering::Relaxed);
        reported(1000);
    });
    for bytes in 0..10 {
        reported(bytes);
    }
    assert_eq!(COUNT.load(Ordering::Relaxed), 8);
    assert_eq!(BYTES.load(Ordering::Relaxed), (2..10).sum::<u64>());
}

#[memprofile(print = "never", max_peak_bytes = 300, on_exceed = "panic")]
async fn is_given_up(bytes: usize) {
    drop(block(bytes));
    pause().await;
    pause().await;
}

#[memprofile(print = "never", max_net_bytes = 0, on_exceed = "panic")]
async fn keeps_until_it_is_dropped() {
    let kept = block(1000);
    pause().await;
    drop(kept);
}

#[memprofile(print = "never", max_peak_bytes = "1 MiB", on_exceed = "panic")]
async fn panics_in_a_poll(bytes: usize) {
    pause().await;
    drop(block(bytes));
    panic!("{}", "in a poll");
}

/// Polls a future once, and drops it.
fn give_up(future: impl Future) {
    let mut context = Context::from_waker(Waker::noop());
    assert!(pin!(future).poll(&mut context).is_pending());
}

#[test]
fn a_future_that_is_given_up_is_a_line_and_no_panic() {
    let program = Program::new(|| {
        // A future that is never polled is no call.
        drop(is_given_up(500));
        give_up(is_given_up(300));
        // Blocks in the future are freed when it is dropped.
        give_up(keeps_until_it_is_dropped());
        eprintln!("and now");
        give_up(is_given_up(301));

        let poll = || {
            let mut future = pin!(panics_in_a_poll(2 << 20));
            let mut context = Context::from_waker(Waker::noop());
            while future.as_mut().poll(&mut context).is_pending() {}
        };
        assert_eq!(is_exceeded(poll).as_deref(), Some("in a poll"));
    });
    let lines = three_lines_said(program);
    assert_eq!(lines[0], "and now");
    assert!(
        lines[1].ends_with(") had a peak of 301 B, and max_peak_bytes is 300 B"),
        "{lines:?}"
    );
    assert!(
        lines[2].contains(
            ") had a peak of 2,097,152 B, and max_peak_bytes is 1,048,576 B (it panicked,"
        ),
        "{lines:?}"
    );
}

#[memprofile(print = "never", max_peak_bytes = "1 KiB", on_exceed = "callback")]
fn is_told_of(bytes: usize) {
    drop(block(bytes));
    panic!("{}", "the call");
}

#[test]
fn a_callback_that_panics_about_a_call_that_does_ends_neither_the_process_nor_the_panic() {
    let mut program = Program::new(|| {
        on_exceed(|offence| {
            assert!(offence.has_panicked);
            panic!("{}", "the callback");
        });
        assert_eq!(
            is_exceeded(|| is_told_of(5000)).as_deref(),
            Some("the call")
        );
        println!("still here");
    });
    assert!(
        program
            .env("RUST_BACKTRACE", "0")
            .stdout()
            .contains("still here")
    );
}
