//! Laws 1 and 2: the lines of a call add up to the call, to the byte, and the same call has the
//! same numbers each time.
//!
//! The oracle is `stats_alloc`, as the inner allocator. Each function of the corpus is compiled
//! twice: without the attribute, to be measured by the oracle, and with it.

use memprof_tests::{Program, Row, Table, block, run};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};
use std::alloc::System;
use std::hint::black_box;
use std::thread;

#[global_allocator]
static ALLOC: memprof::CountingAlloc<&StatsAlloc<System>> =
    memprof::CountingAlloc::new(&INSTRUMENTED_SYSTEM).with_tags_behind();

/// Compiles functions with and without the attribute, and lists both with their names.
macro_rules! corpus {
    ($( $(#[$attr:meta])* fn $name:ident($count:ident: usize) -> usize $body:block )*) => {
        mod plain {
            use super::*;
            $( $(#[$attr])* pub(crate) fn $name($count: usize) -> usize $body )*
        }
        mod profiled {
            use super::*;
            use memprof::memprofile;
            $( #[memprofile(columns = "all", precision = 20)]
               $(#[$attr])* pub(crate) fn $name($count: usize) -> usize $body )*
        }
        const CORPUS: &[(&str, fn(usize) -> usize, fn(usize) -> usize)] =
            &[$( (stringify!($name), plain::$name, profiled::$name) ),*];
    };
}

/// As it comes out of somewhere else: a block of `bytes` bytes.
/// A value that allocates when it is dropped.
struct Parting;

impl Drop for Parting {
    fn drop(&mut self) {
        drop(block(333));
    }
}

corpus! {
    fn straight(count: usize) -> usize {
        let a = block(1000 + count);
        let b = block(10);
        drop(a);
        let c = String::from("text");
        b.len() + c.len()
    }

    fn nothing(count: usize) -> usize {
        count
    }

    fn kept_and_dropped_at_the_end(count: usize) -> usize {
        let a = block(100);
        let _guard = Parting;
        let b = block(200);
        a.len() + b.len() + count
    }

    fn a_loop(count: usize) -> usize {
        let mut kept = Vec::new();
        for index in 0..count {
            let temporary = block(1 << 16);
            if index % 10 == 0 {
                kept.push(block(100));
            } else if index == 7 {
                kept.push(block(7));
            }
            drop(temporary);
        }
        kept.len()
    }

    fn a_loop_whose_header_allocates(count: usize) -> usize {
        let mut sum = 0;
        for text in (0..count).map(|number| number.to_string()) {
            if text.len() == 2 {
                continue;
            }
            sum += text.len();
        }
        let mut rest = vec![1, 2, 3];
        while let Some(number) = rest.pop().map(|number: i32| number.to_string()) {
            sum += number.len();
        }
        sum
    }

    fn labels_and_breaks(count: usize) -> usize {
        let mut kept = Vec::new();
        let found = 'outer: loop {
            let held = block(50);
            for index in 0.. {
                let inner = block(20 + index);
                if kept.len() > count {
                    break 'outer held.capacity() + inner.capacity();
                }
                if index > 3 {
                    continue 'outer;
                }
                kept.push(inner);
            }
        };
        let value = 'block: {
            let big = block(500);
            if found > 1 {
                break 'block big.capacity();
            }
            2
        };
        found + value
    }

    fn recursion(count: usize) -> usize {
        let held = block(100);
        if count == 0 {
            return held.capacity();
        }
        let below = recursion(count - 1);
        below + block(count).capacity() + held.len()
    }

    fn early_return(count: usize) -> usize {
        let held = block(64);
        if count > 2 {
            let more = block(128);
            return more.capacity() + held.len();
        }
        held.len()
    }

    fn question_mark(count: usize) -> usize {
        fn parse(text: &str) -> Result<usize, String> {
            let copy = text.to_owned();
            copy.parse().map_err(|_| format!("{copy} is no number"))
        }
        let attempt = || -> Result<usize, String> {
            let first = parse("12")?;
            let second = parse("twelve")?;
            Ok(first + second)
        };
        let failed = attempt().unwrap_err();
        let Some(number) = parse(&count.to_string()).ok() else {
            return failed.len();
        };
        number + failed.len()
    }

    fn matches(count: usize) -> usize {
        let text = match count {
            0 => String::new(),
            1 | 2 => "few".to_owned(),
            number if number.to_string().len() > 5 => {
                let many = number.to_string();
                many + " is many"
            }
            _ => String::from("some"),
        };
        let longest = std::cmp::max(
            {
                let inner = text.clone();
                inner.len()
            },
            if count > 3 {
                block(77).capacity()
            } else {
                3
            },
        );
        longest + text.len()
    }

    fn growing_and_shrinking(count: usize) -> usize {
        let mut list = Vec::new();
        for number in 0..count * 10 {
            list.push(number);
        }
        list.truncate(3);
        list.shrink_to_fit();
        let zeroed = vec![0_u8; 4096];
        list.len() + zeroed.len()
    }

    fn a_panic_caught(count: usize) -> usize {
        let held = block(40);
        let caught = std::panic::catch_unwind(|| {
            let lost = block(80);
            if count > 0 {
                std::panic::resume_unwind(Box::new(7_u64));
            }
            lost.capacity()
        });
        held.len() + caught.err().map_or(0, |_| 1)
    }

    fn more_freed_than_made(count: usize) -> usize {
        let made_before = BEFORE.take();
        let length = made_before.len();
        drop(made_before);
        BEFORE.set(Vec::new());
        length + count
    }
}

thread_local! {
    static BEFORE: std::cell::Cell<Vec<Vec<u8>>> = const { std::cell::Cell::new(Vec::new()) };
}

/// Prepares the state that the functions use.
fn prepare() {
    BEFORE.set((0..5).map(block).collect());
}

/// Prints what the oracle counts for a function without the attribute, as a line of text.
///
/// Called in a child process without other tests, since the oracle counts the whole process.
fn say_oracle(name: &str, plain: fn(usize) -> usize, count: usize) {
    prepare();
    let region = Region::new(&INSTRUMENTED_SYSTEM);
    black_box(plain(black_box(count)));
    let Stats {
        bytes_allocated,
        bytes_deallocated,
        allocations,
        deallocations,
        ..
    } = region.change();
    // As the inner allocator, the oracle also sees the tag behind each block.
    let tag = 8;
    let bytes_allocated = bytes_allocated - tag * allocations;
    let bytes_deallocated = bytes_deallocated - tag * deallocations;
    println!("oracle {name}: {bytes_allocated} {bytes_deallocated} {allocations}");
}

/// All lines of [`say_oracle`] for `name` in `output`.
fn oracle(output: &str, name: &str) -> Vec<[i64; 3]> {
    let mark = format!("oracle {name}: ");
    let said = output.split(&mark).skip(1);
    let numbers = said.map(|rest| {
        let words = rest.lines().next().unwrap().split(' ');
        let numbers: Vec<i64> = words.map(|word| word.parse().unwrap()).collect();
        numbers.try_into().unwrap()
    });
    numbers.collect()
}

/// Runs each profiled function `times` times, and then once more on another thread.
fn call_all(count: usize, times: usize) {
    let call = move || {
        for (name, plain, profiled) in CORPUS {
            say_oracle(name, *plain, count);
            prepare();
            black_box(profiled(black_box(count)));
        }
    };
    for _ in 0..times {
        call();
    }
    thread::spawn(call).join().unwrap();
}

/// The tables by function, without those of recursive calls.
fn outermost(tables: Vec<Table>, count: usize) -> Vec<(&'static str, Vec<Table>)> {
    let mut tables = tables.into_iter().peekable();
    let mut by_name: Vec<(&str, Vec<Table>)> = CORPUS
        .iter()
        .map(|(name, _, _)| (*name, Vec::new()))
        .collect();
    while tables.peek().is_some() {
        for (name, of_name) in &mut by_name {
            let calls = if *name == "recursion" { count + 1 } else { 1 };
            let last = tables
                .by_ref()
                .take(calls)
                .last()
                .expect("a table of each call");
            assert_eq!(last.function(), format!("profiled::{name}"));
            of_name.push(last);
        }
    }
    by_name
}

#[test]
fn the_lines_of_a_call_add_up_to_what_the_oracle_counts() {
    for count in [0, 1, 3, 12] {
        let mut program = Program::new(|| {
            let count = std::env::var("COUNT").unwrap();
            call_all(count.parse().unwrap(), 1);
        });
        let output = program.env("COUNT", count.to_string()).stdout();
        for (name, tables) in outermost(Table::all_in(&output), count) {
            let oracle = oracle(&output, name);
            assert_eq!(oracle.len(), tables.len());
            for (table, expected) in tables.iter().zip(oracle) {
                let lines = ["Allocated", "Freed", "Count"].map(|heading| table.sum(heading));
                assert_eq!(lines, expected, "{name}({count}): {table:#?}");
                assert_eq!(table.sum("Net"), table.total("net"), "{name}({count})");
                let total = ["allocated", "freed"].map(|word| table.total(word));
                assert_eq!(total, expected[..2], "{name}({count})");
            }
        }
    }
}

#[test]
fn the_same_call_gives_the_same_heap_numbers_every_time() {
    const COUNT: usize = 12;
    let tables = run(|| call_all(COUNT, 5));
    for (name, tables) in outermost(tables, COUNT) {
        assert_eq!(tables.len(), 6, "{name}");
        let numbers = |table: &Table| -> Vec<Vec<String>> {
            let columns = ["Hits", "Allocated", "Freed", "Net", "Peak", "Count"];
            let row = |row: &Row| {
                columns
                    .iter()
                    .map(|name| row.cell(name).to_owned())
                    .collect()
            };
            table.rows.iter().map(row).collect()
        };
        for table in &tables {
            assert_eq!(numbers(table), numbers(&tables[0]), "{name}");
            let [summary, first] =
                [table, &tables[0]].map(|table| table.summary.split("; time").next());
            assert_eq!(summary, first);
        }
    }
}

#[test]
fn the_increments_of_a_call_add_up_to_what_resident_memory_did() {
    for (name, tables) in outermost(run(|| call_all(12, 2)), 12) {
        // In the tables of a recursive function, printing the inner tables is left out.
        if name == "recursion" {
            continue;
        }
        for table in tables {
            let entry = table.rows[0].number("Mem usage").unwrap();
            let last = table.rows.iter().rfind(|row| row.number("Hits").is_some());
            let exit = last.unwrap().number("Mem usage").unwrap();
            assert_eq!(table.sum("Increment"), exit - entry, "{name}: {table:#?}");
        }
    }
}
