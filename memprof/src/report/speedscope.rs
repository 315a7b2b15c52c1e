//! The speedscope format: a stack for each line of each call, with a weight per profile.
//!
//! Format: <https://github.com/jlfwong/speedscope/wiki/Importing-from-custom-sources>

use super::stacks;
use crate::model::report::Report;
use crate::model::sampled_time::SampledTime;
use crate::report::quantity::Quantity;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::io;
use std::iter;

#[derive(Serialize)]
struct File<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    exporter: &'static str,
    name: &'static str,
    /// The profile that is shown first.
    #[serde(rename = "activeProfileIndex")]
    active_profile_index: usize,
    shared: Shared<'a>,
    profiles: Vec<Profile<'a>>,
}

#[derive(Serialize)]
struct Shared<'a> {
    frames: Vec<Frame<'a>>,
}

#[derive(Serialize)]
struct Frame<'a> {
    name: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Profile<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
    unit: &'static str,
    start_value: u64,
    end_value: u64,
    /// The indices of each stack's frames, the outermost first.
    samples: Samples<'a>,
    weights: Vec<u64>,
}

const PROFILES: [(&str, &str, Quantity); 5] = [
    ("allocated", "bytes", Quantity::AllocatedBytes),
    ("alive", "bytes", Quantity::LiveBytes),
    ("at the peak", "bytes", Quantity::BytesAtPeak),
    ("blocks allocated", "none", Quantity::AllocationCount),
    ("temporary blocks", "none", Quantity::TemporaryCount),
];

/// The stacks, generated anew for each profile while it is written: together they are far larger
/// than everything else.
#[derive(Clone, Copy)]
struct Samples<'a> {
    report: &'a Report,
    places: &'a HashMap<stacks::StackFrame, usize>,
}

impl Serialize for Samples<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut samples = serializer.serialize_seq(None)?;
        let mut sample: Vec<usize> = Vec::new();
        stacks::for_each(self.report, |stack, _| {
            sample.clear();
            let places = stack.iter().rev().map(|frame| self.places.get(frame));
            sample.extend(places.map(|place| place.copied().unwrap_or(0)));
            samples.serialize_element(&sample)
        })?;
        // The untracked blocks come last.
        samples.serialize_element(&[self.places.len()])?;
        samples.end()
    }
}

pub(crate) fn write(report: &Report, out: impl io::Write) -> io::Result<()> {
    stacks::check(report)?;
    let mut frames = Vec::new();
    let mut places = HashMap::new();
    let mut lines = Vec::new();
    let Ok(()) = stacks::for_each(report, |stack, line| {
        for frame in stack.iter().rev() {
            if let Entry::Vacant(place) = places.entry(*frame) {
                place.insert(frames.len());
                frames.push(Frame {
                    name: frame.name(report),
                    file: frame.function(report).map_or("", |function| &function.file),
                    line: Some(frame.line),
                });
            }
        }
        lines.push(line);
        Ok::<_, Infallible>(())
    });
    frames.push(Frame {
        name: "untracked".to_owned(),
        file: "",
        line: None,
    });

    let profile = |name, unit, weights: Vec<u64>| Profile {
        kind: "sampled",
        name,
        unit,
        start_value: 0,
        end_value: weights.iter().copied().fold(0, u64::saturating_add),
        samples: Samples {
            report,
            places: &places,
        },
        weights,
    };
    let known = PROFILES
        .iter()
        .filter(|(_, _, quantity)| quantity.is_known_in(report));
    let profiles = known.map(|(name, unit, quantity)| {
        let of_lines = lines.iter().map(|line| quantity.of(&line.own));
        let untracked = quantity.of(&report.untracked);
        profile(name, unit, of_lines.chain([untracked]).collect())
    });
    let times = report.sampling.map(|sampling| {
        let of_lines = lines.iter().map(|line| line.own_time);
        let times = of_lines.chain(iter::once(sampling.untracked));
        let nanoseconds = |time: SampledTime| u64::try_from(time.elapsed().as_nanos());
        let weights = times.map(|time| nanoseconds(time).unwrap_or(u64::MAX));
        profile("time", "nanoseconds", weights.collect())
    });
    let main = report.main_quantity();
    let main = PROFILES.iter().position(|(.., quantity)| *quantity == main);
    let file = File {
        schema: "https://www.speedscope.app/file-format-schema.json",
        exporter: concat!("memprof ", env!("CARGO_PKG_VERSION")),
        name: "memprof",
        active_profile_index: main.unwrap_or(0),
        shared: Shared { frames },
        profiles: profiles.chain(times).collect(),
    };
    serde_json::to_writer(out, &file).map_err(io::Error::from)
}
