//! The profile of a function: what was measured in one call, or in many.
//!
//! A profile has only numbers. They are measured in [`call`](crate::runtime::call) and rendered in
//! [`report`](mod@crate::report) and [`table`](crate::runtime::table).

use crate::count::source::HeapSource;
use crate::model::options::{Print, TableSettings};
use crate::model::report::LineExecution;
use crate::model::site::Site;
pub(crate) use crate::model::table::CutShort;
use crate::model::usage::Usage;
use crate::record::owned::OfFunction;
use crate::sys::fork_lock::Lock;
use crate::sys::{clock, stack_switch};
use std::collections::HashMap;
use std::ptr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// One line of a function, over all its executions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LineProfile {
    /// How often the line began to run.
    pub(crate) hits: u64,
    /// Resident memory when the line was last left, in bytes, or the last reading before that. 0
    /// where there was none.
    pub(crate) resident_bytes: u64,
    /// Sum of the changes in resident memory that are attributed to the line, in bytes.
    pub(crate) resident_increment_bytes: i64,
    /// Executions after which resident memory was read.
    pub(crate) resident_read_count: u64,
    /// How long it ran, callees included, where time is measured.
    pub(crate) elapsed_ticks: u64,
    /// What the thread that ran the line did to the heap, callees included.
    pub(crate) heap: Usage,
}

impl LineProfile {
    /// Resident memory when the line was last left, in bytes, if it is known.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        Some(self.resident_bytes).filter(|bytes| *bytes > 0)
    }

    /// The change in resident memory that is attributed to the line, in bytes, if it was read at
    /// the line or a later reading was attributed to it.
    pub(crate) fn resident_increment_bytes(&self) -> Option<i64> {
        let increment = self.resident_increment_bytes;
        (self.resident_read_count > 0 || increment != 0).then_some(increment)
    }

    /// The same numbers, in units that don't depend on the machine.
    pub(crate) fn execution(&self) -> LineExecution {
        LineExecution {
            heap: self.heap,
            resident_bytes: self.resident_bytes(),
            resident_increment_bytes: self.resident_increment_bytes(),
            resident_read_count: self.resident_read_count,
            elapsed: Duration::from_nanos(clock::nanoseconds(self.elapsed_ticks)),
        }
    }
}

/// What one or many calls of a function did to memory.
#[derive(Debug)]
pub(crate) struct FunctionProfile {
    pub(crate) site: &'static Site,
    pub(crate) heap_source: HeapSource,
    pub(crate) call_count: u64,
    /// Whether a thread [switched stacks](crate::sys::stack_switch) while it was in a call.
    pub(crate) has_switched: bool,
    /// How many calls didn't return, and how and in which line the last of these ended.
    pub(crate) cut_short_count: u64,
    pub(crate) last_cut_short: Option<(CutShort, u32)>,
    /// Resident memory when the first call began its first line, in bytes. `None` where it wasn't
    /// read.
    pub(crate) resident_bytes_at_entry: Option<u64>,
    /// Heap usage over whole calls. The peak is the highest of a single call.
    pub(crate) heap: Usage,
    /// How long threads were in the calls, where time is measured; and the same less the time in
    /// nested calls of functions that are measured, too.
    pub(crate) inclusive_ticks: u64,
    pub(crate) own_ticks: u64,
    /// One for each of the site's lines.
    pub(crate) lines: Box<[LineProfile]>,
}

impl FunctionProfile {
    /// A profile without calls.
    pub(crate) fn new(site: &'static Site, heap_source: HeapSource) -> Self {
        Self {
            site,
            heap_source,
            call_count: 0,
            has_switched: false,
            cut_short_count: 0,
            last_cut_short: None,
            resident_bytes_at_entry: None,
            heap: Usage::default(),
            inclusive_ticks: 0,
            own_ticks: 0,
            lines: vec![LineProfile::default(); site.lines().len()].into(),
        }
    }

    /// Remarks on the numbers, one sentence each.
    pub(crate) fn notes(&self) -> impl Iterator<Item = &'static str> {
        let switched = self.has_switched.then_some(stack_switch::NOTE);
        self.site.note().into_iter().chain(switched)
    }

    /// Keeps only what counts executions: for a call nested in another call of the same function,
    /// which includes the rest.
    pub(crate) fn count_executions_only(&mut self) {
        self.heap = Usage::default();
        self.inclusive_ticks = 0;
        self.resident_bytes_at_entry = None;
        for line in &mut self.lines {
            *line = LineProfile {
                hits: line.hits,
                resident_bytes: line.resident_bytes,
                ..LineProfile::default()
            };
        }
    }

    /// Adds another call of the same function.
    fn add(&mut self, call: &Self) {
        self.call_count += call.call_count;
        self.has_switched |= call.has_switched;
        self.cut_short_count += call.cut_short_count;
        self.last_cut_short = call.last_cut_short.or(self.last_cut_short);
        for (line, added) in self.lines.iter_mut().zip(&call.lines) {
            line.hits += added.hits;
            line.resident_increment_bytes += added.resident_increment_bytes;
            line.resident_read_count += added.resident_read_count;
            line.elapsed_ticks = line.elapsed_ticks.wrapping_add(added.elapsed_ticks);
            line.heap = line.heap.and(added.heap);
            if added.resident_bytes > 0 {
                line.resident_bytes = added.resident_bytes;
            }
        }
        self.heap = self.heap.and(call.heap);
        self.inclusive_ticks = self.inclusive_ticks.wrapping_add(call.inclusive_ticks);
        self.own_ticks = self.own_ticks.wrapping_add(call.own_ticks);
        self.resident_bytes_at_entry = self
            .resident_bytes_at_entry
            .or(call.resident_bytes_at_entry);
    }
}

/// What was recorded of functions that are measured while they run, by the site's address.
type Recorded = HashMap<usize, (TableSettings, FunctionProfile)>;

static RECORDED: LazyLock<Lock<Recorded>> = LazyLock::new(Lock::default);

/// Whether the process is ending, so that further calls are no longer kept.
static IS_EXITING: AtomicBool = AtomicBool::new(false);

/// Keeps a call for reports, and for the table at the end of the process.
pub(crate) fn keep(settings: TableSettings, call: &FunctionProfile) {
    // Relaxed: a late call that is still kept does no harm.
    if IS_EXITING.load(Ordering::Relaxed) {
        return;
    }
    let mut kept = RECORDED.lock();
    let address = ptr::from_ref(call.site).addr();
    let (_, total) = kept
        .entry(address)
        .or_insert_with(|| (settings, FunctionProfile::new(call.site, call.heap_source)));
    total.add(call);
}

/// Calls `show` with what was kept of a function, if anything.
pub(crate) fn with_kept<T>(site: &Site, show: impl FnOnce(&FunctionProfile) -> T) -> Option<T> {
    let kept = RECORDED.lock();
    let (_, profile) = kept.get(&ptr::from_ref(site).addr())?;
    Some(show(profile))
}

/// What `show` returns of each function that is printed at the end of the process, in source order.
/// It is called with the function's profile and what its lines own. Nothing is kept from then on.
///
/// `None` if another thread kept the records locked.
// `show` only makes what is printed: whatever receives it may call functions that need the lock.
pub(crate) fn at_exit<T>(
    show: impl Fn(&TableSettings, &FunctionProfile, Option<&OfFunction>) -> T,
) -> Option<Vec<T>> {
    // Other threads still run, and one may hold the lock for a moment. A thread that was stopped
    // while it held the lock, as by a signal whose handler exits, holds it for ever: a missing
    // table is better than a process that doesn't end.
    IS_EXITING.store(true, Ordering::Relaxed);
    let sites = RECORDED.lock_soon().map(|kept| {
        let functions = kept.values();
        let printed = functions.filter(|(settings, _)| settings.print == Print::Exit);
        let mut sites: Vec<_> = printed.map(|(_, profile)| profile.site).collect();
        sites.sort_by_key(|site| (site.file(), site.lines().first()));
        sites
    });
    // Read without the lock: a report takes it while it holds a `Reading`.
    let owned = |site: &'static Site| (site, OfFunction::read_at_exit(site));
    let owned: Vec<_> = sites.iter().flatten().copied().map(owned).collect();
    let kept = RECORDED.lock_soon()?;
    let shown = owned.iter().filter_map(|(site, owned)| {
        let (settings, profile) = kept.get(&ptr::from_ref(*site).addr())?;
        Some(show(settings, profile, owned.as_ref()))
    });
    Some(shown.collect())
}
