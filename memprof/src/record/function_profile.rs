//! What has been recorded of a function: of one call of it, or of many.
//!
//! A profile knows numbers only; how they were measured is [`call`](crate::runtime::call)'s
//! business, how they look [`report`](crate::report)'s.

use crate::count::source::HeapSource;
use crate::model::options::{Print, Settings};
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
    /// Executions: how often the line was begun.
    pub(crate) hits: u64,
    /// Resident memory when the line was last left, as far as it was known then: the last
    /// reading before that. 0 where there was none.
    pub(crate) resident_bytes: u64,
    /// The sum of what changed in resident memory and belongs to the line.
    pub(crate) resident_increment_bytes: i64,
    /// After how many executions resident memory was read.
    pub(crate) resident_read_count: u64,
    /// How long it ran, callees included, where time is read.
    pub(crate) elapsed_ticks: u64,
    /// What the thread that ran the line did to the heap, callees included.
    pub(crate) heap: Usage,
}

impl LineProfile {
    /// Resident memory when the line was last left, if it is known.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        Some(self.resident_bytes).filter(|bytes| *bytes > 0)
    }

    /// What the line changed in resident memory, if it was read at the line, or something
    /// that was read later belongs to it.
    pub(crate) fn resident_increment_bytes(&self) -> Option<i64> {
        let increment = self.resident_increment_bytes;
        (self.resident_read_count > 0 || increment != 0).then_some(increment)
    }
}

/// How a call ended that did not return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CutShort {
    Panic,
    DroppedFuture,
    ProcessExit,
    LeftBehind,
}

impl fmt::Display for CutShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Panic => "by a panic",
            Self::DroppedFuture => "as its future was dropped",
            Self::ProcessExit => "as the process exited",
            Self::LeftBehind => "as nobody ended it",
        })
    }
}

/// What one call, or many, of a function did to memory.
#[derive(Debug)]
pub(crate) struct FunctionProfile {
    pub(crate) site: &'static Site,
    pub(crate) heap_source: HeapSource,
    pub(crate) call_count: u64,
    /// Whether a thread has [switched stacks](crate::sys::stack_switch) while it was in a call.
    pub(crate) has_switched: bool,
    /// How often calls did not return, and how and in which line the last of
    /// those ended.
    pub(crate) cut_short_count: u64,
    pub(crate) last_cut_short: Option<(CutShort, u32)>,
    /// Resident memory when the first call began its first line; none where it wasn't
    /// read.
    pub(crate) resident_bytes_at_entry: Option<u64>,
    /// The heap over whole calls. The peak is that of one call.
    pub(crate) heap: Usage,
    /// How long threads were in the calls, where time is read, and how long of that
    /// without those in settling calls made from them.
    pub(crate) inclusive_ticks: u64,
    pub(crate) own_ticks: u64,
    /// One for each of the site's lines.
    pub(crate) lines: Box<[LineProfile]>,
}

impl FunctionProfile {
    /// A profile of no calls yet.
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

    /// What is to be said about its numbers, in a sentence each.
    pub(crate) fn notes(&self) -> impl Iterator<Item = &'static str> {
        let switched = self.has_switched.then_some(stack_switch::NOTE);
        self.site.note().into_iter().chain(switched)
    }

    /// Leaves out what memory did, which the call that this one is inside has.
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

/// What was recorded of functions whose lines are settled, by the address of the
/// site.
type Recorded = HashMap<usize, (Settings, FunctionProfile)>;

static RECORDED: LazyLock<Lock<Recorded>> = LazyLock::new(Lock::default);

/// Whether what was kept has been taken, and calls come too late for it.
static IS_EXITING: AtomicBool = AtomicBool::new(false);

/// Keeps a call for reports, and for the table at the end of the process.
pub(crate) fn keep(settings: Settings, call: &FunctionProfile) {
    // Relaxed: a late call that still gets in does no harm.
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

/// Shows what was kept of a function, if anything was.
pub(crate) fn with_kept<T>(site: &Site, show: impl FnOnce(&FunctionProfile) -> T) -> Option<T> {
    let kept = RECORDED.lock();
    let (_, profile) = kept.get(&ptr::from_ref(site).addr())?;
    Some(show(profile))
}

/// Shows what is to be printed at the end of the process, in the order of the
/// source, with what its lines own; nothing is kept from then on. Whether another thread
/// let go of it.
pub(crate) fn show_at_exit(
    show: impl Fn(&Settings, &FunctionProfile, Option<&OfFunction>),
) -> bool {
    // Other threads go on; one may hold the lock for a moment yet. One that was
    // stopped with it, as by a signal whose handler exits, would hold it for ever:
    // no table is better than no end.
    IS_EXITING.store(true, Ordering::Relaxed);
    let sites = RECORDED.lock_soon().map(|kept| {
        let functions = kept.values();
        let printed = functions.filter(|(settings, _)| settings.print == Print::Exit);
        let mut sites: Vec<_> = printed.map(|(_, profile)| profile.site).collect();
        sites.sort_by_key(|site| (site.file(), site.lines().first()));
        sites
    });
    // Read without the lock, which the making of a report takes while it reads.
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
