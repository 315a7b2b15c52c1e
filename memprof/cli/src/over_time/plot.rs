//! `memprof plot`: turns files into a drawing.

use super::drawing::{Call, Drawing, NARROWEST, highest, mebibytes, seconds, start};
use super::{chart, files, picture};
use clap::Args;
use memprof::timeline::{MemoryTimeline, Sample};
use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, Default, Args)]
pub(crate) struct Plot {
    /// Files, or their numbers as `list` shows them; the latest by default. Several are drawn
    /// over each other, without calls
    #[arg(allow_negative_numbers = true)]
    files: Vec<OsString>,

    /// Draw to a .svg or .png file instead of the terminal
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The title [default: the program's command line]
    #[arg(short, long)]
    title: Option<String>,

    /// Leave out the calls of functions
    #[arg(short, long)]
    no_function_ts: bool,

    /// Show only this period, in seconds since the start, as in 0,20.5
    #[arg(short, long, value_name = "FROM,TO", value_parser = window)]
    window: Option<(f64, f64)>,

    /// Draw calls as a flame graph instead of brackets
    #[arg(short, long)]
    flame: bool,

    /// Draw the trend, with its slope in MiB/s
    #[arg(short, long)]
    slope: bool,
}

/// The largest accepted time, in seconds: more than 30 years.
const LATEST: f64 = 1e9;

fn window(text: &str) -> Result<(f64, f64), String> {
    let numbers = text.split_once(',').and_then(|(from, to)| {
        let [from, to] = [from, to].map(|number| number.trim().parse::<f64>().ok());
        Some((from?, to?))
    });
    // The labels of a narrower axis would all be the same, and no file covers a longer time.
    let is_window =
        |(from, to): &(f64, f64)| to - from >= NARROWEST && *from >= 0.0 && *to <= LATEST;
    let window = numbers.filter(is_window);
    window.ok_or_else(|| {
        "it should be two numbers of seconds since the start, the smaller first, as in 0,20.5: \
         from 0 to 1000000000, and at least 0.001 apart"
            .to_owned()
    })
}

/// A file as SVG, drawn with the default options.
pub(crate) fn svg(path: &Path) -> Result<String, Box<dyn Error>> {
    let drawing = Plot::default().drawing(&[path.to_owned()])?;
    picture::svg(&drawing)
}

impl Plot {
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
        let files = files::chosen(&self.files)?;
        let drawing = self.drawing(&files)?;
        match &self.output {
            Some(path) => picture::draw(&drawing, path)?,
            None => chart::draw(&drawing, out)?,
        }
        Ok(())
    }

    fn drawing(&self, files: &[PathBuf]) -> Result<Drawing, Box<dyn Error>> {
        let is_alone = files.len() == 1;
        let mut drawing = Drawing {
            title: self.title.clone().unwrap_or_default(),
            lines: Vec::new(),
            functions: Vec::new(),
            is_flame: self.flame,
            highest: None,
            seconds: (0.0, 0.0),
            mebibytes: (0.0, 0.0),
        };
        for file in files {
            let memory = MemoryTimeline::read(file)?;
            self.add(&mut drawing, &memory, file, is_alone)?;
            if is_alone && self.title.is_none() {
                drawing.title.clone_from(&memory.command);
            }
        }
        drawing.frame(self.window);
        Ok(drawing)
    }

    fn add(
        &self,
        drawing: &mut Drawing,
        memory: &MemoryTimeline,
        file: &Path,
        is_alone: bool,
    ) -> Result<(), String> {
        // Memory is also sampled at the start and end of each marked call.
        let ends = memory.calls.iter().flat_map(|call| [call.start, call.end]);
        let mut samples: Vec<Sample> = memory.samples.iter().copied().chain(ends).collect();
        samples.sort_by_key(|sample| sample.at);
        let name = file.display().to_string();
        let Some(first) = samples.first().filter(|_| !memory.samples.is_empty()) else {
            return Err(format!("{name:?} has no samples: it ended too early"));
        };
        let started = first.at;
        let point = |sample: &Sample| (seconds(started, sample.at), mebibytes(*sample));

        let mut label = start(started);
        if !is_alone {
            label = format!("{name}, {label}");
        }
        drawing.line(label, samples.iter().map(point).collect(), self.slope);
        for (number, samples) in &memory.children {
            let points = samples.iter().map(point).collect();
            drawing.line(format!("child {number}"), points, self.slope);
        }
        if !is_alone {
            return Ok(());
        }
        drawing.highest = highest(&drawing.lines[0].points);
        if !self.no_function_ts {
            let mut functions: BTreeMap<&str, Vec<Call>> = BTreeMap::new();
            for call in &memory.calls {
                functions.entry(&call.function).or_default().push(Call {
                    start: point(&call.start),
                    end: point(&call.end),
                    depth: call.depth,
                });
            }
            let mut functions: Vec<(String, Vec<Call>)> = functions
                .into_iter()
                .map(|(name, calls)| (name.to_owned(), calls))
                .collect();
            functions.sort_by(|(_, a), (_, b)| a[0].start.0.total_cmp(&b[0].start.0));
            drawing.functions = functions;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::window;

    #[test]
    fn a_window_is_two_numbers() {
        assert_eq!(window("0,20.5"), Ok((0.0, 20.5)));
        for other in [
            "",
            "5",
            "2,1",
            "1,1",
            "0,inf",
            "a,b",
            "NaN,1",
            "1,2,3",
            "0,1e-300",
            "5,5.0000001",
            "0,1e300",
            "-1e300,0",
        ] {
            assert!(window(other).is_err(), "{other}");
        }
    }
}
