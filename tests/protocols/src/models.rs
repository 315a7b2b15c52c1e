//! Models: small programs of a few threads, with assertions that must hold in every interleaving.
//!
//! # Peaks
//!
//! A thread that finds another thread computing the peak doesn't wait, and looks again at its next
//! allocation. So a peak may be missed while several threads allocate, but not if only one thread
//! does.

use crate::count::call_stack::{self, State};
use crate::count::line_counters::SHARED;
use crate::count::peak;
use crate::count::registry::{self, Glance, Reading};
use crate::count::tag::{self, Tag};
use crate::count::this_thread::{self, Prepared, Resized};
use crate::model::change::Change;
use crate::model::site::{Kind, Site};
use loom::model::Builder;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::mpsc::{Receiver, Sender, channel};
use loom::thread::{self, JoinHandle};

/// Runs `model` in every interleaving with at most `preemptions` switches away from threads that
/// could continue. `LOOM_MAX_PREEMPTIONS` overrides the number.
fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.max_branches = 10_000;
    builder.check(move || {
        // Both functions are known, but no thread has counters for them yet.
        for path in [FIRST_LINE, SECOND_LINE].map(|tag| tag::path_of(tag.line())) {
            SHARED.prepare(path, 1);
        }
        model();
    });
}

/// Two lines of different functions.
const FIRST_LINE: Tag = Tag(tag::first_id(1) as u64);
const SECOND_LINE: Tag = Tag(tag::first_id(2) as u64);

/// Counts an allocation as the allocator does, and returns the tag of the block.
fn allocate(address: usize, size: usize) -> Tag {
    let tag = this_thread::add_allocation(address, size);
    tag.unwrap_or_else(|| this_thread::add_rare_allocation(address, size))
}

/// Counts a deallocation as the allocator does.
fn free(tag: Tag, address: usize, size: usize) {
    if !this_thread::add_own_deallocation(tag, address, size) {
        this_thread::add_deallocation_of(tag, address, size);
    }
}

static SITE: Site = Site::new(|| "f", "", 1, "", &[1]);

/// Enters a function whose only line is `tag`.
fn call(tag: Tag) {
    assert_eq!(this_thread::prepare_call_stack(), Prepared::Ready);
    let entry = call_stack::push(&SITE, 0, State::new(Kind::Counting, 0)).unwrap();
    entry.set_path(tag::path_of(tag.line()));
    this_thread::count_entry(entry, entry.below());
}

/// Returns from the function that was entered last.
fn leave() {
    call_stack::set_top(call_stack::top().below());
}

/// A thread that runs some work, and then waits for more work or for its end.
struct Paused {
    has_done: Receiver<()>,
    next: Sender<Option<Box<dyn FnOnce()>>>,
    thread: JoinHandle<()>,
}

impl Paused {
    fn after(work: impl FnOnce() + 'static) -> Self {
        let (done, has_done) = channel();
        let (next, to_do) = channel::<Option<Box<dyn FnOnce()>>>();
        let thread = thread::spawn(move || {
            work();
            done.send(()).unwrap();
            while let Some(work) = to_do.recv().unwrap() {
                work();
            }
            this_thread::end_thread();
        });
        Self {
            has_done,
            next,
            thread,
        }
    }

    fn wait(&self) {
        self.has_done.recv().unwrap();
    }

    fn go_on(self, work: impl FnOnce() + 'static) -> Self {
        self.next.send(Some(Box::new(work))).unwrap();
        self
    }

    fn end(self) {
        self.next.send(None).unwrap();
        self.thread.join().unwrap();
    }
}

#[test]
fn a_peak_that_was_seen_is_never_lower_again() {
    check(3, || {
        allocate(1, 1000);
        let other = thread::spawn(|| {
            let tag = allocate(2, 5000);
            let seen = peak::bytes();
            free(tag, 2, 5000);
            this_thread::end_thread();
            seen
        });
        allocate(3, 100);
        let seen = other.join().unwrap();
        assert!(peak::bytes() >= seen, "{} after {seen}", peak::bytes());
    });
}

#[test]
fn a_thread_that_is_alone_again_has_exact_peaks() {
    check(3, || {
        allocate(1, 1000);
        let other = thread::spawn(|| {
            let tag = allocate(2, 300);
            free(tag, 2, 300);
            this_thread::end_thread();
        });
        allocate(3, 100);
        other.join().unwrap();
        // Before, the peak was at most 1,400 bytes.
        let before = peak::bytes();
        allocate(4, 900);
        assert_eq!(peak::bytes(), 2000, "{before}");
        allocate(5, 1);
        assert_eq!(peak::bytes(), 2001);
    });
}

#[test]
fn what_a_thread_does_after_its_end_is_in_the_next_peak() {
    check(2, || {
        allocate(1, 1000);
        let other = thread::spawn(|| {
            let tag = allocate(2, 300);
            this_thread::end_thread();
            free(tag, 2, 300);
        });
        allocate(3, 100);
        other.join().unwrap();
        allocate(4, 900);
        assert_eq!(peak::bytes(), 2000);
    });
}

#[test]
fn a_thread_that_finds_to_be_alone_knows_what_others_did_after_their_end() {
    check(3, || {
        loom::stop_exploring();
        let other = Paused::after(|| {
            allocate(1, 300);
            this_thread::end_thread();
        });
        other.wait();
        loom::explore();
        let other = other.go_on(|| free(Tag::UNTRACKED, 1, 300));
        allocate(2, 1000);
        loom::stop_exploring();
        other.end();
        allocate(3, 900);
        assert_eq!(peak::bytes(), 1900);
    });
}

#[test]
fn a_reset_knows_of_a_thread_that_begins() {
    check(2, || {
        allocate(1, 1000);
        let other = Paused::after(|| {
            allocate(2, 100);
        });
        this_thread::reset_peak();
        other.wait();
        assert_ne!(peak::error_bytes(), 0);
        other.end();
    });
}

#[test]
fn what_a_line_does_is_read_with_that_line() {
    check(2, || {
        loom::stop_exploring();
        let other = Paused::after(|| {
            call(SECOND_LINE);
            call(FIRST_LINE);
        });
        other.wait();
        loom::explore();
        let other = other.go_on(|| {
            call(SECOND_LINE);
            allocate(1, 100);
            leave();
            this_thread::tag();
        });
        let glance = Glance::wait();
        let counters = glance.threads().next().unwrap();
        let (tag, pending_bytes) =
            counters.read(|| (counters.tag(), counters.pending().allocated_bytes));
        assert!(tag == SECOND_LINE || pending_bytes == 0, "{tag:?}");
        drop(glance);
        loom::stop_exploring();
        other.end();
        let reading = Reading::begin();
        let [first, second] = [FIRST_LINE, SECOND_LINE].map(|tag| reading.of_line(tag.line()));
        assert_eq!(first, Change::default());
        assert_eq!(second, Change::allocated(100, 1));
    });
}

#[test]
fn a_report_of_a_block_that_goes_over_makes_nothing_up() {
    check(2, || {
        loom::stop_exploring();
        let [first, second] = [FIRST_LINE, SECOND_LINE].map(|tag| {
            let thread = Paused::after(move || call(tag));
            thread.wait();
            thread
        });
        let is_made = Arc::new(AtomicBool::new(false));
        loom::explore();
        let first = {
            let is_made = Arc::clone(&is_made);
            first.go_on(move || {
                allocate(1, 100);
                is_made.store(true, Ordering::Release);
            })
        };
        let second = second.go_on(move || {
            if is_made.load(Ordering::Acquire) {
                let grown = Resized {
                    old_address: 1,
                    new_address: 1,
                    old_size: 100,
                    new_size: 150,
                };
                this_thread::add_reallocation(FIRST_LINE, grown);
            }
        });
        let change = Reading::begin().of_line(FIRST_LINE.line());
        assert!([0, 100].contains(&change.net_bytes()), "{change:?}");
        loom::stop_exploring();
        first.end();
        second.end();
        let reading = Reading::begin();
        let [first, second] = [FIRST_LINE, SECOND_LINE].map(|tag| reading.of_line(tag.line()));
        let process = reading.of_process();
        let sum = first.and(&second);
        assert_eq!(sum.allocated_bytes, process.allocated_bytes);
        assert_eq!(sum.net_bytes(), process.net_bytes());
    });
}

#[test]
fn threads_that_begin_and_end_lose_nothing() {
    check(1, || {
        let other = thread::spawn(|| {
            call(FIRST_LINE);
            allocate(1, 100);
            this_thread::end_thread();
        });
        call(FIRST_LINE);
        allocate(2, 100);
        this_thread::end_thread();
        other.join().unwrap();

        let reading = Reading::begin();
        assert_eq!(reading.of_process().allocated_bytes, 200);
        assert_eq!(reading.of_line(FIRST_LINE.line()).allocated_bytes, 200);
        assert_eq!(registry::thread_count(), 0);
        assert!(registry::records().count() <= 2);
    });
}

#[test]
fn a_thread_that_ends_is_read_once() {
    check(2, || {
        loom::stop_exploring();
        let other = Paused::after(|| {
            allocate(1, 100);
        });
        other.wait();
        loom::explore();
        let other = other.go_on(this_thread::end_thread);
        let reading = Reading::begin();
        assert_eq!(reading.of_process().allocated_bytes, 100);
        assert_eq!(reading.of_line(tag::UNTRACKED).allocated_bytes, 100);
        drop(reading);
        loom::stop_exploring();
        other.end();
    });
}

#[test]
fn a_forked_child_has_one_thread_whatever_the_others_were_doing() {
    check(3, || {
        allocate(1, 1000);
        let other = thread::spawn(|| {
            let tag = allocate(2, 300);
            free(tag, 2, 300);
            this_thread::end_thread();
        });
        this_thread::before_fork();
        // From here on, the model is the child, in which the other thread doesn't run.
        loom::stop_exploring();
        this_thread::in_forked_child();
        assert_eq!(registry::thread_count(), 1);
        allocate(3, 5000);
        assert!(peak::bytes() >= 6000);
        assert!(Reading::begin().of_process().net_bytes() >= 6000);
        // Let the model end; what the other thread does now belongs to neither process.
        other.join().unwrap();
    });
}
