//! What a panel shows, as data: the toolbar escapes it and hides what is secret.

use super::exchange::Exchange;
use serde::Serialize;

/// A panel of the toolbar.
///
/// ```
/// use memprof::web::toolbar::{Content, Exchange, Panel};
///
/// struct Greeting;
///
/// impl Panel for Greeting {
///     fn title(&self) -> &str {
///         "Greeting"
///     }
///
///     fn content(&self, exchange: &Exchange) -> Content {
///         Content::new()
///             .pairs([("asked for", exchange.path())])
///             .text("Hello!")
///     }
/// }
/// ```
pub trait Panel: Send + Sync {
    /// What it is called on the bar. Two panels of one name can't be told apart in paths;
    /// the second has a number there.
    fn title(&self) -> &str;

    /// One number for the bar, with its unit, if it has one.
    fn number(&self, exchange: &Exchange) -> String {
        let _ = exchange;
        String::new()
    }

    /// What it shows of a request, which may still be under way. Asked for when somebody
    /// looks, each time.
    fn content(&self, exchange: &Exchange) -> Content;
}

/// What a panel shows: pieces one below the other.
#[derive(Clone, Debug, Default)]
pub struct Content {
    pub(super) pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
pub(super) enum Piece {
    Heading(String),
    /// A sentence.
    Text(String),
    /// Lines as they are.
    Code(String),
    Pairs(Vec<(String, String)>),
    Table(Table),
    Links(Vec<(String, String)>),
    Chart(Chart),
}

impl Content {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A line above what follows.
    #[must_use]
    pub fn heading(self, text: impl Into<String>) -> Self {
        self.with(Piece::Heading(text.into()))
    }

    /// A sentence or two.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        self.with(Piece::Text(text.into()))
    }

    /// Lines that are shown as they are.
    #[must_use]
    pub fn code(self, text: impl Into<String>) -> Self {
        self.with(Piece::Code(text.into()))
    }

    /// Names and their values. Those of secrets are shown as dots.
    #[must_use]
    pub fn pairs<N, V>(self, pairs: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        let pairs = pairs.into_iter();
        let pairs = pairs.map(|(name, value)| (name.into(), value.into()));
        self.with(Piece::Pairs(pairs.collect()))
    }

    /// A table.
    #[must_use]
    pub fn table(self, table: Table) -> Self {
        self.with(Piece::Table(table))
    }

    /// Texts and the paths that they lead to, which are below the toolbar's own.
    pub(super) fn links(self, links: Vec<(String, String)>) -> Self {
        self.with(Piece::Links(links))
    }

    pub(super) fn chart(self, chart: Chart) -> Self {
        self.with(Piece::Chart(chart))
    }

    fn with(mut self, piece: Piece) -> Self {
        self.pieces.push(piece);
        self
    }
}

/// A table of a panel.
///
/// ```
/// use memprof::web::toolbar::Table;
///
/// let table = Table::new(["greeting", "count"]).row(["hello", "2"]).row(["bye", "1"]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub(super) heads: Vec<String>,
    pub(super) rows: Vec<Row>,
}

#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) cells: Vec<String>,
    pub(super) is_marked: bool,
}

impl Table {
    /// One with these columns. Where there are only numbers below, with a unit or without,
    /// they are at the right.
    #[must_use]
    pub fn new<T: Into<String>>(heads: impl IntoIterator<Item = T>) -> Self {
        Self {
            heads: heads.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    /// One more row, of a cell for each column.
    #[must_use]
    pub fn row<T: Into<String>>(mut self, cells: impl IntoIterator<Item = T>) -> Self {
        self.push(cells.into_iter().map(Into::into).collect(), false);
        self
    }

    /// One more row, which is to be seen.
    #[must_use]
    pub fn marked_row<T: Into<String>>(mut self, cells: impl IntoIterator<Item = T>) -> Self {
        self.push(cells.into_iter().map(Into::into).collect(), true);
        self
    }

    pub(super) fn push(&mut self, cells: Vec<String>, is_marked: bool) {
        self.rows.push(Row { cells, is_marked });
    }
}

/// Lines over the last requests, the oldest first.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) highest: String,
    pub(super) lines: Vec<ChartLine>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct ChartLine {
    pub(super) name: String,
    /// Of a `polyline`, in a box of 1,000 by 200.
    pub(super) points: String,
    pub(super) last: String,
}
