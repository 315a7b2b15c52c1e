//! The JSON format, which has the whole report and can be read again.
//!
//! [`Format::Json`](super::Format::Json) documents its structure. An incompatible change raises the
//! version. New keys alone don't, since unknown keys are skipped.

use crate::model::report::{
    Allocations, CallNode, CallNodeLine, CallSite, FunctionReport, LineExecution, LineReport,
    Report,
};
use crate::model::sampled_time::{SampledTime, Sampling};
use crate::model::usage::Usage;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::io;
use std::time::Duration;

/// The value of `"format"`.
const NAME: &str = "memprof report";

/// The version that is written, and the highest one that is read. In version 4, the numbers of calls
/// and hits can be null. Version 3 renamed keys. In version 1, a block that moved from one line to
/// another counted as freed in the first and as allocated in the second, and the transferred numbers
/// were missing.
const VERSION: u64 = 4;

/// The lowest version that is read.
const OLDEST: u64 = 3;

/// The limit on nested calls. No function occurs twice on a call path, so only a forged file has
/// deeper ones.
const DEEPEST: usize = 10_000;

/// Writes `report`.
pub(crate) fn write(report: &Report, out: impl io::Write) -> io::Result<()> {
    serde_json::to_writer(out, &Document::of(report)).map_err(io::Error::from)
}

/// Reads a report that [`write`] has written.
pub(crate) fn read(text: &[u8]) -> Result<Report, Unreadable> {
    match serde_json::from_slice::<Document>(text) {
        Ok(document)
            if document.format == NAME && (OLDEST..=VERSION).contains(&document.version) =>
        {
            document.into_report()
        }
        Ok(document) => Err(Head::from(document)
            .refusal()
            .unwrap_or(Unreadable::Foreign)),
        Err(error) => Err(why_not(text, error)),
    }
}

/// Finds out why a text couldn't be read, beyond what `error` says.
fn why_not(text: &[u8], error: serde_json::Error) -> Unreadable {
    if text.trim_ascii().is_empty() {
        return Unreadable::Empty;
    }
    if error.is_eof() {
        return Unreadable::Truncated;
    }
    match serde_json::from_slice::<Head>(text) {
        Ok(head) => head.refusal().unwrap_or(Unreadable::Damaged(error)),
        Err(error) if error.is_eof() => Unreadable::Truncated,
        Err(error) => Unreadable::NotAReport(error),
    }
}

/// The reason for refusing a text.
#[derive(Debug)]
pub(crate) enum Unreadable {
    Empty,
    Truncated,
    Foreign,
    NotAReport(serde_json::Error),
    Newer(u64),
    Older(u64),
    Damaged(serde_json::Error),
    /// The report parses, but contradicts itself. The text says how.
    Inconsistent(&'static str),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty, and should be a memprof report as JSON"),
            Self::Truncated => f.write_str(
                "it ends in the middle, as if writing it had been interrupted; write it again",
            ),
            Self::Foreign => write!(
                f,
                "it is JSON, but its `format` is not `{NAME}`; reports are written by \
                 `MEMPROF_OUTPUT` and `Report::write`"
            ),
            Self::NotAReport(error) => write!(
                f,
                "it is not a memprof report as JSON: {error}; reports are written by \
                 `MEMPROF_OUTPUT` and `Report::write`"
            ),
            Self::Newer(version) => write!(
                f,
                "a newer memprof wrote it, in version {version} of the format, and this one reads up \
                 to version {VERSION}; read it with the newer one"
            ),
            Self::Older(version) => write!(
                f,
                "an older memprof wrote it, in version {version} of the format, and this one reads \
                 versions {OLDEST} to {VERSION}; write it again, or read it with the older one"
            ),
            Self::Damaged(error) => write!(f, "it is a damaged report: {error}"),
            Self::Inconsistent(what) => {
                write!(f, "it is a damaged report: {what}")
            }
        }
    }
}

/// The keys that identify a report among other JSON.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    format: String,
    #[serde(default)]
    version: u64,
}

impl From<Document> for Head {
    fn from(document: Document) -> Self {
        Self {
            format: document.format.into_owned(),
            version: document.version,
        }
    }
}

impl Head {
    /// The reason for refusing all files with this head, if there is one.
    fn refusal(self) -> Option<Unreadable> {
        if self.format != NAME {
            Some(Unreadable::Foreign)
        } else if self.version > VERSION {
            Some(Unreadable::Newer(self.version))
        } else if self.version < OLDEST {
            Some(Unreadable::Older(self.version))
        } else {
            None
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Document {
    format: Cow<'static, str>,
    version: u64,
    process: Process,
    untracked: Blocks,
    functions: Vec<Function>,
    calls: Vec<Node>,
}

#[derive(Serialize, Deserialize)]
struct Process {
    #[serde(flatten)]
    total: Blocks,
    peak_error_bytes: u64,
    resident_bytes: Option<u64>,
    resident_is_exact: Option<bool>,
    callers_left_out: u64,
    /// Left out if there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    accessors_left_out: u64,
    /// Left out if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tag_bytes: Option<u64>,
    /// Left out if false.
    #[serde(default, skip_serializing_if = "is_false")]
    owners_are_unknown: bool,
    /// Left out if false.
    #[serde(default, skip_serializing_if = "is_false")]
    lines_are_unknown: bool,
    /// Only in a report that the profiler took while the program went on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    interim_after_ns: Option<u64>,
    /// Left out if there are no samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sampling: Option<Samples>,
}

/// The samples over all lines.
#[derive(Serialize, Deserialize)]
struct Samples {
    #[serde(flatten)]
    total: Time,
    untracked: Time,
    dropped_count: u64,
}

/// Time by samples.
#[derive(Serialize, Deserialize)]
struct Time {
    sample_count: u64,
    running_ns: u64,
    waiting_ns: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it")]
fn is_false(is: &bool) -> bool {
    !*is
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

// `deserialize_with` keeps keys required whose values can be null.
#[derive(Serialize, Deserialize)]
struct Function {
    path: Cow<'static, str>,
    file: Cow<'static, str>,
    /// The number of the first line, for readers that skip `lines`. Not read.
    line: u32,
    /// Left out if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notes: Vec<Cow<'static, str>>,
    /// Null if calls weren't counted.
    #[serde(deserialize_with = "Option::deserialize")]
    call_count: Option<u64>,
    own_ns: u64,
    inclusive_ns: u64,
    lines: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(rename = "line")]
    number: u32,
    source: Cow<'static, str>,
    /// Null if executions weren't counted.
    #[serde(deserialize_with = "Option::deserialize")]
    hits: Option<u64>,
    #[serde(flatten)]
    own: Blocks,
    inclusive: Blocks,
    /// Left out if there are no samples, as the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    own_time: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inclusive_time: Option<Time>,
    while_running: Option<Running>,
}

#[derive(Serialize, Deserialize)]
struct Node {
    /// An index into `functions`.
    function: usize,
    caller: Option<Calling>,
    /// Null if calls weren't counted.
    #[serde(deserialize_with = "Option::deserialize")]
    call_count: Option<u64>,
    own_ns: u64,
    inclusive_ns: u64,
    lines: Vec<LineOfCall>,
}

#[derive(Serialize, Deserialize)]
struct Calling {
    /// An index into `calls`, less than that of this call.
    call: usize,
    line: u32,
}

/// A report may have a million of these, so redundant keys are left out.
#[derive(Serialize, Deserialize)]
struct LineOfCall {
    line: u32,
    /// Null if executions weren't counted.
    #[serde(deserialize_with = "Option::deserialize")]
    hits: Option<u64>,
    /// Left out if all numbers are 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    own: Option<Blocks>,
    /// Left out if equal to `own`.
    #[serde(skip_serializing_if = "Option::is_none")]
    inclusive: Option<Blocks>,
    /// Left out if there are no samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    own_time: Option<Time>,
    /// Left out if equal to `own_time`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inclusive_time: Option<Time>,
}

/// The numbers of [`Allocations`]. Live bytes and blocks are written for other readers and computed
/// when a report is read. Optional keys are left out if unknown.
#[derive(Serialize, Deserialize)]
struct Blocks {
    allocated_bytes: u64,
    allocation_count: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    freed_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deallocation_count: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transferred_bytes: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transferred_count: Option<i64>,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    live_bytes: Option<i64>,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    live_count: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes_at_peak: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    temporary_count: Option<u64>,
    moved_bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct Running {
    resident_bytes: Option<u64>,
    resident_increment_bytes: Option<i64>,
    resident_read_count: u64,
    allocated_bytes: u64,
    freed_bytes: u64,
    #[serde(skip_deserializing)]
    net_bytes: i64,
    peak_bytes: u64,
    allocation_count: u64,
    deallocation_count: u64,
    reallocation_count: u64,
    elapsed_ns: u64,
}

impl Document {
    fn of(report: &Report) -> Self {
        let mut document = Self {
            format: NAME.into(),
            version: VERSION,
            process: Process {
                total: Blocks::of(report.total),
                peak_error_bytes: report.peak_error_bytes,
                resident_bytes: report.resident_bytes,
                resident_is_exact: report.resident_is_exact,
                callers_left_out: report.callers_left_out,
                accessors_left_out: report.accessors_left_out,
                tag_bytes: report.tag_bytes,
                owners_are_unknown: report.owners_are_unknown,
                lines_are_unknown: report.lines_are_unknown,
                interim_after_ns: report.interim_after.map(nanoseconds),
                sampling: report.sampling.map(Samples::of),
            },
            untracked: Blocks::of(report.untracked),
            functions: report.functions.iter().map(Function::of).collect(),
            calls: report.calls.iter().map(Node::of).collect(),
        };
        if report.owners_are_unknown {
            document.leave_out_owners(report.total_is_known());
        }
        document
    }

    fn leave_out_owners(&mut self, total_is_known: bool) {
        if total_is_known {
            self.process.total.temporary_count = None;
        } else {
            self.process.total.without_owners();
        }
        self.untracked.without_owners();
        let lines = self
            .functions
            .iter_mut()
            .flat_map(|function| &mut function.lines);
        for line in lines {
            line.own.without_owners();
            line.inclusive.without_owners();
        }
        for line in self.calls.iter_mut().flat_map(|call| &mut call.lines) {
            let blocks = [&mut line.own, &mut line.inclusive].into_iter().flatten();
            blocks.for_each(Blocks::without_owners);
        }
    }

    fn into_report(self) -> Result<Report, Unreadable> {
        let functions: Vec<_> = self
            .functions
            .into_iter()
            .map(Function::into_report)
            .collect();
        for function in &functions {
            if !function
                .lines
                .is_sorted_by(|line, next| line.number < next.number)
            {
                return Err(Unreadable::Inconsistent("lines are out of order"));
            }
        }
        let mut calls = Vec::with_capacity(self.calls.len());
        let mut depths: Vec<usize> = Vec::with_capacity(self.calls.len());
        for call in self.calls {
            let depth = match &call.caller {
                None => 0,
                Some(caller) => match depths.get(caller.call) {
                    Some(depth) => depth + 1,
                    None => return Err(Unreadable::Inconsistent("a call comes before its caller")),
                },
            };
            if depth > DEEPEST {
                return Err(Unreadable::Inconsistent("calls are nested too deep"));
            }
            depths.push(depth);
            calls.push(call.into_report(&functions)?);
        }
        Ok(Report {
            functions,
            calls,
            untracked: self.untracked.into_made(),
            total: self.process.total.into_made(),
            peak_error_bytes: self.process.peak_error_bytes,
            resident_bytes: self.process.resident_bytes.filter(|bytes| *bytes > 0),
            resident_is_exact: self.process.resident_is_exact,
            callers_left_out: self.process.callers_left_out,
            accessors_left_out: self.process.accessors_left_out,
            tag_bytes: self.process.tag_bytes,
            owners_are_unknown: self.process.owners_are_unknown,
            lines_are_unknown: self.process.lines_are_unknown,
            interim_after: self.process.interim_after_ns.map(Duration::from_nanos),
            sampling: self.process.sampling.map(Samples::into_report),
        })
    }
}

impl Samples {
    fn of(sampling: Sampling) -> Self {
        Self {
            total: Time::written(sampling.total),
            untracked: Time::written(sampling.untracked),
            dropped_count: sampling.dropped_count,
        }
    }

    fn into_report(self) -> Sampling {
        Sampling {
            total: self.total.into_report(),
            untracked: self.untracked.into_report(),
            dropped_count: self.dropped_count,
        }
    }
}

impl Time {
    fn written(time: SampledTime) -> Self {
        Self {
            sample_count: time.sample_count,
            running_ns: nanoseconds(time.running),
            waiting_ns: nanoseconds(time.waiting),
        }
    }

    /// `None` if there are no samples.
    fn of(time: SampledTime) -> Option<Self> {
        (!time.is_none()).then(|| Self::written(time))
    }

    fn into_report(self) -> SampledTime {
        SampledTime {
            sample_count: self.sample_count,
            running: Duration::from_nanos(self.running_ns),
            waiting: Duration::from_nanos(self.waiting_ns),
        }
    }

    fn read(time: Option<Self>) -> SampledTime {
        time.map(Self::into_report).unwrap_or_default()
    }
}

impl Function {
    fn of(function: &FunctionReport) -> Self {
        let lines = function.lines.iter();
        Self {
            path: function.path.clone(),
            file: function.file.clone(),
            line: function.lines.first().map_or(0, |line| line.number),
            notes: function.notes.clone(),
            call_count: function.call_count,
            own_ns: nanoseconds(function.own_elapsed),
            inclusive_ns: nanoseconds(function.inclusive_elapsed),
            lines: lines.map(Line::of).collect(),
        }
    }

    fn into_report(self) -> FunctionReport {
        FunctionReport {
            path: self.path,
            file: self.file,
            notes: self.notes,
            call_count: self.call_count,
            inclusive_elapsed: Duration::from_nanos(self.inclusive_ns),
            own_elapsed: Duration::from_nanos(self.own_ns),
            lines: self.lines.into_iter().map(Line::into_report).collect(),
        }
    }
}

impl Line {
    fn of(line: &LineReport) -> Self {
        Self {
            number: line.number,
            source: line.source.clone(),
            hits: line.hits,
            own: Blocks::of(line.own),
            inclusive: Blocks::of(line.inclusive),
            own_time: Time::of(line.own_time),
            inclusive_time: Time::of(line.inclusive_time),
            while_running: line.while_running.map(Running::of),
        }
    }

    fn into_report(self) -> LineReport {
        LineReport {
            number: self.number,
            source: self.source,
            hits: self.hits,
            own: self.own.into_made(),
            inclusive: self.inclusive.into_made(),
            own_time: Time::read(self.own_time),
            inclusive_time: Time::read(self.inclusive_time),
            while_running: self.while_running.map(Running::into_report),
        }
    }
}

impl Node {
    fn of(call: &CallNode) -> Self {
        let lines = call.lines.iter().map(|line| LineOfCall {
            line: line.number,
            hits: line.hits,
            own: Some(line.own)
                .filter(|own| *own != Allocations::default())
                .map(Blocks::of),
            inclusive: Some(line.inclusive)
                .filter(|inclusive| *inclusive != line.own)
                .map(Blocks::of),
            own_time: Time::of(line.own_time),
            inclusive_time: Time::of(line.inclusive_time)
                .filter(|_| line.inclusive_time != line.own_time),
        });
        Self {
            function: call.function,
            caller: call.caller.map(|caller| Calling {
                call: caller.call,
                line: caller.line,
            }),
            call_count: call.call_count,
            own_ns: nanoseconds(call.own_elapsed),
            inclusive_ns: nanoseconds(call.inclusive_elapsed),
            lines: lines.collect(),
        }
    }

    fn into_report(self, functions: &[FunctionReport]) -> Result<CallNode, Unreadable> {
        let function = functions.get(self.function);
        let function = function.ok_or(Unreadable::Inconsistent("a call has no function"))?;
        let mut known = function.lines.iter().map(|line| line.number);
        if !self
            .lines
            .iter()
            .all(|line| known.any(|number| number == line.line))
        {
            return Err(Unreadable::Inconsistent(
                "the lines of a call are not its function's, or out of order",
            ));
        }
        let lines = self.lines.into_iter().map(|line| {
            let own = line.own.map(Blocks::into_made).unwrap_or_default();
            let own_time = Time::read(line.own_time);
            CallNodeLine {
                number: line.line,
                hits: line.hits,
                own,
                inclusive: line.inclusive.map_or(own, Blocks::into_made),
                own_time,
                inclusive_time: line.inclusive_time.map_or(own_time, Time::into_report),
            }
        });
        Ok(CallNode {
            function: self.function,
            caller: self.caller.map(|caller| CallSite {
                call: caller.call,
                line: caller.line,
            }),
            call_count: self.call_count,
            own_elapsed: Duration::from_nanos(self.own_ns),
            inclusive_elapsed: Duration::from_nanos(self.inclusive_ns),
            lines: lines.collect(),
        })
    }
}

impl Blocks {
    fn of(made: Allocations) -> Self {
        Self {
            allocated_bytes: made.allocated_bytes,
            allocation_count: made.allocation_count,
            freed_bytes: Some(made.freed_bytes),
            deallocation_count: Some(made.deallocation_count),
            transferred_bytes: Some(made.transferred_bytes),
            transferred_count: Some(made.transferred_count),
            live_bytes: Some(made.live_bytes()),
            live_count: Some(made.live_count()),
            bytes_at_peak: Some(made.bytes_at_peak),
            temporary_count: Some(made.temporary_count),
            moved_bytes: made.moved_bytes,
        }
    }

    /// Removes the numbers that aren't known without owners.
    fn without_owners(&mut self) {
        self.freed_bytes = None;
        self.deallocation_count = None;
        self.transferred_bytes = None;
        self.transferred_count = None;
        self.live_bytes = None;
        self.live_count = None;
        self.bytes_at_peak = None;
        self.temporary_count = None;
    }

    fn into_made(self) -> Allocations {
        Allocations {
            allocated_bytes: self.allocated_bytes,
            allocation_count: self.allocation_count,
            freed_bytes: self.freed_bytes.unwrap_or(0),
            deallocation_count: self.deallocation_count.unwrap_or(0),
            transferred_bytes: self.transferred_bytes.unwrap_or(0),
            transferred_count: self.transferred_count.unwrap_or(0),
            bytes_at_peak: self.bytes_at_peak.unwrap_or(0),
            temporary_count: self.temporary_count.unwrap_or(0),
            moved_bytes: self.moved_bytes,
        }
    }
}

impl Running {
    fn of(running: LineExecution) -> Self {
        Self {
            resident_bytes: running.resident_bytes,
            resident_increment_bytes: running.resident_increment_bytes,
            resident_read_count: running.resident_read_count,
            allocated_bytes: running.heap.allocated_bytes,
            freed_bytes: running.heap.freed_bytes,
            net_bytes: running.heap.net_bytes(),
            peak_bytes: running.heap.peak_bytes,
            allocation_count: running.heap.allocation_count,
            deallocation_count: running.heap.deallocation_count,
            reallocation_count: running.heap.reallocation_count,
            elapsed_ns: nanoseconds(running.elapsed),
        }
    }

    fn into_report(self) -> LineExecution {
        LineExecution {
            heap: Usage {
                allocated_bytes: self.allocated_bytes,
                freed_bytes: self.freed_bytes,
                peak_bytes: self.peak_bytes,
                allocation_count: self.allocation_count,
                deallocation_count: self.deallocation_count,
                reallocation_count: self.reallocation_count,
            },
            resident_bytes: self.resident_bytes.filter(|bytes| *bytes > 0),
            resident_increment_bytes: self.resident_increment_bytes,
            resident_read_count: self.resident_read_count,
            elapsed: Duration::from_nanos(self.elapsed_ns),
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
