//! `#[memprofile(max_peak = .., max_net = ..)]`: functions that keep to a budget in
//! production, or are told of.

use memprof::{memprofile, on_exceed};
use memprof_tests::{Program, block, pause};
use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

fn is_exceeded(work: impl FnOnce() + panic::UnwindSafe) -> Option<String> {
    let panic = panic::catch_unwind(work).err()?;
    Some(*panic.downcast::<String>().expect("the message has numbers"))
}

#[memprofile(
    print = "never",
    max_peak = "2 KiB",
    max_net = 100,
    on_exceed = "panic"
)]
fn limited(peak: usize, net: usize) -> Vec<u8> {
    drop(block(peak));
    block(net)
}

#[test]
fn a_call_may_go_up_to_its_limits_and_not_beyond() {
    assert_eq!(is_exceeded(|| drop(limited(2048, 100))), None);

    let said = is_exceeded(|| drop(limited(2049, 100))).expect("one byte more");
    let line = "memory budget exceeded: guards::limited (tests/tests/guards.rs:";
    assert!(said.starts_with(line), "{said}");
    assert!(
        said.ends_with(") had a peak of 2,049 B, and max_peak is 2,048 B"),
        "{said}"
    );

    let said = is_exceeded(|| drop(limited(0, 101))).expect("one byte more");
    assert!(
        said.ends_with(") left 101 B, and max_net is 100 B"),
        "{said}"
    );

    let said = is_exceeded(|| drop(limited(3000, 101))).expect("both");
    let both = ") had a peak of 3,000 B, and max_peak is 2,048 B; left 101 B, and max_net is 100 B";
    assert!(said.ends_with(both), "{said}");
}

#[memprofile(
    columns = "peak",
    stream = "stderr",
    max_peak = 10,
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

#[memprofile(print = "never", max_peak = 10, on_exceed = "panic")]
fn panics() {
    drop(block(11));
    panic!("{}", "for another reason");
}

#[test]
fn a_call_that_panics_is_not_looked_at() {
    assert_eq!(is_exceeded(panics).as_deref(), Some("for another reason"));
}

#[memprofile(print = "never", max_peak = 300, max_net = 0, on_exceed = "panic")]
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

#[memprofile(print = "never", max_net = 0, on_exceed = "panic")]
impl Cache {
    fn finds(&self) -> usize {
        block(10 + self.0).capacity()
    }

    #[memprofile(max_net = 20)]
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
    #[memprofile(print = "never", max_net = 5, on_exceed = "panic")]
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

#[memprofile(print = "never", max_peak = 1)]
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
        lines[0].ends_with(") had a peak of 2 B, and max_peak is 1 B"),
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

#[memprofile(print = "never", max_peak = 1, on_exceed = "callback")]
fn reported(bytes: usize) {
    drop(block(bytes));
}

#[test]
fn the_program_is_told_of_each_offence_and_its_own_are_passed_over() {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static BYTES: AtomicU64 = AtomicU64::new(0);
    // Set nowhere else.
    on_exceed(|offence| {
        assert_eq!(offence.function, "guards::reported");
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
