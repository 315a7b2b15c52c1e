//! The statements that a request sent to its database.

use crate::model::units::grouped;
use crate::web::redact::{DOTS, Redactor};
use crate::web::toolbar::content::{Content, Panel, Table};
use crate::web::toolbar::exchange::Exchange;
use crate::web::toolbar::limits::STATEMENT_BYTES;
use crate::web::toolbar::recorded::Statement;
use crate::web::toolbar::sql::normalised;
use crate::web::toolbar::units::short_time;
use std::collections::HashMap;
use std::time::Duration;

/// This many statements that differ only in their values are marked as N+1.
const MANY: usize = 3;

pub(super) struct SqlPanel {
    explains: bool,
}

impl SqlPanel {
    pub(super) fn new(explains: bool) -> Self {
        Self { explains }
    }
}

/// Whether a statement can be explained: a single `SELECT`, which changes nothing, not cut.
pub(in crate::web::toolbar) fn can_be_explained(statement: &str) -> bool {
    let first = statement.split_whitespace().next().unwrap_or("");
    let rest = statement.trim_end().trim_end_matches(';');
    first.eq_ignore_ascii_case("select")
        && !rest.contains(';')
        && statement.len() <= STATEMENT_BYTES
}

impl Panel for SqlPanel {
    fn title(&self) -> &'static str {
        "SQL"
    }

    fn number(&self, exchange: &Exchange) -> String {
        exchange.state().statements.len().to_string()
    }

    fn content(&self, exchange: &Exchange) -> Content {
        let state = exchange.state();
        let statements = &state.statements;
        if statements.is_empty() {
            return Content::new().text(
                "No statements. Report them with memprof::web::toolbar::sql; those of sqlx are \
                 taken from its log.",
            );
        }
        let elapsed: Duration = statements.iter().map(|it| it.elapsed).sum();
        let sum = format!("{} in {}", statements.len(), short_time(elapsed));
        let mut content = Content::new()
            .text(sum)
            .table(table(statements, exchange.redactor()));
        let numbered = || (1..).zip(statements);
        let explained = numbered().filter(|(_, it)| self.explains && can_be_explained(&it.text));
        let link = |(number, _): (usize, &Statement)| {
            let path = format!("{}/explain/{number}", exchange.id());
            (format!("EXPLAIN {number}"), path)
        };
        let links: Vec<_> = explained.map(link).collect();
        if !links.is_empty() {
            content = content.links(links);
        }
        for (number, statement) in numbered() {
            if let Some(plan) = &statement.plan {
                let heading = format!("Plan of {number}");
                content = content.heading(heading).code(plan.as_str());
            }
        }
        content
    }
}

fn table(statements: &[Statement], redactor: &Redactor) -> Table {
    let marks = marks(statements);
    let heads = [
        "#",
        "Time",
        "Rows",
        "Statement",
        "Parameters",
        "From",
        "Mark",
    ];
    let mut table = Table::new(heads);
    for (number, (statement, mark)) in (1..).zip(statements.iter().zip(marks)) {
        let rows = statement.rows.map(|rows| grouped(rows.into()));
        let place = statement.place;
        let place = place.map(|place| format!("{}:{}", place.file, place.line));
        let is_marked = !mark.is_empty();
        let cells = [
            i32::to_string(&number),
            short_time(statement.elapsed),
            rows.unwrap_or_default(),
            statement.text.to_string(),
            parameters(statement, redactor),
            place.unwrap_or_default(),
            mark,
        ];
        table.push(cells.into(), is_marked);
    }
    table
}

/// The parameters, with dots for those whose placeholder is a secret's. To find these, each
/// placeholder is replaced by a string; the redactor hides the strings that are secrets.
fn parameters(statement: &Statement, redactor: &Redactor) -> String {
    let mark = |number: usize| format!("'parameter {number} of it'");
    let mut marked = String::with_capacity(statement.text.len());
    let mut count = 0;
    let mut is_quoted = false;
    let mut letters = statement.text.chars().peekable();
    while let Some(letter) = letters.next() {
        is_quoted ^= letter == '\'';
        match letter {
            '?' if !is_quoted => {
                count += 1;
                marked.push_str(&mark(count));
            }
            '$' if !is_quoted && letters.peek().is_some_and(char::is_ascii_digit) => {
                let mut digits = String::new();
                while let Some(digit) = letters.next_if(char::is_ascii_digit) {
                    digits.push(digit);
                }
                marked.push_str(&mark(digits.parse().unwrap_or_default()));
            }
            _ => marked.push(letter),
        }
    }
    let shown = redactor.text(&marked);
    let shown = (1..).zip(&statement.parameters).map(|(number, value)| {
        let mark = mark(number);
        if marked.contains(&mark) && !shown.contains(&mark) {
            DOTS
        } else {
            value
        }
    });
    shown.collect::<Vec<&str>>().join(", ")
}

/// The mark of each statement.
fn marks(statements: &[Statement]) -> Vec<String> {
    let normal: Vec<String> = statements.iter().map(|it| normalised(&it.text)).collect();
    let mut alike: HashMap<&str, usize> = HashMap::new();
    let mut equal: HashMap<(&str, &[String]), usize> = HashMap::new();
    for (normal, statement) in normal.iter().zip(statements) {
        *alike.entry(normal).or_default() += 1;
        *equal
            .entry((&statement.text, &statement.parameters))
            .or_default() += 1;
    }
    let mark = |(normal, statement): (&String, &Statement)| {
        let whole = (&*statement.text, statement.parameters.as_slice());
        let equal = equal.get(&whole).copied().unwrap_or(0);
        let alike = alike.get(normal.as_str()).copied().unwrap_or(0);
        let duplicate = (equal > 1).then(|| format!("duplicate, {equal} times"));
        let many = (alike > equal && alike >= MANY).then(|| format!("N+1, {alike} times"));
        let marks: Vec<String> = duplicate.into_iter().chain(many).collect();
        marks.join("; ")
    };
    normal.iter().zip(statements).map(mark).collect()
}
