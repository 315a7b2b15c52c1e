//! SQL statements that the application reports.

use super::current::current;
use super::exchange::Shared;
use super::limits::{PARAMETER_BYTES, PARAMETERS, STATEMENT_BYTES};
use super::recorded::{SourceLine, Statement};
use super::text::{Cut, cut};
use crate::count::uncounted;
use std::borrow::Cow;
use std::fmt::{Debug, Write as _};
use std::panic::Location;
use std::time::{Duration, Instant};

/// A statement that is being executed, for the toolbar: see [`sql`].
///
/// Dropping it records the statement and the time since [`sql`] was called.
#[derive(Debug)]
#[must_use = "the statement's time ends when this is dropped"]
pub struct Sql(Option<Box<Open>>);

#[derive(Debug)]
struct Open {
    exchange: Shared,
    statement: Statement,
    began: Instant,
}

/// Reports a statement that the current request sends to its database, for the SQL panel.
///
/// Does nothing outside of requests with a toolbar. The panel shows the line that sent the
/// statement, marks statements that were sent more than once, and can show the database's plan: see
/// [`explain`](super::DebugToolbarLayer::explain).
///
/// With [`LogLayer`](super::LogLayer), statements of sqlx are recorded without this, but without
/// their parameters and their line, which sqlx's events lack.
///
/// ```
/// use memprof::web::toolbar;
///
/// # async fn fetch(_: i64) -> Vec<String> { Vec::new() }
/// async fn titles(author: i64) -> Vec<String> {
///     let sql = toolbar::sql("SELECT title FROM post WHERE author_id = ?").parameter(&author);
///     let titles = fetch(author).await;
///     sql.rows(titles.len());
///     titles
/// }
/// ```
#[track_caller]
pub fn sql(statement: impl Into<Cow<'static, str>>) -> Sql {
    let Some(exchange) = current() else {
        return Sql(None);
    };
    let place = Location::caller();
    let place = SourceLine {
        file: place.file(),
        line: place.line(),
    };
    let statement = statement.into();
    let open = uncounted::during(false, || {
        exchange.state().open_statements += 1;
        let text = match statement {
            Cow::Borrowed(text) if text.len() <= STATEMENT_BYTES => Cow::Borrowed(text),
            // A copy of the profiler's own, since the program allocated the other.
            ref text => Cow::Owned(cut(text, STATEMENT_BYTES)),
        };
        Box::new(Open {
            exchange,
            statement: Statement {
                text,
                parameters: Vec::new(),
                elapsed: Duration::ZERO,
                rows: None,
                place: Some(place),
                plan: None,
            },
            began: Instant::now(),
        })
    });
    drop(statement);
    Sql(Some(open.0))
}

impl Sql {
    /// Adds the value of the next placeholder.
    ///
    /// The value is shown as dots if the placeholder is a secret's, as in `password = ?`, if it is
    /// [`Redacted`](super::Redacted), or if it looks like a secret.
    pub fn parameter(self, value: impl Debug) -> Self {
        self.with(|statement| {
            if statement.parameters.len() < PARAMETERS {
                let text = Cut::of(PARAMETER_BYTES, |text| write!(text, "{value:?}"));
                statement.parameters.push(text);
            }
        })
    }

    /// Adds the database's plan for the statement.
    pub fn plan(self, plan: &str) -> Self {
        self.with(|statement| statement.plan = Some(cut(plan, STATEMENT_BYTES)))
    }

    /// Adds the number of rows that the statement returned or changed, and ends the statement.
    pub fn rows(self, count: impl TryInto<u64>) {
        drop(self.with(|statement| statement.rows = count.try_into().ok()));
    }

    fn with(mut self, change: impl FnOnce(&mut Statement)) -> Self {
        if let Some(open) = &mut self.0 {
            uncounted::during(false, || change(&mut open.statement));
        }
        self
    }
}

impl Drop for Sql {
    fn drop(&mut self) {
        let Some(open) = self.0.take() else { return };
        uncounted::during(false, || {
            let Open {
                exchange,
                mut statement,
                began,
            } = *open;
            statement.elapsed = began.elapsed();
            exchange.state().open_statements -= 1;
            add(&exchange, statement);
        });
    }
}

/// Adds a statement to its request.
pub(super) fn add(exchange: &Shared, statement: Statement) {
    let parameters: usize = statement.parameters.iter().map(String::capacity).sum();
    let plan = statement.plan.as_ref().map_or(0, String::capacity);
    let bytes = size_of::<Statement>()
        + parameters
        + statement.parameters.capacity() * size_of::<String>()
        + plan
        + statement.text.len();
    exchange.add(bytes, |state| state.statements.push(statement));
}

/// The statement with `?` for every number and string, one space for consecutive ones and one value
/// for a list, so that statements that differ only in these are equal.
pub(super) fn normalised(statement: &str) -> String {
    let mut normal = String::with_capacity(statement.len());
    let mut letters = statement.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_in_name = normal.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        match letter {
            '\'' => {
                // Two quotes stand for one quote in the string.
                while letters.next().is_some_and(|c| c != '\'')
                    || letters.next_if_eq(&'\'').is_some()
                {}
                push_value(&mut normal);
            }
            '0'..='9' | '?' | '$' if !is_in_name => {
                let mut is_number = letter.is_ascii_digit() || letter == '?';
                while let Some(digit) = letters.next_if(|c| c.is_ascii_alphanumeric() || *c == '.')
                {
                    is_number |= digit.is_ascii_digit();
                }
                if is_number {
                    push_value(&mut normal);
                } else {
                    normal.push(letter);
                }
            }
            _ if letter.is_whitespace() => {
                if !normal.ends_with(' ') && !normal.is_empty() {
                    normal.push(' ');
                }
            }
            _ => normal.extend(letter.to_lowercase()),
        }
    }
    normal.truncate(normal.trim_end_matches([' ', ';']).len());
    normal
}

/// Appends a value, unless it continues a list.
fn push_value(normal: &mut String) {
    let before = normal.trim_end().strip_suffix(',').map(str::trim_end);
    match before.filter(|before| before.ends_with('?')).map(str::len) {
        Some(length) => normal.truncate(length),
        None => normal.push('?'),
    }
}

#[cfg(test)]
mod tests {
    use super::normalised;

    #[test]
    fn statements_that_differ_in_their_values_alone_are_equal() {
        let one = "SELECT a1, 'it''s'  FROM t\n WHERE id = 12 AND b IN (1, 2,3);";
        let other = "select a1, 'x' from t where id = ? and b in ($1)";
        let normal = "select a1, ? from t where id = ? and b in (?)";
        assert_eq!([normalised(one), normalised(other)], [normal, normal]);
        assert_ne!(normalised("SELECT a1"), normalised("SELECT a2"));
        assert_eq!(normalised("'open"), "?");
    }
}
