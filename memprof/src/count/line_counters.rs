//! Which line made each block, and what of a line's blocks is alive.
//!
//! A line has a number in the process, its id: that of the [call
//! path](crate::record::call_paths) it was reached by, and its place in the function. Each
//! block carries the [`Tag`] of the line that made it, behind its last byte; freed
//! anywhere, it is that line's block that is freed. Here are the tags, and the
//! counters by line: each thread has some of its own, which it alone writes, so
//! that threads in the same function don't slow each other down.
//!
//! # Blocks that change their line
//!
//! A block that grows in another line than the one that made it goes over to that line
//! as a whole: the line that makes a list large is the one to look at, and a block has
//! room for one tag. What was allocated and freed stays where it was: the first line
//! allocated the block, the second one the bytes by which it grew. That the first line
//! gave the block away and the second one took it is counted apart, so that for each
//! quantity the sum over all lines is what the process did. A line has alive what it
//! allocated and took, without what it freed and gave away.
//!
//! # Bytes at the peak
//!
//! Nobody goes through all lines when the heap stands at a new high. A peak has a
//! number, its epoch, and a line that changes for the first time in an epoch knows
//! that what it had until then is what it had at the peak.

use crate::count::tag::{MOST_LINES, PROFILER, Tag, UNTRACKED, first_id, path_of, place_of};
use crate::model::change::Change;
use crate::sys::leak::{Leaked, leak, leak_all};
use crate::sys::sync::{
    AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering, const_fn, each, shared,
};

/// In a model, there are few paths.
const FANOUT: usize = if cfg!(memprof_loom) { 2 } else { 64 };

shared! {
    /// The number of the last peak: it grows with each.
    static PEAK_EPOCH: AtomicU64 = AtomicU64::new(1);
}

#[inline(always)]
pub(crate) fn peak_epoch() -> u64 {
    // Acquire: what each thread had at the peak was written before.
    PEAK_EPOCH.load(Ordering::Acquire)
}

/// Begins the next epoch: the heap is at a new peak.
pub(crate) fn begin_peak_epoch() {
    // Not atomic as a whole: a thread does it under a `Glance`, which one has at a time.
    let epoch = PEAK_EPOCH.load(Ordering::Relaxed).wrapping_add(1);
    PEAK_EPOCH.store(epoch, Ordering::Release);
}

shared! {
    /// Whether it isn't known who made the blocks, as far as the program's allocator has said.
    static ARE_UNKNOWN: AtomicBool = AtomicBool::new(false);
}

/// Whether the program's allocator doesn't know who made its blocks. It is asked by
/// [`heap`](crate::count::source).
pub(crate) fn are_unknown() -> bool {
    ARE_UNKNOWN.load(Ordering::Relaxed)
}

/// Says that it doesn't.
pub(crate) fn set_unknown() {
    ARE_UNKNOWN.store(true, Ordering::Relaxed);
}

/// How many of the numbers of a [`Change`] are about blocks that change their line: the
/// last ones, which are rarely anything but 0.
const TRANSFERS: usize = 4;

/// The counters of one line.
#[derive(Debug)]
pub(crate) struct LineCounters {
    /// In the order of [`Change::as_array`].
    changes: [AtomicU64; 10],
    /// How often the line was begun.
    hits: AtomicU64,
    /// What was alive of it at the peak numbered `peak_epoch`, and is no longer
    /// what is.
    bytes_at_peak: AtomicI64,
    peak_epoch: AtomicU64,
}

impl LineCounters {
    const_fn! {
        fn new() -> Self {
            Self {
                changes: each![AtomicU64::new(0); 10],
                hits: AtomicU64::new(0),
                bytes_at_peak: AtomicI64::new(0),
                peak_epoch: AtomicU64::new(0),
            }
        }
    }

    /// Counts an execution; how many there are. Only the thread whose counters they
    /// are may.
    #[inline(always)]
    pub(crate) fn hit(&self) -> u64 {
        // Relaxed, here and below: each counter stands alone.
        let hits = self.hits.load(Ordering::Relaxed).wrapping_add(1);
        self.hits.store(hits, Ordering::Relaxed);
        hits
    }

    /// As [`hit`](Self::hit), by any thread.
    fn hit_shared(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    pub(crate) fn changes(&self) -> Change {
        Change::from_array(
            self.changes
                .each_ref()
                .map(|counter| counter.load(Ordering::Relaxed)),
        )
    }

    /// What was alive at the peak numbered `epoch`, the last one.
    pub(crate) fn bytes_at_peak(&self, epoch: u64) -> i64 {
        if self.peak_epoch.load(Ordering::Relaxed) == epoch {
            self.bytes_at_peak.load(Ordering::Relaxed)
        } else {
            self.changes().net_bytes()
        }
    }

    /// Says what was alive at the peak numbered `epoch`, before this changes.
    pub(crate) fn set_bytes_at_peak(&self, epoch: u64, bytes: i64) {
        self.bytes_at_peak.store(bytes, Ordering::Relaxed);
        self.peak_epoch.store(epoch, Ordering::Relaxed);
    }

    #[inline]
    fn keep_peak(&self) {
        let epoch = peak_epoch();
        if self.peak_epoch.load(Ordering::Relaxed) != epoch {
            self.set_bytes_at_peak(epoch, self.changes().net_bytes());
        }
    }

    /// Adds a change. Only the thread whose counters they are may.
    #[inline]
    fn add(&self, change: &Change) {
        self.keep_peak();
        let numbers = change.as_array();
        let often = numbers.len() - TRANSFERS;
        for (index, (counter, change)) in self.changes.iter().zip(numbers).enumerate() {
            if index < often || change > 0 {
                let sum = counter.load(Ordering::Relaxed).wrapping_add(change);
                counter.store(sum, Ordering::Relaxed);
            }
        }
    }

    /// As [`add`](Self::add), by any thread. Of two that are the first after a peak at
    /// the same moment, the other's change may be taken for one before it.
    fn add_shared(&self, change: &Change) {
        self.keep_peak();
        for (counter, change) in self.changes.iter().zip(change.as_array()) {
            if change > 0 {
                counter.fetch_add(change, Ordering::Relaxed);
            }
        }
    }

    fn clear(&self) {
        for counter in &self.changes {
            counter.store(0, Ordering::Relaxed);
        }
        self.hits.store(0, Ordering::Relaxed);
        self.set_bytes_at_peak(0, 0);
    }
}

/// The counters of one path: its calls, and its lines by their place.
#[derive(Debug)]
pub(crate) struct PathCounters {
    path: u32,
    /// The address of what describes the function, or 0.
    function: AtomicUsize,
    calls: AtomicU64,
    /// How long threads were in it itself, in a scope.
    own_ticks: AtomicU64,
    /// Whether there may be something in them, of a scope's.
    is_used: AtomicBool,
    /// Whether it is known of the function that its thread switched stacks.
    has_switched: AtomicBool,
    pub(crate) lines: &'static [LineCounters],
}

impl PathCounters {
    const_fn! {
        fn new(path: u32, lines: &'static [LineCounters]) -> Self {
            Self {
                path,
                function: AtomicUsize::new(0),
                calls: AtomicU64::new(0),
                own_ticks: AtomicU64::new(0),
                is_used: AtomicBool::new(false),
                has_switched: AtomicBool::new(false),
                lines,
            }
        }
    }

    pub(crate) fn path(&self) -> u32 {
        self.path
    }

    /// The id of a line, by its place.
    #[inline(always)]
    pub(crate) fn line(&self, place: u32) -> u32 {
        if (place as usize) < self.lines.len() {
            first_id(self.path).wrapping_add(place)
        } else {
            UNTRACKED
        }
    }

    /// Whether they are of the function that is described at this address.
    #[inline(always)]
    pub(crate) fn are_of(&self, function: usize) -> bool {
        self.function.load(Ordering::Relaxed) == function
    }

    pub(crate) fn set_function(&self, function: usize) {
        self.function.store(function, Ordering::Relaxed);
    }

    /// Notes that it is known of the function that its thread switched stacks; whether it
    /// was known.
    pub(crate) fn note_switch(&self) -> bool {
        self.has_switched.swap(true, Ordering::Relaxed)
    }

    /// Counts a call. Only the thread whose counters they are may.
    #[inline(always)]
    pub(crate) fn call(&self) {
        let calls = self.calls.load(Ordering::Relaxed).wrapping_add(1);
        self.calls.store(calls, Ordering::Relaxed);
    }

    /// As [`call`](Self::call), by any thread.
    pub(crate) fn call_shared(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds time, as one of several threads.
    pub(crate) fn add_time_shared(&self, ticks: u64) {
        self.own_ticks.fetch_add(ticks, Ordering::Relaxed);
    }

    /// Says, before something is added to a scope's, that there is.
    pub(crate) fn set_used(&self) {
        // Most often it is known, and its cache line may be another's.
        if !self.is_used.load(Ordering::Relaxed) {
            self.is_used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it was called, or took time, or one of its lines did something.
    pub(crate) fn has_numbers(&self) -> bool {
        let has_numbers =
            |line: &LineCounters| line.hits() > 0 || line.changes() != Change::default();
        self.calls() > 0 || self.own_ticks() > 0 || self.lines.iter().any(has_numbers)
    }

    pub(crate) fn own_ticks(&self) -> u64 {
        self.own_ticks.load(Ordering::Relaxed)
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

shared! {
    /// Those of a path for which there was no memory.
    pub(crate) static NO_COUNTERS: PathCounters = PathCounters::new(0, &[]);
}

type Row = [Leaked<PathCounters>; FANOUT];
type Rack = [Leaked<Row>; FANOUT];

/// Counters for all lines, as many of them as were needed.
#[derive(Debug)]
pub(crate) struct Slots([Leaked<Rack>; FANOUT]);

shared! {
    /// Counters that threads share for lines that they never ran but freed blocks of.
    /// They have room for every path there is.
    pub(crate) static SHARED: Slots = Slots::new();
}

impl Slots {
    const_fn! {
        pub(crate) fn new() -> Self {
            Self(each![Leaked::empty(); FANOUT])
        }
    }

    /// Makes room for the lines of a path, unless there is; it. Nothing if there
    /// is no memory for it: what happens to these lines isn't counted then.
    pub(crate) fn prepare(&self, path: u32, line_count: usize) -> Option<&'static PathCounters> {
        let [rack, row, place] = split(path);
        let room = self.0.get(rack)?;
        let rack = match room.get() {
            Some(there) => there,
            None => room.set(leak(each![Leaked::empty(); FANOUT])?),
        };
        let room = rack.get(row)?;
        let row = match room.get() {
            Some(there) => there,
            None => room.set(leak(each![Leaked::empty(); FANOUT])?),
        };
        let room = row.get(place)?;
        match room.get() {
            Some(there) => Some(there),
            None => {
                let lines = leak_all(line_count.min(MOST_LINES), LineCounters::new)?;
                Some(room.set(leak(PathCounters::new(path, lines))?))
            }
        }
    }

    /// The counters of a path, if there are any.
    #[inline]
    pub(crate) fn path(&self, path: u32) -> Option<&'static PathCounters> {
        let [rack, row, place] = split(path);
        self.0.get(rack)?.get()?.get(row)?.get()?.get(place)?.get()
    }

    /// The counters of a line, if there are any.
    #[inline]
    /// That tag, unless it is of no line that there is.
    pub(crate) fn checked(&self, tag: Tag) -> Tag {
        let line = tag.line();
        if line != PROFILER && self.line(line).is_some() {
            tag
        } else {
            Tag::UNTRACKED
        }
    }

    pub(crate) fn line(&self, line: u32) -> Option<&'static LineCounters> {
        self.path(path_of(line))?.lines.get(place_of(line) as usize)
    }

    /// Adds to the counters of a line. Only the thread whose they are may.
    #[inline]
    pub(crate) fn add(&self, line: u32, change: &Change) {
        match self.line(line) {
            Some(counters) => counters.add(change),
            None => SHARED.add_shared(line, change),
        }
    }

    /// Adds to the counters of a line, by any thread.
    pub(crate) fn add_shared(&self, line: u32, change: &Change) {
        if let Some(counters) = self.line(line) {
            counters.add_shared(change);
        }
    }

    /// Counts an execution of a line, by any thread.
    pub(crate) fn hit_shared(&self, line: u32) {
        if let Some(counters) = self.line(line) {
            counters.hit_shared();
        }
    }

    /// Of a scope's, those that something was added to.
    pub(crate) fn used(&self) -> impl Iterator<Item = &'static PathCounters> {
        let racks = self.0.iter().filter_map(Leaked::get).flatten();
        let paths = racks.filter_map(Leaked::get).flatten();
        let paths = paths.filter_map(Leaked::get);
        paths.filter(|path| path.is_used.load(Ordering::Relaxed))
    }

    /// Sets all counters of a scope's to nothing.
    pub(crate) fn clear(&self) {
        for path in self.used() {
            path.is_used.store(false, Ordering::Relaxed);
            path.calls.store(0, Ordering::Relaxed);
            path.own_ticks.store(0, Ordering::Relaxed);
            path.lines.iter().for_each(LineCounters::clear);
        }
    }
}

/// Where the counters of a path are.
#[inline]
fn split(path: u32) -> [usize; 3] {
    let path = path as usize;
    [
        path / FANOUT / FANOUT,
        path / FANOUT % FANOUT,
        path % FANOUT,
    ]
}
