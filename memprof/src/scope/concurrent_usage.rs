//! The usage of a scope, added up over the threads in it, with an upper bound on its peak.
//!
//! A *stretch* is what one thread does in the scope between two moments at which it is added up:
//! when the thread enters or leaves a scope, or asks for the numbers.
//!
//! # Peak
//!
//! While one thread at a time is in the scope, stretches follow one another and the peak is exact.
//! For stretches of several threads at once, it isn't known which moments coincided. Each is then
//! assumed to be at its own peak for its whole length, on top of the net bytes of the stretches
//! that had ended by then. So the result may be higher than the true peak, but never lower.
//!
//! # Threads in the scope
//!
//! `inside` holds the address of the only thread in the scope, or says that there is none, or that
//! there are several, which are then listed under the lock. A thread that is alone enters and
//! leaves with one compare-exchange and no lock; leaving (`Release`) pairs with entering
//! (`Acquire`). `SEVERAL` is only set and reset under the lock. While a thread holds the lock,
//! another one may still enter an empty scope, but only the thread itself removes its address.

use crate::count::uncounted;
use crate::model::usage::Usage;
use crate::sys::fork_lock::Lock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// No thread is in the scope.
const NOBODY: usize = 0;

/// Several threads are or were in the scope; the current ones are listed under the lock.
const SEVERAL: usize = 1;

/// A thread, by the address of one of its thread-locals.
pub(crate) type Thread = usize;

/// The usage of a scope, and the threads in it.
#[derive(Debug)]
pub(crate) struct Stretches {
    /// The only thread in the scope, [`NOBODY`] or [`SEVERAL`].
    inside: AtomicUsize,
    done: Lock<Done>,
}

#[derive(Debug)]
struct Done {
    /// The sum of the stretches that have ended, at [`BY_ALL`] and [`BY_OTHERS`]. The peak is the
    /// highest before the first open stretch began.
    ended: [Usage; 2],
    /// The threads in the scope in [`SEVERAL`] mode, in the order in which their stretches began.
    open: Vec<Open>,
}

/// The index of the usage by all code in the scope.
const BY_ALL: usize = 0;

/// The index of the usage by threads and tasks that joined the scope. A budget measures the code
/// that its scope was created for by itself.
const BY_OTHERS: usize = 1;

/// A stretch that has begun.
#[derive(Debug)]
struct Open {
    thread: Thread,
    /// The highest net bytes of the scope after this stretch began and before the next one did, at
    /// [`BY_ALL`] and [`BY_OTHERS`].
    highest_net_bytes: [i64; 2],
}

impl Stretches {
    pub(crate) const fn new() -> Self {
        Self {
            inside: AtomicUsize::new(NOBODY),
            done: Lock::new(Done {
                ended: [Usage::ZERO; 2],
                open: Vec::new(),
            }),
        }
    }

    /// Enters a thread that isn't in the scope, and begins its stretch.
    pub(crate) fn begin(&self, thread: Thread) {
        let alone =
            self.inside
                .compare_exchange(NOBODY, thread, Ordering::Acquire, Ordering::Relaxed);
        // A thread that ended without leaving the scope may have had the same address. The new
        // thread takes its place.
        if alone.is_err_and(|inside| inside != thread) {
            uncounted::during(false, || self.begin_beside(thread));
        }
    }

    #[cold]
    fn begin_beside(&self, thread: Thread) {
        let mut done = self.done.lock();
        let mut inside = self.inside.load(Ordering::Relaxed);
        while inside != SEVERAL {
            let next = if inside == NOBODY { thread } else { SEVERAL };
            let changed =
                self.inside
                    .compare_exchange(inside, next, Ordering::Acquire, Ordering::Relaxed);
            match changed {
                Ok(NOBODY) => return,
                Ok(alone) => {
                    // No stretch has ended since the current one of that thread began, so it can
                    // be opened late.
                    done.open(alone);
                    break;
                }
                Err(now) => inside = now,
            }
        }
        done.open(thread);
    }

    /// Adds a stretch of a thread that stays in the scope. `is_own` says whether the thread was
    /// running the code that the scope was created for.
    pub(crate) fn add(&self, thread: Thread, stretch: Usage, is_own: bool) {
        let mut done = self.done.lock();
        if self.inside.load(Ordering::Relaxed) == SEVERAL {
            done.close(thread, stretch, is_own);
            done.open(thread);
        } else {
            done.add(stretch, is_own);
        }
    }

    /// Takes a thread out of the scope. Its stretch must have been [added](Self::add).
    pub(crate) fn end(&self, thread: Thread) {
        let alone =
            self.inside
                .compare_exchange(thread, NOBODY, Ordering::Release, Ordering::Relaxed);
        if alone.is_err() {
            uncounted::during(false, || self.end_beside(thread));
        }
    }

    #[cold]
    fn end_beside(&self, thread: Thread) {
        let mut done = self.done.lock();
        done.close(thread, Usage::ZERO, true);
        if done.open.is_empty() {
            self.inside.store(NOBODY, Ordering::Release);
        }
    }

    /// The usage by all code, without the open stretches.
    pub(crate) fn by_all(&self) -> Usage {
        self.done.lock().usage(BY_ALL)
    }

    /// The usage by code other than the code that the scope was created for, without the open
    /// stretches.
    pub(crate) fn by_others(&self) -> Usage {
        self.done.lock().usage(BY_OTHERS)
    }

    /// Like [`by_others`](Self::by_others), without locking.
    pub(crate) fn by_others_mut(&mut self) -> Usage {
        self.done.get_mut().usage(BY_OTHERS)
    }

    /// Whether no stretch has been added.
    pub(crate) fn are_none(&mut self) -> bool {
        self.done.get_mut().ended[BY_ALL] == Usage::ZERO
    }
}

impl Done {
    fn open(&mut self, thread: Thread) {
        if self.open.iter().all(|open| open.thread != thread) {
            self.open.push(Open {
                thread,
                highest_net_bytes: self.net_bytes(),
            });
        }
    }

    fn add(&mut self, stretch: Usage, is_own: bool) {
        for (ended, stretch) in self.ended.iter_mut().zip(split(stretch, is_own)) {
            *ended = ended.then(stretch);
        }
    }

    fn close(&mut self, thread: Thread, stretch: Usage, is_own: bool) {
        let Some(place) = self.open.iter().position(|open| open.thread == thread) else {
            // A thread with the same address ended without leaving, and this one has already left
            // in its place.
            return self.add(stretch, is_own);
        };
        let stretches = split(stretch, is_own);
        for open in self.open.iter_mut().skip(place) {
            for (highest, stretch) in open.highest_net_bytes.iter_mut().zip(stretches) {
                *highest = highest.saturating_add_unsigned(stretch.peak_bytes);
            }
        }
        let closed = self.open.remove(place);
        self.raise(place, closed.highest_net_bytes);
        for (ended, stretch) in self.ended.iter_mut().zip(stretches) {
            *ended = Usage {
                peak_bytes: ended.peak_bytes,
                ..ended.and(stretch)
            };
        }
        self.raise(self.open.len(), self.net_bytes());
    }

    /// Raises the recorded peak of the time before `open[place]` began to `net_bytes`.
    fn raise(&mut self, place: usize, net_bytes: [i64; 2]) {
        let before = place
            .checked_sub(1)
            .and_then(|before| self.open.get_mut(before));
        if let Some(open) = before {
            for (highest, net_bytes) in open.highest_net_bytes.iter_mut().zip(net_bytes) {
                *highest = net_bytes.max(*highest);
            }
        } else {
            for (ended, net_bytes) in self.ended.iter_mut().zip(net_bytes) {
                ended.peak_bytes = ended.peak_bytes.max(net_bytes.try_into().unwrap_or(0));
            }
        }
    }

    fn net_bytes(&self) -> [i64; 2] {
        self.ended.map(|ended| ended.net_bytes())
    }

    fn usage(&self, by: usize) -> Usage {
        let open = self.open.iter().map(|open| open.highest_net_bytes[by]);
        let highest = open.max().unwrap_or(0).try_into().unwrap_or(0);
        Usage {
            peak_bytes: self.ended[by].peak_bytes.max(highest),
            ..self.ended[by]
        }
    }
}

/// A stretch as it counts at [`BY_ALL`] and at [`BY_OTHERS`].
fn split(stretch: Usage, is_own: bool) -> [Usage; 2] {
    [stretch, if is_own { Usage::ZERO } else { stretch }]
}

#[cfg(test)]
mod tests {
    use super::Stretches;
    use crate::model::usage::tests::usage;

    /// The peak after some threads entered and left. Each thread is a letter: upper case enters,
    /// lower case leaves, after a stretch with a peak of 100 bytes of which one byte stays.
    fn peak_bytes(steps: &str) -> u64 {
        let stretches = Stretches::new();
        for step in steps.bytes() {
            let thread = usize::from(step.to_ascii_uppercase());
            if step.is_ascii_uppercase() {
                stretches.begin(thread);
            } else {
                stretches.add(thread, usage(100, 99, 100), false);
                stretches.end(thread);
            }
        }
        assert_eq!(stretches.by_all(), stretches.by_others());
        stretches.by_all().peak_bytes
    }

    #[test]
    fn those_at_once_add_up_and_those_one_after_the_other_do_not() {
        assert_eq!(peak_bytes("Aa"), 100);
        assert_eq!(peak_bytes("AaBbAa"), 102);
        assert_eq!(peak_bytes("ABab"), 200);
        assert_eq!(peak_bytes("ABCDdcba"), 400);
        assert_eq!(peak_bytes("ABCDabcd"), 400);
        // A was in the scope the whole time, but the others weren't there at the same time.
        assert_eq!(peak_bytes("ABbCcDda"), 202);
        assert_eq!(peak_bytes("ABaCbDcd"), 202);
    }

    #[test]
    fn what_never_ends_to_overlap_doesn_t_drift() {
        let stretches = Stretches::new();
        stretches.begin(2);
        for _ in 0..1000 {
            // One thread allocates what the other frees.
            stretches.begin(3);
            stretches.add(2, usage(100, 0, 100), false);
            stretches.add(3, usage(0, 100, 0), false);
            stretches.end(3);
        }
        // The next hundred bytes may have been allocated before the previous ones were freed.
        assert_eq!(stretches.by_all(), usage(100_000, 100_000, 200));
    }

    #[test]
    fn what_is_open_is_in_it_as_far_as_it_has_been_added() {
        let stretches = Stretches::new();
        stretches.begin(2);
        stretches.begin(3);
        stretches.add(3, usage(50, 0, 50), false);
        stretches.add(2, usage(70, 70, 70), true);
        assert_eq!(stretches.by_all(), usage(120, 70, 120));
        assert_eq!(stretches.by_others(), usage(50, 0, 50));
    }
}
