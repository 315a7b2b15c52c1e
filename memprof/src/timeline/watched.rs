//! The process that is sampled, and reading it once.

use crate::sys::rss;
use crate::timeline::error::Problem;
use crate::timeline::process::Process;
use crate::timeline::{Reading, Sample, TimelineError};
use std::process;

/// The process that is sampled.
#[derive(Debug)]
pub(super) enum Watched {
    /// This process; with a [`Process`] for it if its children are sampled, too.
    Self_(Option<Process>),
    Other(Process),
}

impl Watched {
    pub(super) fn new_self(has_children: bool) -> Result<Self, TimelineError> {
        if rss::resident_bytes().is_none() {
            return Err(TimelineError::new(Problem::Unsupported));
        }
        if !has_children {
            return Ok(Self::Self_(None));
        }
        match Self::new(process::id())? {
            Self::Other(process) => Ok(Self::Self_(Some(process))),
            this @ Self::Self_(_) => Ok(this),
        }
    }

    pub(super) fn new(number: u32) -> Result<Self, TimelineError> {
        let process = Process::new(number);
        let no_process = || TimelineError::new(Problem::Process(number));
        process.map(Self::Other).ok_or_else(no_process)
    }

    /// Returns `None` once the process has ended.
    pub(super) fn read(&self, sums_children: bool, has_children_apart: bool) -> Option<Reading> {
        let (resident_bytes, process) = match self {
            Self::Self_(process) => (rss::resident_bytes()?, process.as_ref()),
            Self::Other(process) => (process.resident_bytes()?, Some(process)),
        };
        let mut reading = Reading {
            process: Sample::now(resident_bytes),
            children: Vec::new(),
        };
        if sums_children || has_children_apart {
            let children = process.map(Process::children).unwrap_or_default();
            if sums_children {
                let sum = &mut reading.process.resident_bytes;
                *sum = sum.saturating_add(children.values().sum());
            }
            if has_children_apart {
                let samples = children
                    .into_iter()
                    .map(|(number, bytes)| (number, Sample::now(bytes)));
                reading.children = samples.collect();
            }
        }
        Some(reading)
    }
}
