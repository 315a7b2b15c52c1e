//! Marks of calls: the `FUNC` lines that a program adds to the file in which `memprof run` records
//! its memory over time.
//!
//! A mark is a single appending write, so that marks of other threads and processes, and lines of
//! `memprof run`, don't mix with it. The file is opened for each mark: a program that closes all
//! file descriptors, as daemons do, could reuse the number of a descriptor that was kept open.

use crate::count::environment::{self, NamedPath};
use crate::count::uncounted;
use crate::model::site::Site;
use crate::sys::output::say;
use crate::sys::{os, replace_file, rss};
use crate::timeline::process::Process;
use crate::timeline::{Sample, TimedCall};
use std::io::Write;
use std::path::PathBuf;
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

/// The maximum number of marked calls per function. A plot couldn't show more of them apart, and
/// each costs the program a write.
const MOST_OF_A_FUNCTION: u32 = 1000;

/// The settings, if calls are to be marked. Initialised when the first profiled function runs.
static MARKS: OnceLock<Option<Marks>> = OnceLock::new();

#[derive(Debug)]
struct Marks {
    file: PathBuf,
    /// Whether a mark includes the memory of child processes, like the samples of
    /// `memprof run -C`.
    sums_children: bool,
}

/// Reads `MEMPROF_TIMESTAMPS` and `MEMPROF_CHILDREN`. Returns whether calls are to be marked.
pub(crate) fn prepare() -> bool {
    let marks = MARKS.get_or_init(|| {
        let _paused = crate::count::this_thread::pause();
        let file = environment::get("MEMPROF_TIMESTAMPS")?;
        Some(Marks {
            file: NamedPath::new(file).as_it_is(),
            sums_children: environment::read("MEMPROF_CHILDREN").as_deref() == Some("on"),
        })
    });
    marks.is_some()
}

/// Takes the sample at the start of a call of `site`, if the call is to be marked. Neither locks
/// nor allocates, unless children are included.
#[inline]
pub(crate) fn begin(site: &Site) -> Option<Sample> {
    match MARKS.get() {
        Some(Some(marks)) => begin_wanted(site, marks),
        _ => None,
    }
}

#[cold]
fn begin_wanted(site: &Site, wanted: &Marks) -> Option<Sample> {
    // Relaxed: a plain count that doesn't guard other data.
    let marks = site
        .marks()
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |marks| {
            (marks < MOST_OF_A_FUNCTION).then_some(marks + 1)
        });
    marks.ok()?;
    if wanted.sums_children {
        uncounted::during(false, || sample(wanted)).0
    } else {
        sample(wanted)
    }
}

/// Resident memory now, including children if wanted.
fn sample(wanted: &Marks) -> Option<Sample> {
    let mut bytes = rss::resident_bytes()?;
    if wanted.sums_children
        && let Some(process) = Process::new(process::id())
    {
        bytes = bytes.saturating_add(process.children().values().sum());
    }
    Some(Sample::now(bytes))
}

/// Writes the mark of a call that ends now. Callers run this uncounted.
pub(crate) fn end(site: &Site, start: Sample, depth: u32) {
    let Some(Some(marks)) = MARKS.get() else {
        return;
    };
    let Some(end) = sample(marks) else { return };
    let call = TimedCall {
        function: site.path().to_owned(),
        start,
        end,
        depth,
    };
    let write = || replace_file::append(&marks.file)?.write_all(call.to_string().as_bytes());
    if let Err(error) = os::without_signals_of_writing(write) {
        static SAID: std::sync::Once = std::sync::Once::new();
        SAID.call_once(|| {
            let path = marks.file.display().to_string();
            say(&format!("calls can't be marked in {path:?}: {error}"));
        });
    }
}
