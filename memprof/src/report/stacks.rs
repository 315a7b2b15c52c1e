//! The stacks of functions and lines in a report's call tree, for the formats made of stacks.

use crate::model::report::{CallNode, CallNodeLine, FunctionReport, Report};
use std::io;
use std::time::Duration;

/// A function, by its index in [`Report::functions`], at one of its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct StackFrame {
    pub(super) function: usize,
    pub(super) line: u32,
}

impl StackFrame {
    pub(super) fn function(self, report: &Report) -> Option<&FunctionReport> {
        report.functions.get(self.function)
    }

    /// `blog::posts::get_post:42`.
    pub(super) fn name(self, report: &Report) -> String {
        let path = self.function(report).map_or("", |function| &function.path);
        format!("{path}:{}", self.line)
    }
}

/// Refuses a report whose stacks have more frames than those of any program. Stacks are far larger
/// than the call tree that they come from, so a small forged file could fill a disk.
pub(super) fn check(report: &Report) -> io::Result<()> {
    const MOST: usize = 50_000_000;
    let mut depths: Vec<usize> = Vec::with_capacity(report.calls.len());
    let mut frame_count = 0_usize;
    for call in &report.calls {
        let outer = call.caller.and_then(|caller| depths.get(caller.call));
        let depth = outer.map_or(1, |depth| depth + 1);
        depths.push(depth);
        let has_time = !call.own_elapsed.is_zero();
        let stack_count = lines(call).count() + usize::from(has_time);
        frame_count = frame_count.saturating_add(depth.saturating_mul(stack_count));
    }
    if frame_count <= MOST {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "its calls are nested too deep: they would be stacks of {frame_count} frames, and {MOST} are \
         the limit; use `.html` or `.json`, which have no stacks"
    )))
}

/// The lines of a call that allocated, or whose blocks were freed or moved to another line, or that
/// have samples.
fn lines(call: &CallNode) -> impl Iterator<Item = &CallNodeLine> {
    let lines = call.lines.iter();
    lines.filter(|line| line.has_own_numbers())
}

/// Calls `act` with each of these lines of all calls, and the frames that led there, the innermost
/// first.
pub(super) fn for_each<'a, E>(
    report: &'a Report,
    mut act: impl FnMut(&[StackFrame], &'a CallNodeLine) -> Result<(), E>,
) -> Result<(), E> {
    let mut frames = Vec::new();
    for call in &report.calls {
        let mut lines = lines(call).peekable();
        if lines.peek().is_some() {
            lead_to(report, call, &mut frames);
        }
        for line in lines {
            if let Some(innermost) = frames.first_mut() {
                innermost.line = line.number;
            }
            act(&frames, line)?;
        }
    }
    Ok(())
}

/// Calls `act` with the own time of each call, and the frames that led there, the innermost first.
///
/// Times that come from samples are those of the lines. Otherwise, the innermost frame is on the
/// first line of its function. If the report has no times by call, as
/// that of the process without samples, `act` gets the own time of each function instead.
pub(super) fn for_each_time<E>(
    report: &Report,
    mut act: impl FnMut(&[StackFrame], Duration) -> Result<(), E>,
) -> Result<(), E> {
    let first_line = |function: usize| {
        let function = report.functions.get(function);
        let first = function.and_then(|function| function.lines.first());
        first.map_or(0, |line| line.number)
    };
    let mut frames = Vec::new();
    let timed = report
        .calls
        .iter()
        .filter(|call| !call.own_elapsed.is_zero());
    let mut has_times = false;
    for call in timed {
        has_times = true;
        lead_to(report, call, &mut frames);
        if call.time_is_sampled() {
            for line in call.lines.iter().filter(|line| !line.own_time.is_none()) {
                if let Some(innermost) = frames.first_mut() {
                    innermost.line = line.number;
                }
                act(&frames, line.own_time.elapsed())?;
            }
            continue;
        }
        if let Some(innermost) = frames.first_mut() {
            innermost.line = first_line(call.function);
        }
        act(&frames, call.own_elapsed)?;
    }
    if has_times {
        return Ok(());
    }
    for (function, of) in report.functions.iter().enumerate() {
        if !of.own_elapsed.is_zero() {
            let line = first_line(function);
            act(&[StackFrame { function, line }], of.own_elapsed)?;
        }
    }
    Ok(())
}

/// Sets `frames` to those that led to a call, the innermost first, whose line is still 0.
fn lead_to(report: &Report, call: &CallNode, frames: &mut Vec<StackFrame>) {
    frames.clear();
    frames.push(StackFrame {
        function: call.function,
        line: 0,
    });
    let mut outer = call.caller;
    while let Some(caller) = outer {
        let call = report.calls.get(caller.call);
        frames.extend(call.map(|call| StackFrame {
            function: call.function,
            line: caller.line,
        }));
        outer = call.and_then(|call| call.caller);
    }
}
