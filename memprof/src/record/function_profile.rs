//! The profile of a function: what was measured in one call, or in many.
//!
//! A profile has only numbers. They are measured in [`call`](crate::runtime::call) and rendered in
//! [`report`](mod@crate::report) and [`table`](crate::runtime::table).

use crate::count::source::HeapSource;
use crate::model::options::{Print, TableSettings};
use crate::model::site::Site;
use crate::model::usage::Usage;
use crate::record::owned::OfFunction;
use crate::sys::fork_lock::Lock;
use crate::sys::stack_switch;
use std::collections::HashMap;
use std::fmt;
use std::ptr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

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
}

/// How a call ended that didn't return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CutShort {
    Panic,
    DroppedFuture,
    ProcessExit,
    /// Code left the call without running its end, as a `longjmp` does.
    LeftBehind,
}

impl fmt::Display for CutShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Panic => "by a panic",
            Self::DroppedFuture => "as its future was dropped",
            Self::ProcessExit => "as the process exited",
            Self::LeftBehind => "as its end was skipped",
        })
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

/// Calls `show` with each function that is printed at the end of the process, in source order,
/// together with what its lines own. Nothing is kept from then on.
///
/// Returns false if another thread kept the records locked.
pub(crate) fn show_at_exit(
    show: impl Fn(&TableSettings, &FunctionProfile, Option<&OfFunction>),
) -> bool {
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
    let kept = RECORDED.lock_soon();
    for (site, owned) in &owned {
        let address = ptr::from_ref(*site).addr();
        if let Some((settings, profile)) = kept.as_ref().and_then(|kept| kept.get(&address)) {
            show(settings, profile, owned.as_ref());
        }
    }
    kept.is_some()
}
