//! Marks of calls, in the file of whoever watches the program's memory over time.
//!
//! A mark is one write to the end of the file, so that those of other threads and
//! processes, and what the watcher writes, come between marks and not into them. The file
//! is opened for each anew: a program that closes every descriptor, as daemons do, might
//! get the number of a kept one for something else.

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

/// How many calls of a function are marked. More wouldn't be told apart in a plot, and
/// would cost the program a write each.
const MOST_OF_A_FUNCTION: u32 = 1000;

/// Where to, if that is wanted; found out when the first profiled function runs.
static MARKS: OnceLock<Option<Marks>> = OnceLock::new();

#[derive(Debug)]
struct Marks {
    file: PathBuf,
    /// Whether the memory of a mark is that of the processes, too, which this one has
    /// started: as it is in the samples of `memprof run -C`.
    sums_children: bool,
}

/// Reads `MEMPROF_TIMESTAMPS` and `MEMPROF_CHILDREN`; whether calls are to be marked.
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

/// The beginning of a call of `site`, if it is to be marked. Neither locks nor allocates,
/// but where children are looked at.
#[inline]
pub(crate) fn begin(site: &Site) -> Option<Sample> {
    match MARKS.get() {
        Some(Some(marks)) => begin_wanted(site, marks),
        _ => None,
    }
}

#[cold]
fn begin_wanted(site: &Site, wanted: &Marks) -> Option<Sample> {
    // Relaxed: it is a count, and nothing lies behind it.
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

/// What is resident now.
fn sample(wanted: &Marks) -> Option<Sample> {
    let mut bytes = rss::resident_bytes()?;
    if wanted.sums_children
        && let Some(process) = Process::new(process::id())
    {
        bytes = bytes.saturating_add(process.children().values().sum());
    }
    Some(Sample::now(bytes))
}

/// Writes the mark of a call that ends now. It is the profiler's own work.
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
