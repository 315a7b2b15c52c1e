//! The folded format: one stack per row, followed by one number.

use super::stacks;
use crate::model::printable::is_seen;
use crate::model::report::Report;
use crate::report::quantity::Quantity;
use std::io;

pub(crate) fn write(report: &Report, quantity: Quantity, out: impl io::Write) -> io::Result<()> {
    stacks::check(report)?;
    if !quantity.is_known_in(report) {
        let kind = io::ErrorKind::Unsupported;
        return Err(io::Error::new(kind, Report::OWNERS_ARE_UNKNOWN));
    }
    let mut out = io::BufWriter::new(out);
    stacks::for_each(report, |frames, line| {
        let number = quantity.of(&line.own);
        if number > 0 {
            let names = frames.iter().rev().map(|frame| name(&frame.name(report)));
            let names: Vec<_> = names.collect();
            io::Write::write_fmt(&mut out, format_args!("{} {number}\n", names.join(";")))?;
        }
        Ok::<_, io::Error>(())
    })?;
    let untracked = quantity.of(&report.untracked);
    if untracked > 0 {
        io::Write::write_fmt(&mut out, format_args!("untracked {untracked}\n"))?;
    }
    io::Write::flush(&mut out)
}

/// A name without the `;` that separates names, and without unprintable characters.
fn name(name: &str) -> String {
    let kept = |char: char| {
        if char == ';' || !is_seen(char) {
            ' '
        } else {
            char
        }
    };
    name.chars().map(kept).collect()
}
