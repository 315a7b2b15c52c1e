//! Compares the allocations of lines in a report with expected numbers.

use memprof::report::{Allocations, FunctionReport, LineReport, Report};
use std::panic::Location;

/// Bytes and blocks alive, bytes and blocks allocated.
#[must_use]
pub fn numbers(made: Allocations) -> [i64; 4] {
    let [bytes, blocks] = [made.allocated_bytes, made.allocation_count].map(u64::cast_signed);
    [made.live_bytes(), made.live_count(), bytes, blocks]
}

/// The line that contains `words`, in the function whose path ends in `function`.
///
/// # Panics
///
/// If there is no such line, or more than one.
#[must_use]
#[track_caller]
pub fn line<'a>(report: &'a Report, function: &str, words: &str) -> &'a LineReport {
    let lines = &named(report, function).lines;
    let mut with_words = lines.iter().filter(|line| line.source.contains(words));
    match (with_words.next(), with_words.next()) {
        (Some(line), None) => line,
        _ => panic!("not one line with {words:?} in {lines:#?}"),
    }
}

/// The [`numbers`] of a [`line()`].
///
/// # Panics
///
/// Like [`line()`].
#[must_use]
#[track_caller]
pub fn made(report: &Report, function: &str, words: &str) -> [i64; 4] {
    numbers(line(report, function, words).own)
}

/// Asserts that lines of `function` have the [`numbers`] in `expected`, and that its other lines
/// allocated nothing.
///
/// # Panics
///
/// If a number differs.
#[track_caller]
pub fn assert_made(report: &Report, function: &str, expected: &[(&str, [i64; 4])]) {
    for (words, line) in expected {
        let made = made(report, function, words);
        assert_eq!(made, *line, "{words} in {function}");
    }
    let lines = named(report, function).lines.iter();
    let all = sum(lines.map(|line| numbers(line.own)));
    let expected = sum(expected.iter().map(|(_, line)| *line));
    assert_eq!(all, expected, "other lines of {function}");
}

/// The function whose path ends in `function`; of several, the one in the caller's file.
#[track_caller]
fn named<'a>(report: &'a Report, function: &str) -> &'a FunctionReport {
    let ending = format!("::{function}");
    let functions = report.functions.iter();
    let mut named: Vec<_> = functions
        .filter(|named| named.path.ends_with(&ending))
        .collect();
    if named.len() > 1 {
        let file = Location::caller().file();
        named.retain(|named| named.file == file);
    }
    let [named] = named[..] else {
        let paths: Vec<&str> = report.functions.iter().map(|named| &*named.path).collect();
        panic!("not one {function:?} in {paths:?}")
    };
    named
}

fn sum(all: impl Iterator<Item = [i64; 4]>) -> [i64; 4] {
    all.fold([0; 4], |sum, numbers| {
        std::array::from_fn(|index| sum[index] + numbers[index])
    })
}

/// Asserts law 3 for each quantity: the sum over all lines and the untracked rest is the total of
/// the process. No function, callees included, allocated or freed more than the process.
///
/// # Panics
///
/// If the law doesn't hold.
#[track_caller]
pub fn assert_law_3(report: &Report) {
    let lines = report.functions.iter().flat_map(|function| &function.lines);
    let lines = lines.map(|line| all_numbers(&line.own));
    let untracked = all_numbers(&report.untracked);
    let sum = lines.fold(untracked, |sum, numbers| {
        std::array::from_fn(|index| sum[index] + numbers[index])
    });
    let process = all_numbers(&report.total);
    assert_eq!(sum, process, "{report:#?}");
    for function in &report.functions {
        let inclusive = all_numbers(&function.inclusive());
        // The other quantities may be negative for some lines, so a function can exceed the total.
        for index in 0..CAN_ONLY_GROW {
            let is_within = inclusive[index] <= process[index];
            assert!(is_within, "{index} of {}: {report:#?}", function.path);
        }
    }
}

/// The first numbers of [`all_numbers`], which never decrease.
const CAN_ONLY_GROW: usize = 6;

/// All quantities except the bytes at the peak, which are taken at different moments while other
/// threads run.
fn all_numbers(made: &Allocations) -> [i64; 10] {
    let grown = [
        made.allocated_bytes,
        made.allocation_count,
        made.freed_bytes,
        made.deallocation_count,
        made.temporary_count,
        made.moved_bytes,
    ];
    let others = [
        made.transferred_bytes,
        made.transferred_count,
        made.live_bytes(),
        made.live_count(),
    ];
    let mut all = [0; 10];
    all[..CAN_ONLY_GROW].copy_from_slice(&grown.map(u64::cast_signed));
    all[CAN_ONLY_GROW..].copy_from_slice(&others);
    all
}
