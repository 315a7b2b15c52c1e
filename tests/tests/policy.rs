//! How often resident memory is read, and the time of lines.

use memprof::{LineReport, WhileRunning, memprofile, report};
use memprof_tests::{Program, Table, pause, run};
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

const PAGE: usize = 4096;

/// Memory that the kernel has not given any page of yet, but for the first.
fn untouched(bytes: usize) -> Vec<u8> {
    black_box(vec![0; bytes])
}

macro_rules! touches_in_a_hot_loop {
    ($name:ident, $($options:tt)*) => {
        #[memprofile($($options)*)]
        fn $name(memory: &mut [u8], times: usize) -> usize {
            let mut sum = 0;
            for round in 0..times {
                sum += round;
                sum ^= 1;
                if round % 1000 == 0 {
                    memory[round / 1000 * PAGE] = 1; // touch
                }
            }
            sum
        }
    };
}

touches_in_a_hot_loop!(
    by_default,
    precision = 20,
    columns = "default, hits",
    print = "exit"
);
touches_in_a_hot_loop!(
    exactly,
    precision = 20,
    columns = "default, hits",
    rss = "exact"
);
touches_in_a_hot_loop!(never, columns = "default, hits", rss = "off");

#[test]
fn no_increment_of_a_hot_loop_is_lost() {
    const TIMES: usize = 1_000_000;
    let tables = run(|| {
        by_default(&mut untouched(TIMES / 1000 * PAGE), TIMES);
    });
    let table = &tables[0];

    // Between the first row and the last, all that there was.
    let baseline = table.rows[0].number("Increment").unwrap();
    let last = table.rows.last().unwrap().number("Mem usage").unwrap();
    assert_eq!(table.sum("Increment"), last - baseline);
    let touched = i64::try_from((TIMES / 1000 - 1) * PAGE).unwrap();
    assert!(table.sum("Increment") >= touched, "{table:?}");
    // And most of the four million lines without a reading.
    let said = table
        .summary
        .split("resident memory read at ")
        .nth(1)
        .unwrap();
    let readings: u64 = said
        .split(' ')
        .next()
        .unwrap()
        .replace(',', "")
        .parse()
        .unwrap();
    assert!((16..1_000_000).contains(&readings), "{readings}");
}

#[test]
fn exact_is_a_reading_for_each_line() {
    let tables = run(|| {
        exactly(&mut untouched(1 << 20), 10_000);
    });
    let touch = tables[0].row("touch");
    assert_eq!(touch.number("Hits"), Some(10));
    assert_eq!(touch.number("Increment"), Some(9 * 4096));
    assert!(
        !tables[0].summary.contains("resident"),
        "{}",
        tables[0].summary
    );
}

#[test]
fn the_first_executions_are_exact_in_a_hot_loop_too() {
    let tables = run(|| {
        by_default(&mut untouched(1 << 20), 10_000);
    });
    let touch = tables[0].row("touch");
    assert_eq!(touch.number("Hits"), Some(10));
    // What was not read before may land here, too.
    assert!(touch.number("Increment") >= Some(9 * 4096), "{touch:?}");
}

#[test]
fn off_is_no_reading_at_all() {
    let tables = run(|| {
        never(&mut untouched(1 << 20), 10_000);
    });
    let touch = tables[0].row("touch");
    assert_eq!(
        (touch.cell("Mem usage"), touch.cell("Increment")),
        ("n/a", "n/a")
    );
    assert_eq!(touch.number("Hits"), Some(10));
}

#[test]
fn the_environment_says_how_often_over_the_attribute() {
    let mut program = Program::new(|| {
        never(&mut untouched(1 << 20), 10_000);
    });
    let output = program.env("MEMPROF_RSS", "exact").stdout();
    let touch = Table::all_in(&output)[0].row("touch").number("Increment");
    // With one decimal, that is all.
    assert!(touch.is_some(), "{output}");
}

#[memprofile(print = "exit", columns = "time, hits")]
fn takes_time(depth: u32) -> u32 {
    let mut sum = 0;
    for round in 0..100_u32 {
        sum ^= black_box(round);
    }
    if depth > 0 {
        sum ^= takes_time(depth - 1); // inner
    }
    sum ^ also_takes_time(depth)
}

#[memprofile(print = "exit", columns = "time, hits")]
fn also_takes_time(depth: u32) -> u32 {
    black_box(depth)
}

#[test]
fn the_times_of_lines_add_up_and_recursion_counts_none_twice() {
    run(|| {
        for _ in 0..10 {
            takes_time(5);
        }
        let report = report();
        let [outer, inner] = &report.functions[..] else {
            panic!("two functions have run");
        };
        assert_eq!((outer.call_count, inner.call_count), (60, 60));
        for function in [outer, inner] {
            let elapsed = |line: &LineReport| {
                let running: Option<WhileRunning> = line.while_running;
                running.map_or(Duration::ZERO, |running| running.elapsed)
            };
            let sum: Duration = function.lines.iter().map(elapsed).sum();
            // Each line's has been rounded to a nanosecond.
            let rounded = Duration::from_nanos(function.lines.len() as u64);
            assert!(
                sum.abs_diff(function.inclusive_elapsed) <= rounded,
                "{report:#?}"
            );
            assert!(function.own_elapsed > Duration::ZERO);
        }
        let sum = outer.own_elapsed + inner.own_elapsed;
        // What was in neither function's own time was in no function at all.
        assert!(
            sum.abs_diff(outer.inclusive_elapsed) <= Duration::from_nanos(2),
            "{report:#?}"
        );
        assert_eq!(inner.own_elapsed, inner.inclusive_elapsed);
    });
}

#[memprofile(print = "exit", columns = "time, hits")]
async fn waits() {
    pause().await;
}

#[memprofile(print = "exit", columns = "time, hits")]
fn polls_twice() {
    let mut context = Context::from_waker(Waker::noop());
    let mut waits = pin!(waits());
    assert!(waits.as_mut().poll(&mut context).is_pending());
    also_takes_time(1); // between the polls
    assert!(waits.as_mut().poll(&mut context).is_ready());
}

#[test]
fn the_time_of_a_task_is_that_of_its_polls() {
    run(|| {
        polls_twice();
        let report = report();
        let of = |name: &str| {
            let found = report
                .functions
                .iter()
                .find(|found| found.path.ends_with(name));
            found.unwrap()
        };
        let inclusive = ["waits", "also_takes_time"].map(|name| of(name).inclusive_elapsed);
        let outer = of("polls_twice");
        // Were the time between its polls the task's, it would be counted twice here.
        let sum = outer.own_elapsed + inclusive.into_iter().sum::<Duration>();
        let rounded = Duration::from_nanos(4);
        assert!(
            sum.abs_diff(outer.inclusive_elapsed) <= rounded,
            "{report:#?}"
        );
        assert!(inclusive.iter().all(|elapsed| *elapsed > Duration::ZERO));
    });
}

#[test]
fn the_line_below_has_the_times_of_calls() {
    let tables = run(|| {
        takes_time(1);
        takes_time(0);
    });
    let said = tables[0].summary.split("; time ").nth(1).unwrap();
    assert!(
        said.contains(", own ") && said.ends_with(" a call"),
        "{said}"
    );
}

#[test]
fn whether_the_kernel_rounds_is_said() {
    let report = report();
    assert!(report.resident_is_exact.is_some() || !cfg!(target_os = "linux"));
}
