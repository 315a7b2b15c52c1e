//! A report as pprof's protocol buffer, compressed.
//!
//! Of its messages, here are the fields that are used; their numbers are those of
//! <https://github.com/google/pprof/blob/main/proto/profile.proto>.

use super::format::Quantity;
use super::stacks::{self, Frame};
use crate::recorded::{Made, Report};
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{self, Write};

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
    /// All texts; the others are places in it.
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
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

const SAMPLE_TYPES: [(&str, &str, Quantity); 6] = [
    ("alloc_objects", "count", Quantity::AllocationCount),
    ("alloc_space", "bytes", Quantity::AllocatedBytes),
    ("inuse_objects", "count", Quantity::LiveCount),
    ("inuse_space", "bytes", Quantity::LiveBytes),
    ("peak_space", "bytes", Quantity::BytesAtPeak),
    ("temporary_objects", "count", Quantity::TemporaryCount),
];

/// The one mapping that there is.
const MAPPING: u64 = 1;

pub(crate) fn write(report: &Report, out: impl Write) -> io::Result<()> {
    let mut encoder = GzEncoder::new(out, Compression::fast());
    encoder.write_all(&profile(report).encode_to_vec())?;
    encoder.finish()?.flush()
}

fn profile(report: &Report) -> Profile {
    let mut texts = Texts::default();
    // The first is the empty one, by the format.
    texts.place("");
    let sample_types = SAMPLE_TYPES.map(|(kind, unit, _)| ValueType {
        kind: texts.place(kind),
        unit: texts.place(unit),
    });
    let mut functions: Vec<Function> = (1..)
        .zip(&report.functions)
        .map(|(id, function)| {
            let name = texts.place(&function.path);
            Function {
                id,
                name,
                system_name: name,
                filename: texts.place(&function.file),
                start_line: function.lines.first().map_or(0, |line| line.number.into()),
            }
        })
        .collect();
    let untracked = texts.place("untracked");
    let untracked_id = functions.len() as u64 + 1;
    functions.push(Function {
        id: untracked_id,
        name: untracked,
        system_name: untracked,
        filename: 0,
        start_line: 0,
    });

    let mut locations = Locations::default();
    let mut samples = Vec::new();
    let Ok(()) = stacks::for_each(report, |frames, line| {
        let location_id = frames.iter().map(|frame| locations.id(*frame)).collect();
        samples.push(sample(location_id, &line.made));
        Ok::<_, Infallible>(())
    });
    let outside = Frame {
        function: report.functions.len(),
        line: 0,
    };
    samples.push(sample(vec![locations.id(outside)], &report.untracked));

    let [.., bytes_in_use, _, _] = sample_types;
    Profile {
        sample_type: sample_types.to_vec(),
        sample: samples,
        mapping: vec![Mapping {
            id: MAPPING,
            has_functions: true,
            has_filenames: true,
            has_line_numbers: true,
        }],
        location: locations.all,
        function: functions,
        // Each block is in it, none stands for others.
        period_type: Some(bytes_in_use),
        period: 1,
        default_sample_type: bytes_in_use.kind,
        string_table: texts.all,
    }
}

fn sample(location_id: Vec<u64>, made: &Made) -> Sample {
    let values = SAMPLE_TYPES
        .iter()
        .map(|(_, _, quantity)| i64::try_from(quantity.of(made)).unwrap_or(i64::MAX));
    Sample {
        location_id,
        value: values.collect(),
    }
}

/// The texts of a profile, each once.
#[derive(Default)]
struct Texts {
    all: Vec<String>,
    places: HashMap<String, i64>,
}

impl Texts {
    fn place(&mut self, text: &str) -> i64 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = i64::try_from(self.all.len()).unwrap_or(0);
        self.all.push(text.to_owned());
        self.places.insert(text.to_owned(), place);
        place
    }
}

/// The lines of a profile, each once.
#[derive(Default)]
struct Locations {
    all: Vec<Location>,
    ids: HashMap<Frame, u64>,
}

impl Locations {
    fn id(&mut self, frame: Frame) -> u64 {
        *self.ids.entry(frame).or_insert_with(|| {
            let id = self.all.len() as u64 + 1;
            self.all.push(Location {
                id,
                mapping_id: MAPPING,
                line: vec![Line {
                    function_id: frame.function as u64 + 1,
                    line: frame.line.into(),
                }],
            });
            id
        })
    }
}
