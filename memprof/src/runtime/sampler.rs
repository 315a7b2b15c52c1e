//! The sampler: a thread that looks at regular intervals where the other threads are.
//!
//! The thread is started with the first sampler and then stays, waiting while there is none. It
//! blocks all signals, and none of its allocations is counted. A forked child doesn't have it: its
//! first own sampler starts another one.
//!
//! # Intervals
//!
//! The times between two rounds vary at random by half of the interval, so that a program that does
//! something at regular intervals isn't always found doing the same. If rounds take long, since
//! there are many threads, the thread waits for longer: on average, it uses at most one hundredth
//! of a processor. A single round that the system held up has little effect.

use crate::count::environment;
use crate::count::uncounted;
use crate::model::amount;
use crate::model::report::Report;
use crate::record::collect;
#[cfg(feature = "export")]
use crate::runtime::output_file;
use crate::sys::fork_lock::Lock;
use crate::sys::output::{self, say};
use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

/// The interval of [`Sampler::start`] and of `MEMPROF_SAMPLE=on`.
const DEFAULT_INTERVAL: Duration = Duration::from_millis(1);

/// The samplers that are active, by numbers of their own.
struct Active {
    next: u64,
    samplers: Vec<(u64, Wish)>,
    /// The process whose thread takes the samples; 0 if there is no such thread.
    #[cfg(target_os = "linux")]
    process: u32,
}

/// What a sampler wants.
#[derive(Clone, Copy, Debug)]
struct Wish {
    interval: Duration,
    /// Whether it wants samples of the process, and not only those of scopes.
    is_of_process: bool,
}

static ACTIVE: Lock<Active> = Lock::new(Active {
    next: 0,
    samplers: Vec::new(),
    #[cfg(target_os = "linux")]
    process: 0,
});

impl Active {
    /// What all samplers want together. `None` if there are none.
    fn wish(&self) -> Option<Wish> {
        let wishes = self.samplers.iter().map(|(_, wish)| *wish);
        wishes.reduce(|one, other| Wish {
            interval: one.interval.min(other.interval),
            is_of_process: one.is_of_process || other.is_of_process,
        })
    }
}

/// Measures how long each line runs, by looking at regular intervals where each thread is.
///
/// No thread is stopped or interrupted for it, and profiled functions run as fast as without it: the
/// profiler knows which line a thread is in anyway, and the sampler reads that from outside. Each
/// sample stands for the time since the one before, in which the thread was
/// [running](crate::report::SampledTime::running) or
/// [waiting](crate::report::SampledTime::waiting).
///
/// ```
/// use memprof::{Sampler, memprofile};
/// use std::sync::mpsc::{self, Receiver};
/// use std::thread;
///
/// #[memprofile(print = "never")]
/// fn next_job(jobs: &Receiver<String>) -> String {
///     jobs.recv().unwrap_or_default()
/// }
///
/// # fn main() -> Result<(), memprof::SamplerError> {
/// # if !cfg!(target_os = "linux") { return Ok(()); }
/// let (sender, jobs) = mpsc::channel();
/// let worker = thread::spawn(move || next_job(&jobs));
/// let sampler = Sampler::start()?;
/// # let is_sampled = || memprof::report().functions.iter().any(|next_job| {
/// #     next_job.lines[1].own_time.waiting > std::time::Duration::ZERO
/// # });
/// # while !is_sampled() {}
/// // What the program does meanwhile.
/// let report = sampler.stop();
///
/// // The worker was waiting in the only line of `next_job`.
/// let line = &report.functions[0].lines[1];
/// assert!(line.own_time.waiting > line.own_time.running);
/// println!("{}", report.times());
/// # sender.send(String::new()).unwrap();
/// # worker.join().unwrap();
/// # Ok(())
/// # }
/// ```
///
/// Threads are sampled from their first call of a profiled function on. A task is found only while
/// a thread polls it. Functions that run for less than a tenth of a microsecond may be taken for
/// those that follow them.
///
/// There can be several samplers at a time; the shortest interval applies to all.
/// [`report`](crate::report()) has the times, too: those since the first sampler of the process
/// started, as long as there was one.
///
/// `MEMPROF_SAMPLE=1ms` does the same for all of a process.
#[derive(Debug)]
#[must_use = "it stops when it is dropped"]
pub struct Sampler {
    number: u64,
    /// The report at the start, which is the profiler's own memory. `None` for a sampler of scopes.
    before: Option<Report>,
}

impl Sampler {
    /// Starts sampling, a thousand times a second.
    ///
    /// # Errors
    ///
    /// Fails on systems other than Linux; if the system doesn't permit the process to read its own
    /// memory by `process_vm_readv`; and if no thread can be started.
    pub fn start() -> Result<Self, SamplerError> {
        Self::start_every(DEFAULT_INTERVAL)
    }

    /// Starts sampling with an interval of its own. Shorter ones than 100 µs are taken as 100 µs.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # if !cfg!(target_os = "linux") { return Ok(()); }
    /// let sampler = memprof::Sampler::start_every(Duration::from_millis(10))?;
    /// # drop(sampler);
    /// # Ok::<_, memprof::SamplerError>(())
    /// ```
    pub fn start_every(interval: Duration) -> Result<Self, SamplerError> {
        let mut sampler = Self::activate(interval, true)?;
        sampler.before = Some(uncounted::during(false, collect::report).0);
        Ok(sampler)
    }

    /// Starts sampling for scopes, of which [`samples`](crate::record::samples) knows.
    #[cfg(feature = "web")]
    pub(crate) fn start_for_scopes() -> Result<Self, SamplerError> {
        Self::activate(DEFAULT_INTERVAL, false)
    }

    fn activate(interval: Duration, is_of_process: bool) -> Result<Self, SamplerError> {
        const LEAST: Duration = Duration::from_micros(100);
        let wish = Wish {
            interval: interval.max(LEAST),
            is_of_process,
        };
        let number = uncounted::during(false, || {
            let mut active = ACTIVE.lock();
            active.prepare_thread()?;
            let number = active.next;
            active.next += 1;
            if active.samplers.is_empty() {
                begin_anew();
            }
            active.samplers.push((number, wish));
            drop(active);
            // Begins here, and not when the thread gets a processor.
            take_round();
            wake();
            Ok(number)
        });
        let number = number.0?;
        let before = None;
        Ok(Self { number, before })
    }

    /// Stops sampling. Returns the report of what has happened since the start: what each line
    /// allocated, and how long it ran.
    #[must_use]
    pub fn stop(mut self) -> Report {
        let (own, _) = uncounted::during(false, || {
            take_round();
            let before = self.before.take().unwrap_or_default();
            collect::report().since(&before)
        });
        // The caller gets a copy that counts as the program's.
        let answer = own.clone();
        uncounted::during(false, || drop(own));
        answer
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        uncounted::during(false, || {
            self.before = None;
            let mut active = ACTIVE.lock();
            active.samplers.retain(|(number, _)| *number != self.number);
        });
    }
}

/// An error from starting a [`Sampler`].
#[derive(Debug)]
pub struct SamplerError(Problem);

#[derive(Debug)]
#[cfg_attr(target_os = "linux", expect(dead_code, reason = "for other systems"))]
enum Problem {
    Unsupported,
    #[cfg(target_os = "linux")]
    NotPermitted(io::Error),
    #[cfg(target_os = "linux")]
    NoThread,
}

impl SamplerError {
    /// Whether there are no samplers on this system, which isn't Linux.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(self.0, Problem::Unsupported)
    }

    /// Whether the system doesn't permit the process to read its own memory by
    /// `process_vm_readv`.
    #[must_use]
    pub fn is_not_permitted(&self) -> bool {
        #[cfg(target_os = "linux")]
        let is = matches!(self.0, Problem::NotPermitted(_));
        #[cfg(not(target_os = "linux"))]
        let is = false;
        is
    }
}

impl fmt::Display for SamplerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Problem::Unsupported => {
                f.write_str("threads can't be sampled on this system: that needs Linux")
            }
            #[cfg(target_os = "linux")]
            Problem::NotPermitted(error) => write!(
                f,
                "threads can't be sampled: the system call `process_vm_readv`, on the process's own \
                 memory, failed: {error}; permit it in the container's seccomp profile"
            ),
            #[cfg(target_os = "linux")]
            Problem::NoThread => {
                f.write_str("threads can't be sampled: the system can't start another thread")
            }
        }
    }
}

impl Error for SamplerError {}

/// Reads `MEMPROF_SAMPLE`, and samples until the end of the process if that asks for it.
pub(crate) fn start_as_asked() {
    let Some(interval) = environment::read("MEMPROF_SAMPLE").and_then(|text| interval(&text))
    else {
        return;
    };
    match Sampler::activate(interval, true) {
        Ok(sampler) => std::mem::forget(sampler),
        Err(error) => say(&format!("MEMPROF_SAMPLE is ignored: {error}")),
    }
}

/// The interval that `MEMPROF_SAMPLE` asks for.
fn interval(text: &str) -> Option<Duration> {
    match text {
        "off" => None,
        "on" => Some(DEFAULT_INTERVAL),
        text => amount::duration(text),
    }
}

/// Takes the last samples of the process, and prints how long each line ran if no file is going to
/// have it. Not in a forked child, whose samples are its parent's.
pub(crate) fn end_as_asked(has_file: bool) {
    let is_asked = environment::read("MEMPROF_SAMPLE").and_then(|text| interval(&text));
    if is_asked.is_none() || !ACTIVE.lock().has_thread() {
        return;
    }
    take_round();
    if has_file {
        return;
    }
    let report = collect::report();
    #[cfg(feature = "export")]
    let report = if output_file::has_source() {
        report
    } else {
        report.without_source()
    };
    output::write(true, &report.times().to_string());
}

#[cfg(target_os = "linux")]
use thread::{begin_anew, take_round, wake};

#[cfg(not(target_os = "linux"))]
fn begin_anew() {}

#[cfg(not(target_os = "linux"))]
fn take_round() {}

#[cfg(not(target_os = "linux"))]
fn wake() {}

#[cfg(not(target_os = "linux"))]
impl Active {
    fn has_thread(&self) -> bool {
        false
    }

    fn prepare_thread(&mut self) -> Result<(), SamplerError> {
        Err(SamplerError(Problem::Unsupported))
    }
}

#[cfg(target_os = "linux")]
mod thread {
    use super::{ACTIVE, Active, Problem, SamplerError};
    use crate::count::{this_thread, uncounted};
    use crate::record::samples;
    use crate::sys::os;
    use crate::sys::output::say;
    use std::hash::{BuildHasher, RandomState};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::process;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    /// Changes when there is another sampler.
    static CHANGES: AtomicU32 = AtomicU32::new(0);

    impl Active {
        /// Whether this process has a thread that takes samples.
        pub(super) fn has_thread(&self) -> bool {
            self.process == process::id()
        }

        /// Makes sure that there is a thread which takes samples, and that it can.
        pub(super) fn prepare_thread(&mut self) -> Result<(), SamplerError> {
            if self.has_thread() {
                return Ok(());
            }
            let there = 0_u8;
            let address = std::ptr::from_ref(&there).expose_provenance();
            os::copy_memory([(address, &mut [0])])
                .map_err(|error| SamplerError(Problem::NotPermitted(error)))?;
            os::keep_loaded(run as *const ());
            if !os::start_thread(run) {
                return Err(SamplerError(Problem::NoThread));
            }
            self.process = process::id();
            Ok(())
        }
    }

    pub(super) fn wake() {
        CHANGES.fetch_add(1, Ordering::Release);
        os::wake(&CHANGES);
    }

    pub(super) fn begin_anew() {
        samples::begin_anew();
    }

    pub(super) fn take_round() {
        let wish = ACTIVE.lock().wish();
        if let Some(wish) = wish {
            samples::take(wish.is_of_process);
        }
    }

    extern "C" fn run(_: *mut std::ffi::c_void) -> *mut std::ffi::c_void {
        // Before the thread allocates anything.
        this_thread::set_profilers_own();
        os::name_thread(c"memprof-sampler");
        let go_on = || uncounted::during(false, || this_thread::without_peak(go_on));
        if catch_unwind(AssertUnwindSafe(go_on)).is_err() {
            say("no more samples are taken: the thread that does it panicked");
        }
        std::ptr::null_mut()
    }

    fn go_on() {
        /// The thread uses at most one part in so many of a processor's time.
        const SHARE: u64 = 100;
        /// The cost of a round is averaged over about so many.
        const ROUNDS: u64 = 16;
        let mut average_cost = 0;
        let own_id = os::thread_id();
        let used = || os::cpu_nanoseconds(own_id).unwrap_or(0);
        let random = RandomState::new();
        for round in 0_u64.. {
            let changes = CHANGES.load(Ordering::Acquire);
            let before = used();
            let wish = ACTIVE.lock().wish();
            let Some(wish) = wish else {
                os::wait(&CHANGES, changes, None);
                continue;
            };
            samples::take(wish.is_of_process);
            let cost = used().saturating_sub(before);
            average_cost = average_cost - average_cost / ROUNDS + cost / ROUNDS;
            let least = Duration::from_nanos(average_cost * SHARE);
            let share = (random.hash_one(round) % 1000) as u32;
            let interval = wish.interval / 2 + wish.interval / 1000 * share;
            os::wait(&CHANGES, changes, Some(interval.max(least)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT_INTERVAL, interval};
    use std::time::Duration;

    #[test]
    fn the_interval_is_a_time_or_on() {
        assert_eq!(interval("on"), Some(DEFAULT_INTERVAL));
        assert_eq!(interval("2ms"), Some(Duration::from_millis(2)));
        assert_eq!(interval("off"), None);
        assert_eq!(interval("often"), None);
    }
}
