//! The formats that a report is written in, each for someone else who reads it.

use super::{csv, folded, json, markdown, page, pprof, pstats, speedscope};
use crate::model::report::Report;
use crate::report::Quantity;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;

/// A format for [reports](Report) in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// `.json`: all of a report, and the only format that [`Report::read`] reads.
    ///
    /// ```text
    /// { "format": "memprof report", "version": 2,
    ///   "process": { BLOCKS, "peak_error_bytes", "resident_bytes", "resident_is_exact",
    ///     "calls_left_out", "tag_bytes" if known, "owners_are_unknown" and "lines_are_unknown"
    ///     if so, "interim_after_ns" if the program went on },
    ///   "untracked": { BLOCKS },
    ///   "functions": [ { "name", "file", "line", "notes" if there are any, "calls",
    ///     "own_ns", "inclusive_ns", "lines": [ { "line", "source", "hits", BLOCKS, "inclusive": { BLOCKS },
    ///       "while_running": null or { "resident_bytes", "resident_increment_bytes",
    ///         "resident_read_count", "allocated_bytes", "freed_bytes", "net_bytes",
    ///         "peak_bytes", "allocation_count", "deallocation_count",
    ///         "reallocation_count", "elapsed_ns" } } ] } ],
    ///   "calls": [ { "function", "caller": null or { "call", "line" }, "calls",
    ///     "own_ns", "inclusive_ns",
    ///     "lines": [ { "line", "hits", "own": { BLOCKS }, "inclusive": { BLOCKS } } ] } ] }
    /// ```
    ///
    /// `BLOCKS` are `allocated_bytes`, `allocation_count`, `freed_bytes`,
    /// `deallocation_count`, `transferred_bytes`, `transferred_count`, `live_bytes`,
    /// `live_count`, `bytes_at_peak`, `temporary_count` and `moved_bytes`, as in [`Allocations`](crate::report::Allocations). All
    /// numbers are integers, and `resident_bytes` and `resident_increment_bytes` null where they
    /// aren't known. Where [owners are unknown](Report::owners_are_unknown), those of `BLOCKS`
    /// that aren't known are left out.
    /// `function` and `call` are places in the lists; a call comes after its caller.
    /// Of a call, lines without numbers are left out, and of its lines `own` if there are
    /// no such blocks, and `inclusive` if it is the same as `own`.
    ///
    /// Version 1 is read as well. It has no `transferred_bytes` and `transferred_count`:
    /// there, a block that went over to another line was freed in the line that made it, and
    /// allocated as a whole in the other, so that lines add up to more than the process.
    Json,

    /// `.html`: a page to explore in a browser: functions and lines, their source, and
    /// the tree of calls, by what the report is [about](Report::main_quantity) unless
    /// something else is chosen. It is one file that makes no request, and shows what is in a
    /// report as text only.
    Html,

    /// `.csv`: the lines as a table, with headings as the keys of JSON.
    Csv,

    /// `.md`: the lines that made something, those first with most of what the report is
    /// [about](Report::main_quantity), for a pull request.
    Markdown,

    /// `.folded`: a stack of functions and lines in each row, and the
    /// [quantity](Quantity) that its last line has: for flame graphs, as of inferno.
    Folded,

    /// `.speedscope.json`: what was allocated, is alive and was alive at the peak, for
    /// <https://www.speedscope.app>, which opens on what the report is
    /// [about](Report::main_quantity).
    Speedscope,

    /// `.pb.gz`: for Go's `pprof` and what reads the same, with Go's sample types
    /// `alloc_objects`, `alloc_space`, `inuse_objects` and `inuse_space`, and
    /// `peak_space` and `temporary_objects`, of which the [main](Report::main_quantity) one is
    /// the default; by function and statement. And `time`, where
    /// it is known, on the first lines of functions: by each way to them in the report of
    /// a scope, of the process by function alone.
    Pprof,

    /// `.prof`: as Python's `profile` writes it, for `pstats`, `SnakeViz` and `gprof2dot`:
    /// calls, times and callers by function. Calls of a function by itself aren't told from
    /// others: its primitive calls are all of them. Times are 0 where no column asked for
    /// them. How the time of a function is divided among several callers isn't known:
    /// there, too, it is 0.
    Pstats,
}

impl Format {
    /// All of them, with the ending of their files; of two that fit, the first counts.
    const ENDINGS: [(&'static str, Self); 8] = [
        (".speedscope.json", Self::Speedscope),
        (".json", Self::Json),
        (".html", Self::Html),
        (".csv", Self::Csv),
        (".md", Self::Markdown),
        (".folded", Self::Folded),
        (".pb.gz", Self::Pprof),
        (".prof", Self::Pstats),
    ];

    /// The format that a file's name ends in.
    ///
    /// ```
    /// use memprof::report::Format;
    ///
    /// assert_eq!(Format::from_path("out/today.pb.gz"), Some(Format::Pprof));
    /// assert_eq!(Format::from_path("today.txt"), None);
    /// ```
    #[must_use]
    pub fn from_path(path: impl AsRef<Path>) -> Option<Self> {
        let name = path.as_ref().file_name()?.to_string_lossy();
        let mut endings = Self::ENDINGS.iter();
        let (_, format) = endings.find(|(ending, _)| name.ends_with(ending))?;
        Some(*format)
    }

    /// All of them.
    #[cfg(feature = "web")]
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::ENDINGS.iter().map(|(_, format)| *format)
    }

    /// What is the ending in a file's name, if it is one of these.
    pub(crate) fn ending_of(name: &str) -> Option<&'static str> {
        let mut endings = Self::ENDINGS.iter().map(|(ending, _)| *ending);
        endings.find(|ending| name.ends_with(ending))
    }

    /// The `Content-Security-Policy` of a [`Html`](Self::Html): its own script and style
    /// by their hashes, and nothing else. It is in the page, and the same for all pages
    /// of this version; a server sends it as a header as well.
    ///
    /// ```
    /// assert!(memprof::report::Format::html_policy().starts_with("default-src 'none'; script-src 'sha256-"));
    /// ```
    #[must_use]
    pub fn html_policy() -> String {
        page::policy()
    }

    /// The endings, for people.
    pub(crate) fn endings() -> String {
        let endings: Vec<_> = Self::ENDINGS
            .iter()
            .map(|(ending, _)| format!("`{ending}`"))
            .collect();
        endings.join(", ")
    }
}

/// Reads a name: an ending without its first dot.
///
/// ```
/// use memprof::report::Format;
///
/// let format: Format = "folded".parse()?;
/// assert_eq!(format, Format::Folded);
/// # Ok::<(), memprof::report::UnknownFormat>(())
/// ```
impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let mut endings = Self::ENDINGS.iter();
        let known = endings.find(|(ending, _)| ending.get(1..) == Some(name));
        known
            .map(|(_, format)| *format)
            .ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

/// A name that no [`Format`] has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFormat(String);

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no format; it should be one of {}, without the dot",
            self.0,
            Format::endings()
        )
    }
}

impl Error for UnknownFormat {}

impl Report {
    /// Writes the report to `out`.
    ///
    /// ```
    /// let mut text = Vec::new();
    /// memprof::report().write_to(memprof::report::Format::Csv, &mut text)?;
    /// assert!(text.starts_with(b"function,file,line,source,hits,allocated_bytes"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_to(&self, format: Format, out: impl io::Write) -> io::Result<()> {
        match format {
            Format::Json => json::write(self, out),
            Format::Html => page::write(None, self, out),
            Format::Csv => csv::write(self, out),
            Format::Markdown => markdown::write(self, out),
            Format::Folded => folded::write(self, Quantity::default(), out),
            Format::Speedscope => speedscope::write(self, out),
            Format::Pprof => pprof::write(self, out),
            Format::Pstats => pstats::write(self, out),
        }
    }

    /// The quantity that has an answer, which whatever shows the report opens on.
    ///
    /// That is [`LiveBytes`](Quantity::LiveBytes) if the lines have at least 4,096 bytes
    /// alive, and at least a tenth of what they had at the peak; else
    /// [`AllocatedBytes`](Quantity::AllocatedBytes). Of a program that has ended, there is
    /// next to nothing alive but what its start left; of a scope, which has no peak, what
    /// is alive is most often its answer, on the way to the caller.
    ///
    /// ```
    /// use memprof::memprofile;
    /// use memprof::report::Quantity;
    ///
    /// #[global_allocator]
    /// static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
    ///
    /// #[memprofile(print = "never")]
    /// fn load(size: usize) -> Vec<u8> {
    ///     vec![1; size]
    /// }
    ///
    /// # fn main() {
    /// let loaded = load(100_000);
    /// assert_eq!(memprof::report().main_quantity(), Quantity::LiveBytes);
    ///
    /// drop(loaded);
    /// assert_eq!(memprof::report().main_quantity(), Quantity::AllocatedBytes);
    /// # }
    /// ```
    #[must_use]
    pub fn main_quantity(&self) -> Quantity {
        const LEAST_LIVE_BYTES: u64 = 4096;
        const LEAST_SHARE_OF_PEAK: u64 = 10;
        let lines = || self.functions.iter().flat_map(|function| &function.lines);
        let live_bytes = lines().map(|line| Quantity::LiveBytes.of(&line.own));
        let live_bytes = live_bytes.fold(0, u64::saturating_add);
        let at_peak = lines().map(|line| line.own.bytes_at_peak);
        let at_peak = at_peak.fold(0, u64::saturating_add);
        let has_peak = self.total.bytes_at_peak > 0;
        if has_peak
            && live_bytes >= LEAST_LIVE_BYTES
            && live_bytes.saturating_mul(LEAST_SHARE_OF_PEAK) >= at_peak
        {
            Quantity::LiveBytes
        } else {
            Quantity::AllocatedBytes
        }
    }

    /// As [`main_quantity`](Self::main_quantity), of what has changed since `before`: what
    /// is alive, if one of both reports is about that.
    #[must_use]
    pub fn main_quantity_since(&self, before: &Self) -> Quantity {
        match before.main_quantity() {
            Quantity::LiveBytes => Quantity::LiveBytes,
            _ => self.main_quantity(),
        }
    }

    /// Writes the report to `out` as [`Format::Folded`], with the numbers of `quantity`.
    ///
    /// # Errors
    ///
    /// Those of `out`; and [`Unsupported`](io::ErrorKind::Unsupported) if that quantity isn't
    /// known, since [owners are unknown](Report::owners_are_unknown).
    pub fn write_folded(&self, quantity: Quantity, out: impl io::Write) -> io::Result<()> {
        folded::write(self, quantity, out)
    }

    /// Takes the text of the source out of all lines, for a file that others may see.
    #[must_use]
    pub fn without_source(mut self) -> Self {
        let functions = self.functions.iter_mut();
        for line in functions.flat_map(|function| &mut function.lines) {
            line.source = "".into();
        }
        self
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut endings = Self::ENDINGS.iter();
        let ending = endings.find(|(_, format)| format == self);
        f.write_str(ending.map_or("", |(ending, _)| ending.trim_start_matches('.')))
    }
}
