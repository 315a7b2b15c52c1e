//! A running call of a profiled function whose lines are settled.
//!
//! Between [`Call::enter`] and [`Call::end`], nothing here locks or panics, and nothing that is
//! counted is allocated.
//!
//! # Settling
//!
//! One line of a call is open at any time. Opening another one settles it: the thread's counters
//! are read, and the difference to the reading before is added to the line that was open. Every
//! moment of a call thus belongs to exactly one line, and the lines of a call add up to the whole
//! call. Time and resident memory are attributed in the same way, when they are read.
//!
//! # The stack of calls
//!
//! A thread's current call is in a thread-local and owns the call that it was made in, and so on
//! outwards. The measured function borrows nothing of its call and names it by its address. The
//! call of a task is on this stack during a poll only; between polls it is stored in the
//! [task](crate::runtime::task).
//!
//! # Recursion
//!
//! What a recursive call does is already in the numbers of the outer call of the same function.
//! Where the numbers of many calls are added up, only the outermost one counts it
//! ([`Call::leaves_to_another`]).

use crate::count::call_stack::{Entry, State};
use crate::count::source::HeapSource;
use crate::count::thread_counters::Tally;
use crate::count::uncounted;
use crate::model::options::{Print, Rss, TableSettings};
use crate::model::site::{Kind, Site};
use crate::model::usage::Usage;
use crate::record::function_profile::{self, CutShort, FunctionProfile};
use crate::record::owned::{OfCall, OfFunction};
use crate::runtime::rss_sampler::{self, Moves, Resident};
use crate::runtime::{frame, sink, table};
use crate::sys::{clock, rss, stack_switch};
#[cfg(feature = "timeline")]
use crate::timeline::{Sample, marks, stop};
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ptr;

thread_local! {
    // The thread's current call. Without a destructor, since a function may be called while the
    // thread's locals are destroyed. No call is leaked: each one that is entered is left in a
    // `Drop`.
    static CURRENT: Cell<ManuallyDrop<Option<Box<Call>>>> =
        const { Cell::new(ManuallyDrop::new(None)) };
}

/// The address of a call's entry in the thread's call stack, and the state in which it was pushed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Id {
    entry: usize,
    state: State,
}

impl Id {
    fn of(entry: &'static Entry) -> Self {
        Self {
            entry: ptr::from_ref(entry).addr(),
            state: entry.state(),
        }
    }
}

/// The functions of which the thread is in settling calls, each with the number of these calls.
type Active = Vec<(&'static Site, usize)>;

thread_local! {
    // Without a destructor, too. Nothing is leaked: the list is freed when the thread leaves its
    // last call.
    static ACTIVE: Cell<ManuallyDrop<Active>> = const { Cell::new(ManuallyDrop::new(Vec::new())) };
}

/// Records that the thread has entered a call of `site`. Returns whether it was in one before.
fn add_active(site: &'static Site) -> bool {
    let mut active = ManuallyDrop::into_inner(ACTIVE.take());
    let of_site = active.iter_mut().find(|(other, _)| ptr::eq(*other, site));
    let was_active = match of_site {
        Some((_, count)) => {
            *count += 1;
            true
        }
        None => {
            if active.len() == active.capacity() {
                uncounted::during(false, || active.reserve(8));
            }
            active.push((site, 1));
            false
        }
    };
    ACTIVE.set(ManuallyDrop::new(active));
    was_active
}

/// Records that the thread has left a call of `site`.
fn remove_active(site: &'static Site) {
    let mut active = ManuallyDrop::into_inner(ACTIVE.take());
    let place = active.iter().position(|(other, _)| ptr::eq(*other, site));
    if let Some((place, (_, count))) = place.and_then(|place| Some((place, active.get_mut(place)?)))
    {
        *count -= 1;
        if *count == 0 {
            active.swap_remove(place);
        }
    }
    if active.is_empty() {
        uncounted::during(false, || drop(active));
    } else {
        ACTIVE.set(ManuallyDrop::new(active));
    }
}

/// Takes the thread's current call out of its place. [`set_current`] has to follow.
#[inline]
fn take_current() -> Option<Box<Call>> {
    ManuallyDrop::into_inner(CURRENT.replace(ManuallyDrop::new(None)))
}

/// Makes `call` the thread's current one. The place must be empty: what is in it is leaked.
#[inline]
fn set_current(call: Option<Box<Call>>) {
    CURRENT.set(ManuallyDrop::new(call));
}

/// Calls `act` with the thread's current call, if there is one.
#[inline(always)]
fn with_current(act: impl FnOnce(&mut Call)) {
    if let Some(mut call) = take_current() {
        act(&mut call);
        set_current(Some(call));
    }
}

/// A call of a profiled function that settles its lines.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is its own")]
pub(crate) struct Call {
    // What is measured, as the settings say.
    settings: TableSettings,
    /// How often resident memory is read. `Off` if it turns out that it can't be.
    rss: Rss,
    /// Whether the clock is read at each line.
    reads_time: bool,
    /// True until a thread first enters the call; of a task, until its first poll.
    is_new: bool,
    /// When resident memory is read at the end of the open line.
    reads: Reads,
    /// `reads` for the first [`rss_sampler::ALWAYS_READ`] executions of a line on the thread.
    early_reads: Reads,
    /// `reads` for later executions.
    later_reads: Reads,

    // The call among the calls of its thread.
    /// Identifies it among all running calls of the thread.
    id: Id,
    /// The settling call that this one was made in. None while a task is not being polled.
    outer: Option<Box<Call>>,
    /// The number of settling calls on the stack, this one included.
    depth: u32,
    /// The thread's count of stack switches when it entered the call.
    switch_count: u32,
    /// Whether the thread is already in a call of the same function, whose numbers include all
    /// that this call does.
    is_inside_another: bool,
    /// Whether recursive calls are not to be counted twice, as in a table of many calls.
    counts_once: bool,

    // The open line.
    /// Its place among the site's lines.
    open_line: u32,
    /// What it has done before the last suspension or cut, if there was one.
    earlier: Option<Usage>,

    // The readings that the next ones are compared with.
    /// The heap when the thread entered the call, or entered it again.
    entered: Tally,
    /// The heap at the last settling: when the open line was opened or resumed.
    since: Tally,
    /// Resident memory when it was last read, if it is.
    resident_since: Resident,
    /// What lines have done to the heap since then.
    moves: Moves,
    /// The clock at the last settling, if time is read.
    ticks_since: u64,
    /// The clock when the thread entered the call, if time is read.
    ticks_entered: u64,
    /// How much of the time since then was spent in settling calls made from this one.
    callee_ticks: u64,
    /// The highest that the thread's heap has been since `entered`.
    highest_net_bytes: i64,

    // The results.
    /// What the call's lines own, if a column of its table shows it.
    owned: Option<OfCall>,
    /// The sample at its beginning, if the call is marked in a timeline file.
    #[cfg(feature = "timeline")]
    marked: Option<Sample>,
    profile: FunctionProfile,
}

/// When resident memory is read at the end of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    Never,
    WhenDue,
    Always,
    /// At the end of the first row, before any line begins: this reading is the baseline.
    AsBaseline,
}

impl Call {
    /// Begins a call of the function that the thread has entered. The first row is open.
    pub(crate) fn begin(site: &'static Site, settings: TableSettings) -> Box<Self> {
        let rss = settings.rss_in_use();
        #[cfg(feature = "timeline")]
        let rss = match rss {
            Rss::Off if stop::prepare() => Rss::Adaptive,
            rss => rss,
        };
        let reads_time = settings.show_time();
        let shows_owned = settings.print == Print::Call && settings.show_owned();
        let make = || {
            Box::new(Self {
                settings,
                rss,
                reads_time,
                is_new: true,
                reads: Reads::AsBaseline,
                early_reads: if rss == Rss::Off {
                    Reads::Never
                } else {
                    Reads::Always
                },
                later_reads: match rss {
                    Rss::Off => Reads::Never,
                    Rss::Adaptive => Reads::WhenDue,
                    Rss::Exact => Reads::Always,
                },
                id: Id::default(),
                outer: None,
                depth: 1,
                switch_count: 0,
                is_inside_another: false,
                counts_once: settings.print == Print::Exit,
                open_line: 0,
                earlier: None,
                entered: Tally::default(),
                since: Tally::default(),
                resident_since: Resident::default(),
                moves: Moves::new(if rss == Rss::Off {
                    0
                } else {
                    site.lines().len()
                }),
                ticks_since: 0,
                ticks_entered: 0,
                callee_ticks: 0,
                highest_net_bytes: 0,
                owned: shows_owned.then(|| OfCall::begin(site)).flatten(),
                #[cfg(feature = "timeline")]
                marked: None,
                profile: FunctionProfile::new(site, HeapSource::current()),
            })
        };
        if rss != Rss::Off {
            // Asked once before the first reading, since finding out touches pages itself.
            rss::is_exact();
        }
        let (call, _) = uncounted::during(reads_at_entry(rss), make);
        call
    }

    pub(crate) fn site(&self) -> &'static Site {
        self.profile.site
    }

    /// Makes this the thread's current call, whose `entry` is the top of the call stack: from now
    /// on, what the thread does is charged to the open line.
    pub(crate) fn enter(mut self: Box<Self>, entry: &'static Entry) {
        self.id = Id::of(entry);
        if self.is_new {
            self.is_new = false;
            #[cfg(feature = "timeline")]
            {
                self.marked = marks::begin(self.profile.site);
            }
        } else {
            self.begin_readings();
        }
        if self.reads_time {
            self.ticks_since = clock::ticks();
            self.ticks_entered = self.ticks_since;
        }
        if let Some(owned) = &mut self.owned {
            owned.enter(frame::lines());
        }
        self.entered = self.profile.heap_source.lap();
        self.since = self.entered;
        self.highest_net_bytes = self.entered.heap.net_bytes();
        self.outer = take_current();
        self.depth = self.outer.as_ref().map_or(0, |outer| outer.depth) + 1;
        self.is_inside_another = add_active(self.profile.site);
        self.switch_count = stack_switch::count();
        set_current(Some(self));
        if stack_switch::are_several() {
            stack_switch::note();
        }
    }

    /// Whether a thread has [switched stacks](stack_switch) while it was in the call.
    fn has_switched(&self) -> bool {
        self.profile.has_switched || self.switch_count != stack_switch::count()
    }

    /// Charges changes of resident memory to the call from here on.
    fn begin_readings(&mut self) {
        self.resident_since = match self.rss {
            Rss::Off => return,
            Rss::Exact => Resident::now(self.resident_since),
            Rss::Adaptive if reads_at_entry(self.rss) => Resident::noted(self.resident_since),
            Rss::Adaptive => Resident::last(),
        };
        self.moves.take(0);
    }

    /// Ends the first row, just before the first line begins: resident memory at this moment is
    /// the baseline. What was done earlier, for example by code that another attribute has
    /// inserted, belongs to no line.
    #[inline(never)]
    fn begin_first_line(&mut self) {
        self.begin_readings();
        let bytes = self.resident_since.process;
        if bytes == 0 {
            // Resident memory can't be read, or is not to be.
            self.rss = Rss::Off;
            self.early_reads = Reads::Never;
            self.later_reads = Reads::Never;
        } else if !self.leaves_to_another() {
            self.profile.resident_bytes_at_entry = Some(bytes);
        }
        if let Some(row) = self.profile.lines.first_mut() {
            row.resident_bytes = bytes;
        }
    }

    /// Removes the call with this entry from the thread's stack of calls. Its line stays open, and
    /// the call around it becomes current again.
    ///
    /// Inner calls that were never left, for example by code that doesn't return, are ended. If
    /// the thread [switches stacks](stack_switch), they stay, since they may still be running.
    /// Returns `None` if the call itself has been ended in this way.
    pub(crate) fn leave(entry: &'static Entry) -> Option<Box<Self>> {
        Self::leave_by_id(Id::of(entry))
    }

    /// As [`leave`](Self::leave), for a call on another stack than the thread's own whose entry has
    /// been popped and used again.
    #[cold]
    pub(crate) fn leave_lost(entry: &'static Entry) -> Option<Box<Self>> {
        let here = State::new(Kind::Off, stack_switch::here());
        let is_lost = |id: Id| id.entry == Id::of(entry).entry && id.state.is_near(here);
        let mut found = None;
        with_current(|current| {
            let mut next = Some(current);
            while let Some(call) = next {
                found = found.or(Some(call.id).filter(|id| is_lost(*id)));
                next = call.outer.as_deref_mut();
            }
        });
        Self::leave_by_id(found?)
    }

    fn leave_by_id(id: Id) -> Option<Box<Self>> {
        if !is_current(id) && !leave_inner(id) {
            return None;
        }
        let mut call = take_current()?;
        let inner = if call.id == id {
            None
        } else {
            let mut inner = call;
            let mut link = &mut inner.outer;
            while link.as_ref().is_some_and(|call| call.id != id) {
                link = &mut link.as_mut()?.outer;
            }
            call = link.take()?;
            *link = call.outer.take();
            Some(inner)
        };
        call.settle_poll();
        let outer = call.outer.take();
        set_current(inner.or(outer));
        remove_active(call.profile.site);
        Some(call)
    }

    /// Records what the call has done since it was entered. Its line stays open.
    fn settle_poll(&mut self) {
        self.profile.has_switched = self.has_switched();
        let stretch = self.settle();
        self.earlier = Some(self.execution(stretch));
        if let Some(owned) = &mut self.owned {
            owned.leave();
        }
        if !self.leaves_to_another() {
            // Each line has begun a peak of its own, so the highest is not in `since`.
            let left = Tally {
                highest_net_bytes: self.highest_net_bytes,
                ..self.since
            };
            self.profile.heap = self.profile.heap.then(left.since(self.entered));
        }
        let outer_highest = self.entered.highest_net_bytes;
        let heap_source = self.profile.heap_source;
        heap_source.resume_peak(outer_highest.max(self.highest_net_bytes));
        if self.reads_time {
            self.settle_time_of_poll();
        }
    }

    /// Records how long the thread was in the call.
    fn settle_time_of_poll(&mut self) {
        let inclusive = self.ticks_since.wrapping_sub(self.ticks_entered);
        let own = inclusive.saturating_sub(std::mem::take(&mut self.callee_ticks));
        self.profile.own_ticks = self.profile.own_ticks.wrapping_add(own);
        if !self.leaves_to_another() {
            let sum = &mut self.profile.inclusive_ticks;
            *sum = sum.wrapping_add(inclusive);
        }
        if let Some(outer) = &mut self.outer {
            outer.callee_ticks = outer.callee_ticks.wrapping_add(inclusive);
        }
    }

    /// Whether what this call does is recorded by an outer call of the same function only.
    #[inline(always)]
    fn leaves_to_another(&self) -> bool {
        self.is_inside_another && self.counts_once
    }

    /// Returns what happened to the heap since the last settling, which the caller has to charge
    /// to the open line. Charges time and resident memory itself.
    // Inlined, like everything a probe does, so that its numbers stay in registers.
    #[inline(always)]
    fn settle(&mut self) -> Usage {
        let now = self.profile.heap_source.lap();
        let stretch = now.since(self.since);
        self.highest_net_bytes = self.highest_net_bytes.max(now.highest_net_bytes);
        self.since = now;
        if self.rss != Rss::Off {
            self.moves.add(self.open_line, &stretch);
        }
        self.watch();
        if self.leaves_to_another() {
            Usage::default()
        } else {
            stretch
        }
    }

    /// Charges to the open line what is read and not counted: time and resident memory.
    #[inline(always)]
    fn watch(&mut self) {
        if self.reads_time {
            self.settle_time();
        }
        if self.reads == Reads::Never || self.reads == Reads::WhenDue && !rss_sampler::is_due() {
            return;
        }
        self.read_resident();
    }

    fn settle_time(&mut self) {
        let ticks = clock::ticks();
        let elapsed = ticks.wrapping_sub(std::mem::replace(&mut self.ticks_since, ticks));
        if !self.leaves_to_another()
            && let Some(line) = self.profile.lines.get_mut(self.open_line as usize)
        {
            line.elapsed_ticks = line.elapsed_ticks.wrapping_add(elapsed);
        }
    }

    /// Reads resident memory at the end of the open line, and charges the change to the line that
    /// most likely caused it (see [`Moves`]).
    #[inline(never)]
    fn read_resident(&mut self) {
        if self.reads == Reads::AsBaseline {
            return self.begin_first_line();
        }
        let now = match self.rss {
            Rss::Exact => Resident::now(self.resident_since),
            Rss::Adaptive | Rss::Off => Resident::noted(self.resident_since),
        };
        #[cfg(feature = "timeline")]
        stop::check(now.process, self.profile.site, self.open_line);
        let increment = now.increment_since(self.resident_since);
        let mover = self.moves.take(increment).unwrap_or(self.open_line);
        self.resident_since = now;
        if self.leaves_to_another() {
            return;
        }
        if let Some(line) = self.profile.lines.get_mut(self.open_line as usize) {
            line.resident_bytes = now.process;
            line.resident_read_count = line.resident_read_count.wrapping_add(1);
        }
        if increment != 0
            && let Some(line) = self.profile.lines.get_mut(mover as usize)
        {
            line.resident_bytes = now.process;
            line.resident_increment_bytes = line.resident_increment_bytes.wrapping_add(increment);
        }
    }

    /// All that this execution of the open line has done, given what it did since it was last
    /// resumed.
    #[inline(always)]
    fn execution(&mut self, stretch: Usage) -> Usage {
        match self.earlier.take() {
            None => stretch,
            Some(earlier) => earlier.then(stretch),
        }
    }

    /// Adds `execution` to the open line.
    #[inline(always)]
    fn close_line(&mut self, execution: Usage) {
        if let Some(line) = self.profile.lines.get_mut(self.open_line as usize) {
            line.heap = line.heap.and(execution);
        }
    }

    /// Settles the open line and makes `line` the open one, without counting an execution.
    #[inline(always)]
    fn reopen(&mut self, line: u32) {
        if self.earlier.is_none() && self.profile.heap_source.is_at(&self.since) {
            // The fast path: most lines don't touch the heap.
            self.watch();
        } else {
            let stretch = self.settle();
            let execution = self.execution(stretch);
            self.close_line(execution);
        }
        self.open_line = line;
    }

    /// Settles the open line and begins an execution of `line`, the thread's `executions`-th.
    #[inline(always)]
    fn open(&mut self, line: u32, executions: u64) {
        self.reopen(line);
        self.reads = if executions <= rss_sampler::ALWAYS_READ {
            self.early_reads
        } else {
            self.later_reads
        };
        if let Some(line) = self.profile.lines.get_mut(line as usize) {
            line.hits = line.hits.wrapping_add(1);
            // The last reading before the line, until there is one at its end.
            line.resident_bytes = self.resident_since.process;
        }
    }

    /// Records that the call ends in the open line, and how.
    pub(crate) fn cut_short(&mut self, how: CutShort) {
        let line = self.profile.site.lines().get(self.open_line as usize);
        self.profile.cut_short_count = 1;
        self.profile.last_cut_short = Some((how, line.copied().unwrap_or(0)));
    }

    /// Records that a panic has ended the call, unless it was already cut short.
    pub(crate) fn panic(&mut self) {
        if self.profile.last_cut_short.is_none() {
            self.cut_short(CutShort::Panic);
        }
    }

    /// Ends a call that has been left: prints its table, if one is wanted, and adds the call to the
    /// profile of its function.
    pub(crate) fn end(mut self: Box<Self>) {
        let execution = self.earlier.take().unwrap_or_default();
        self.close_line(execution);
        // The call was allocated uncounted, so it is moved into the closure to be freed uncounted.
        // Printing a table changes resident memory, so it is read; adding a call to a profile
        // hardly does.
        let reads_resident = match self.rss {
            Rss::Off => false,
            Rss::Exact => true,
            Rss::Adaptive => self.settings.print == Print::Call,
        };
        uncounted::during(reads_resident, move || {
            let Self {
                settings,
                mut profile,
                is_inside_another,
                counts_once,
                owned,
                #[cfg(feature = "timeline")]
                marked,
                #[cfg(feature = "timeline")]
                depth,
                ..
            } = *self;
            #[cfg(feature = "timeline")]
            if let Some(start) = marked {
                marks::end(profile.site, start, depth - 1);
            }
            profile.call_count = 1;
            if settings.print == Print::Call {
                let site = profile.site;
                let of_function = match profile.last_cut_short {
                    Some((CutShort::ProcessExit, _)) => OfFunction::read_at_exit(site),
                    _ => OfFunction::read(site),
                };
                let of_call = owned.zip(of_function.as_ref());
                let of_call = of_call.and_then(|(call, function)| call.owned(function));
                let (of_call, of_function) = (of_call.as_deref(), of_function.as_ref());
                let table = table::table(&settings, &profile, of_call, of_function);
                sink::deliver(settings.stream, table);
            }
            if is_inside_another && !counts_once {
                profile.count_executions_only();
            }
            function_profile::keep(settings, &profile);
        });
    }
}

/// Whether the thread's current call is the one with this id.
fn is_current(id: Id) -> bool {
    let mut is = false;
    with_current(|call| is = call.id == id);
    is
}

/// Ends the calls inside the one with this id, unless the thread switches stacks. Returns whether
/// the thread is in that call.
#[cold]
fn leave_inner(id: Id) -> bool {
    let (mut is_there, mut has_switched) = (false, false);
    with_current(|current| {
        has_switched = current.has_switched();
        let mut next = Some(current);
        while let Some(call) = next {
            is_there |= call.id == id;
            next = call.outer.as_deref_mut();
        }
    });
    if has_switched {
        return is_there;
    }
    while is_there && let Some(mut call) = take_current() {
        if call.id == id {
            set_current(Some(call));
            break;
        }
        call.settle_poll();
        set_current(call.outer.take());
        remove_active(call.profile.site);
        call.cut_short(CutShort::LeftBehind);
        call.end();
    }
    is_there
}

/// Whether resident memory is read when the thread enters a call, with the setting `rss`.
fn reads_at_entry(rss: Rss) -> bool {
    match rss {
        Rss::Off => false,
        Rss::Exact => true,
        Rss::Adaptive => frame::calls() <= rss_sampler::ALWAYS_READ || rss_sampler::is_due(),
    }
}

/// Begins a line of the thread's current call and settles the one before.
///
/// `executions` is how often the thread has begun the line, this time included.
#[inline(always)]
pub(crate) fn open(line: u32, executions: u64) {
    with_current(|call| call.open(line, executions));
}

/// Makes a line of the thread's current call the open one again and settles the one before.
pub(crate) fn reopen(line: u32) {
    with_current(|call| call.reopen(line));
}

/// Settles what the open line of the thread's current call has done so far. The line stays open,
/// as when the thread leaves it in the middle.
pub(crate) fn cut_line() {
    with_current(|call| {
        let stretch = call.settle();
        call.earlier = Some(call.execution(stretch));
    });
}

/// Raises the peak that will be resumed when the thread leaves its current call to at least
/// `highest_net_bytes`. Outside of any call, raises the current peak.
pub(crate) fn resume_peak(highest_net_bytes: i64) {
    let mut is_in_call = false;
    with_current(|call| {
        is_in_call = true;
        let entered = &mut call.entered.highest_net_bytes;
        *entered = highest_net_bytes.max(*entered);
    });
    if !is_in_call {
        HeapSource::Thread.resume_peak(highest_net_bytes);
    }
}

/// The address of the thread's current call, if it is in one.
fn current_id() -> Option<Id> {
    let mut id = None;
    with_current(|call| id = Some(call.id));
    id
}

/// Ends the calls that the calling thread is still in when the process exits.
pub(crate) fn end_all() {
    while let Some(mut call) = current_id().and_then(Call::leave_by_id) {
        call.cut_short(CutShort::ProcessExit);
        call.end();
    }
}
