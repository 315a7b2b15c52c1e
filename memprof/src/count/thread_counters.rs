//! The counters of one thread, and a copy of them at one moment ([`Tally`]).
//!
//! # Writers
//!
//! A thread alone writes its counters, from inside the allocator. They are atomic so that other
//! threads can read them meanwhile; an update is a load and a store, not a read-modify-write. Other
//! threads write three of them, as [`peak`](crate::count::peak) describes: the ceiling, the live
//! bytes at the peak, and the live bytes at the last look. In a forked child, its one thread
//! settles the counters of the threads that the child doesn't have.
//!
//! # Settling
//!
//! What the current line does isn't counted a second time for the line: it is the change in the
//! thread's counters since the last time, and is added to the line when another one becomes current
//! ([`Counters::settle`]). Until then, it is [pending](Counters::pending).
//!
//! # A reader's snapshot
//!
//! The version is odd while something is being added to lines ([`Counters::put_down`]). A reader
//! retries until it has read the same even version and the same tag before and after
//! ([`Counters::read`]): a sequence lock whose writer never waits.
//!
//! # What may not happen here
//!
//! Nothing here allocates, locks or panics; only readers wait. Arithmetic wraps, since a plain `+`
//! can panic in a debug build, and a panic in an allocator is undefined behaviour.

use crate::count::tag::{self, Tag};
use crate::model::change::Change;
use crate::model::usage::Usage;
use crate::sys::sync::{self, AtomicI64, AtomicU64, AtomicUsize, Ordering, const_fn, each, fence};

/// The heap counters of a thread at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// What has happened since the thread's beginning; without a peak.
    pub(crate) heap: Usage,
    /// The highest net bytes since the last [`Counters::lap`].
    pub(crate) highest_net_bytes: i64,
}

impl Tally {
    /// Before anything has happened.
    #[cfg(feature = "stats_alloc")]
    pub(crate) const ZERO: Self = Self {
        heap: Usage::ZERO,
        highest_net_bytes: 0,
    };

    /// `earlier` is what [`Counters::lap`] returned. The peak is right if all later laps have been
    /// [resumed](Counters::resume_peak) since.
    #[inline(always)]
    pub(crate) fn since(self, earlier: Self) -> Usage {
        let peak_bytes = self
            .highest_net_bytes
            .wrapping_sub(earlier.heap.net_bytes());
        Usage {
            peak_bytes: u64::try_from(peak_bytes).unwrap_or(0),
            ..self.heap.without(earlier.heap)
        }
    }
}

/// A part of a [`Change`] as counters: that of blocks which don't change their line.
#[derive(Debug)]
pub(crate) struct ChangeCounters {
    allocated_bytes: AtomicU64,
    allocation_count: AtomicU64,
    freed_bytes: AtomicU64,
    deallocation_count: AtomicU64,
    temporary_count: AtomicU64,
    moved_bytes: AtomicU64,
}

impl ChangeCounters {
    const_fn! {
        pub(crate) fn new() -> Self {
            Self {
                allocated_bytes: AtomicU64::new(0),
                allocation_count: AtomicU64::new(0),
                freed_bytes: AtomicU64::new(0),
                deallocation_count: AtomicU64::new(0),
                temporary_count: AtomicU64::new(0),
                moved_bytes: AtomicU64::new(0),
            }
        }
    }

    /// The counters, in the order of their numbers in [`Change::as_array`].
    fn each(&self) -> [&AtomicU64; 6] {
        [
            &self.allocated_bytes,
            &self.allocation_count,
            &self.freed_bytes,
            &self.deallocation_count,
            &self.temporary_count,
            &self.moved_bytes,
        ]
    }

    pub(crate) fn read(&self) -> Change {
        Change {
            allocated_bytes: load(&self.allocated_bytes),
            allocation_count: load(&self.allocation_count),
            freed_bytes: load(&self.freed_bytes),
            deallocation_count: load(&self.deallocation_count),
            temporary_count: load(&self.temporary_count),
            moved_bytes: load(&self.moved_bytes),
            ..Change::default()
        }
    }

    /// Adds a change. Only for the thread that owns the counters.
    fn add(&self, change: &Change) {
        for (counter, number) in self.each().into_iter().zip(change.as_array()) {
            add(counter, number);
        }
    }

    /// Adds a change, on any thread.
    pub(crate) fn add_shared(&self, change: &Change) {
        for (counter, number) in self.each().into_iter().zip(change.as_array()) {
            counter.fetch_add(number, Ordering::Relaxed);
        }
    }
}

/// The counters of a thread.
// The counters that each event needs share one cache line; what is rarely needed comes after.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Counters {
    allocated_bytes: AtomicU64,
    allocation_count: AtomicU64,
    freed_bytes: AtomicU64,
    deallocation_count: AtomicU64,
    highest_net_bytes: AtomicI64,
    /// The most that the thread may have alive before the process may be at a new peak. Other
    /// threads write it, too.
    ceiling_net_bytes: AtomicI64,
    /// The current line and scope; `NEW_THREAD` until the thread's first event.
    tag: AtomicU64,
    /// Blocks freed by the line that allocated them, within one further allocation.
    temporary_count: AtomicU64,

    /// The addresses of the last two blocks allocated.
    latest: [AtomicUsize; 2],
    /// The highest value of all laps since the stretch began, see [`Self::begin_stretch`].
    stretch_highest_net_bytes: AtomicI64,
    reallocation_count: AtomicU64,
    /// Bytes copied because resized blocks had to move.
    moved_bytes: AtomicU64,
    /// What has been added to lines.
    settled: ChangeCounters,
    /// Odd while something is being added to lines. Grows each time.
    version: AtomicU64,
    peak: AtPeak,
    /// What the thread had alive at the last look at all threads, in bytes. Written by the thread
    /// that looked.
    looked_at_net_bytes: AtomicI64,
}

/// What a thread had alive at the process's peak.
#[derive(Debug)]
struct AtPeak {
    /// Written by the thread that finds the peak.
    net_bytes: AtomicI64,
    /// The last peak for which the thread's current line has noted what it had.
    epoch: AtomicU64,
}

// Each counter has one writer. Relaxed: readers that need several of them at one moment check the
// version, see `Counters::read`.
#[inline(always)]
fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[inline(always)]
fn store(counter: &AtomicU64, value: u64) {
    counter.store(value, Ordering::Relaxed);
}

#[inline(always)]
fn add(counter: &AtomicU64, amount: u64) -> u64 {
    let total = load(counter).wrapping_add(amount);
    // Release: a reader that sees an event of a line also sees that the thread is in that line,
    // whose events are pending. It costs nothing on x86.
    counter.store(total, Ordering::Release);
    total
}

/// For another thread's counters: an unnecessary store would take their cache line from it.
#[inline(always)]
fn store_if_new(counter: &AtomicI64, value: i64) {
    if counter.load(Ordering::Relaxed) != value {
        counter.store(value, Ordering::Relaxed);
    }
}

impl Counters {
    const_fn! {
        pub(crate) fn new() -> Self {
            Self {
                allocated_bytes: AtomicU64::new(0),
                allocation_count: AtomicU64::new(0),
                freed_bytes: AtomicU64::new(0),
                deallocation_count: AtomicU64::new(0),
                highest_net_bytes: AtomicI64::new(0),
                ceiling_net_bytes: AtomicI64::new(0),
                tag: AtomicU64::new(Tag::NEW_THREAD.0),
                temporary_count: AtomicU64::new(0),
                latest: each![AtomicUsize::new(0); 2],
                stretch_highest_net_bytes: AtomicI64::new(0),
                reallocation_count: AtomicU64::new(0),
                moved_bytes: AtomicU64::new(0),
                settled: ChangeCounters::new(),
                version: AtomicU64::new(0),
                peak: AtPeak {
                    net_bytes: AtomicI64::new(0),
                    epoch: AtomicU64::new(0),
                },
                looked_at_net_bytes: AtomicI64::new(0),
            }
        }
    }

    #[inline(always)]
    pub(crate) fn tag(&self) -> Tag {
        Tag(load(&self.tag))
    }

    /// Sets the tag without settling the line before.
    #[inline(always)]
    pub(crate) fn store_tag(&self, tag: Tag) {
        store(&self.tag, tag.0);
    }

    /// Whether the thread is new and doesn't count yet.
    #[inline(always)]
    pub(crate) fn are_new(&self) -> bool {
        self.tag() == Tag::NEW_THREAD
    }

    /// Counts a new block. Returns what the thread then has alive, in bytes.
    #[inline(always)]
    pub(crate) fn add_allocation(&self, address: usize, size: usize) -> i64 {
        let count = add(&self.allocation_count, 1);
        if let Some(place) = self.latest.get((count & 1) as usize) {
            place.store(address, Ordering::Relaxed);
        }
        self.grow(size as u64)
    }

    #[inline(always)]
    fn grow(&self, bytes: u64) -> i64 {
        let allocated = add(&self.allocated_bytes, bytes);
        let net = allocated
            .wrapping_sub(load(&self.freed_bytes))
            .cast_signed();
        if net > self.highest_net_bytes.load(Ordering::Relaxed) {
            self.highest_net_bytes.store(net, Ordering::Relaxed);
        }
        net
    }

    /// Counts a freed block if the current line owns it; whether it does.
    #[inline(always)]
    pub(crate) fn add_own_deallocation(&self, owner: Tag, address: usize, size: usize) -> bool {
        // `NEW_THREAD` owns no blocks, but the program may have overwritten the tag.
        let is_own = owner == self.tag() && owner != Tag::NEW_THREAD;
        if is_own {
            add(&self.freed_bytes, size as u64);
            add(&self.deallocation_count, 1);
            if self.forget(address) {
                add(&self.temporary_count, 1);
            }
        }
        is_own
    }

    /// Counts freed bytes and blocks that were added to a line already.
    pub(crate) fn add_deallocation_of_another(&self, change: &Change) {
        add(&self.settled.freed_bytes, change.freed_bytes);
        add(&self.settled.deallocation_count, change.deallocation_count);
        add(&self.freed_bytes, change.freed_bytes);
        add(&self.deallocation_count, change.deallocation_count);
    }

    /// Counts a block as settled that was counted as the current line's, but added to another line.
    pub(crate) fn settle_allocation_of_another(&self, change: &Change) {
        add(&self.settled.allocated_bytes, change.allocated_bytes);
        add(&self.settled.allocation_count, change.allocation_count);
    }

    /// Removes the block at `address` from the last two; whether it was one of them.
    #[inline(always)]
    pub(crate) fn forget(&self, address: usize) -> bool {
        let place = self
            .latest
            .iter()
            .find(|latest| latest.load(Ordering::Relaxed) == address);
        if let Some(place) = place {
            place.store(0, Ordering::Relaxed);
        }
        place.is_some()
    }

    /// Counts a block of the current line that grew or shrank.
    #[inline(always)]
    pub(crate) fn add_reallocation(&self, old_size: usize, new_size: usize) {
        add(&self.reallocation_count, 1);
        if new_size < old_size {
            add(&self.freed_bytes, (old_size - new_size) as u64);
        } else {
            self.grow((new_size - old_size) as u64);
        }
    }

    /// Counts a block of another line that shrank.
    pub(crate) fn add_shrinking_of_another(&self, bytes: u64) {
        add(&self.reallocation_count, 1);
        self.add_deallocation_of_another(&Change::freed(bytes, 0));
    }

    /// Counts a block of another line that grew and stays that line's.
    pub(crate) fn add_growth_of_another(&self, bytes: u64) {
        add(&self.reallocation_count, 1);
        add(&self.settled.allocated_bytes, bytes);
        self.grow(bytes);
    }

    /// Notes a block's new address, in case it is one of the last two.
    #[inline]
    pub(crate) fn follow(&self, old: usize, new: usize) {
        for latest in &self.latest {
            if latest.load(Ordering::Relaxed) == old {
                latest.store(new, Ordering::Relaxed);
            }
        }
    }

    /// Counts bytes copied as the current line moved a block.
    #[inline]
    pub(crate) fn add_moved(&self, bytes: u64) {
        add(&self.moved_bytes, bytes);
    }

    /// Starts counting over, from 0, after the thread's end was announced.
    pub(crate) fn begin_anew(&self) {
        let own = [
            &self.allocated_bytes,
            &self.allocation_count,
            &self.freed_bytes,
            &self.deallocation_count,
            &self.temporary_count,
            &self.moved_bytes,
            &self.reallocation_count,
        ];
        for counter in own.into_iter().chain(self.settled.each()) {
            store(counter, 0);
        }
        self.highest_net_bytes.store(0, Ordering::Relaxed);
        self.stretch_highest_net_bytes.store(0, Ordering::Relaxed);
        self.looked_at_net_bytes.store(0, Ordering::Relaxed);
        self.store_tag(Tag::UNTRACKED);
    }

    /// Stops counting, as if the thread were new, and returns what was counted.
    ///
    /// The counters keep their values until the thread starts over, for a call that it is still in:
    /// on some systems, `exit` ends the thread first, and then the calls.
    pub(crate) fn end(&self) -> Tally {
        self.store_tag(Tag::NEW_THREAD);
        self.now()
    }

    /// A block has at least one byte, so comparing bytes is enough.
    #[inline(always)]
    pub(crate) fn are_settled(&self) -> bool {
        load(&self.allocated_bytes) == load(&self.settled.allocated_bytes)
            && load(&self.freed_bytes) == load(&self.settled.freed_bytes)
    }

    /// Settles the current line: returns what it has done since the last time, for the caller to
    /// add to the line.
    ///
    /// The profiler's line has done nothing: its share is subtracted from the counters.
    pub(crate) fn settle(&self) -> Change {
        let pending = self.pending();
        if self.tag().line() == tag::PROFILER {
            // Not the program's: undone.
            let back = |counter, own: u64| add(counter, own.wrapping_neg());
            back(&self.allocated_bytes, pending.allocated_bytes);
            back(&self.allocation_count, pending.allocation_count);
            back(&self.freed_bytes, pending.freed_bytes);
            back(&self.deallocation_count, pending.deallocation_count);
            back(&self.temporary_count, pending.temporary_count);
            back(&self.moved_bytes, pending.moved_bytes);
            return Change::default();
        }
        self.settled.add(&pending);
        pending
    }

    /// Runs an update of line counters, of which [readers](Self::read) see all or nothing.
    #[inline(always)]
    pub(crate) fn put_down<T>(&self, put_down: impl FnOnce() -> T) -> T {
        let version = load(&self.version);
        store(&self.version, version.wrapping_add(1));
        // Release: a reader that sees what follows sees the odd version.
        fence(Ordering::Release);
        let answer = put_down();
        self.version
            .store(version.wrapping_add(2), Ordering::Release);
        answer
    }

    /// Reads what is settled and what is pending at one moment. If the thread never stops updating,
    /// gives up on that after 10,000 tries and returns what it read last.
    pub(crate) fn read<T>(&self, read: impl Fn() -> T) -> T {
        const MOST_TRIES: u32 = 10_000;
        let mut tries = 0;
        loop {
            let version = self.version.load(Ordering::Acquire);
            let tag = self.tag();
            let answer = read();
            // Acquire: the loads above are done before the version is loaded again.
            fence(Ordering::Acquire);
            // The tag is compared, too: a line that has done nothing is replaced without an update.
            let is_of_one_moment =
                version.is_multiple_of(2) && version == load(&self.version) && tag == self.tag();
            if is_of_one_moment || tries == MOST_TRIES {
                return answer;
            }
            tries += 1;
            sync::wait(tries);
        }
    }

    /// What the current line has done that isn't settled yet.
    ///
    /// If another thread asks in the middle of an event, this may be too little.
    pub(crate) fn pending(&self) -> Change {
        let all = Change {
            temporary_count: load(&self.temporary_count),
            moved_bytes: load(&self.moved_bytes),
            ..self.now().into()
        };
        all.without(&self.settled.read())
    }

    /// Whether nothing has been allocated or freed since `earlier`.
    #[inline(always)]
    pub(crate) fn are_at(&self, earlier: &Tally) -> bool {
        load(&self.allocated_bytes) == earlier.heap.allocated_bytes
            && load(&self.freed_bytes) == earlier.heap.freed_bytes
    }

    /// The counters at this moment.
    #[inline(always)]
    pub(crate) fn now(&self) -> Tally {
        let heap = Usage {
            allocated_bytes: load(&self.allocated_bytes),
            freed_bytes: load(&self.freed_bytes),
            peak_bytes: 0,
            allocation_count: load(&self.allocation_count),
            deallocation_count: load(&self.deallocation_count),
            reallocation_count: load(&self.reallocation_count),
        };
        Tally {
            heap,
            highest_net_bytes: self.highest_net_bytes.load(Ordering::Relaxed),
        }
    }

    /// Bytes allocated plus bytes freed.
    #[inline(always)]
    pub(crate) fn traffic_bytes(&self) -> u64 {
        load(&self.allocated_bytes).wrapping_add(load(&self.freed_bytes))
    }

    #[inline(always)]
    fn net_bytes(&self) -> i64 {
        load(&self.allocated_bytes)
            .wrapping_sub(load(&self.freed_bytes))
            .cast_signed()
    }

    /// What the thread has alive, in bytes, without the profiler's own share at this moment.
    pub(crate) fn program_net_bytes(&self) -> i64 {
        if self.tag().line() == tag::PROFILER {
            let settled = &self.settled;
            load(&settled.allocated_bytes)
                .wrapping_sub(load(&settled.freed_bytes))
                .cast_signed()
        } else {
            self.net_bytes()
        }
    }

    /// [`program_net_bytes`](Self::program_net_bytes), stored for the rest of a look at all
    /// threads.
    pub(crate) fn look_at_net_bytes(&self) -> i64 {
        let net_bytes = self.program_net_bytes();
        store_if_new(&self.looked_at_net_bytes, net_bytes);
        net_bytes
    }

    /// What the thread had alive at the last look, in bytes.
    pub(crate) fn looked_at_net_bytes(&self) -> i64 {
        self.looked_at_net_bytes.load(Ordering::Relaxed)
    }

    /// Sets how many bytes the thread may have alive before [`peak`](crate::count::peak) looks
    /// again.
    pub(crate) fn set_ceiling(&self, net_bytes: i64) {
        store_if_new(&self.ceiling_net_bytes, net_bytes);
    }

    /// Lifts the ceiling until it is [put back](Self::put_ceiling_back); returns the previous one.
    pub(crate) fn lift_ceiling(&self) -> i64 {
        self.ceiling_net_bytes.swap(i64::MAX, Ordering::Relaxed)
    }

    /// Puts back the ceiling that [`lift_ceiling`](Self::lift_ceiling) returned, unless another
    /// thread has dealt out new ones since.
    pub(crate) fn put_ceiling_back(&self, before: i64) {
        let relaxed = Ordering::Relaxed;
        let _ = self
            .ceiling_net_bytes
            .compare_exchange(i64::MAX, before, relaxed, relaxed);
    }

    /// Whether the thread has so much alive that the process may be at a new peak.
    #[inline(always)]
    pub(crate) fn is_above_ceiling(&self) -> bool {
        self.net_bytes() > self.ceiling()
    }

    #[inline(always)]
    pub(crate) fn ceiling(&self) -> i64 {
        self.ceiling_net_bytes.load(Ordering::Relaxed)
    }

    /// Notes what the thread has alive at a new peak of the process.
    pub(crate) fn set_net_bytes_at_peak(&self, net_bytes: i64) {
        store_if_new(&self.peak.net_bytes, net_bytes);
    }

    /// What the current line has done since the peak numbered `epoch`, in net bytes. `None` if this
    /// was noted already for that peak.
    ///
    /// The caller settles a line when another one becomes current, and asks before it changes any
    /// line's counters. So only the current line has pending changes, and if this is the first time
    /// in the epoch, all that the thread has done since the peak was done by the current line.
    pub(crate) fn since_peak(&self, epoch: u64) -> Option<i64> {
        let is_new = load(&self.peak.epoch) != epoch;
        is_new.then(|| {
            let at_peak = self.peak.net_bytes.load(Ordering::Relaxed);
            self.program_net_bytes().wrapping_sub(at_peak)
        })
    }

    /// Notes that the current line's bytes at the peak numbered `epoch` are stored.
    pub(crate) fn set_peak_epoch(&self, epoch: u64) {
        store(&self.peak.epoch, epoch);
    }

    /// The counters at this moment; the thread's own peak is measured anew from here on.
    ///
    /// The code that was measuring a peak before has to get it back in the end, through
    /// [`resume_peak`](Self::resume_peak).
    #[inline(always)]
    pub(crate) fn lap(&self) -> Tally {
        let now = self.now();
        if now.highest_net_bytes > self.stretch_highest_net_bytes.load(Ordering::Relaxed) {
            let highest = now.highest_net_bytes;
            self.stretch_highest_net_bytes
                .store(highest, Ordering::Relaxed);
        }
        self.highest_net_bytes
            .store(now.heap.net_bytes(), Ordering::Relaxed);
        now
    }

    /// As [`lap`](Self::lap), and begins a *stretch*: a span of time in which laps may begin and
    /// end.
    pub(crate) fn begin_stretch(&self) -> Tally {
        let now = self.lap();
        self.stretch_highest_net_bytes
            .store(now.heap.net_bytes(), Ordering::Relaxed);
        now
    }

    /// The counters at this moment, with the highest net bytes since the stretch began.
    pub(crate) fn end_stretch(&self) -> Tally {
        let now = self.now();
        let highest = self.stretch_highest_net_bytes.load(Ordering::Relaxed);
        Tally {
            highest_net_bytes: now.highest_net_bytes.max(highest),
            ..now
        }
    }

    /// Ends a measurement of the peak: the outer one continues as if it hadn't been interrupted.
    pub(crate) fn resume_peak(&self, outer_highest_net_bytes: i64) {
        let own = self.highest_net_bytes.load(Ordering::Relaxed);
        let highest = own.max(outer_highest_net_bytes);
        self.highest_net_bytes.store(highest, Ordering::Relaxed);
    }

    /// The addresses of the last two blocks, for [`Self::forget_since`].
    pub(crate) fn latest(&self) -> [usize; 2] {
        self.latest
            .each_ref()
            .map(|latest| latest.load(Ordering::Relaxed))
    }

    /// Restores what settling doesn't subtract: the peak, the reallocation count and the last two
    /// blocks.
    pub(crate) fn forget_since(&self, before: Tally, latest: [usize; 2]) {
        store(&self.reallocation_count, before.heap.reallocation_count);
        self.highest_net_bytes
            .store(before.highest_net_bytes, Ordering::Relaxed);
        for (place, address) in self.latest.iter().zip(latest) {
            place.store(address, Ordering::Relaxed);
        }
    }
}

impl From<Tally> for Change {
    fn from(tally: Tally) -> Self {
        Self {
            allocated_bytes: tally.heap.allocated_bytes,
            allocation_count: tally.heap.allocation_count,
            freed_bytes: tally.heap.freed_bytes,
            deallocation_count: tally.heap.deallocation_count,
            ..Self::default()
        }
    }
}
