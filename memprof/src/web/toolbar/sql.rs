//! Statements that a request has sent to a database, as the application tells.

use super::current::current;
use super::exchange::Shared;
use super::limits::{PARAMETER_BYTES, PARAMETERS, STATEMENT_BYTES};
use super::recorded::{Place, Statement};
use super::text::{Cut, cut};
use crate::count::uncounted;
use std::borrow::Cow;
use std::fmt::{Debug, Write as _};
use std::panic::Location;
use std::time::{Duration, Instant};

/// A statement that is under way, for the toolbar: see [`sql`].
///
/// It is noted when this is dropped, with the time that has gone by.
#[derive(Debug)]
#[must_use = "the statement's time ends when this is dropped"]
pub struct Sql(Option<Box<Open>>);

#[derive(Debug)]
struct Open {
    exchange: Shared,
    statement: Statement,
    began: Instant,
}

/// Notes that the request sends a statement to its database, for the toolbar's panel.
///
/// Does nothing where there is no request with a toolbar. The panel tells from which line
/// it was sent, marks what is sent more than once, and can show how the database would go
/// about it: see [`explain`](super::DebugToolbarLayer::explain).
///
/// A statement that sqlx tells of by [`LogLayer`](super::LogLayer) is there without this, but
/// nothing of its parameters and of the line that it is from: sqlx's events have neither.
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
    let place = Place {
        file: place.file(),
        line: place.line(),
    };
    let statement = statement.into();
    let open = uncounted::during(false, || {
        exchange.state().open_statements += 1;
        let text = match statement {
            Cow::Borrowed(text) if text.len() <= STATEMENT_BYTES => Cow::Borrowed(text),
            // A copy of our own, since the program made the other.
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
    /// What the next of its places is filled with.
    ///
    /// It is shown as dots if it is in the place of a secret, as in `password = ?`, if it is
    /// [`Redacted`](super::Redacted), or if it looks like a secret.
    pub fn parameter(self, value: impl Debug) -> Self {
        self.with(|statement| {
            if statement.parameters.len() < PARAMETERS {
                let text = Cut::of(PARAMETER_BYTES, |text| write!(text, "{value:?}"));
                statement.parameters.push(text);
            }
        })
    }

    /// How the database goes about it, as it has told.
    pub fn plan(self, plan: &str) -> Self {
        self.with(|statement| statement.plan = Some(cut(plan, STATEMENT_BYTES)))
    }

    /// How many rows it found or changed. This ends it.
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

/// Adds a statement to what a request has sent.
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

/// A statement without its numbers and texts, with one space for many and one value for a
/// list of them, so that those are equal that differ in nothing else.
pub(super) fn normalised(statement: &str) -> String {
    let mut normal = String::with_capacity(statement.len());
    let mut letters = statement.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_in_name = normal.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        match letter {
            '\'' => {
                // Two quotes are one in the text.
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

/// Unless the one before it in a list is there.
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
