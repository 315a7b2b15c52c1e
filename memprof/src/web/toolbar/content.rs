//! A panel's content as data, which the toolbar escapes and whose secrets it hides.

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
    /// The name on the bar and in paths. If two panels have the same title, a number is added to
    /// the second one's path.
    fn title(&self) -> &str;

    /// A number next to the title, with its unit. By default there is none.
    fn number(&self, exchange: &Exchange) -> String {
        let _ = exchange;
        String::new()
    }

    /// The content for a request, which may still be under way. Called each time someone opens the
    /// panel.
    fn content(&self, exchange: &Exchange) -> Content;
}

/// The content of a panel: pieces, one below the other.
#[derive(Clone, Debug, Default)]
pub struct Content {
    pub(super) pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
pub(super) enum Piece {
    Heading(String),
    /// A sentence.
    Text(String),
    /// Preformatted text.
    Code(String),
    Pairs(Vec<(String, String)>),
    Table(Table),
    Links(Vec<(String, String)>),
    Chart(Chart),
}

impl Content {
    /// Creates empty content.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a heading.
    #[must_use]
    pub fn heading(self, text: impl Into<String>) -> Self {
        self.with(Piece::Heading(text.into()))
    }

    /// Adds a paragraph.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        self.with(Piece::Text(text.into()))
    }

    /// Adds preformatted text.
    #[must_use]
    pub fn code(self, text: impl Into<String>) -> Self {
        self.with(Piece::Code(text.into()))
    }

    /// Adds names and their values. The values of secrets are shown as dots.
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

    /// Adds a table.
    #[must_use]
    pub fn table(self, table: Table) -> Self {
        self.with(Piece::Table(table))
    }

    /// Adds links: texts and paths relative to the toolbar's prefix.
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
    /// Creates a table with these columns. Columns that contain only numbers, with or without a
    /// unit, are right-aligned.
    #[must_use]
    pub fn new<T: Into<String>>(heads: impl IntoIterator<Item = T>) -> Self {
        Self {
            heads: heads.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row with a cell for each column.
    #[must_use]
    pub fn row<T: Into<String>>(mut self, cells: impl IntoIterator<Item = T>) -> Self {
        self.push(cells.into_iter().map(Into::into).collect(), false);
        self
    }

    /// Adds a highlighted row.
    #[must_use]
    pub fn marked_row<T: Into<String>>(mut self, cells: impl IntoIterator<Item = T>) -> Self {
        self.push(cells.into_iter().map(Into::into).collect(), true);
        self
    }

    pub(super) fn push(&mut self, cells: Vec<String>, is_marked: bool) {
        self.rows.push(Row { cells, is_marked });
    }
}

/// Lines over the last requests, oldest first.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) highest: String,
    pub(super) lines: Vec<ChartLine>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct ChartLine {
    pub(super) name: String,
    /// The points of a `polyline`, in a box of 1,000 by 200.
    pub(super) points: String,
    pub(super) last: String,
}
