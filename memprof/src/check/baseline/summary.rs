//! A summary of the changes as Markdown, for the page of a CI build.

use crate::check::baseline::compare::{Function, QUANTITIES, number};
use crate::report::code;
use crate::sys::{os, replace_file};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

/// Appends a section in a single write, since other tests append to the same file.
pub(super) fn append(
    path: &Path,
    name: &str,
    functions: &[Function],
    is_written: bool,
) -> io::Result<()> {
    let mut text = section(name, functions);
    if is_written {
        text.push_str("The baseline was written from this.\n\n");
    }
    os::without_signals_of_writing(|| replace_file::append(path)?.write_all(text.as_bytes()))
}

fn section(name: &str, functions: &[Function]) -> String {
    let has_changed = |function: &&Function| {
        let mut quantities = QUANTITIES.iter();
        quantities.any(|quantity| function.before(*quantity) != function.now(*quantity))
    };
    let changed: Vec<&Function> = functions.iter().filter(has_changed).collect();
    let mut text = format!("### Memory of `{name}`\n\n");
    if changed.is_empty() {
        text.push_str("No changes.\n\n");
        return text;
    }
    text.push_str(
        "| Function | Allocated | Blocks | Alive | Blocks alive |\n|---|--:|--:|--:|--:|\n",
    );
    for function in changed {
        let _ = write!(text, "| {} |", code(&function.path));
        for quantity in QUANTITIES {
            let now = function.now(quantity);
            let change = now - function.before(quantity);
            let _ = match change {
                0 => write!(text, " {} |", number(quantity, now)),
                _ => {
                    let sign = if change > 0 { "+" } else { "" };
                    let (now, change) = (number(quantity, now), number(quantity, change));
                    write!(text, " {now} ({sign}{change}) |")
                }
            };
        }
        text.push('\n');
    }
    text.push('\n');
    text
}
