//! The sentences below a table: which lines own the memory that is still alive, and which allocated
//! the blocks that were freed at once.
//!
//! They cover all calls of the function since the process began, and say so below the table of one
//! call out of several.

use crate::model::options::{Print, TableSettings};
use crate::model::site::Site;
use crate::model::table::OwnedBlocks;
use crate::model::units::{blocks, bytes, grouped};
use crate::record::owned::OfFunction;
use std::cmp::Reverse;

/// The smallest amount of live memory that gets a sentence: more than half of the 0.1 MiB that a
/// table shows by default.
const LEAST_LIVE_BYTES: i64 = 64 << 10;

/// The smallest number of temporary blocks that gets a sentence.
const LEAST_TEMPORARY_COUNT: u64 = 100;
/// They must also be at least one in this many of the blocks that the function allocated.
const LEAST_TEMPORARY_SHARE: u64 = 10;

/// The most lines that a sentence names.
const MOST_LINES: usize = 3;

/// The sentences below the table of a function: none, one or two.
pub(crate) fn words(
    settings: &TableSettings,
    site: &Site,
    of_function: &OfFunction,
) -> Vec<String> {
    let calls = match of_function.call_count {
        0 | 1 => String::new(),
        _ if settings.print != Print::Call => String::new(),
        count => grouped(count.into()),
    };
    let by_line = |number: fn(&OwnedBlocks) -> i64| {
        let numbers = of_function.lines.iter().map(number);
        let lines = site.lines().iter().copied().zip(numbers);
        let mut lines: Vec<(u32, i64)> = lines.filter(|(_, number)| *number > 0).collect();
        lines.sort_by_key(|(line, number)| (Reverse(*number), *line));
        lines
    };
    let kept = kept(&calls, of_function, &by_line(|line| line.live_bytes));
    let temporary = by_line(|line| line.temporary_count.cast_signed());
    let temporary = self::temporary(&calls, of_function, &temporary);
    kept.into_iter().chain(temporary).collect()
}

fn kept(calls: &str, of_function: &OfFunction, lines: &[(u32, i64)]) -> Option<String> {
    let live_bytes: i64 = lines.iter().map(|(_, bytes)| bytes).sum();
    if live_bytes < LEAST_LIVE_BYTES {
        return None;
    }
    let keeping = of_function.lines.iter().filter(|line| line.live_bytes > 0);
    let live_count: i64 = keeping.map(|line| line.live_count).sum();
    let of_calls = match calls {
        "" => String::new(),
        calls => format!(" of what {calls} calls made"),
    };
    let amount = |number: i64| bytes(number.into());
    Some(format!(
        "Still alive{of_calls}: {} in {}{}",
        amount(live_bytes),
        blocks(live_count.into()),
        made_in(lines, live_count == 1, amount)
    ))
}

fn temporary(calls: &str, of_function: &OfFunction, lines: &[(u32, i64)]) -> Option<String> {
    let sum = |number: fn(&OwnedBlocks) -> u64| of_function.lines.iter().map(number).sum::<u64>();
    let temporary_count = sum(|line| line.temporary_count);
    let allocation_count = sum(|line| line.allocation_count);
    let is_much = temporary_count >= LEAST_TEMPORARY_COUNT
        && temporary_count.saturating_mul(LEAST_TEMPORARY_SHARE) >= allocation_count;
    let in_calls = match calls {
        "" => String::new(),
        calls => format!(" in {calls} calls"),
    };
    let amount = |number: i64| grouped(number.into());
    is_much.then(|| {
        format!(
            "Freed at once{in_calls}: {} of {}{}",
            grouped(temporary_count.into()),
            blocks(allocation_count.into()),
            made_in(lines, false, amount)
        )
    })
}

/// The end of a sentence: the lines that allocated nine tenths of the amount, largest first, and
/// the number of others.
fn made_in(lines: &[(u32, i64)], is_one_block: bool, amount: impl Fn(i64) -> String) -> String {
    if let [(line, _)] = lines {
        let all = if is_one_block { "" } else { "all " };
        return format!(", {all}made in line {line}");
    }
    let sum: i64 = lines.iter().map(|(_, number)| number).sum();
    let mut rest = sum;
    let mut named = Vec::new();
    for (line, number) in lines.iter().take(MOST_LINES) {
        if rest <= sum / 10 {
            break;
        }
        let made = if named.is_empty() { "made " } else { "" };
        named.push(format!("{} {made}in line {line}", amount(*number)));
        rest -= number;
    }
    match lines.len() - named.len() {
        0 => {}
        1 => named.push(format!("{} in another line", amount(rest))),
        others => named.push(format!("{} in {others} other lines", amount(rest))),
    }
    format!(": {}", named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::column::Column;
    use crate::model::options::Rss;

    static SITE: Site = Site::new(|| "f", "src/lib.rs", 8, "", &[8, 10, 11, 12, 14, 15]);

    fn said(print: Print, call_count: u64, lines: &[OwnedBlocks]) -> Vec<String> {
        let settings = TableSettings {
            precision: 1,
            columns: Column::DEFAULT,
            stream: None,
            print,
            rss: Rss::Exact,
            hits: false,
        };
        let of_function = OfFunction {
            call_count,
            lines: lines.into(),
        };
        words(&settings, &SITE, &of_function)
    }

    fn keeps(live_bytes: i64, live_count: i64) -> OwnedBlocks {
        OwnedBlocks {
            live_bytes,
            live_count,
            ..OwnedBlocks::default()
        }
    }

    fn makes(allocation_count: u64, temporary_count: u64) -> OwnedBlocks {
        OwnedBlocks {
            allocation_count,
            temporary_count,
            ..OwnedBlocks::default()
        }
    }

    #[test]
    fn one_line_that_keeps_all_is_named() {
        let nothing = OwnedBlocks::default();
        let lines = [nothing, nothing, keeps(196_608_000, 3000)];

        assert_eq!(
            said(Print::Exit, 7, &lines),
            ["Still alive: 196,608,000 B in 3,000 blocks, all made in line 11"]
        );
        assert_eq!(
            said(Print::Call, 1, &lines),
            said(Print::Exit, 7, &lines),
            "the only call is all calls"
        );
        assert_eq!(
            said(Print::Call, 1200, &lines),
            [
                "Still alive of what 1,200 calls made: 196,608,000 B in 3,000 blocks, all made in line 11"
            ]
        );
        assert_eq!(
            said(Print::Exit, 1, &[keeps(70_000, 1)]),
            ["Still alive: 70,000 B in 1 block, made in line 8"]
        );
    }

    #[test]
    fn of_several_lines_those_with_most_are_named_and_the_others_counted() {
        assert_eq!(
            said(Print::Exit, 1, &[keeps(40_000, 2), keeps(60_000, 1)]),
            ["Still alive: 100,000 B in 3 blocks: 60,000 B made in line 10, 40,000 B in line 8"]
        );
        // Lines with negative numbers are not subtracted.
        assert_eq!(
            said(
                Print::Exit,
                1,
                &[
                    keeps(9500, 1),
                    keeps(90_000, 2),
                    keeps(-10, -1),
                    keeps(500, 1)
                ]
            ),
            [
                "Still alive: 100,000 B in 4 blocks: 90,000 B made in line 10, 10,000 B in 2 other lines"
            ]
        );
        let equal = [keeps(20_000, 1); 6];
        assert_eq!(
            said(Print::Exit, 1, &equal),
            [
                "Still alive: 120,000 B in 6 blocks: 20,000 B made in line 8, 20,000 B in line 10, \
                 20,000 B in line 11, 60,000 B in 3 other lines"
            ]
        );
        assert_eq!(
            said(Print::Exit, 1, &equal[..4]),
            [
                "Still alive: 80,000 B in 4 blocks: 20,000 B made in line 8, 20,000 B in line 10, \
                 20,000 B in line 11, 20,000 B in another line"
            ]
        );
    }

    #[test]
    fn lines_that_made_most_of_what_was_freed_at_once_are_named() {
        assert_eq!(
            said(Print::Exit, 2, &[makes(3000, 3000), makes(3000, 0)]),
            ["Freed at once: 3,000 of 6,000 blocks, all made in line 8"]
        );
        assert_eq!(
            said(Print::Call, 2, &[makes(100, 60), makes(100, 40)]),
            ["Freed at once in 2 calls: 100 of 200 blocks: 60 made in line 8, 40 in line 10"]
        );
    }

    #[test]
    fn nothing_is_said_of_less_than_64_kib_and_of_few_blocks_freed_at_once() {
        let nothing: [&str; 0] = [];
        assert_eq!(said(Print::Exit, 1, &[keeps(65_535, 4095)]), nothing);
        assert_eq!(said(Print::Exit, 1, &[keeps(65_536, 1)]).len(), 1);
        assert_eq!(said(Print::Exit, 1, &[makes(99, 99)]), nothing);
        assert_eq!(said(Print::Exit, 1, &[makes(1001, 100)]), nothing);
        assert_eq!(said(Print::Exit, 1, &[makes(1000, 100)]).len(), 1);
        assert_eq!(said(Print::Exit, 0, &[]), nothing);
    }
}
