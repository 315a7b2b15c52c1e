//! The stacks of functions and lines that a report's calls stand for, for the formats
//! that are made of stacks.

use crate::model::report::{Allocations, CallNode, CallNodeLine, FunctionReport, Report};
use std::io;
use std::time::Duration;

/// A function at one of its lines, by its place in [`Report::functions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Frame {
    pub(super) function: usize,
    pub(super) line: u32,
}

impl Frame {
    pub(super) fn function(self, report: &Report) -> Option<&FunctionReport> {
        report.functions.get(self.function)
    }

    /// `blog::posts::get_post:42`.
    pub(super) fn name(self, report: &Report) -> String {
        let path = self.function(report).map_or("", |function| &function.path);
        format!("{path}:{}", self.line)
    }
}

/// Refuses a report whose stacks have more frames than any program's: they are far longer
/// than the calls that they stand for, so that a small file could fill a disk with them.
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
        "its calls are so deep that it would be stacks of {frame_count} frames, and {MOST} are the \
         most; `.html` and `.json` have the calls as they are"
    )))
}

/// The lines of a call that made something, or whose blocks were freed or went over to
/// another line.
fn lines(call: &CallNode) -> impl Iterator<Item = &CallNodeLine> {
    let lines = call.lines.iter();
    lines.filter(|line| line.own != Allocations::default())
}

/// Calls `act` with the line of each call that ran or made something, and the frames
/// that led there, the innermost first.
pub(super) fn for_each<E>(
    report: &Report,
    mut act: impl FnMut(&[Frame], &CallNodeLine) -> Result<(), E>,
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

/// Calls `act` with how long a function took by itself and the frames that led there, the
/// innermost first, which is on the function's first line: of each call, as a scope knows
/// it, or else of each function.
pub(super) fn for_each_time<E>(
    report: &Report,
    mut act: impl FnMut(&[Frame], Duration) -> Result<(), E>,
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
            act(&[Frame { function, line }], of.own_elapsed)?;
        }
    }
    Ok(())
}

/// Has `frames` be those that led to a call, the innermost, on no line yet, first.
fn lead_to(report: &Report, call: &CallNode, frames: &mut Vec<Frame>) {
    frames.clear();
    frames.push(Frame {
        function: call.function,
        line: 0,
    });
    let mut outer = call.caller;
    while let Some(caller) = outer {
        let call = report.calls.get(caller.call);
        frames.extend(call.map(|call| Frame {
            function: call.function,
            line: caller.line,
        }));
        outer = call.and_then(|call| call.caller);
    }
}
