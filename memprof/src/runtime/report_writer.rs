//! The thread that writes reports while the program runs, and when a signal ends it.
//!
//! It is started if `MEMPROF_EVERY` or `MEMPROF_DUMP_AT` asks for a report, and on Linux also if
//! `MEMPROF_OUTPUT` is set, for signals that end the process. It sleeps until there is something to
//! do, and blocks the program's signals. None of its allocations is counted, nor is it counted as a
//! thread that allocates.

use crate::count::environment;
use crate::count::{peak, this_thread, uncounted};
use crate::model::amount;
use crate::record::collect;
use crate::report::Format;
use crate::runtime::output_file;
use crate::sys::output::say;
use crate::sys::{os, rss};
#[cfg(target_os = "linux")]
use std::fmt::Write as _;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The interval of `MEMPROF_EVERY=on`.
const DEFAULT_EVERY: Duration = Duration::from_secs(5);

/// How often memory is compared with `MEMPROF_DUMP_AT`.
const LOOK: Duration = Duration::from_millis(100);

/// What the thread has to do, set before it starts.
static TASKS: OnceLock<Tasks> = OnceLock::new();

#[derive(Debug)]
struct Tasks {
    /// The interval between two reports.
    every: Option<Duration>,
    dump: Option<Dump>,
}

/// A report that is written once, when memory exceeds a limit.
#[derive(Debug)]
struct Dump {
    limit_bytes: u64,
    path: PathBuf,
    format: Format,
}

/// Reads `MEMPROF_EVERY` and `MEMPROF_DUMP_AT`, and starts the thread if there is something for it
/// to do.
pub(crate) fn start_writer() {
    output_file::elapsed();
    let output = output_file::output();
    let tasks = Tasks {
        every: every(output.as_ref().map(|(path, _)| &**path)),
        dump: dump(output.as_ref()),
    };
    let has_tasks = tasks.every.is_some() || tasks.dump.is_some();
    let is_told_of_signals = cfg!(target_os = "linux") && output.is_some();
    if !has_tasks && !is_told_of_signals || TASKS.set(tasks).is_err() {
        return;
    }
    if let Err(error) = start() {
        say(&format!(
            "no report is written before the process ends: {error}"
        ));
        return;
    }
    #[cfg(target_os = "linux")]
    if output.is_some() {
        crate::sys::signals::install();
    }
}

#[cfg(target_os = "linux")]
fn start() -> io::Result<()> {
    extern "C" fn run(_: *mut std::ffi::c_void) -> *mut std::ffi::c_void {
        os::name_thread(c"memprof");
        crate::sys::signals::set_writer();
        work();
        // Even if it ended by a panic, no signal handler must wait for it.
        crate::sys::signals::set_done();
        std::ptr::null_mut()
    }
    // The thread and the signal handlers outlive a `dlclose` of the library that this code is in.
    os::keep_loaded(run as *const ());
    // Not by `std`, which allocates on the new thread before it can declare itself the profiler's.
    if os::start_thread(run) {
        Ok(())
    } else {
        Err(io::Error::other("no thread can be started"))
    }
}

#[cfg(not(target_os = "linux"))]
fn start() -> io::Result<()> {
    let thread = thread::Builder::new().name("memprof".to_owned());
    os::without_signals(|| thread.spawn(work)).map(drop)
}

/// The body of the thread, which runs as long as the process.
fn work() {
    let Some(tasks) = TASKS.get() else { return };
    // Before the thread allocates anything.
    this_thread::set_profilers_own();
    let go_on = || uncounted::during(false, || this_thread::without_peak(|| tasks.go_on()));
    if catch_unwind(AssertUnwindSafe(go_on)).is_err() {
        say("reports are no longer written before the process ends: their thread panicked");
    }
}

impl Tasks {
    fn go_on(&self) {
        // The first report is due at once, so that it replaces one of an earlier run.
        let mut due = self.every.map(|_| Instant::now());
        let mut is_failing = false;
        let mut dump = self.dump.as_ref();
        loop {
            let calls = calls();
            #[cfg(target_os = "linux")]
            if crate::sys::signals::is_waiting() {
                output_file::write_as_it_ends(crate::sys::signals::set_collected);
                crate::sys::signals::set_done();
            }
            let now = Instant::now();
            if due.is_some_and(|due| due <= now) {
                is_failing = output_file::write_as_it_goes_on(is_failing);
                due = self.every.map(|every| Instant::now() + every);
            }
            if dump.is_some_and(Dump::is_due) {
                dump.take().into_iter().for_each(Dump::write);
            }
            let look = dump.map(|_| LOOK);
            let until = due.map(|due| due.saturating_duration_since(Instant::now()));
            wait(calls, look.into_iter().chain(until).min());
        }
    }
}

#[cfg(target_os = "linux")]
use crate::sys::signals::{calls, wait};

/// Without signals, nothing calls the thread.
#[cfg(not(target_os = "linux"))]
fn calls() -> u32 {
    0
}

#[cfg(not(target_os = "linux"))]
fn wait(_calls: u32, most: Option<Duration>) {
    match most {
        Some(most) => thread::sleep(most),
        None => thread::park(),
    }
}

impl Dump {
    /// Whether the heap's peak so far, or resident memory now, has reached the limit.
    fn is_due(&self) -> bool {
        let resident_bytes = rss::resident_bytes().unwrap_or(0);
        peak::bytes().max(resident_bytes) >= self.limit_bytes
    }

    fn write(&self) {
        // A process that exits waits for this turn, so that it leaves no incomplete file.
        let Some(_turn) = output_file::Turn::take() else {
            return;
        };
        let mut report = collect::report();
        report.interim_after = Some(output_file::elapsed());
        if !output_file::has_source() {
            report = report.without_source();
        }
        let calls = running_calls();
        match report.write_as(self.format, &self.path) {
            Ok(()) => say(&format!(
                "the heap or resident memory has reached the {} B of MEMPROF_DUMP_AT; a report is \
                 in {:?}{calls}",
                self.limit_bytes,
                self.path.to_string_lossy(),
            )),
            Err(error) => say(&format!("MEMPROF_DUMP_AT is reached: {error}")),
        }
    }
}

/// In which profiled calls the threads are, as the end of a sentence; empty if that isn't known.
#[cfg(target_os = "linux")]
fn running_calls() -> String {
    let mut text = String::new();
    let has_source = output_file::has_source();
    for (thread, mut stack) in crate::count::other_stacks::all() {
        if !has_source {
            stack
                .calls
                .iter_mut()
                .for_each(|call| call.source = "".into());
        }
        let _ = write!(
            text,
            "\nthread {thread} was in these profiled calls:\n{stack}"
        );
    }
    text
}

#[cfg(not(target_os = "linux"))]
fn running_calls() -> String {
    String::new()
}

fn every(output: Option<&Path>) -> Option<Duration> {
    let every = match &*environment::read("MEMPROF_EVERY")? {
        "off" => return None,
        "on" => DEFAULT_EVERY,
        every => amount::duration(every)?,
    };
    let output = output?;
    if !is_replaced(output) {
        say(&format!(
            "MEMPROF_EVERY is ignored: {:?}, the path in MEMPROF_OUTPUT, is not a file that a \
             report can replace",
            output.to_string_lossy()
        ));
        return None;
    }
    Some(every)
}

/// Whether a report at this path replaces the one before, rather than being appended to it.
fn is_replaced(path: &Path) -> bool {
    match path.metadata() {
        Ok(there) => there.is_file() && !is_in_system(path),
        Err(_) => true,
    }
}

/// Whether a path is in `/proc` or `/dev`, where it may stand for an open file.
fn is_in_system(path: &Path) -> bool {
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    folder.is_some_and(|folder| folder.starts_with("/proc") || folder.starts_with("/dev"))
}

fn dump(output: Option<&(PathBuf, Format)>) -> Option<Dump> {
    let limit_bytes = amount::bytes(&environment::read("MEMPROF_DUMP_AT")?)?;
    let (path, format) = match output {
        Some((path, format)) if is_replaced(path) => (with_dump(path, *format), *format),
        _ => {
            let name = format!("memprof.{}.dump.json", std::process::id());
            let path = PathBuf::from(name);
            (std::path::absolute(&path).unwrap_or(path), Format::Json)
        }
    };
    Some(Dump {
        limit_bytes,
        path,
        format,
    })
}

/// The path of the dump: `report.dump.json` for `report.json`. If the extension isn't the format's,
/// `.dump` is appended.
fn with_dump(path: &Path, format: Format) -> PathBuf {
    let ending = format!(".{format}");
    let name = path.file_name().unwrap_or_default();
    let stem = name.to_str().and_then(|name| name.strip_suffix(&*ending));
    let mut dump = stem.map_or_else(|| name.to_owned(), Into::into);
    dump.push(".dump");
    if stem.is_some() {
        dump.push(ending);
    }
    path.with_file_name(dump)
}

#[cfg(test)]
mod tests {
    use super::with_dump;
    use crate::report::Format;
    use std::path::Path;

    #[test]
    fn a_dump_has_the_ending_of_the_report() {
        let named = |path: &str, format| {
            let path = with_dump(Path::new(path), format);
            path.to_str().unwrap().to_owned()
        };
        assert_eq!(named("/a/b.json", Format::Json), "/a/b.dump.json");
        assert_eq!(
            named("b.speedscope.json", Format::Speedscope),
            "b.dump.speedscope.json"
        );
        assert_eq!(named("b.pb.gz", Format::Pprof), "b.dump.pb.gz");
        assert_eq!(named("/a/report", Format::Csv), "/a/report.dump");
        assert_eq!(named("/a/b.txt", Format::Csv), "/a/b.txt.dump");
    }
}
