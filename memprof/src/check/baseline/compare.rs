//! Compares a baseline with a report, function by function, and writes the message for the
//! differences.

use crate::check::baseline::file::Row;
use crate::model::printable::printable;
use crate::model::units::{blocks, bytes};
use crate::report::Quantity;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write as _;

/// The number of lines shown for a function.
const MOST_LINES: usize = 3;

/// The quantities that are compared.
pub(super) const QUANTITIES: [Quantity; 4] = [
    Quantity::AllocatedBytes,
    Quantity::AllocationCount,
    Quantity::LiveBytes,
    Quantity::LiveCount,
];

/// A function in the baseline and in the report.
pub(super) struct Function {
    pub(super) path: String,
    lines: Vec<Line>,
}

/// A line in the baseline and in the report; `None` where it is missing.
struct Line {
    before: Option<Row>,
    now: Option<Row>,
}

impl Line {
    fn of(row: Option<&Row>, quantity: Quantity) -> i128 {
        row.map_or(0, |row| row.of(quantity))
    }

    fn change(&self, quantity: Quantity) -> i128 {
        Self::of(self.now.as_ref(), quantity) - Self::of(self.before.as_ref(), quantity)
    }
}

impl Function {
    pub(super) fn before(&self, quantity: Quantity) -> i128 {
        let lines = self.lines.iter();
        lines
            .map(|line| Line::of(line.before.as_ref(), quantity))
            .sum()
    }

    pub(super) fn now(&self, quantity: Quantity) -> i128 {
        let lines = self.lines.iter();
        lines
            .map(|line| Line::of(line.now.as_ref(), quantity))
            .sum()
    }
}

/// Matches the rows of both sides. Lines are matched by function and text; lines with the same text
/// are matched in order.
pub(super) fn functions(before: Vec<Row>, now: Vec<Row>) -> Vec<Function> {
    let mut left: HashMap<(String, String), VecDeque<Row>> = HashMap::new();
    let mut functions: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for row in before {
        let key = (row.function.clone(), row.line.clone());
        left.entry(key).or_default().push_back(row);
    }
    for row in now {
        let key = (row.function.clone(), row.line.clone());
        let before = left.get_mut(&key).and_then(VecDeque::pop_front);
        let lines = functions.entry(row.function.clone()).or_default();
        lines.push(Line {
            before,
            now: Some(row),
        });
    }
    for row in left.into_values().flatten() {
        let lines = functions.entry(row.function.clone()).or_default();
        lines.push(Line {
            before: Some(row),
            now: None,
        });
    }
    let functions = functions.into_iter();
    functions
        .map(|(path, lines)| Function { path, lines })
        .collect()
}

/// The message about functions that exceed their numbers, if there are any.
pub(super) fn remark(functions: &[Function], tolerances: &[(Quantity, u32)]) -> Option<String> {
    let mut text = String::new();
    for function in functions {
        for quantity in QUANTITIES {
            let (before, now) = (function.before(quantity), function.now(quantity));
            let mut said = tolerances.iter().rev();
            let percent = said
                .find(|(other, _)| *other == quantity)
                .map_or(0, |(_, percent)| *percent);
            let most = before + before.max(0) * i128::from(percent) / 100;
            if now <= most {
                continue;
            }
            let (before, now) = (number(quantity, before), number(quantity, now));
            let what =
                if quantity == Quantity::AllocatedBytes || quantity == Quantity::AllocationCount {
                    "allocates"
                } else {
                    "leaves alive"
                };
            let _ = write!(
                text,
                "{} {what} {now}, up from {before}",
                printable(&function.path, ' ')
            );
            let _ = match percent {
                0 => writeln!(text, ":"),
                percent => writeln!(text, " ({percent} % more is allowed):"),
            };
            add_lines(&mut text, function, quantity);
        }
    }
    (!text.is_empty()).then_some(text)
}

/// Adds the lines that have grown, the largest change first.
fn add_lines(text: &mut String, function: &Function, quantity: Quantity) {
    let mut lines: Vec<&Line> = function.lines.iter().collect();
    lines.retain(|line| line.change(quantity) > 0);
    lines.sort_by_key(|line| Reverse(line.change(quantity)));
    for line in lines.iter().take(MOST_LINES) {
        let is_new = if line.before.is_none() { "  (new)" } else { "" };
        let source = line.now.as_ref().map_or("", |row| &row.line);
        let change = number(quantity, line.change(quantity));
        let _ = writeln!(text, "    +{change}  {}{is_new}", printable(source, ' '));
    }
}

pub(super) fn number(quantity: Quantity, number: i128) -> String {
    match quantity {
        Quantity::AllocatedBytes | Quantity::LiveBytes | Quantity::BytesAtPeak => bytes(number),
        _ => blocks(number),
    }
}
