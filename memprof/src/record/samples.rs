//! Samples of where threads are: the time that each line took, of the process and of scopes.
//!
//! # Taking samples
//!
//! [`take`] looks at each thread that has a call stack, one after the other, and adds the
//! time since its last look to the line that the thread is in now. A thread that used no CPU time
//! since then hasn't moved, so its call stack isn't read again.
//!
//! # Locks
//!
//! [`SAMPLES`] is held over a round, and with it the thread's share of the fork lock, before
//! [`Reading`](crate::count::registry::Reading), which keeps threads from ending meanwhile.

use crate::model::sampled_time::{SampledTime, Sampling};
use crate::sys::fork_lock::Lock;
use std::collections::BTreeMap;

/// The time in each line, by its id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    lines: BTreeMap<u32, SampledTime>,
    dropped_count: u64,
}

/// All samples.
struct AllSamples {
    of_process: Option<Samples>,
    /// By the ids of the scopes that are sampled.
    of_scopes: BTreeMap<u32, Samples>,
    #[cfg(target_os = "linux")]
    rounds: rounds::Rounds,
}

static SAMPLES: Lock<AllSamples> = Lock::new(AllSamples {
    of_process: None,
    of_scopes: BTreeMap::new(),
    #[cfg(target_os = "linux")]
    rounds: rounds::Rounds::new(),
});

impl Samples {
    /// The time in a line.
    pub(crate) fn of_line(&self, line: u32) -> SampledTime {
        self.lines.get(&line).copied().unwrap_or_default()
    }

    pub(crate) fn untracked(&self) -> SampledTime {
        self.of_line(crate::count::tag::UNTRACKED)
    }

    /// The ids of the lines that a thread was in.
    pub(crate) fn lines(&self) -> impl Iterator<Item = u32> {
        self.lines.keys().copied()
    }

    pub(crate) fn sampling(&self) -> Sampling {
        let mut total = SampledTime::default();
        self.lines.values().for_each(|time| total += *time);
        Sampling {
            total,
            untracked: self.untracked(),
            dropped_count: self.dropped_count,
        }
    }
}

/// What was sampled of the process so far. The profiler's own memory. `None` if nothing was.
pub(crate) fn of_process() -> Option<Samples> {
    SAMPLES.lock().of_process.clone()
}

/// Takes samples in a scope from now on.
#[cfg(feature = "web")]
pub(crate) fn begin_scope(id: u32) {
    SAMPLES.lock().of_scopes.entry(id).or_default();
}

/// Takes no more samples in a scope, and forgets them.
#[cfg(feature = "web")]
pub(crate) fn end_scope(id: u32) {
    SAMPLES.lock().of_scopes.remove(&id);
}

/// What was sampled of a scope so far. The profiler's own memory. `None` if it isn't sampled.
pub(crate) fn of_scope(id: u32) -> Option<Samples> {
    SAMPLES.lock().of_scopes.get(&id).cloned()
}

/// Forgets where threads were: the time until the next round is in no sample.
#[cfg(target_os = "linux")]
pub(crate) fn begin_anew() {
    SAMPLES.lock().rounds = rounds::Rounds::new();
}

/// Samples all threads. `is_of_process` says whether samples of the process are wanted; those of
/// scopes that are [sampled](begin_scope) are taken anyway.
#[cfg(target_os = "linux")]
pub(crate) fn take(is_of_process: bool) {
    SAMPLES.lock().take(is_of_process);
}

#[cfg(target_os = "linux")]
mod rounds {
    use super::{AllSamples, Samples};
    use crate::count::call_paths;
    use crate::count::other_stacks::{CopiedCall, Reader};
    use crate::count::registry::{Reading, RunningThread};
    use crate::count::scope_counters;
    use crate::count::tag;
    use crate::model::sampled_time::SampledTime;
    use crate::sys::os;
    use std::fs;
    use std::time::{Duration, Instant};

    /// What is known of the threads from the last round.
    #[derive(Debug)]
    pub(super) struct Rounds {
        /// By the places of their records.
        threads: Vec<Seen>,
        last: Option<Instant>,
    }

    /// A thread at the last round.
    #[derive(Debug)]
    struct Seen {
        id: usize,
        at: Instant,
        cpu_nanoseconds: u64,
        /// The line that it was in; `None` if that couldn't be read.
        line: Option<u32>,
        reader: Reader,
    }

    impl Rounds {
        pub(super) const fn new() -> Self {
            Self {
                threads: Vec::new(),
                last: None,
            }
        }
    }

    impl AllSamples {
        pub(super) fn take(&mut self, is_of_process: bool) {
            if is_of_process {
                self.of_process.get_or_insert_default();
            }
            let reading = Reading::begin();
            let now = Instant::now();
            let last = self.rounds.last.replace(now).unwrap_or(now);
            for (place, thread) in reading.call_stacks() {
                while self.rounds.threads.len() <= place {
                    self.rounds.threads.push(Seen::new(last));
                }
                if let Some(seen) = self.rounds.threads.get_mut(place) {
                    let (line, time) = seen.look(thread, now, last);
                    self.add(is_of_process, thread.scope, line, time);
                }
            }
        }
    }

    impl Seen {
        const fn new(at: Instant) -> Self {
            Self {
                id: 0,
                at,
                cpu_nanoseconds: 0,
                line: None,
                reader: Reader::new(),
            }
        }

        /// Looks at the thread: the line that it is in, and the time since the last look.
        fn look(
            &mut self,
            thread: RunningThread,
            now: Instant,
            last: Instant,
        ) -> (Option<u32>, SampledTime) {
            let cpu_nanoseconds = os::cpu_nanoseconds(thread.id).unwrap_or(0);
            let is_new = self.id != thread.id;
            if is_new {
                self.id = thread.id;
                self.at = last;
            }
            let elapsed = now.saturating_duration_since(self.at);
            let used = Duration::from_nanos(cpu_nanoseconds.saturating_sub(self.cpu_nanoseconds));
            let has_moved = is_new || !used.is_zero();
            let is_running = if is_new {
                is_ready(thread.id)
            } else {
                has_moved && (used >= elapsed * 9 / 10 || is_ready(thread.id))
            };
            if has_moved || self.line.is_none() {
                self.line = self.reader.read(thread).map(line_of).ok();
            }
            self.at = now;
            self.cpu_nanoseconds = cpu_nanoseconds;
            let mut time = SampledTime {
                sample_count: 1,
                ..SampledTime::default()
            };
            if is_running {
                time.running = elapsed;
            } else {
                time.waiting = elapsed;
            }
            (self.line, time)
        }
    }

    impl AllSamples {
        fn add(&mut self, is_of_process: bool, scope: u32, line: Option<u32>, time: SampledTime) {
            let of_process = self.of_process.as_mut().filter(|_| is_of_process);
            if let Some(samples) = of_process {
                samples.add(line, time);
            }
            if self.of_scopes.is_empty() {
                return;
            }
            for scope in scope_counters::with_outer(scope) {
                if let Some(samples) = self.of_scopes.get_mut(&scope) {
                    samples.add(line, time);
                }
            }
        }
    }

    impl Samples {
        fn add(&mut self, line: Option<u32>, time: SampledTime) {
            match line {
                Some(line) => *self.lines.entry(line).or_default() += time,
                None => self.dropped_count += 1,
            }
        }
    }

    /// The id of the line that a thread with these calls is in: the calls have the paths that they
    /// would have if the thread allocated.
    fn line_of(calls: &[CopiedCall]) -> u32 {
        let [mut line, mut line_on_own_stack] = [tag::UNTRACKED; 2];
        for call in calls {
            let caller = if call.is_elsewhere {
                line
            } else {
                line_on_own_stack
            };
            let path = call_paths::number_of(call.site, caller);
            line = if path == 0 || call.place == tag::BEYOND_PLACE {
                tag::UNTRACKED
            } else {
                tag::first_id(path) + call.place
            };
            if !call.is_elsewhere {
                line_on_own_stack = line;
            }
        }
        line
    }

    /// Whether the thread is running, or waits for nothing but a processor.
    fn is_ready(thread_id: usize) -> bool {
        let state = fs::read(format!("/proc/self/task/{thread_id}/stat")).unwrap_or_default();
        // The name of the thread is in parentheses, and may contain some.
        let mut after_name = state.rsplit(|byte| *byte == b')');
        after_name.next().and_then(|rest| rest.get(1)) == Some(&b'R')
    }

    #[cfg(test)]
    mod tests {
        use super::is_ready;
        use crate::sys::os;

        #[test]
        fn a_running_thread_is_ready() {
            assert!(is_ready(os::thread_id()));
            assert!(!is_ready(0));
        }
    }
}
