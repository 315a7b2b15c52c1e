//! The options of a profiled function: what is shown of it, where and when.

use crate::model::column::Column;

/// When a function's table is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Print {
    /// Each time the function returns.
    Call,
    /// Once for all its calls, when the process ends. On Windows not after [`std::process::exit`],
    /// which notifies nothing there.
    Exit,
    /// Never.
    Never,
}

/// Where a table goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The standard output, stdout.
    Stdout,
    /// The standard error, stderr.
    Stderr,
    /// An event for the subscriber of the crate `tracing`.
    Tracing,
    /// A record for the logger of the crate `log`.
    Log,
}

impl Stream {
    const ALL: [Self; 4] = [Self::Stdout, Self::Stderr, Self::Tracing, Self::Log];

    /// The name in the attribute and in `MEMPROF_STREAM`. If a feature is needed, it has this name,
    /// too.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Tracing => "tracing",
            Self::Log => "log",
        }
    }

    /// Whether this build has the feature that it needs.
    pub(crate) fn is_in_build(self) -> bool {
        match self {
            Self::Stdout | Self::Stderr => true,
            Self::Tracing => cfg!(feature = "tracing"),
            Self::Log => cfg!(feature = "log"),
        }
    }

    /// The stream with this name, if this build has it.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|stream| stream.word() == word && stream.is_in_build())
    }

    /// A description of the names.
    pub(crate) fn accepted() -> String {
        let [others @ .., last] = Self::ALL.map(|stream| {
            let word = stream.word();
            if stream.is_in_build() {
                format!("`{word}`")
            } else {
                format!("`{word}` (with memprof's feature `{word}`)")
            }
        });
        format!("{} or {last}", others.join(", "))
    }
}

/// How often resident memory is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rss {
    /// Whenever a line begins.
    Exact,
    /// When the line before ran for one of the first times, ran long, or moved enough memory to
    /// matter.
    Adaptive,
    /// Never.
    Off,
}

/// The options that an attribute sets; the others are `None`.
///
/// The attribute's generated code builds it, in a `static`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    pub(crate) precision: Option<u8>,
    pub(crate) columns: Option<&'static [Column]>,
    pub(crate) stream: Option<Stream>,
    pub(crate) print: Option<Print>,
    pub(crate) rss: Option<Rss>,
    pub(crate) hits: Option<bool>,
}

impl Options {
    /// Options with none set.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            precision: None,
            columns: None,
            stream: None,
            print: None,
            rss: None,
            hits: None,
        }
    }

    /// Decimals of the numbers in MiB.
    #[must_use]
    pub const fn precision(mut self, decimals: u8) -> Self {
        self.precision = Some(decimals);
        self
    }

    /// Columns between the line's number and its text.
    #[must_use]
    pub const fn columns(mut self, columns: &'static [Column]) -> Self {
        self.columns = Some(columns);
        self
    }

    /// Where the table goes.
    #[must_use]
    pub const fn stream(mut self, stream: Stream) -> Self {
        self.stream = Some(stream);
        self
    }

    /// When the table is printed.
    #[must_use]
    pub const fn print(mut self, print: Print) -> Self {
        self.print = Some(print);
        self
    }

    /// How often resident memory is read.
    #[must_use]
    pub const fn rss(mut self, rss: Rss) -> Self {
        self.rss = Some(rss);
        self
    }

    /// Whether calls and executions of lines are counted even if no table is printed.
    #[must_use]
    pub const fn hits(mut self, is_on: bool) -> Self {
        self.hits = Some(is_on);
        self
    }
}

/// The settings of a function in this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableSettings {
    pub(crate) precision: u8,
    pub(crate) columns: &'static [Column],
    /// Where tables go, if the environment or the attribute says so.
    pub(crate) stream: Option<Stream>,
    pub(crate) print: Print,
    pub(crate) rss: Rss,
    /// Whether calls and executions of lines are counted even if no table is printed.
    pub(crate) hits: bool,
}

impl TableSettings {
    /// How often resident memory is read: never if no column shows it.
    pub(crate) fn rss_in_use(&self) -> Rss {
        if self.columns.iter().any(|column| column.is_resident()) {
            self.rss
        } else {
            Rss::Off
        }
    }

    /// Whether a column shows what became of the blocks that a line allocated.
    pub(crate) fn show_owned(&self) -> bool {
        self.columns.iter().any(|column| column.is_owned())
    }

    /// Whether a column shows the time, so that it has to be measured.
    pub(crate) fn show_time(&self) -> bool {
        self.columns.contains(&Column::Time)
    }
}
