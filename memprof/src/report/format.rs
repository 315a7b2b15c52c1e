//! The file formats of reports.

use super::{csv, folded, json, markdown, page, pprof, pstats, speedscope};
use crate::model::report::Report;
use crate::report::Quantity;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;

/// A file format for [reports](Report).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// `.json`: the whole report. This is the only format that [`Report::read`] reads.
    ///
    /// ```text
    /// { "format": "memprof report", "version": 4,
    ///   "process": { BLOCKS, "peak_error_bytes", "resident_bytes", "resident_is_exact",
    ///     "callers_left_out", "accessors_left_out" if there are any, "tag_bytes" if known,
    ///     "owners_are_unknown" and "lines_are_unknown" if true, "interim_after_ns" if the program
    ///     went on, "sampling": { TIME, "untracked": { TIME }, "dropped_count" } if there are
    ///     samples },
    ///   "untracked": { BLOCKS },
    ///   "functions": [ { "path", "file", "line", "notes" if there are any, "call_count",
    ///     "own_ns", "inclusive_ns",
    ///     "lines": [ { "line", "source", "hits", BLOCKS, "inclusive": { BLOCKS },
    ///       "own_time": { TIME } and "inclusive_time": { TIME } if there are samples,
    ///       "while_running": null or { "resident_bytes", "resident_increment_bytes",
    ///         "resident_read_count", "allocated_bytes", "freed_bytes", "net_bytes",
    ///         "peak_bytes", "allocation_count", "deallocation_count",
    ///         "reallocation_count", "elapsed_ns" } } ] } ],
    ///   "calls": [ { "function", "caller": null or { "call", "line" }, "call_count",
    ///     "own_ns", "inclusive_ns",
    ///     "lines": [ { "line", "hits", "own": { BLOCKS }, "inclusive": { BLOCKS },
    ///       "own_time": { TIME }, "inclusive_time": { TIME } } ] } ] }
    /// ```
    ///
    /// `BLOCKS` are `allocated_bytes`, `allocation_count`, `freed_bytes`,
    /// `deallocation_count`, `transferred_bytes`, `transferred_count`, `live_bytes`,
    /// `live_count`, `bytes_at_peak`, `temporary_count` and `moved_bytes`, as in
    /// [`Allocations`](crate::report::Allocations). All numbers are integers. `resident_bytes` and
    /// `resident_increment_bytes` are null if they aren't known, `call_count` and `hits` if
    /// [they weren't counted](crate::report::LineReport::hits). If
    /// [owners are unknown](Report::owners_are_unknown), the numbers in `BLOCKS` that depend on
    /// owners are missing.
    ///
    /// `TIME` are `sample_count`, `running_ns` and `waiting_ns`, as in
    /// [`SampledTime`](crate::report::SampledTime). Of a line of a call, each is missing as `own`
    /// and `inclusive` are.
    ///
    /// `function` and `call` are indices into the lists; a call comes after its caller. A call
    /// lists only lines with numbers. A line of a call has no `own` if all numbers in it are 0, and
    /// no `inclusive` if that is the same as `own`.
    ///
    /// In version 3, `call_count` and `hits` were numbers everywhere. Versions 1 and 2 had other
    /// names for some keys, and reports in them can't be read.
    Json,

    /// `.html`: an interactive page with functions, lines, their source and the call tree. It opens
    /// on the report's [main quantity](Report::main_quantity). The page is a single file that makes
    /// no requests, and shows contents of the report as plain text only.
    Html,

    /// `.csv`: a table of the lines, whose headings match the keys of the JSON format; `sampled_` ones
    /// are from samples. A cell is empty if its number isn't known.
    Csv,

    /// `.md`: a table of the lines that allocated, sorted by the
    /// [main quantity](Report::main_quantity), for example for a pull request.
    Markdown,

    /// `.folded`: a stack of functions and lines in each row, followed by one
    /// [quantity](Quantity) of the last line. For flame graph tools such as inferno.
    Folded,

    /// `.speedscope.json`: profiles of allocated bytes, live bytes, bytes at the peak, blocks
    /// allocated and temporary blocks for <https://www.speedscope.app>, which opens on the
    /// [main quantity](Report::main_quantity).
    Speedscope,

    /// `.pb.gz`: for Go's `pprof` and tools that read its format, by function and statement.
    ///
    /// The sample types are Go's `alloc_objects`, `alloc_space`, `inuse_objects` and `inuse_space`,
    /// and `peak_space`, `temporary_objects` and `time`. The default is that of the
    /// [main quantity](Report::main_quantity). Where times are known, they are on the first line of
    /// each function: by call path in the report of a scope, by function only in that of the
    /// process.
    Pprof,

    /// `.prof`: the format of Python's `profile`, for `pstats`, `SnakeViz` and `gprof2dot`, with
    /// calls, times and callers by function.
    ///
    /// Functions without times whose calls [weren't counted](crate::report::LineReport::hits) are
    /// left out. If a report has only such functions, writing it fails with
    /// [`Unsupported`](io::ErrorKind::Unsupported).
    ///
    /// Recursive calls aren't distinguished, so the number of primitive calls is that of all calls.
    /// Times are 0 if no column asked for them. The time per caller is 0 in the report of the
    /// process if a function has several callers, since it isn't known how to divide it.
    Pstats,
}

impl Format {
    /// All formats with their file endings. The first ending that fits a name wins.
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

    /// Returns the format for the ending of a file name, or `None` if no format has it.
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

    /// All formats.
    #[cfg(feature = "web")]
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::ENDINGS.iter().map(|(_, format)| *format)
    }

    /// The ending of a file name, if it is that of a format.
    pub(crate) fn ending_of(name: &str) -> Option<&'static str> {
        let mut endings = Self::ENDINGS.iter().map(|(ending, _)| *ending);
        endings.find(|ending| name.ends_with(ending))
    }

    /// Returns the `Content-Security-Policy` of an [`Html`](Self::Html) page, which allows its own
    /// script and style by their hashes and nothing else.
    ///
    /// Each page contains it, and it is the same for all pages of this version. A server should
    /// also send it as a header.
    ///
    /// ```
    /// assert!(memprof::report::Format::html_policy().starts_with("default-src 'none'; script-src 'sha256-"));
    /// ```
    #[must_use]
    pub fn html_policy() -> String {
        page::policy()
    }

    /// The list of endings, for messages.
    pub(crate) fn endings() -> String {
        let endings: Vec<_> = Self::ENDINGS
            .iter()
            .map(|(ending, _)| format!("`{ending}`"))
            .collect();
        endings.join(", ")
    }
}

/// Parses the name of a format: its file ending without the leading dot.
///
/// ```
/// use memprof::report::Format;
///
/// let format: Format = "folded".parse()?;
/// assert_eq!(format, Format::Folded);
/// # Ok::<(), memprof::report::FormatError>(())
/// ```
impl FromStr for Format {
    type Err = FormatError;

    fn from_str(name: &str) -> Result<Self, FormatError> {
        let mut endings = Self::ENDINGS.iter();
        let known = endings.find(|(ending, _)| ending.get(1..) == Some(name));
        known
            .map(|(_, format)| *format)
            .ok_or_else(|| FormatError(name.to_owned()))
    }
}

/// The error of parsing a [`Format`] from an unknown name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError(String);

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a format; use one of {}, without the dot",
            self.0,
            Format::endings()
        )
    }
}

impl Error for FormatError {}

impl Report {
    /// Writes the report to `out` in the given format.
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
    /// If writing to `out` fails. The formats made of stacks ([`Folded`](Format::Folded),
    /// [`Speedscope`](Format::Speedscope) and [`Pprof`](Format::Pprof)) also fail for a report
    /// whose stacks have more than 50 million frames together.
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

    /// Returns the most informative quantity, which viewers of the report show first.
    ///
    /// This is [`LiveBytes`](Quantity::LiveBytes) if the lines have at least 4,096 bytes alive, and
    /// at least a tenth of their bytes at the peak. Otherwise it is
    /// [`AllocatedBytes`](Quantity::AllocatedBytes): at the end of a program, hardly anything but
    /// memory from its start is alive. Reports of scopes have no peak, so this is always
    /// `AllocatedBytes` for them; what is alive there is mostly the result on its way to the
    /// caller.
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

    /// Returns the most informative quantity for the changes since `before`:
    /// [`LiveBytes`](Quantity::LiveBytes) if that is the [main quantity](Self::main_quantity) of
    /// either report, else [`AllocatedBytes`](Quantity::AllocatedBytes).
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
    /// If writing to `out` fails, or the stacks have more than 50 million frames together. With
    /// [`Unsupported`](io::ErrorKind::Unsupported) if the quantity isn't known because
    /// [owners are unknown](Report::owners_are_unknown).
    pub fn write_folded(&self, quantity: Quantity, out: impl io::Write) -> io::Result<()> {
        folded::write(self, quantity, out)
    }

    /// Removes the source text of all lines, for a file that others may see.
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
