//! The sampler: reads resident memory at an interval.

use crate::timeline::error::Problem;
use crate::timeline::process::WaitForEnd;
use crate::timeline::watched::Watched;
use crate::timeline::{MemoryTimeline, Reading, TimelineError};
use std::fmt;
use std::ops::ControlFlow;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

type Each<'a> = Box<dyn FnMut(&Reading) -> ControlFlow<()> + Send + 'a>;

/// Samples resident memory over time: of this process, of another process, of a program that it
/// starts, or of this process while a closure runs.
///
/// The methods `of_self`, `of_process`, `of_command`, `of_child` and `of` run the sampler; the
/// others configure it.
///
/// ```
/// use std::time::Duration;
///
/// let (memory, sum) = memprof::timeline::MemorySampler::new()
///     .interval(Duration::from_millis(1))
///     .of(|| vec![1_u64; 1 << 20].iter().sum::<u64>())?;
///
/// assert_eq!(sum, 1 << 20);
/// let peak = memory.peak().expect("one at the beginning and one at the end at least");
/// println!("{} MiB", peak.resident_bytes >> 20);
/// # Ok::<(), memprof::timeline::TimelineError>(())
/// ```
#[must_use = "a sampler does nothing until one of its `of` methods is called"]
pub struct MemorySampler<'a> {
    interval: Duration,
    timeout: Option<Duration>,
    sums_children: bool,
    has_children_apart: bool,
    keeps_highest_only: bool,
    each: Option<Each<'a>>,
}

impl fmt::Debug for MemorySampler<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySampler")
            .field("interval", &self.interval)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Default for MemorySampler<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> MemorySampler<'a> {
    /// Creates a sampler that reads every 100 ms, without child processes, and keeps all samples.
    pub fn new() -> Self {
        Self {
            interval: Duration::from_millis(100),
            timeout: None,
            sums_children: false,
            has_children_apart: false,
            keeps_highest_only: false,
            each: None,
        }
    }

    /// Sets the time from one sample to the next. The default is 100 ms.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let often = memprof::timeline::MemorySampler::new().interval(Duration::from_millis(5));
    /// # let _ = often;
    /// ```
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets the time after which sampling ends. The sampled program or closure goes on.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let memory = memprof::timeline::MemorySampler::new()
    ///     .interval(Duration::from_millis(2))
    ///     .timeout(Duration::from_millis(10))
    ///     .of_self()?;
    /// assert!(memory.samples.len() > 1);
    /// # Ok::<(), memprof::timeline::TimelineError>(())
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Adds the memory of all descendants of a process to its samples. Pages that are shared
    /// between processes are counted several times.
    ///
    /// ```
    /// let memory = memprof::timeline::MemorySampler::new().sum_children().of_self()?;
    /// assert!(memory.children.is_empty());
    /// # Ok::<(), memprof::timeline::TimelineError>(())
    /// ```
    pub fn sum_children(mut self) -> Self {
        self.sums_children = true;
        self
    }

    /// Samples each descendant of a process separately, in [`MemoryTimeline::children`].
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use std::process::Command;
    ///
    /// let mut child = Command::new("sleep").arg("100").spawn()?;
    /// let memory = memprof::timeline::MemorySampler::new().children_apart().of_self()?;
    /// child.kill()?;
    /// child.wait()?;
    /// assert!(memory.children.contains_key(&child.id()));
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn children_apart(mut self) -> Self {
        self.has_children_apart = true;
        self
    }

    /// Keeps only the highest sample of the process, and of each separately sampled descendant.
    ///
    /// ```
    /// let (memory, ()) = memprof::timeline::MemorySampler::new().max_only().of(|| ())?;
    /// assert_eq!(memory.samples.len(), 1);
    /// # Ok::<(), memprof::timeline::TimelineError>(())
    /// ```
    pub fn max_only(mut self) -> Self {
        self.keeps_highest_only = true;
        self
    }

    /// Calls `act` with each reading as soon as it is taken. [`ControlFlow::Break`] ends sampling.
    ///
    /// The `Display` form of a reading is its lines of a [file](MemoryTimeline#).
    ///
    /// ```
    /// use std::ops::ControlFlow;
    ///
    /// let mut lines = String::new();
    /// let look = memprof::timeline::MemorySampler::new().each(|reading| {
    ///     lines += &reading.to_string();
    ///     ControlFlow::Continue(())
    /// });
    /// look.of_self()?;
    /// assert!(lines.starts_with("MEM "));
    /// # Ok::<(), memprof::timeline::TimelineError>(())
    /// ```
    pub fn each(mut self, act: impl FnMut(&Reading) -> ControlFlow<()> + Send + 'a) -> Self {
        self.each = Some(Box::new(act));
        self
    }

    /// Samples this process until the timeout, or once without a timeout.
    ///
    /// This blocks the calling thread.
    ///
    /// ```
    /// let memory = memprof::timeline::MemorySampler::new().of_self()?;
    /// assert_eq!(memory.samples.len(), 1);
    /// # Ok::<(), memprof::timeline::TimelineError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the system doesn't report resident memory, or doesn't report that of child processes and
    /// these were requested.
    pub fn of_self(self) -> Result<MemoryTimeline, TimelineError> {
        let watched = Watched::new_self(self.looks_at_children())?;
        let timeout = self.timeout.unwrap_or_default();
        Ok(self.timeout(timeout).look(&watched, |deadline| {
            thread::sleep(deadline.saturating_duration_since(Instant::now()));
            false
        }))
    }

    /// Samples the process with this id until it ends or the timeout, or once without a timeout.
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// let memory = memprof::timeline::MemorySampler::new().of_process(std::process::id())?;
    /// assert!(memory.samples[0].resident_bytes > 0);
    /// # }
    /// # Ok::<(), memprof::timeline::TimelineError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If there is no such process, or its memory can't be read, which is possible on Linux only.
    pub fn of_process(self, number: u32) -> Result<MemoryTimeline, TimelineError> {
        let watched = Watched::new(number)?;
        let end = WaitForEnd::of(number);
        let timeout = self.timeout.unwrap_or_default();
        let look = self.timeout(timeout);
        Ok(look.look(&watched, |deadline| end.until(deadline)))
    }

    /// Starts a program, samples it until it ends, and returns the samples with its exit status.
    ///
    /// After the timeout, this keeps waiting for the program without sampling it.
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use std::process::Command;
    ///
    /// let (memory, status) = memprof::timeline::MemorySampler::new().of_command(&mut Command::new("ls"))?;
    /// assert!(status.success());
    /// assert_eq!(memory.command, "ls");
    /// # }
    /// # Ok::<(), memprof::timeline::TimelineError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the program can't be started or waited for, or the memory of other processes can't be
    /// read, which is possible on Linux only.
    pub fn of_command(
        self,
        command: &mut Command,
    ) -> Result<(MemoryTimeline, ExitStatus), TimelineError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let words = command.get_args().map(|word| word.to_string_lossy());
        let mut text = program.clone();
        for word in words {
            text += " ";
            text += &quoted(word);
        }
        let child = command.spawn();
        let mut child = child.map_err(|error| start_error(program, error))?;
        let (mut memory, status) = self.of_child(&mut child)?;
        memory.command = text;
        Ok((memory, status))
    }

    /// Like [`of_command`](Self::of_command), for a program that was started before.
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use std::process::Command;
    ///
    /// let mut child = Command::new("ls").spawn()?;
    /// let (memory, status) = memprof::timeline::MemorySampler::new().of_child(&mut child)?;
    /// assert!(status.success());
    /// # let _ = memory;
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the program can't be waited for, or the memory of other processes can't be read, which is
    /// possible on Linux only.
    pub fn of_child(
        self,
        child: &mut Child,
    ) -> Result<(MemoryTimeline, ExitStatus), TimelineError> {
        let watched = Watched::new(child.id())?;
        let end = WaitForEnd::of(child.id());
        let memory = self.look(&watched, |deadline| end.until(deadline));
        let status = child.wait();
        let status = status.map_err(|error| TimelineError::new(Problem::Wait(error)))?;
        Ok((memory, status))
    }

    /// Samples this process while `run` runs, and returns the samples with the value of `run`.
    ///
    /// `run` is called once. There is a sample before it and one after it, however short it is,
    /// unless the timeout comes first. A separate thread takes the samples. Their memory counts as
    /// the program's, about 30 bytes per sample.
    ///
    /// ```
    /// let (memory, length) = memprof::timeline::MemorySampler::new().of(|| "text".len())?;
    /// assert_eq!(length, 4);
    /// assert!(memory.samples.len() >= 2);
    /// # Ok::<(), memprof::timeline::TimelineError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the system doesn't report resident memory, or the thread can't be started. `run` isn't
    /// called then.
    ///
    /// # Panics
    ///
    /// If `run` panics.
    pub fn of<T>(self, run: impl FnOnce() -> T) -> Result<(MemoryTimeline, T), TimelineError> {
        let watched = Watched::new_self(self.looks_at_children())?;
        thread::scope(|scope| {
            let (begun, has_begun) = mpsc::sync_channel::<()>(1);
            let (running, still_running) = mpsc::sync_channel::<()>(0);
            let look = move || self.look_during(&watched, &begun, &still_running);
            let looking = thread::Builder::new()
                .name("memprof".to_owned())
                .spawn_scoped(scope, look)
                .map_err(|error| TimelineError::new(Problem::Thread(error)))?;
            // Waits for the first sample, or until it is certain that there will be none.
            let _ = has_begun.recv();
            // Moved here, so that a panic of `run` drops it, too, and ends the thread.
            let running = running;
            let answer = run();
            drop(running);
            let memory = looking
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok((memory, answer))
        })
    }

    fn looks_at_children(&self) -> bool {
        self.sums_children || self.has_children_apart
    }

    /// Samples until the other end of `running` is dropped, and once after that.
    fn look_during(
        self,
        watched: &Watched,
        begun: &mpsc::SyncSender<()>,
        running: &Receiver<()>,
    ) -> MemoryTimeline {
        let timeout = self.timeout;
        let started = Instant::now();
        let mut look = Look::new(self);
        let mut goes_on = look.at(watched).is_continue();
        let _ = begun.try_send(());
        let mut is_last = !goes_on;
        while !is_last {
            let left = look.next.saturating_duration_since(Instant::now());
            is_last = running.recv_timeout(left) == Err(RecvTimeoutError::Disconnected);
            if timeout.is_some_and(|timeout| started.elapsed() >= timeout) {
                break;
            }
            goes_on = look.at(watched).is_continue();
            is_last |= !goes_on;
        }
        look.seen
    }

    /// Samples until the timeout, or until `wait_for_end` returns `true` because the process has
    /// ended. Its argument is the time until which it may wait.
    fn look(self, watched: &Watched, wait_for_end: impl Fn(Instant) -> bool) -> MemoryTimeline {
        let deadline = self.timeout.map(|timeout| later(Instant::now(), timeout));
        let mut look = Look::new(self);
        while look.at(watched).is_continue() {
            if deadline.is_some_and(|deadline| look.next >= deadline) || wait_for_end(look.next) {
                break;
            }
        }
        look.seen
    }
}

/// A word of a command line, quoted for a shell if it has spaces or tabs.
fn quoted(word: std::borrow::Cow<'_, str>) -> String {
    if word.contains([' ', '\t']) {
        format!("'{word}'")
    } else {
        word.into_owned()
    }
}

fn start_error(program: String, error: std::io::Error) -> TimelineError {
    TimelineError::new(Problem::Start(program, error))
}

/// `from + duration`, with the duration capped at a century so that the sum can't overflow.
fn later(from: Instant, duration: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);
    from + duration.min(CENTURY)
}

/// Sampling in progress.
struct Look<'a> {
    sampling: MemorySampler<'a>,
    seen: MemoryTimeline,
    /// When the next sample is due.
    next: Instant,
}

impl<'a> Look<'a> {
    fn new(sampling: MemorySampler<'a>) -> Self {
        Self {
            sampling,
            seen: MemoryTimeline::default(),
            next: Instant::now(),
        }
    }

    /// Takes a sample. Returns whether to continue.
    fn at(&mut self, watched: &Watched) -> ControlFlow<()> {
        let sampling = &self.sampling;
        let Some(reading) = watched.read(sampling.sums_children, sampling.has_children_apart)
        else {
            return ControlFlow::Break(());
        };
        if self.sampling.keeps_highest_only {
            self.seen.add_highest(&reading);
        } else {
            self.seen.add(&reading);
        }
        // Counted from the time that this sample was due, so that samples don't drift. Missed
        // samples aren't made up for.
        let now = Instant::now();
        self.next = later(self.next, self.sampling.interval);
        if self.next < now {
            self.next = now;
        }
        match &mut self.sampling.each {
            Some(each) => each(&reading),
            None => ControlFlow::Continue(()),
        }
    }
}
