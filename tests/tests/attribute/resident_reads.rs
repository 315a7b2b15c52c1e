//! How often resident memory is read (`rss`), and the time of lines.

use memprof::report::{LineExecution, LineReport};
use memprof::{memprofile, report};
use memprof_tests::{Program, Table, pause, run};
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

const PAGE: usize = 4096;

/// Memory that isn't resident yet, except for the first page.
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

    // The increments add up to the difference between the first and the last row.
    let baseline = table.rows[0].number("Increment").unwrap();
    let last = table.rows.last().unwrap().number("Mem usage").unwrap();
    assert_eq!(table.sum("Increment"), last - baseline);
    let touched = i64::try_from((TIMES / 1000 - 1) * PAGE).unwrap();
    assert!(table.sum("Increment") >= touched, "{table:?}");
    // For most of the four million executed lines, resident memory wasn't read.
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
        let [mut before, mut memory] = [(); 2].map(|()| untouched(1 << 20));
        // The first call has the system map the code that it runs.
        exactly(&mut before, 10_000);
        exactly(&mut memory, 10_000);
    });
    let table = &tables[1];
    let touch = table.row("touch");
    assert_eq!(touch.number("Hits"), Some(10));
    assert_eq!(touch.number("Increment"), Some(9 * 4096));
    assert!(
        !table.summary.contains("; resident memory"),
        "{}",
        table.summary
    );
}

#[test]
fn the_first_executions_are_exact_in_a_hot_loop_too() {
    let tables = run(|| {
        by_default(&mut untouched(1 << 20), 10_000);
    });
    let touch = tables[0].row("touch");
    assert_eq!(touch.number("Hits"), Some(10));
    // The line may also get increments of lines for which nothing was read.
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
    // With one decimal, the number itself says little.
    assert!(touch.is_some(), "{output}");
}

/// Has an argument of 128 KiB, which is copied into the future before the first line.
#[memprofile(precision = 20)]
#[expect(
    clippy::unused_async,
    clippy::large_types_passed_by_value,
    reason = "its first poll, and the copy, are what is looked at"
)]
async fn takes_much_along(much: [u8; 1 << 17]) -> usize {
    let length = black_box(&much).len();
    length + 1
}

/// A function on one line. Resident memory falls and rises between its calls.
#[rustfmt::skip]
mod on_one_line {
    use memprof::memprofile;
    #[memprofile(print = "exit", precision = 20)] pub(super) fn keeps() -> Vec<u8> { vec![1; 1 << 20] }
}

#[test]
#[expect(clippy::large_stack_arrays, reason = "it is to be copied")]
fn the_first_row_has_one_reading_in_both_columns() {
    let tables = run(|| {
        let mut future = Box::pin(takes_much_along([1; 1 << 17]));
        let mut context = Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut context).is_ready());

        let first = on_one_line::keeps();
        drop(vec![1_u8; 64 << 20]);
        drop(first);
        let _held = vec![1_u8; 32 << 20];
        on_one_line::keeps();
    });

    for table in &tables {
        let row = &table.rows[0];
        assert!(row.number("Mem usage") > Some(0), "{table:#?}");
        assert_eq!(row.cell("Mem usage"), row.cell("Increment"), "{table:#?}");
    }
    // The copy isn't part of any line's increment.
    assert!(tables[0].sum("Increment") < 1 << 17, "{tables:#?}");
    let last = tables[0].rows.last().unwrap().number("Mem usage").unwrap();
    let entry = tables[0].rows[0].number("Mem usage").unwrap();
    assert_eq!(tables[0].sum("Increment"), last - entry);
}

#[memprofile(print = "exit", precision = 20, columns = "default, hits")]
fn calls_itself(depth: u32) -> u32 {
    if depth == 0 {
        return 1; // innermost
    }
    calls_itself(depth - 1) + calls_itself(depth - 1)
}

#[memprofile(precision = 20, columns = "default, hits")]
fn is_printed_each_time(depth: u32) -> u32 {
    if depth == 0 {
        return 1; // innermost
    }
    is_printed_each_time(depth - 1) + depth
}

#[test]
fn a_line_that_was_not_read_has_the_last_reading_and_no_zero() {
    let tables = run(|| {
        let held = vec![1_u8; 32 << 20];
        for _ in 0..100 {
            is_printed_each_time(2);
        }
        calls_itself(5);
        drop(held);

        let report = report();
        let lines = report.functions.iter().flat_map(|function| &function.lines);
        for line in lines.filter(|line| line.hits > Some(0)) {
            let running = line.while_running.unwrap();
            assert!(running.resident_bytes > Some(32 << 20), "{line:#?}");
        }
    });

    assert_eq!(tables.len(), 301);
    let mut unread_count = 0;
    for table in &tables {
        let rows = table.rows.iter().filter(|row| row.number("Hits").is_some());
        for row in rows {
            assert!(row.number("Mem usage") > Some(32 << 20), "{table:#?}");
        }
        if table.summary.contains("resident memory read at 0 of ") {
            unread_count += 1;
            assert_eq!(table.rows[2].cell("Increment"), "", "{table:#?}");
        }
    }
    assert!(unread_count > 0, "{:#?}", tables.last());
    let innermost = tables[300].row("// innermost");
    assert_eq!(innermost.number("Hits"), Some(32));
    assert_eq!(innermost.cell("Increment"), "");
}

#[memprofile(precision = 20, columns = "default, hits, net")]
fn keeps_in_a_hot_loop(times: u64) -> Vec<Vec<u64>> {
    let mut kept = Vec::new();
    let mut count = 0;
    for number in 0..times {
        count += 1;
        let text = number.to_string(); // made
        let length = text.len() as u64;
        kept.push(vec![length; 8]); // kept
        count ^= length;
        drop(text); // dropped
    }
    black_box(count);
    kept
}

#[test]
fn what_came_over_several_lines_belongs_to_the_one_that_kept_most() {
    const TIMES: u64 = 200_000;
    let tables = run(|| {
        keeps_in_a_hot_loop(TIMES);
    });

    let table = &tables[0];
    let kept = table.row("// kept").number("Increment").unwrap();
    let bytes = i64::try_from(TIMES * 64).unwrap();
    assert!(kept > bytes * 3 / 4, "{table:#?}");
    for words in ["count += 1", "for number", "let length", "count ^= length"] {
        // Only pages of the first executions, for which resident memory is read at each line.
        let pages = table.row(words).number("Increment").unwrap();
        assert!(pages < 1 << 20, "{words}: {table:#?}");
    }
    let entry = table.rows[0].number("Mem usage").unwrap();
    let last = table.rows.last().unwrap().number("Mem usage").unwrap();
    assert_eq!(table.sum("Increment"), last - entry);
}

/// Touches memory on a line that allocates nothing, after lines that allocate.
#[memprofile(precision = 20)]
fn touches_after_small_blocks(memory: &mut [u8], times: usize) -> usize {
    let mut sum = 0;
    for _ in 0..times {
        sum += vec![0_u8; 10].len(); // small
    }
    memory.fill(1); // touch
    sum
}

#[test]
fn memory_that_is_touched_is_not_a_small_blocks() {
    let tables = run(|| {
        // Allocate all at once, since the allocator would reuse memory that was touched.
        let mut memories: Vec<_> = (0..20).map(|_| untouched(16 << 20)).collect();
        for memory in &mut memories {
            touches_after_small_blocks(memory, 100);
        }
    });

    for table in &tables {
        let touch = table.row("// touch").number("Increment");
        assert!(touch > Some(15 << 20), "{table:#?}");
    }
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
        assert_eq!((outer.call_count, inner.call_count), (Some(60), Some(60)));
        for function in [outer, inner] {
            let elapsed = |line: &LineReport| {
                let running: Option<LineExecution> = line.while_running;
                running.map_or(Duration::ZERO, |running| running.elapsed)
            };
            let sum: Duration = function.lines.iter().map(elapsed).sum();
            // The time of each line is rounded to a nanosecond.
            let rounded = Duration::from_nanos(function.lines.len() as u64);
            assert!(
                sum.abs_diff(function.inclusive_elapsed) <= rounded,
                "{report:#?}"
            );
            assert!(function.own_elapsed > Duration::ZERO);
        }
        let sum = outer.own_elapsed + inner.own_elapsed;
        // Time that is in neither function's own time was spent outside of both.
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
        // If time between polls were counted for the task, the sum would be larger.
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
