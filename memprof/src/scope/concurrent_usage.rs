//! What threads did in a scope, stretch by stretch, and how far the heap can have stood
//! above where it was when the scope was made.
//!
//! As long as there is one thread in it at a time, that is known: the stretches come one
//! after the other. Of those of several threads at once, nobody knows which moments were the
//! same. So each is taken to have stood at its highest for as long as it lasted, on what
//! those had left that had ended by then: the heap may have stood lower, and never higher.
//!
//! A thread that is alone in the scope takes no lock to enter and to leave it.

use crate::count::uncounted;
use crate::model::usage::Usage;
use crate::sys::fork_lock::Lock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Nobody is in the scope.
const NOBODY: usize = 0;

/// Several threads are, or were: who is in it stands under the lock.
const SEVERAL: usize = 1;

/// A thread, by an address that is its own.
pub(crate) type Thread = usize;

/// What was done in a scope.
#[derive(Debug)]
pub(crate) struct Stretches {
    /// The one thread that is in it, or one of the words above. Under the lock, nobody but
    /// that thread takes it out.
    inside: AtomicUsize,
    done: Lock<Done>,
}

#[derive(Debug)]
struct Done {
    /// The stretches that have ended, as one, [`BY_ALL`] and [`BY_OTHERS`]; the peak is the
    /// highest before the first open one began.
    ended: [Usage; 2],
    /// The threads that are in it, if they are several, in the order of their stretches.
    open: Vec<Open>,
}

/// The place of what was done by all in the scope.
const BY_ALL: usize = 0;

/// That of what was done by others than the code that it was made for, if it was made for
/// some.
const BY_OTHERS: usize = 1;

/// A stretch that has begun.
#[derive(Debug)]
struct Open {
    thread: Thread,
    /// The highest since it began, and before the next one did.
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

    /// Begins a stretch of a thread that wasn't in the scope.
    pub(crate) fn begin(&self, thread: Thread) {
        let alone =
            self.inside
                .compare_exchange(NOBODY, thread, Ordering::Acquire, Ordering::Relaxed);
        // One that has ended without leaving may have had the same address.
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
                    // Nothing has ended since it began.
                    done.open(alone);
                    break;
                }
                Err(now) => inside = now,
            }
        }
        done.open(thread);
    }

    /// Adds what a thread has done that is in the scope, and stays in it; `is_own` if it ran
    /// the code that the scope was made for.
    pub(crate) fn add(&self, thread: Thread, stretch: Usage, is_own: bool) {
        let mut done = self.done.lock();
        if self.inside.load(Ordering::Relaxed) == SEVERAL {
            done.close(thread, stretch, is_own);
            done.open(thread);
        } else {
            done.add(stretch, is_own);
        }
    }

    /// Ends the stretch of a thread, all of which has been added.
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

    /// What was done, but for the stretches that are open.
    pub(crate) fn by_all(&self) -> Usage {
        self.done.lock().usage(BY_ALL)
    }

    /// The same of others than the code that the scope was made for.
    pub(crate) fn by_others(&self) -> Usage {
        self.done.lock().usage(BY_OTHERS)
    }

    /// As [`by_others`](Self::by_others), without the lock.
    pub(crate) fn by_others_mut(&mut self) -> Usage {
        self.done.get_mut().usage(BY_OTHERS)
    }

    /// Whether nothing was done.
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
            // Another one with its address has ended without leaving, and this one instead
            // of it.
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

    /// Has the heap have stood so high before the stretch that is open in that place.
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

/// A stretch as that of all and as that of others.
fn split(stretch: Usage, is_own: bool) -> [Usage; 2] {
    [stretch, if is_own { Usage::ZERO } else { stretch }]
}

#[cfg(test)]
mod tests {
    use super::Stretches;
    use crate::model::usage::tests::usage;

    /// Threads that enter and leave, one letter each: a capital enters, a small one leaves
    /// after it has had 100 bytes more than at its beginning, of which it keeps one.
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
        // A was there the whole time, but the others weren't at once.
        assert_eq!(peak_bytes("ABbCcDda"), 202);
        assert_eq!(peak_bytes("ABaCbDcd"), 202);
    }

    #[test]
    fn what_never_ends_to_overlap_doesn_t_drift() {
        let stretches = Stretches::new();
        stretches.begin(2);
        for _ in 0..1000 {
            // What the one makes, the other frees.
            stretches.begin(3);
            stretches.add(2, usage(100, 0, 100), false);
            stretches.add(3, usage(0, 100, 0), false);
            stretches.end(3);
        }
        // The second hundred may have been there before the first had gone.
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
