//! One call of a profiled function under way: which line is open, and what has
//! happened since it was.
//!
//! The call that a thread is in stands in a thread-local, and the calls around
//! it behind it, so that nothing of a call is borrowed by the function it
//! measures.
//!
//! Opening a line settles the one before: counters are read, the difference is
//! the old line's. Every moment of a call thus belongs to one line, and the lines
//! of a call add up to the whole of it. Nothing here locks, allocates or panics
//! between a call's begin and its end.

use crate::count::source::HeapSource;
use crate::count::thread_counters::Tally;
use crate::count::uncounted;
use crate::model::options::{Print, Rss, Settings};
use crate::model::site::Site;
use crate::model::usage::Usage;
use crate::record::function_profile::{self, CutShort, FunctionProfile};
use crate::record::owned::{OfCall, OfFunction};
use crate::runtime::rss_sampler::{self, Moves, Resident};
use crate::runtime::{frame, table};
use crate::sys::{clock, rss, stack_switch};
#[cfg(feature = "timeline")]
use crate::timeline::{Sample, marks, stop};
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ptr;

thread_local! {
    // Without a destructor, for the reasons of `threads`: a function may well be
    // called while its thread is torn down. A call is never left behind here,
    // since whoever enters one leaves it in a `Drop`.
    static CURRENT: Cell<ManuallyDrop<Option<Box<Call>>>> =
        const { Cell::new(ManuallyDrop::new(None)) };
}

/// Functions that the thread is in settling calls of, and in how many.
type Active = Vec<(&'static Site, usize)>;

thread_local! {
    // Without a destructor, too: it is empty, and needs no memory, while the thread
    // is in no call.
    static ACTIVE: Cell<ManuallyDrop<Active>> = const { Cell::new(ManuallyDrop::new(Vec::new())) };
}

/// Notes that the thread is in a call of `site`; whether it was in one before.
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

/// Notes that the thread has left a call of `site`.
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

/// Takes the thread's current call, for a moment: [`set_current`] has to follow.
#[inline]
fn take_current() -> Option<Box<Call>> {
    ManuallyDrop::into_inner(CURRENT.replace(ManuallyDrop::new(None)))
}

/// Makes `call` the thread's current one. What was there has to be taken before.
#[inline]
fn set_current(call: Option<Box<Call>>) {
    CURRENT.set(ManuallyDrop::new(call));
}

/// Does something to the thread's current call, if it is in one.
#[inline(always)]
fn with_current(act: impl FnOnce(&mut Call)) {
    if let Some(mut call) = take_current() {
        act(&mut call);
        set_current(Some(call));
    }
}

/// A call of a profiled function that settles its lines, from its first to its
/// last.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is its own")]
pub(crate) struct Call {
    settings: Settings,
    /// How often resident memory is read.
    rss: Rss,
    reads_time: bool,
    /// Whether no thread has entered it yet.
    is_new: bool,
    /// When resident memory is read at the end of the open line, and at the end of one
    /// of the first executions and of later ones.
    reads: Reads,
    early_reads: Reads,
    later_reads: Reads,
    /// The settling call this one was made in. None while a task is not being
    /// polled.
    outer: Option<Box<Call>>,
    /// How many there are with this one.
    depth: u32,
    /// How often switches of stacks were seen on the thread when it entered the call.
    switch_count: u32,
    /// Whether one further out is a call of the same function, in whose numbers all
    /// that this one does is already.
    is_inside_another: bool,
    /// Whether nothing is to be counted a second time, as in a table of many calls.
    counts_once: bool,
    open_line: u32,
    /// What the open line has done in the polls before this one.
    earlier: Option<Usage>,
    /// The heap when the thread entered the call, or took it up again.
    entered: Tally,
    /// The heap when the open line was opened, or taken up again.
    since: Tally,
    /// Resident memory when it was last read, if it is, and what lines have done to the
    /// heap since then.
    resident_since: Resident,
    moves: Moves,
    /// The time at that moment, and when the thread entered the call, if it is read.
    ticks_since: u64,
    ticks_entered: u64,
    /// What of the time since then was that of settling calls made from this one.
    callee_ticks: u64,
    /// The highest that the thread's heap has been since `entered`.
    highest_net_bytes: i64,
    /// What its lines own, if a column of its table shows it.
    owned: Option<OfCall>,
    /// Its beginning, if it is marked in a file of memory over time.
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
    /// At the end of the first row, before any line has begun.
    AsBaseline,
}

impl Call {
    /// Begins a call, on its first row, of the function that the thread has entered.
    pub(crate) fn begin(site: &'static Site, settings: Settings) -> Box<Self> {
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
            // Once, before anything is read: it takes pages itself.
            rss::is_exact();
        }
        let (call, _) = uncounted::during(reads_at_entry(rss), make);
        call
    }

    pub(crate) fn site(&self) -> &'static Site {
        self.profile.site
    }

    /// Makes this the thread's current call: from now on, what the thread does
    /// is done while the open line runs. The address of the call, by which it is
    /// [left](Self::leave).
    pub(crate) fn enter(mut self: Box<Self>) -> usize {
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
        self.highest_net_bytes = self.entered.net_bytes();
        self.outer = take_current();
        self.depth = self.outer.as_ref().map_or(0, |outer| outer.depth) + 1;
        self.is_inside_another = add_active(self.profile.site);
        let address = self.address();
        self.switch_count = stack_switch::count();
        set_current(Some(self));
        if stack_switch::are_several() {
            stack_switch::note();
        }
        address
    }

    /// Whether a thread has switched stacks while it was in the call.
    fn has_switched(&self) -> bool {
        self.profile.has_switched || self.switch_count != stack_switch::count()
    }

    /// Tells it from all other calls that are under way.
    fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    /// Has what changes in resident memory be that of the call from here on.
    fn begin_readings(&mut self) {
        self.resident_since = match self.rss {
            Rss::Off => return,
            Rss::Exact => Resident::now(self.resident_since),
            Rss::Adaptive if reads_at_entry(self.rss) => Resident::noted(self.resident_since),
            Rss::Adaptive => Resident::last(),
        };
        self.moves.take(0);
    }

    /// Begins the first line. What there is then is the first row: what has been done
    /// before it, as by what another attribute has put into the function, is no line's.
    #[inline(never)]
    fn begin_first_line(&mut self) {
        self.begin_readings();
        let bytes = self.resident_since.process;
        if bytes == 0 {
            // It can't be read, or isn't to be.
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

    /// Takes the call at this address away from the thread. Its line stays open, and the
    /// call around it is current again.
    ///
    /// Calls further in that nobody left, as code that never comes back leaves
    /// them, are ended; not if the thread [switches stacks](switches), where they go on.
    /// Nothing if the call itself was ended.
    pub(crate) fn leave(address: usize) -> Option<Box<Self>> {
        if !is_current(address) && !leave_inner(address) {
            return None;
        }
        let mut call = take_current()?;
        let inner = if call.address() == address {
            None
        } else {
            let mut inner = call;
            let mut link = &mut inner.outer;
            while link.as_ref().is_some_and(|call| call.address() != address) {
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

    /// Puts down what the call has done since it was entered. Its line stays open.
    fn settle_poll(&mut self) {
        self.profile.has_switched = self.has_switched();
        let stretch = self.settle();
        self.earlier = Some(self.execution(stretch));
        if let Some(owned) = &mut self.owned {
            owned.leave();
        }
        if !self.leaves_to_another() {
            // Its lines have had laps of their own in the meantime.
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

    /// Puts down how long the thread was in the call.
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

    /// Whether what this call does is only put down to the one further out.
    #[inline(always)]
    fn leaves_to_another(&self) -> bool {
        self.is_inside_another && self.counts_once
    }

    /// What the heap has done since the last moment, for the caller to put down
    /// to the open line. Time and resident memory are put down to it here.
    // Inlined, like all that a probe does, so that its numbers stay in registers.
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

    /// Puts down to the open line what can't be counted, but read.
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

    /// Reads resident memory at the end of the open line, and puts what has changed down
    /// to the line that it belongs to.
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

    /// What the open line has done in all, if it has done `stretch` in this poll.
    #[inline(always)]
    fn execution(&mut self, stretch: Usage) -> Usage {
        match self.earlier.take() {
            None => stretch,
            Some(earlier) => earlier.then(stretch),
        }
    }

    /// Closes the open line, which has done `execution`.
    #[inline(always)]
    fn close_line(&mut self, execution: Usage) {
        if let Some(line) = self.profile.lines.get_mut(self.open_line as usize) {
            line.heap = line.heap.and(execution);
        }
    }

    /// Goes on with a line that was open before another one was.
    #[inline(always)]
    fn reopen(&mut self, line: u32) {
        if self.earlier.is_none() && self.profile.heap_source.is_at(&self.since) {
            // Most lines do nothing to the heap.
            self.watch();
        } else {
            let stretch = self.settle();
            let execution = self.execution(stretch);
            self.close_line(execution);
        }
        self.open_line = line;
    }

    /// Begins a line.
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
            // As long as there is no reading at its end, the last one before it.
            line.resident_bytes = self.resident_since.process;
        }
    }

    /// Notes that the call won't get beyond the line that is open.
    pub(crate) fn cut_short(&mut self, how: CutShort) {
        let line = self.profile.site.lines().get(self.open_line as usize);
        self.profile.cut_short_count = 1;
        self.profile.last_cut_short = Some((how, line.copied().unwrap_or(0)));
    }

    /// Notes that a panic has ended it, unless it was cut short already.
    pub(crate) fn panic(&mut self) {
        if self.profile.last_cut_short.is_none() {
            self.cut_short(CutShort::Panic);
        }
    }

    /// Ends a call that has been left, and prints its table if that is wanted.
    pub(crate) fn end(mut self: Box<Self>) {
        let execution = self.earlier.take().unwrap_or_default();
        self.close_line(execution);
        // The call is moved in, so that it is freed in there, as it was made.
        // A table is work; adding a call to others is next to none.
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
                table::print(
                    &settings,
                    &profile,
                    of_call.as_deref(),
                    of_function.as_ref(),
                );
            }
            if is_inside_another && !counts_once {
                profile.count_executions_only();
            }
            function_profile::keep(settings, &profile);
        });
    }
}

/// Whether the thread's current call is this.
fn is_current(address: usize) -> bool {
    let mut is = false;
    with_current(|call| is = call.address() == address);
    is
}

/// Ends the calls further in than this one, unless the thread switches stacks; whether
/// the thread is in this one.
#[cold]
fn leave_inner(address: usize) -> bool {
    let (mut is_there, mut has_switched) = (false, false);
    with_current(|current| {
        has_switched = current.has_switched();
        let mut next = Some(current);
        while let Some(call) = next {
            is_there |= call.address() == address;
            next = call.outer.as_deref_mut();
        }
    });
    if has_switched {
        return is_there;
    }
    while is_there && let Some(mut call) = take_current() {
        if call.address() == address {
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

/// Whether resident memory is read when the thread enters a call.
fn reads_at_entry(rss: Rss) -> bool {
    match rss {
        Rss::Off => false,
        Rss::Exact => true,
        Rss::Adaptive => frame::calls() <= rss_sampler::ALWAYS_READ || rss_sampler::is_due(),
    }
}

/// Begins a line of the thread's current call, and settles the one before.
///
/// `executions` is how often the thread has begun it.
#[inline(always)]
pub(crate) fn open(line: u32, executions: u64) {
    with_current(|call| call.open(line, executions));
}

/// Goes on with a line of the thread's current call that was open before another.
pub(crate) fn reopen(line: u32) {
    with_current(|call| call.reopen(line));
}

/// Settles what the open line of the thread's current call has done so far. It stays
/// open, as one that the thread leaves in the middle.
pub(crate) fn cut_line() {
    with_current(|call| {
        let stretch = call.settle();
        call.earlier = Some(call.execution(stretch));
    });
}

/// Has the peak that was watched before the thread's current call, or else the one
/// that is watched now, be as high as this.
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
fn current_address() -> Option<usize> {
    let mut address = None;
    with_current(|call| address = Some(call.address()));
    address
}

/// Ends the calls that the exiting thread is still in.
pub(crate) fn end_all() {
    while let Some(mut call) = current_address().and_then(Call::leave) {
        call.cut_short(CutShort::ProcessExit);
        call.end();
    }
}
