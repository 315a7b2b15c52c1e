//! The settings of [`ProfilerLayer`](super::ProfilerLayer), and its writing thread.

use super::file_name::FileName;
use super::folder::Folder;
use super::recording::{Head, Hooks, Recording, RequestProfile};
use super::statistics::{self, Restriction, Sort};
use super::trigger::Trigger;
use super::writer::Writer;
use crate::count::uncounted::Own;
use crate::model::usage::Usage;
use crate::sys::output;
use http::Extensions;
use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// The settings and the writer of a layer, shared by its services.
#[derive(Debug)]
pub(super) struct ProfilerState {
    pub(super) told: ProfilerSettings,
    /// Started by the first profile.
    pub(super) writer: OnceLock<Own<Writer<RequestProfile>>>,
}

pub(super) type Route = dyn Fn(&Extensions) -> Option<String> + Send + Sync;
pub(super) type Name = dyn Fn(&RequestProfile) -> String + Send + Sync;

#[derive(Clone)]
pub(super) struct ProfilerSettings {
    pub(super) print: Print,
    pub(super) sort: Vec<Sort>,
    pub(super) restrictions: Vec<Restriction>,
    pub(super) triggers: Vec<Trigger>,
    pub(super) route: Option<Arc<Route>>,
    pub(super) folder: Option<PathBuf>,
    pub(super) name: FileNames,
    pub(super) max_files: Option<usize>,
    pub(super) max_bytes: Option<u64>,
    pub(super) adopts_files: bool,
    /// The ending of the file names, if all have the same.
    pub(super) ending: Option<&'static str>,
    pub(super) has_source: bool,
}

#[derive(Clone)]
pub(super) enum Print {
    Stdout,
    To(Arc<Mutex<dyn Write + Send>>),
    Never,
}

#[derive(Clone)]
pub(super) enum FileNames {
    Format(FileName),
    By(Arc<Name>),
}

impl ProfilerState {
    /// Starts recording a request, if its triggers allow it.
    pub(super) fn begin(self: &Arc<Self>, head: &Head<'_>) -> Option<Recording> {
        let mut triggers = self.told.triggers.iter();
        let is_asked_for = triggers.all(|trigger| trigger.allows(head));
        is_asked_for.then(|| Recording::begin(Arc::clone(self) as _, head))
    }
}

impl Hooks for ProfilerState {
    fn route(&self, extensions: &Extensions) -> Option<String> {
        self.told.route.as_ref().and_then(|route| route(extensions))
    }

    fn wants(&self, elapsed: Duration, usage: &Usage) -> bool {
        let mut triggers = self.told.triggers.iter();
        triggers.all(|trigger| trigger.is_met(elapsed, usage))
    }

    fn pass_on(&self, profile: RequestProfile) {
        let writer = self.writer.get_or_init(|| {
            let told = self.told.clone();
            // Created on the writer's thread, since it may read the attributes of many files.
            let mut folder = None;
            let write = move |profile| {
                let folder = folder.get_or_insert_with(|| told.folder());
                told.write(&profile, folder.as_mut());
            };
            Own::new(|| Writer::new(write))
        });
        writer.write(profile);
    }
}

impl ProfilerSettings {
    fn folder(&self) -> Option<Folder> {
        let path = self.folder.clone()?;
        let mut folder = Folder::new(path, self.max_files, self.max_bytes);
        if self.adopts_files {
            folder.adopt(self.ending);
        }
        Some(folder)
    }

    /// Prints a profile and writes its file.
    fn write(&self, profile: &RequestProfile, folder: Option<&mut Folder>) {
        let text = || statistics::text(profile, &self.sort, &self.restrictions);
        match &self.print {
            Print::Never => {}
            Print::Stdout => output::write(false, &text()),
            Print::To(out) => {
                let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = out.write_all(text().as_bytes()).and_then(|()| out.flush());
            }
        }
        let Some(folder) = folder else { return };
        let name = match &self.name {
            FileNames::Format(format) => format.of(profile),
            FileNames::By(name) => name(profile),
        };
        let written = if self.has_source {
            folder.write(&name, &profile.report)
        } else {
            folder.write(&name, &profile.report.clone().without_source())
        };
        if let Err(error) = written {
            folder.say_unwritten(&name, &error);
        }
    }
}

impl fmt::Debug for ProfilerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProfilerSettings")
            .field("sort", &self.sort)
            .field("restrictions", &self.restrictions)
            .field("triggers", &self.triggers)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}
