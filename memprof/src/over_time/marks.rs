//! Marks of calls, in the file of whoever watches the program's memory over time.
//!
//! A mark is one write to the end of the file, so that those of other threads and
//! processes, and what the watcher writes, come between marks and not into them. The file
//! is opened for each anew: a program that closes every descriptor, as daemons do, might
//! get the number of a kept one for something else.

use super::{Sample, TimedCall};
use crate::site::Site;
use crate::{output, rss};
use std::env;
use std::fs::File;
use std::io::Write;
use std::path::{self, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

/// How many calls of a function are marked. More wouldn't be told apart in a plot, and
/// would cost the program a write each.
const MOST_OF_A_FUNCTION: u32 = 1000;

/// Where to, if that is wanted; found out when the first profiled function runs.
static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();

/// Reads `MEMPROF_TIMESTAMPS`; whether calls are to be marked.
pub(crate) fn prepare() -> bool {
    let file = FILE.get_or_init(|| {
        let _paused = crate::threads::pause();
        let file = env::var_os("MEMPROF_TIMESTAMPS").filter(|file| !file.is_empty())?;
        // Of the folder that the program began in, if it goes elsewhere.
        path::absolute(file).ok()
    });
    file.is_some()
}

/// The beginning of a call of `site`, if it is to be marked. Neither locks nor allocates.
#[inline]
pub(crate) fn begin(site: &Site) -> Option<Sample> {
    match FILE.get() {
        Some(Some(_)) => begin_wanted(site),
        _ => None,
    }
}

#[cold]
fn begin_wanted(site: &Site) -> Option<Sample> {
    // Relaxed: it is a count, and nothing lies behind it.
    let marks = site
        .marks()
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |marks| {
            (marks < MOST_OF_A_FUNCTION).then_some(marks + 1)
        });
    marks.ok()?;
    rss::resident_bytes().map(Sample::now)
}

/// Writes the mark of a call that ends now. It is the profiler's own work.
pub(crate) fn end(site: &Site, start: Sample, depth: u32) {
    let (Some(Some(path)), Some(end)) = (FILE.get(), rss::resident_bytes().map(Sample::now)) else {
        return;
    };
    let call = TimedCall {
        function: site.path().to_owned(),
        start,
        end,
        depth,
    };
    let file = File::options().append(true).create(true).open(path);
    let written = file.and_then(|mut file| file.write_all(call.to_string().as_bytes()));
    if let Err(error) = written {
        static SAID: std::sync::Once = std::sync::Once::new();
        SAID.call_once(|| {
            let path = path.display().to_string();
            output::say(&format!("calls can't be marked in {path:?}: {error}"));
        });
    }
}
