//! The pprof format: a gzip-compressed protocol buffer.
//!
//! The messages have only the fields that are used here. The field numbers are those of
//! <https://github.com/google/pprof/blob/main/proto/profile.proto>.

use super::stacks::{self, StackFrame};
use crate::model::report::{Allocations, Report};
use crate::report::quantity::Quantity;
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use std::collections::HashMap;
use std::hash::Hash;
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Message)]
struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    mapping: Vec<Mapping>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    /// All strings. Other fields refer to them by index.
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    period: i64,
    #[prost(int64, tag = "14")]
    default_sample_type: i64,
}

#[derive(Clone, Copy, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    kind: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Message)]
struct Sample {
    /// The innermost first.
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
}

#[derive(Message)]
struct Mapping {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(bool, tag = "7")]
    has_functions: bool,
    #[prost(bool, tag = "8")]
    has_filenames: bool,
    #[prost(bool, tag = "9")]
    has_line_numbers: bool,
}

#[derive(Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    mapping_id: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
    #[prost(int64, tag = "2")]
    line: i64,
}

#[derive(Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "3")]
    system_name: i64,
    #[prost(int64, tag = "4")]
    filename: i64,
    #[prost(int64, tag = "5")]
    start_line: i64,
}

/// Name, unit and quantity.
type SampleType = (&'static str, &'static str, Quantity);

const SAMPLE_TYPES: [SampleType; 6] = [
    ("alloc_objects", "count", Quantity::AllocationCount),
    ("alloc_space", "bytes", Quantity::AllocatedBytes),
    ("inuse_objects", "count", Quantity::LiveCount),
    ("inuse_space", "bytes", Quantity::LiveBytes),
    ("peak_space", "bytes", Quantity::BytesAtPeak),
    ("temporary_objects", "count", Quantity::TemporaryCount),
];

/// The id of the only mapping.
const MAPPING: u64 = 1;

/// The metadata of a profile.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    /// The default sample type.
    pub(crate) quantity: Quantity,
    /// When the profile was taken.
    pub(crate) taken: Option<SystemTime>,
    /// The time that a difference covers.
    pub(crate) over: Option<Duration>,
}

/// Writes a profile with the report's main quantity as the default sample type.
pub(crate) fn write(report: &Report, out: impl Write) -> io::Result<()> {
    let sheet = Sheet {
        quantity: report.main_quantity(),
        ..Sheet::default()
    };
    write_on(report, &sheet, out)
}

pub(crate) fn write_on(report: &Report, sheet: &Sheet, out: impl Write) -> io::Result<()> {
    stacks::check(report)?;
    let mut pieces = Pieces(GzEncoder::new(out, Compression::fast()));
    let mut texts = Ids::default();
    // The format requires an empty string at index 0.
    texts.of("");
    let known = SAMPLE_TYPES.into_iter();
    let known: Vec<_> = known
        .filter(|(_, _, quantity)| quantity.is_known_in(report))
        .collect();
    let mut value_type = |(kind, unit, _): &SampleType| ValueType {
        kind: texts.of(kind),
        unit: texts.of(unit),
    };
    let sample_types: Vec<_> = known.iter().map(&mut value_type).collect();
    // With the period of 1 below: every block is recorded, without sampling.
    let period_type = value_type(&("inuse_space", "bytes", Quantity::LiveBytes));
    let time = ValueType {
        kind: texts.of("time"),
        unit: texts.of("nanoseconds"),
    };
    let mut kinds = known.iter();
    let default = kinds.find(|(_, _, quantity)| *quantity == sheet.quantity);
    let default = default.map_or("alloc_space", |(kind, _, _)| kind);
    let taken = sheet.taken.unwrap_or(UNIX_EPOCH).duration_since(UNIX_EPOCH);
    pieces.write(&Profile {
        sample_type: sample_types.into_iter().chain([time]).collect(),
        mapping: vec![Mapping {
            id: MAPPING,
            has_functions: true,
            has_filenames: true,
            has_line_numbers: true,
        }],
        period_type: Some(period_type),
        period: 1,
        default_sample_type: texts.of(default),
        time_nanos: taken.ok().map_or(0, nanoseconds),
        duration_nanos: sheet.over.map_or(0, nanoseconds),
        ..Profile::default()
    })?;

    write_functions(report, &mut texts, &mut pieces)?;
    let mut locations = Ids::default();
    stacks::for_each(report, |frames, line| {
        if line.own == Allocations::default() {
            return Ok(());
        }
        let location_id = frames.iter().map(|frame| id(&mut locations, *frame));
        let sample = Sample::of(location_id.collect(), &known, &line.own);
        pieces.write(&Profile::of_sample(sample))
    })?;
    stacks::for_each_time(report, |frames, own_elapsed| {
        let location_id = frames.iter().map(|frame| id(&mut locations, *frame));
        let sample = Sample::of_time(location_id.collect(), known.len(), own_elapsed);
        pieces.write(&Profile::of_sample(sample))
    })?;
    let outside = StackFrame {
        function: report.functions.len(),
        line: 0,
    };
    let outside = vec![id(&mut locations, outside)];
    let sample = Sample::of(outside.clone(), &known, &report.untracked);
    pieces.write(&Profile::of_sample(sample))?;
    if let Some(sampling) = report.sampling {
        let elapsed = sampling.untracked.elapsed();
        let sample = Sample::of_time(outside, known.len(), elapsed);
        pieces.write(&Profile::of_sample(sample))?;
    }

    write_locations(locations.all, &mut pieces)?;
    for text in texts.all {
        pieces.write(&Profile {
            string_table: vec![text.to_owned()],
            ..Profile::default()
        })?;
    }
    pieces.0.finish()?.flush()
}

/// Writes the report's functions, with ids from 1 on, and one for blocks outside of them.
fn write_functions<'a>(
    report: &'a Report,
    texts: &mut Ids<&'a str>,
    pieces: &mut Pieces<impl Write>,
) -> io::Result<()> {
    for (id, function) in (1..).zip(&report.functions) {
        let name = texts.of(&function.path);
        pieces.write(&Profile::of_function(Function {
            id,
            name,
            system_name: name,
            filename: texts.of(&function.file),
            start_line: function.lines.first().map_or(0, |line| line.number.into()),
        }))?;
    }
    let name = texts.of("untracked");
    pieces.write(&Profile::of_function(Function {
        id: report.functions.len() as u64 + 1,
        name,
        system_name: name,
        ..Function::default()
    }))
}

/// Writes where stacks go through, with ids from 1 on.
fn write_locations(frames: Vec<StackFrame>, pieces: &mut Pieces<impl Write>) -> io::Result<()> {
    for (id, frame) in (1..).zip(frames) {
        pieces.write(&Profile {
            location: vec![Location {
                id,
                mapping_id: MAPPING,
                line: vec![Line {
                    function_id: frame.function as u64 + 1,
                    line: frame.line.into(),
                }],
            }],
            ..Profile::default()
        })?;
    }
    Ok(())
}

/// A writer for a profile in pieces: protocol buffers that follow one another are read as one
/// message, whose repeated fields are concatenated.
struct Pieces<W: Write>(GzEncoder<W>);

impl<W: Write> Pieces<W> {
    fn write(&mut self, piece: &Profile) -> io::Result<()> {
        self.0.write_all(&piece.encode_to_vec())
    }
}

impl Profile {
    fn of_function(function: Function) -> Self {
        Self {
            function: vec![function],
            ..Self::default()
        }
    }

    fn of_sample(sample: Sample) -> Self {
        Self {
            sample: vec![sample],
            ..Self::default()
        }
    }
}

impl Sample {
    fn of(location_id: Vec<u64>, known: &[SampleType], made: &Allocations) -> Self {
        let values = known.iter().map(|(_, _, quantity)| match quantity {
            // May be negative in a difference of reports.
            Quantity::LiveBytes => made.live_bytes(),
            Quantity::LiveCount => made.live_count(),
            quantity => i64::try_from(quantity.of(made)).unwrap_or(i64::MAX),
        });
        Self {
            location_id,
            value: values.chain([0]).collect(),
        }
    }

    fn of_time(location_id: Vec<u64>, known_count: usize, elapsed: Duration) -> Self {
        let mut value = vec![0; known_count];
        value.push(nanoseconds(elapsed));
        Self { location_id, value }
    }
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// The id of a location, from 1.
fn id(locations: &mut Ids<StackFrame>, frame: StackFrame) -> u64 {
    locations.of(frame).cast_unsigned() + 1
}

/// Distinct things that are referred to by their index.
struct Ids<T> {
    all: Vec<T>,
    places: HashMap<T, i64>,
}

impl<T> Default for Ids<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            places: HashMap::new(),
        }
    }
}

impl<T: Copy + Eq + Hash> Ids<T> {
    fn of(&mut self, thing: T) -> i64 {
        let next = i64::try_from(self.all.len()).unwrap_or(0);
        let place = *self.places.entry(thing).or_insert(next);
        if place == next {
            self.all.push(thing);
        }
        place
    }
}
