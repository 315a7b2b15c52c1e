//! The message for an exceeded budget: its limits, the measured numbers, and the lines that
//! allocated most.

use crate::check::budget::limit::{BudgetQuantity, Comparison, Done, Terms};
use crate::count::running_calls;
use crate::count::uncounted;
use crate::model::report::{Allocations, CallNode, Report};
use crate::model::units::{blocks, bytes, grouped};
use std::cmp::Reverse;
use std::env;
use std::ffi::OsString;
use std::fmt::{self, Write as _};

/// The number of lines shown.
const MOST_LINES: usize = 5;

/// The number of callers shown for a line.
const MOST_CALLERS: usize = 8;

/// The message, whose memory isn't counted.
#[derive(Debug)]
pub(crate) struct Exceeded(String);

impl Exceeded {
    #[cold]
    pub(crate) fn new(done: &Done<'_>, terms: &Terms<'_>) -> Self {
        Self(uncounted::during(false, || text(done, terms)).0)
    }

    #[cold]
    #[track_caller]
    pub(crate) fn panic(self) -> ! {
        panic!("{self}")
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Drop for Exceeded {
    fn drop(&mut self) {
        uncounted::during(false, || drop(std::mem::take(&mut self.0)));
    }
}

fn text(done: &Done<'_>, terms: &Terms<'_>) -> String {
    let mut text = String::from("memory budget exceeded");
    if let (run, runs @ 2..) = terms.run {
        let _ = write!(text, " in run {run} of {runs}");
    }
    text.push('\n');
    let mut exceeded = None;
    for limit in terms.limits {
        let (number, is_kept) = limit.measured(done);
        let mark = if is_kept { "    " } else { "  ! " };
        let rule = format!(
            "{} {} {}",
            limit.quantity.name(),
            limit.comparison.sign(),
            grouped(limit.bound)
        );
        let at_most = if limit.quantity == BudgetQuantity::PeakBytes {
            at_most(done)
        } else {
            ""
        };
        let number = grouped(number);
        let _ = writeln!(text, "{mark}{rule:<32} measured {at_most}{number}");
        if !is_kept {
            exceeded = exceeded.or(Some(limit.quantity));
        }
    }
    let _ = writeln!(text, "{}", summary(done));
    if !terms.ignored.is_empty() {
        let ignored = terms.ignored.join(" and ");
        let _ = writeln!(
            text,
            "not counted, except in the peak: what {ignored} allocated"
        );
    }
    let report = done.scope.settled_report();
    add_lines(
        &mut text,
        &report,
        exceeded.unwrap_or(BudgetQuantity::AllocatedBytes),
    );
    if report.owners_are_unknown {
        let _ = writeln!(text, "not known: {}", Report::OWNERS_ARE_UNKNOWN);
    }
    if !done.scope.knows_lines() {
        text.push_str(
            "too many scopes at once (4,096 at most): the lines of this one aren't known\n",
        );
    }
    if terms.is_test && report.untracked.allocation_count > 0 && !is_output_shown() {
        text.push_str(
            "what a test prints counts, too, if the test runner captures it: run it with `--nocapture`\n",
        );
    }
    text.push_str(&running_calls::described());
    // The panic handler adds a newline.
    text.truncate(text.trim_end().len());
    text
}

/// Whether the test runner was told not to capture output.
fn is_output_shown() -> bool {
    let is_word = |word: OsString| word == "--nocapture" || word == "--no-capture";
    env::var_os("RUST_TEST_NOCAPTURE").is_some() || env::args_os().any(is_word)
}

/// The words before a peak that is only an upper bound.
fn at_most(done: &Done<'_>) -> &'static str {
    if done.is_peak_at_most { "at most " } else { "" }
}

fn summary(done: &Done<'_>) -> String {
    let usage = &done.usage;
    format!(
        "in all: net {}, allocated {} in {}, freed {} in {}, {} resized, peak {}{}",
        bytes(usage.net_bytes().into()),
        bytes(usage.allocated_bytes.into()),
        blocks(usage.allocation_count.into()),
        bytes(usage.freed_bytes.into()),
        blocks(usage.deallocation_count.into()),
        blocks(usage.reallocation_count.into()),
        at_most(done),
        bytes(usage.peak_bytes.into()),
    )
}

/// Adds the lines with most of the exceeded quantity.
fn add_lines(text: &mut String, report: &Report, exceeded: BudgetQuantity) {
    let weight = |made: &Allocations| match exceeded {
        // Without owners, the other quantities aren't known per line: sort by allocated bytes.
        _ if report.owners_are_unknown && exceeded != BudgetQuantity::AllocationCount => {
            made.allocated_bytes.cast_signed()
        }
        BudgetQuantity::NetBytes | BudgetQuantity::KeptBytes => made.live_bytes(),
        BudgetQuantity::AllocationCount => made.allocation_count.cast_signed(),
        BudgetQuantity::DeallocationCount => made.deallocation_count.cast_signed(),
        BudgetQuantity::FreedBytes => made.freed_bytes.cast_signed(),
        BudgetQuantity::PeakBytes => at_once_bytes(made).cast_signed(),
        BudgetQuantity::AllocatedBytes | BudgetQuantity::ReallocationCount => {
            made.allocated_bytes.cast_signed()
        }
    };
    let mut lines: Vec<_> = report
        .functions
        .iter()
        .enumerate()
        .flat_map(|(place, function)| function.lines.iter().map(move |line| (place, line)))
        .filter(|(_, line)| weight(&line.own) > 0)
        .collect();
    if lines.is_empty() {
        if weight(&report.untracked) > 0 {
            text.push_str(
                "no profiled function allocated these blocks: put `#[memprofile(print = \"never\")]` on \
                 functions in question to see the lines\n",
            );
        }
        return;
    }
    lines.sort_by_key(|(_, line)| Reverse(weight(&line.own)));
    text.push_str(match exceeded {
        _ if report.owners_are_unknown => "by line, most allocated bytes first:\n",
        BudgetQuantity::PeakBytes => "by line, without temporary blocks:\n",
        _ => "by line:\n",
    });
    for (place, line) in lines.iter().take(MOST_LINES) {
        let path = report
            .functions
            .get(*place)
            .map_or("", |function| &function.path);
        let _ = writeln!(
            text,
            "    {path}:{}: {}\n        {}{}",
            line.number,
            line.source.trim(),
            of_made(&line.own, report),
            callers(report, *place, line.number, weight),
        );
    }
    if let Some(others) = lines
        .len()
        .checked_sub(MOST_LINES)
        .filter(|others| *others > 0)
    {
        let _ = writeln!(text, "    and {others} lines with less");
    }
    if report.untracked.allocated_bytes > 0 {
        let _ = writeln!(
            text,
            "    no profiled function: {}",
            of_made(&report.untracked, report)
        );
    }
}

/// An estimate of how many bytes of a line can have been alive at the same time. Which of its
/// blocks were alive at the peak isn't known, but of temporary blocks, which are freed at once, at
/// most one was.
fn at_once_bytes(made: &Allocations) -> u64 {
    // Includes all bytes of blocks taken over from other lines, and none of blocks that other lines
    // took over.
    let owned = |made: u64, transferred: i64| made.saturating_add_signed(transferred);
    let all_bytes = owned(made.allocated_bytes, made.transferred_bytes);
    let all_blocks = owned(made.allocation_count, made.transferred_count);
    let lasting = all_blocks.saturating_sub(made.temporary_count);
    let blocks = (lasting + made.temporary_count.min(1)).min(all_blocks);
    let bytes = u128::from(all_bytes) * u128::from(blocks) / u128::from(all_blocks.max(1));
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn of_made(made: &Allocations, report: &Report) -> String {
    let alive = if report.owners_are_unknown {
        String::new()
    } else {
        format!(", {} alive", bytes(made.live_bytes().into()))
    };
    format!(
        "allocated {} in {}{alive}",
        bytes(made.allocated_bytes.into()),
        blocks(made.allocation_count.into()),
    )
}

/// The call path on which a line allocated most: `, from app::run:12, from app::main:3`.
fn callers(
    report: &Report,
    function: usize,
    line: u32,
    weight: impl Fn(&Allocations) -> i64,
) -> String {
    let in_call = |call: &CallNode| {
        let line = call.lines.iter().find(|of_call| of_call.number == line);
        line.map_or(0, |line| weight(&line.own))
    };
    let calls = report.calls.iter().filter(|call| call.function == function);
    let mut call = calls.max_by_key(|call| in_call(call));
    let mut text = String::new();
    for _ in 0..MOST_CALLERS {
        let Some(caller) = call.and_then(|call| call.caller) else {
            break;
        };
        call = report.calls.get(caller.call);
        let path = call.and_then(|call| report.functions.get(call.function));
        let path = path.map_or("", |function| &function.path);
        let _ = write!(text, ", from {path}:{}", caller.line);
    }
    text
}

impl BudgetQuantity {
    /// The name as written in a budget.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AllocatedBytes => "allocated_bytes",
            Self::FreedBytes => "freed_bytes",
            Self::NetBytes => "net_bytes",
            Self::PeakBytes => "peak_bytes",
            Self::AllocationCount => "allocation_count",
            Self::DeallocationCount => "deallocation_count",
            Self::ReallocationCount => "reallocation_count",
            Self::KeptBytes => "bytes still alive",
        }
    }
}

impl Comparison {
    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::AtMost => "<=",
            Self::Below => "<",
            Self::AtLeast => ">=",
            Self::Above => ">",
        }
    }
}
