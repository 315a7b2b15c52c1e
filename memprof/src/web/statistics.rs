//! A request's profile as text, in the layout of Python's `cProfile`.

use super::recording::RequestProfile;
use super::redact::Redactor;
use crate::model::report::{FunctionReport, Report};
use crate::model::units::{bytes, grouped, time};
use regex::Regex;
use std::cmp::Ordering;
use std::fmt::{self, Write as _};
use std::time::Duration;

/// The order of functions in a printed profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sort {
    /// By number of calls, highest first.
    Calls,
    /// By time without callees, Python's `tottime`, longest first.
    OwnTime,
    /// By time with callees, Python's `cumtime`, longest first.
    InclusiveTime,
    /// By bytes that the function's own lines allocated, most first.
    Allocated,
    /// By bytes of these that are alive after the request, most first.
    Alive,
    /// By file and line.
    Place,
    /// By the function's name.
    Name,
}

impl Sort {
    fn title(self) -> &'static str {
        match self {
            Self::Calls => "call count",
            Self::OwnTime => "internal time",
            Self::InclusiveTime => "cumulative time",
            Self::Allocated => "allocated bytes",
            Self::Alive => "bytes alive",
            Self::Place => "file name",
            Self::Name => "function name",
        }
    }

    fn compare(self, one: &FunctionReport, other: &FunctionReport) -> Ordering {
        match self {
            Self::Calls => other.call_count.cmp(&one.call_count),
            Self::OwnTime => other.own_elapsed.cmp(&one.own_elapsed),
            Self::InclusiveTime => other.inclusive_elapsed.cmp(&one.inclusive_elapsed),
            Self::Allocated => {
                let allocated = |function: &FunctionReport| function.own().allocated_bytes;
                allocated(other).cmp(&allocated(one))
            }
            Self::Alive => other.own().live_bytes().cmp(&one.own().live_bytes()),
            Self::Place => (&one.file, first_line(one)).cmp(&(&other.file, first_line(other))),
            Self::Name => one.path.cmp(&other.path),
        }
    }
}

/// A restriction on which functions of a profile are printed.
#[derive(Clone, Debug)]
pub struct Restriction(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Count(usize),
    Fraction(f64),
    Pattern(Regex),
}

/// Why a restriction is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestrictionError(String);

impl fmt::Display for RestrictionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RestrictionError {}

impl Restriction {
    /// Prints the first `count` functions.
    #[must_use]
    pub fn count(count: usize) -> Self {
        Self(Kind::Count(count))
    }

    /// Prints the first part of the functions: with 0.1, a tenth of them.
    ///
    /// # Errors
    ///
    /// Fails if `fraction` isn't from 0 to 1.
    pub fn fraction(fraction: f64) -> Result<Self, RestrictionError> {
        if (0.0..=1.0).contains(&fraction) {
            Ok(Self(Kind::Fraction(fraction)))
        } else {
            Err(RestrictionError(format!(
                "a restriction to a fraction of the functions is {fraction}; it should be from 0 \
                 to 1"
            )))
        }
    }

    /// Prints functions whose `file:line(function)` matches a regular expression.
    ///
    /// ```
    /// use memprof::web::Restriction;
    ///
    /// assert!(Restriction::pattern(r"posts\.rs").is_ok());
    /// assert!(Restriction::pattern("(").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if `pattern` isn't a regular expression.
    pub fn pattern(pattern: &str) -> Result<Self, RestrictionError> {
        let regex = Regex::new(pattern).map_err(|error| {
            RestrictionError(format!("a restriction isn't a regular expression: {error}"))
        })?;
        Ok(Self(Kind::Pattern(regex)))
    }

    fn apply(&self, functions: &mut Vec<&FunctionReport>) {
        match &self.0 {
            Kind::Count(count) => functions.truncate(*count),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                clippy::cast_sign_loss,
                reason = "rounded, as Python does"
            )]
            Kind::Fraction(fraction) => {
                let count = (functions.len() as f64 * fraction + 0.5) as usize;
                functions.truncate(count);
            }
            Kind::Pattern(pattern) => {
                functions.retain(|function| pattern.is_match(&location(function)));
            }
        }
    }

    fn text(&self) -> String {
        match &self.0 {
            Kind::Count(count) => count.to_string(),
            Kind::Fraction(fraction) => format!("{fraction:?}"),
            Kind::Pattern(pattern) => format!("{:?}", pattern.as_str()),
        }
    }
}

/// The text of a profile.
pub(super) fn text(
    profile: &RequestProfile,
    sort: &[Sort],
    restrictions: &[Restriction],
) -> String {
    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = write(&mut text, profile, sort, restrictions);
    text
}

fn write(
    text: &mut String,
    profile: &RequestProfile,
    sort: &[Sort],
    restrictions: &[Restriction],
) -> fmt::Result {
    let rule = "-".repeat(80);
    let RequestProfile {
        method,
        path,
        outcome,
        usage,
        report,
        ..
    } = profile;
    let path = Redactor::default().address(path).into_owned();
    writeln!(text, "{rule}\n{method} {path:?}: {outcome}")?;
    let elapsed = u64::try_from(profile.elapsed.as_nanos()).unwrap_or(u64::MAX);
    writeln!(text, "         {} in {}", calls(report), time(elapsed))?;
    write!(
        text,
        "         allocated {} in {} blocks, peak {}, ",
        bytes(usage.allocated_bytes.into()),
        grouped(usage.allocation_count.into()),
        bytes(usage.peak_bytes.into()),
    )?;
    if report.lines_are_unknown {
        return writeln!(text, "{}\n\n{rule}\n", Report::LINES_ARE_UNKNOWN);
    }
    let is_unknown = report.owners_are_unknown;
    if is_unknown {
        writeln!(text, "{}\n", Report::OWNERS_ARE_UNKNOWN)?;
    } else {
        let alive = report.total.live_bytes();
        writeln!(text, "{} alive afterwards\n", bytes(alive.into()))?;
    }

    let functions = listed(text, report, sort, restrictions)?;
    write_rows(text, &functions, is_unknown)?;
    writeln!(text, "\n\n{rule}\n")
}

/// The number of calls, without those that weren't counted.
fn calls(report: &Report) -> String {
    let counts = report.functions.iter();
    let calls: u64 = counts.filter_map(|function| function.call_count).sum();
    let plural = if calls == 1 { "" } else { "s" };
    format!("{} function call{plural}", grouped(calls.into()))
}

/// The functions to list, in order. Writes what decides that, as `pstats` does.
fn listed<'a>(
    text: &mut String,
    report: &'a Report,
    sort: &[Sort],
    restrictions: &[Restriction],
) -> Result<Vec<&'a FunctionReport>, fmt::Error> {
    let mut functions: Vec<&FunctionReport> = report.functions.iter().collect();
    if sort.is_empty() {
        writeln!(text, "   Random listing order was used")?;
    } else {
        let titles: Vec<_> = sort.iter().map(|sort| sort.title()).collect();
        writeln!(text, "   Ordered by: {}", titles.join(", "))?;
        functions.sort_by(|one, other| {
            let orders = sort.iter().map(|sort| sort.compare(one, other));
            orders.fold(Ordering::Equal, Ordering::then)
        });
    }
    for restriction in restrictions {
        let before = functions.len();
        restriction.apply(&mut functions);
        writeln!(
            text,
            "   List reduced from {before} to {} due to restriction <{}>",
            functions.len(),
            restriction.text()
        )?;
    }
    Ok(functions)
}

/// Writes the table. If `is_unknown` which line allocated each block, live bytes are left out.
fn write_rows(text: &mut String, functions: &[&FunctionReport], is_unknown: bool) -> fmt::Result {
    let longest = functions.iter().map(|function| function.inclusive_elapsed);
    let unit = Unit::of(longest.max().unwrap_or_default());
    let name = unit.name;
    writeln!(
        text,
        "   Times in {name}, bytes of the function's own lines\n\n\
         \x20  ncalls  tottime  percall  cumtime  percall    allocated        alive  filename:lineno(function)"
    )?;
    for function in functions {
        let own = function.own();
        let count = function.call_count;
        let count = count.map_or_else(String::new, |count| count.to_string());
        let live = if is_unknown {
            String::new()
        } else {
            grouped(own.live_bytes().into())
        };
        writeln!(
            text,
            "{:>9} {:>8} {:>8} {:>8} {:>8} {:>12} {live:>12}  {}",
            count,
            unit.text(function.own_elapsed),
            unit.text(per_call(function.own_elapsed, function.call_count)),
            unit.text(function.inclusive_elapsed),
            unit.text(per_call(function.inclusive_elapsed, function.call_count)),
            grouped(own.allocated_bytes.into()),
            location(function),
        )?;
    }
    Ok(())
}

/// A unit in which the longest of some times is at least 1.
struct Unit {
    name: &'static str,
    seconds: f64,
}

impl Unit {
    fn of(longest: Duration) -> Self {
        let (name, seconds) = if longest >= Duration::from_secs(1) {
            ("s", 1.0)
        } else if longest >= Duration::from_millis(1) {
            ("ms", 1e-3)
        } else {
            ("us", 1e-6)
        };
        Self { name, seconds }
    }

    fn text(&self, time: Duration) -> String {
        format!("{:.3}", time.as_secs_f64() / self.seconds)
    }
}

fn per_call(time: Duration, calls: Option<u64>) -> Duration {
    // A function that was only resumed has no calls; its time counts as that of one call.
    let calls = calls.unwrap_or(0).max(1);
    time.div_f64(f64::from(u32::try_from(calls).unwrap_or(u32::MAX)))
}

fn first_line(function: &FunctionReport) -> u32 {
    function.lines.first().map_or(0, |line| line.number)
}

fn location(function: &FunctionReport) -> String {
    format!(
        "{}:{}({})",
        function.file,
        first_line(function),
        function.path
    )
}
