//! Two reports side by side, or a single one: each function, line and call of either report
//! occurs once, with the numbers of both.
//!
//! Lines are matched by function and source text, as in `memprof diff`, or by number if the text
//! was left out.

use crate::model::report::{CallNode, CallNodeLine, FunctionReport, LineReport, Report};
use std::collections::HashMap;
use std::time::Duration;

/// An item of the earlier report and of the later one.
type Sides<'a, T> = [Option<&'a T>; 2];

/// The index of a call, and the index of a line in that call's function.
type CallSite = (usize, usize);

/// The index of each call, by its call site and function.
type Known = HashMap<(Option<CallSite>, usize), usize>;

#[derive(Debug, Default)]
pub(super) struct Pair<'a> {
    pub(super) functions: Vec<Function<'a>>,
    /// Each call comes after its caller.
    pub(super) calls: Vec<Call<'a>>,
}

#[derive(Debug, Default)]
pub(super) struct Function<'a> {
    pub(super) sides: Sides<'a, FunctionReport>,
    pub(super) lines: Vec<Line<'a>>,
}

#[derive(Debug, Default)]
pub(super) struct Line<'a> {
    pub(super) sides: Sides<'a, LineReport>,
}

#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) function: usize,
    pub(super) caller: Option<CallSite>,
    /// The own time in each report.
    pub(super) own_elapsed: [Duration; 2],
    /// The lines that allocated.
    pub(super) rows: Vec<Row<'a>>,
}

#[derive(Debug)]
pub(super) struct Row<'a> {
    /// The index among the lines of the function.
    pub(super) line: usize,
    pub(super) sides: Sides<'a, CallNodeLine>,
}

impl<'a> Pair<'a> {
    pub(super) fn of(before: Option<&'a Report>, after: &'a Report) -> Self {
        let mut pair = Self::default();
        pair.add_functions(1, after);
        let after_places: Vec<_> = (0..after.functions.len()).collect();
        let before_places = before.map(|before| pair.add_functions(0, before));
        let is_compared = before.is_some();

        // In a single report, all calls are distinct, so `known` is only used for two.
        let mut known = Known::new();
        pair.add_calls(1, &after.calls, &after_places, is_compared, &mut known);
        if let (Some(before), Some(places)) = (before, before_places) {
            pair.add_calls(0, &before.calls, &places, true, &mut known);
        }
        pair
    }

    /// Adds the functions of `report` and returns their indices here.
    fn add_functions(&mut self, side: usize, report: &'a Report) -> Vec<usize> {
        let mut nth = Nth::default();
        let known = self.functions.iter().enumerate();
        let known: HashMap<_, _> = known
            .map(|(place, function)| (nth.of(function.path()), place))
            .collect();
        let mut nth = Nth::default();
        let functions = report.functions.iter().map(|function| {
            let place = known.get(&nth.of(&*function.path)).copied();
            let place = place.unwrap_or_else(|| {
                self.functions.push(Function::default());
                self.functions.len() - 1
            });
            if let Some(there) = self.functions.get_mut(place) {
                there.sides[side] = Some(function);
                there.lines = merged(std::mem::take(&mut there.lines), side, &function.lines);
            }
            place
        });
        functions.collect()
    }

    /// Adds calls of a report. `places` are the indices of its functions here.
    fn add_calls(
        &mut self,
        side: usize,
        calls: &'a [CallNode],
        places: &[usize],
        is_compared: bool,
        known: &mut Known,
    ) {
        let lines: Vec<Vec<(u32, usize)>> = self
            .functions
            .iter()
            .map(|function| {
                let lines = function.lines.iter().enumerate();
                let mut numbered: Vec<_> = lines
                    .filter_map(|(place, line)| Some((line.sides[side]?.number, place)))
                    .collect();
                numbered.sort_unstable();
                numbered
            })
            .collect();
        let place_of = |function: usize, number: u32| {
            let lines = lines.get(function)?;
            let place = lines.binary_search_by_key(&number, |(number, _)| *number);
            place.ok().map(|place| lines[place].1)
        };
        // Exact, since there may be a million calls.
        if !is_compared {
            self.calls.reserve_exact(calls.len());
        }
        let mut here: Vec<usize> = Vec::with_capacity(calls.len());
        for call in calls {
            let function = places.get(call.function).copied().unwrap_or(0);
            let caller = call.caller.and_then(|caller| {
                let call = *here.get(caller.call)?;
                let line = place_of(self.calls.get(call)?.function, caller.line);
                Some((call, line.unwrap_or(0)))
            });
            let mut new = || {
                self.calls.push(Call {
                    function,
                    caller,
                    own_elapsed: [Duration::ZERO; 2],
                    rows: Vec::new(),
                });
                self.calls.len() - 1
            };
            let place = if is_compared {
                *known.entry((caller, function)).or_insert_with(new)
            } else {
                new()
            };
            here.push(place);
            let Some(there) = self.calls.get_mut(place) else {
                continue;
            };
            there.own_elapsed[side] += call.own_elapsed;
            let lines = call.lines.iter().filter(|line| line.has_own_numbers());
            there.rows.reserve_exact(lines.clone().count());
            for line in lines {
                let Some(place) = place_of(function, line.number) else {
                    continue;
                };
                match there.rows.iter_mut().find(|row| row.line == place) {
                    Some(row) if row.sides[side].is_none() => row.sides[side] = Some(line),
                    _ => {
                        let mut sides = [None; 2];
                        sides[side] = Some(line);
                        there.rows.push(Row { line: place, sides });
                    }
                }
            }
        }
    }
}

impl<'a> Function<'a> {
    fn latest(&self) -> Option<&'a FunctionReport> {
        self.sides[1].or(self.sides[0])
    }

    pub(super) fn path(&self) -> &'a str {
        self.latest().map_or("", |function| &function.path)
    }

    pub(super) fn file(&self) -> &'a str {
        self.latest().map_or("", |function| &function.file)
    }
}

impl<'a> Line<'a> {
    pub(super) fn source(&self) -> &'a str {
        let line = self.sides[1].or(self.sides[0]);
        line.map_or("", |line| &line.source)
    }
}

/// Merges the lines of `side` into those that are there. New lines are inserted after the line that
/// they follow in their own report.
fn merged<'a>(there: Vec<Line<'a>>, side: usize, lines: &'a [LineReport]) -> Vec<Line<'a>> {
    let mut nth = Nth::default();
    let known = there.iter().enumerate().filter_map(|(place, line)| {
        let line = line.sides[1].or(line.sides[0])?;
        Some((nth.of(key(line)), place))
    });
    let known: HashMap<_, _> = known.collect();
    // The sort key of a line that was there is its position. That of a new line is the position of
    // the line before it, and its own index among the new ones.
    let places = there.into_iter().enumerate();
    let mut merged: Vec<_> = places.map(|(place, line)| ((place + 1, 0), line)).collect();
    let mut nth = Nth::default();
    let mut previous = 0;
    for (place, line) in lines.iter().enumerate() {
        match known
            .get(&nth.of(key(line)))
            .map(|known| (known, merged.get_mut(*known)))
        {
            Some((known, Some((_, there)))) => {
                there.sides[side] = Some(line);
                previous = known + 1;
            }
            _ => {
                let mut sides = [None; 2];
                sides[side] = Some(line);
                merged.push(((previous, place + 1), Line { sides }));
            }
        }
    }
    merged.sort_by_key(|(order, _)| *order);
    merged.into_iter().map(|(_, line)| line).collect()
}

fn key(line: &LineReport) -> (&str, u32) {
    match line.source.trim() {
        "" => ("", line.number),
        text => (text, 0),
    }
}

/// Numbers things with the same key, from 1.
#[derive(Default)]
struct Nth<K>(HashMap<K, usize>);

impl<K: Copy + Eq + std::hash::Hash> Nth<K> {
    fn of(&mut self, key: K) -> (K, usize) {
        let count = self.0.entry(key).or_default();
        *count += 1;
        (key, *count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::report::Allocations;
    use crate::model::sampled_time::SampledTime;

    fn lines(lines: &[(u32, &str)]) -> Vec<LineReport> {
        let line = |(number, source): &(u32, &str)| LineReport {
            number: *number,
            source: (*source).to_owned().into(),
            hits: Some(1),
            own: Allocations::default(),
            inclusive: Allocations::default(),
            own_time: SampledTime::default(),
            inclusive_time: SampledTime::default(),
            while_running: None,
        };
        lines.iter().map(line).collect()
    }

    /// The line numbers before and after, 0 where the line is missing.
    fn numbers(before: &[LineReport], after: &[LineReport]) -> Vec<[u32; 2]> {
        let there = merged(merged(Vec::new(), 1, after), 0, before);
        let numbers = there
            .iter()
            .map(|line| line.sides.map(|line| line.map_or(0, |line| line.number)));
        numbers.collect()
    }

    #[test]
    fn a_line_is_known_by_its_text_and_a_lost_one_stays_where_it_was() {
        let before = lines(&[(1, "lost"), (2, "  a"), (3, "gone"), (4, "gone"), (5, "b")]);
        let after = lines(&[(11, "a"), (12, "b"), (13, "new")]);
        let merged = [[1, 0], [2, 11], [3, 0], [4, 0], [5, 12], [0, 13]];
        assert_eq!(numbers(&before, &after), merged);
    }

    #[test]
    fn of_two_lines_with_the_same_text_each_is_itself() {
        let before = lines(&[(1, "push"), (2, "push")]);
        let after = lines(&[(3, "push"), (4, "push"), (5, "push")]);
        assert_eq!(numbers(&before, &after), [[1, 3], [2, 4], [0, 5]]);
    }

    #[test]
    fn without_its_text_a_line_is_known_by_its_number() {
        let before = lines(&[(1, ""), (2, "")]);
        let after = lines(&[(2, ""), (3, "")]);
        assert_eq!(numbers(&before, &after), [[1, 0], [2, 2], [0, 3]]);
    }

    #[test]
    fn a_call_is_the_same_if_its_caller_and_its_line_are() {
        let call = |function, caller: Option<(usize, u32)>| CallNode {
            function,
            caller: caller.map(|(call, line)| crate::model::report::CallSite { call, line }),
            call_count: Some(1),
            own_elapsed: Duration::ZERO,
            inclusive_elapsed: Duration::ZERO,
            lines: Vec::new(),
        };
        let function = |path: &'static str, numbers: &[(u32, &str)]| FunctionReport {
            path: path.into(),
            notes: Vec::new(),
            file: "".into(),
            call_count: Some(1),
            inclusive_elapsed: Duration::ZERO,
            own_elapsed: Duration::ZERO,
            lines: lines(numbers),
        };
        let before = Report {
            functions: vec![function("b", &[]), function("a", &[(1, "x"), (2, "y")])],
            calls: vec![call(1, None), call(0, Some((0, 2))), call(0, Some((0, 1)))],
            ..Report::default()
        };
        let after = Report {
            functions: vec![function("a", &[(8, "y"), (9, "x")]), function("b", &[])],
            calls: vec![call(0, None), call(1, Some((0, 8)))],
            ..Report::default()
        };
        let pair = Pair::of(Some(&before), &after);
        let calls = pair.calls.iter().map(|call| (call.function, call.caller));
        let calls: Vec<_> = calls.collect();
        assert_eq!(calls, [(0, None), (1, Some((0, 0))), (1, Some((0, 1)))]);
    }
}
