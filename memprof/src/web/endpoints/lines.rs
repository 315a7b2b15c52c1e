//! The lines of a report, each of them once.

use crate::model::report::{Allocations, Report, add_count};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// A line, summed over all instances of a generic function.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) key: Key,
    pub(super) source: &'a str,
    /// `None` if they weren't counted.
    pub(super) hits: Option<u64>,
    pub(super) own: Allocations,
}

/// What identifies a line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) function: Cow<'static, str>,
    pub(super) file: Cow<'static, str>,
    pub(super) number: u32,
}

/// The lines of a report, those with most live bytes first.
pub(super) fn by_live_bytes(report: &Report) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    let mut places = HashMap::new();
    for (function, line) in report.lines() {
        let key = Key {
            function: function.path.clone(),
            file: function.file.clone(),
            number: line.number,
        };
        match places.entry(key.clone()) {
            Entry::Vacant(place) => {
                place.insert(lines.len());
                lines.push(Line {
                    key,
                    source: line.source.trim(),
                    hits: line.hits,
                    own: line.own,
                });
            }
            Entry::Occupied(place) => {
                if let Some(known) = lines.get_mut(*place.get()) {
                    add_count(&mut known.hits, line.hits);
                    known.own += line.own;
                }
            }
        }
    }
    lines.sort_by_key(|line| Reverse(line.own.live_bytes()));
    lines
}
