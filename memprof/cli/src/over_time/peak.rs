//! `memprof peak`: the highest memory in a file.

use super::files;
use crate::lines::text;
use clap::Args;
use memprof::timeline::{MemoryTimeline, Sample};
use std::error::Error;
use std::ffi::OsString;
use std::io::Write;

#[derive(Debug, Args)]
pub(crate) struct Peak {
    /// Consider only the time during calls of this function
    #[arg(long, value_name = "PATH")]
    func: Option<String>,

    /// Files, or their numbers as `list` shows them; the latest by default
    #[arg(allow_negative_numbers = true)]
    files: Vec<OsString>,
}

impl Peak {
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
        for file in files::chosen(&self.files)? {
            let memory = MemoryTimeline::read(&file)?;
            let name = file.display().to_string();
            let peak = match &self.func {
                Some(function) => memory.peak_of(function).ok_or_else(|| {
                    format!("{name:?} has no call of {function:?}; give the function's full path")
                }),
                None => {
                    let peak = memory.peak();
                    peak.ok_or_else(|| format!("{name:?} has no samples: it ended too early"))
                }
            };
            writeln!(out, "{}\t{}", text(&name), mebibytes(peak?))?;
            for (number, samples) in &memory.children {
                if let Some(peak) = samples.iter().max_by_key(|sample| sample.resident_bytes) {
                    writeln!(out, "  Child {number}\t\t\t{}", mebibytes(*peak))?;
                }
            }
        }
        Ok(())
    }
}

fn mebibytes(sample: Sample) -> String {
    format!("{:.3} MiB", super::drawing::mebibytes(sample))
}
