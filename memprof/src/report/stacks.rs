//! The stacks of functions and lines that a report's calls stand for, for the formats
//! that are made of stacks.

use crate::recorded::{CallLine, FunctionReport, Report};

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

/// Calls `act` with the line of each call that ran or made something, and the frames
/// that led there, the innermost first.
pub(super) fn for_each<E>(
    report: &Report,
    mut act: impl FnMut(&[Frame], &CallLine) -> Result<(), E>,
) -> Result<(), E> {
    let mut frames = Vec::new();
    for call in &report.calls {
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
        for line in call
            .lines
            .iter()
            .filter(|line| line.made.allocation_count > 0)
        {
            if let Some(innermost) = frames.first_mut() {
                innermost.line = line.number;
            }
            act(&frames, line)?;
        }
    }
    Ok(())
}
