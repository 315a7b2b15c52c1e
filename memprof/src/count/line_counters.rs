//! The counters of each line: what it allocated, and what of its blocks is alive.
//!
//! A line has an id, unique in the process: the number of the [call
//! path](crate::count::call_paths) it was reached by, and its place in the function. Each block
//! carries the [`Tag`] of the line that allocated it, so that a free on any thread counts for that
//! line.
//!
//! # Registration
//!
//! [`Slots`] is a table of three levels, indexed by the path number. Its parts are allocated with a
//! function's first call over a path ([`Slots::prepare`]), from the system, and never freed. Racing
//! threads allocate a part each, and one is published.
//!
//! # A thread's counters
//!
//! Each thread has its own `Slots` in its [record](crate::count::registry), which it alone writes,
//! with plain loads and stores, so that threads in the same function don't slow each other down.
//! [`SHARED`] is one more table for all threads, with atomic additions, for what a thread does to
//! blocks of lines that it never ran itself. A line's numbers are the sum over all of these.
//!
//! # Blocks that change their line
//!
//! A block that a line other than its owner grows is transferred to that line as a whole: the line
//! that makes a list large is the one to look at, and a block has only one tag. What was allocated
//! and freed stays where it was: the first line allocated the block, the second one the bytes by
//! which it grew. The transfer is counted separately, as *given* by the first line and *taken* by
//! the second, so that each quantity's sum over all lines is what the process did. A line's live
//! bytes are what it allocated and took, less what it freed and gave.
//!
//! # Bytes at the peak
//!
//! No thread goes through all lines at a new peak. Each peak has a number, its *epoch*. A line's
//! first change in an epoch first stores what the line had alive until then: that is what it had at
//! the peak.
//!
//! # Ordering
//!
//! Each counter stands alone, so all accesses are relaxed. The epoch is stored with release and
//! loaded with acquire, since what each thread had at the peak is written before it.
//!
//! # What may not happen here
//!
//! Nothing here locks, waits, panics or allocates from the counting allocator.

use crate::count::tag::{MOST_LINES, PROFILER, Tag, path_of, place_of};
use crate::model::change::Change;
use crate::sys::leak::{Leaked, leak, leak_all};
use crate::sys::sync::{AtomicBool, AtomicI64, AtomicU64, Ordering, const_fn, each, shared};

/// The model checker's programs have few paths.
const FANOUT: usize = if cfg!(memprof_loom) { 2 } else { 64 };

shared! {
    /// The number of the last peak, which grows with each.
    static PEAK_EPOCH: AtomicU64 = AtomicU64::new(1);
}

#[inline(always)]
pub(crate) fn peak_epoch() -> u64 {
    // Acquire: what each thread had at the peak was written before.
    PEAK_EPOCH.load(Ordering::Acquire)
}

/// Begins the next epoch. Called at a new peak.
pub(crate) fn begin_peak_epoch() {
    // Load and store needn't be one operation: only the thread that holds the `Glance` does this.
    let epoch = PEAK_EPOCH.load(Ordering::Relaxed).wrapping_add(1);
    PEAK_EPOCH.store(epoch, Ordering::Release);
}

shared! {
    /// Whether the program's allocator has reported that its blocks have no tags.
    static ARE_UNKNOWN: AtomicBool = AtomicBool::new(false);
}

/// Whether the program's blocks have no tags, as [`source`](crate::count::source) asks.
pub(crate) fn are_unknown() -> bool {
    ARE_UNKNOWN.load(Ordering::Relaxed)
}

/// Notes that the program's blocks have no tags.
pub(crate) fn set_unknown() {
    ARE_UNKNOWN.store(true, Ordering::Relaxed);
}

/// How many numbers of a [`Change`] count transfers of blocks: the last ones, which are rarely
/// anything but 0.
const TRANSFERS: usize = 4;

/// The counters of one line.
#[derive(Debug)]
pub(crate) struct LineCounters {
    /// In the order of [`Change::as_array`].
    changes: [AtomicU64; 10],
    /// How often the line began to run.
    hits: AtomicU64,
    /// Live bytes at the peak numbered `peak_epoch`, if that is no longer what is alive.
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

    /// Counts an execution, and returns how many there are. Only for the thread that owns the
    /// counters.
    #[inline(always)]
    pub(crate) fn hit(&self) -> u64 {
        // Relaxed, here and below: each counter stands alone.
        let hits = self.hits.load(Ordering::Relaxed).wrapping_add(1);
        self.hits.store(hits, Ordering::Relaxed);
        hits
    }

    /// [`hit`](Self::hit), for any thread.
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

    /// Live bytes at the peak numbered `epoch`, which has to be the last one.
    pub(crate) fn bytes_at_peak(&self, epoch: u64) -> i64 {
        if self.peak_epoch.load(Ordering::Relaxed) == epoch {
            self.bytes_at_peak.load(Ordering::Relaxed)
        } else {
            self.changes().net_bytes()
        }
    }

    /// Stores the live bytes at the peak numbered `epoch`, before they change.
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

    /// Adds a change. Only for the thread that owns the counters.
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

    /// [`add`](Self::add), for any thread. If two threads at once make the first change after a
    /// peak, the other one's change may be taken for one before the peak.
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

/// The counters of one path: its calls, and its lines by place.
#[derive(Debug)]
pub(crate) struct PathCounters {
    path: u32,
    calls: AtomicU64,
    /// In a scope's table: ticks that threads spent in the function itself.
    own_ticks: AtomicU64,
    /// In a scope's table: whether any counter may not be 0.
    is_used: AtomicBool,
    pub(crate) lines: &'static [LineCounters],
}

impl PathCounters {
    const_fn! {
        fn new(path: u32, lines: &'static [LineCounters]) -> Self {
            Self {
                path,
                calls: AtomicU64::new(0),
                own_ticks: AtomicU64::new(0),
                is_used: AtomicBool::new(false),
                lines,
            }
        }
    }

    pub(crate) fn path(&self) -> u32 {
        self.path
    }

    /// Counts a call. Only for the thread that owns the counters.
    #[inline(always)]
    pub(crate) fn call(&self) {
        let calls = self.calls.load(Ordering::Relaxed).wrapping_add(1);
        self.calls.store(calls, Ordering::Relaxed);
    }

    /// [`call`](Self::call), for any thread.
    pub(crate) fn call_shared(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds time in ticks, for any thread.
    pub(crate) fn add_time_shared(&self, ticks: u64) {
        self.own_ticks.fetch_add(ticks, Ordering::Relaxed);
    }

    /// In a scope's table: notes that the counters are in use, before something is added to them.
    pub(crate) fn set_used(&self) {
        // Mostly it is set already, and a store would take the cache line from other processors.
        if !self.is_used.load(Ordering::Relaxed) {
            self.is_used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the path was called or took time, or one of its lines did something.
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
    /// The counters of every path for which there was no memory.
    pub(crate) static NO_COUNTERS: PathCounters = PathCounters::new(0, &[]);
}

type Row = [Leaked<PathCounters>; FANOUT];
type Rack = [Leaked<Row>; FANOUT];

/// A table of counters by path, whose parts are allocated when they are first needed.
#[derive(Debug)]
pub(crate) struct Slots([Leaked<Rack>; FANOUT]);

shared! {
    /// The counters that threads share for lines that they never ran themselves but whose blocks
    /// they freed. Has every path.
    pub(crate) static SHARED: Slots = Slots::new();
}

impl Slots {
    const_fn! {
        pub(crate) fn new() -> Self {
            Self(each![Leaked::empty(); FANOUT])
        }
    }

    /// Allocates the counters of a path unless they exist, and returns them. `None` if there is no
    /// memory: what happens to these lines isn't counted then.
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

    /// The tag, if its line exists; else that of untracked blocks.
    #[inline]
    pub(crate) fn checked(&self, tag: Tag) -> Tag {
        let line = tag.line();
        if line != PROFILER && self.line(line).is_some() {
            tag
        } else {
            Tag::UNTRACKED
        }
    }

    /// The counters of a line, if there are any.
    #[inline]
    pub(crate) fn line(&self, line: u32) -> Option<&'static LineCounters> {
        self.path(path_of(line))?.lines.get(place_of(line) as usize)
    }

    /// Adds to the counters of a line. Only for the thread that owns the table.
    #[inline]
    pub(crate) fn add(&self, line: u32, change: &Change) {
        match self.line(line) {
            Some(counters) => counters.add(change),
            None => SHARED.add_shared(line, change),
        }
    }

    /// Adds to the counters of a line, for any thread.
    pub(crate) fn add_shared(&self, line: u32, change: &Change) {
        if let Some(counters) = self.line(line) {
            counters.add_shared(change);
        }
    }

    /// Counts an execution of a line, for any thread.
    pub(crate) fn hit_shared(&self, line: u32) {
        if let Some(counters) = self.line(line) {
            counters.hit_shared();
        }
    }

    /// In a scope's table: the counters that something was added to.
    pub(crate) fn used(&self) -> impl Iterator<Item = &'static PathCounters> {
        let racks = self.0.iter().filter_map(Leaked::get).flatten();
        let paths = racks.filter_map(Leaked::get).flatten();
        let paths = paths.filter_map(Leaked::get);
        paths.filter(|path| path.is_used.load(Ordering::Relaxed))
    }

    /// In a scope's table: sets all counters to 0.
    pub(crate) fn clear(&self) {
        for path in self.used() {
            path.is_used.store(false, Ordering::Relaxed);
            path.calls.store(0, Ordering::Relaxed);
            path.own_ticks.store(0, Ordering::Relaxed);
            path.lines.iter().for_each(LineCounters::clear);
        }
    }
}

/// A path's index in each of the three levels.
#[inline]
fn split(path: u32) -> [usize; 3] {
    let path = path as usize;
    [
        path / FANOUT / FANOUT,
        path / FANOUT % FANOUT,
        path % FANOUT,
    ]
}
