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

use crate::config::{Print, Settings};
use crate::heap::HeapSource;
use crate::owner::OWNERSHIP;
use crate::profile::{self, CutShort, FunctionProfile};
use crate::site::Site;
use crate::tally::Tally;
use crate::usage::Usage;
use crate::{output, own_work, owner, report, rss, threads};
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::sync::Once;
use std::thread;

thread_local! {
    // Without a destructor, for the reasons of `threads`: a function may well be
    // called while its thread is torn down. A call is never left behind here,
    // since whoever enters one leaves it in a `Drop`.
    static CURRENT: Cell<ManuallyDrop<Option<Box<Call>>>> =
        const { Cell::new(ManuallyDrop::new(None)) };
}

/// Whether [`end_of_process`] will be called.
static EXIT: Once = Once::new();

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
pub(crate) fn with_current(act: impl FnOnce(&mut Call)) {
    if let Some(mut call) = take_current() {
        act(&mut call);
        set_current(Some(call));
    }
}

/// Resident memory at a moment, in bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Resident {
    process: u64,
    /// What of that the profiler itself has added on this thread so far.
    own: i64,
}

impl Resident {
    /// Now. If it can't be read for once, nothing has changed since `earlier`.
    fn now(earlier: Self) -> Self {
        Self {
            process: rss::resident_bytes().unwrap_or(earlier.process),
            own: own_work::resident_bytes(),
        }
    }

    /// What the program changed since `earlier`.
    fn increment_since(self, earlier: Self) -> i64 {
        let all = self.process.wrapping_sub(earlier.process).cast_signed();
        all.wrapping_sub(self.own.wrapping_sub(earlier.own))
    }
}

/// A call of a profiled function, from its first line to its last.
#[derive(Debug)]
pub(crate) struct Call {
    settings: Settings,
    reads_resident: bool,
    /// The id of the function's first line.
    first_id: u32,
    /// The call this one was made in. None while a task is not being polled.
    outer: Option<Box<Call>>,
    /// Whether that, or one further out, is a call of the same function, in whose
    /// numbers all that this one does is already. Only asked where calls are
    /// added up.
    is_inside_another: bool,
    /// Whether the thread was unwinding already when it entered the call, as it
    /// does in a `Drop` after a panic: then it can't be told how the call ends.
    entered_in_panic: bool,
    open_line: u32,
    /// What the open line has done in the polls before this one.
    earlier: Option<Usage>,
    /// The heap when the thread entered the call, or took it up again.
    entered: Tally,
    /// The heap when the open line was opened, or taken up again.
    since: Tally,
    /// Resident memory at that moment, if it is read.
    resident_since: Resident,
    /// The highest that the thread's heap has been since `entered`.
    highest_net_bytes: i64,
    profile: FunctionProfile,
}

impl Call {
    /// Begins a call, on its first row. Nothing if profiling is off.
    pub(crate) fn begin(site: &'static Site) -> Option<Box<Self>> {
        let settings = Settings::of(site.options())?;
        let is_shown = settings.print != Print::Never;
        let reads_resident = is_shown && settings.show_resident();
        EXIT.call_once(|| crate::os::at_exit(end_of_process));

        let (mut call, resident_bytes) = own_work::during(reads_resident, || {
            site.register();
            Box::new(Self {
                settings,
                reads_resident,
                first_id: site.first_id(),
                outer: None,
                is_inside_another: false,
                entered_in_panic: false,
                open_line: 0,
                earlier: None,
                entered: Tally::default(),
                since: Tally::default(),
                resident_since: Resident::default(),
                highest_net_bytes: 0,
                profile: if is_shown {
                    FunctionProfile::new(site, HeapSource::current())
                } else {
                    FunctionProfile::without_lines(site)
                },
            })
        });
        call.profile.resident_bytes_at_entry = resident_bytes;
        Some(call)
    }

    /// Makes this the thread's current call: from now on, what the thread does
    /// is done by the open line.
    pub(crate) fn enter(mut self: Box<Self>) {
        let line_count = self.profile.site.lines().len();
        threads::prepare_lines(self.first_id, u32::try_from(line_count).unwrap_or(0));
        if self.reads_resident {
            self.resident_since = Resident::now(self.resident_since);
        }
        if self.is_shown() {
            self.entered = self.profile.heap_source.lap();
            self.since = self.entered;
            self.highest_net_bytes = self.entered.net_bytes();
        }
        self.entered_in_panic = thread::panicking();
        self.outer = take_current();
        // It takes as long as calls are deep.
        if self.settings.print == Print::Exit {
            self.is_inside_another = self.is_inside(self.profile.site);
            if self.is_inside_another {
                self.profile.resident_bytes_at_entry = None;
            }
        }
        self.make_line_current();
        set_current(Some(self));
    }

    /// Takes the thread's current call away from it. Its line stays open.
    ///
    /// The call around it is current again.
    pub(crate) fn leave() -> Option<Box<Self>> {
        let mut call = take_current()?;
        if call.is_shown() {
            call.settle_poll();
        }
        match call.outer.take() {
            Some(outer) => {
                outer.make_line_current();
                set_current(Some(outer));
            }
            None => {
                threads::set_line(owner::UNTRACKED);
            }
        }
        Some(call)
    }

    /// Puts down what the call has done since it was entered. Its line stays open.
    fn settle_poll(&mut self) {
        let stretch = self.settle();
        self.earlier = Some(self.execution(stretch));
        if !self.is_inside_another {
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
    }

    fn is_inside(&self, site: &'static Site) -> bool {
        let mut outer = self.outer.as_deref();
        while let Some(call) = outer {
            if std::ptr::eq(call.profile.site, site) {
                return true;
            }
            outer = call.outer.as_deref();
        }
        false
    }

    /// What the heap has done since the last moment, for the caller to put down
    /// to the open line. Resident memory is put down to it here.
    // Inlined, like all that a probe does, so that its numbers stay in registers.
    #[inline(always)]
    fn settle(&mut self) -> Usage {
        if self.reads_resident {
            self.settle_resident();
        }
        let now = self.profile.heap_source.lap();
        let stretch = now.since(self.since);
        self.highest_net_bytes = self.highest_net_bytes.max(now.highest_net_bytes);
        self.since = now;
        if self.is_inside_another {
            Usage::default()
        } else {
            stretch
        }
    }

    fn settle_resident(&mut self) {
        let now = Resident::now(self.resident_since);
        if !self.is_inside_another
            && let Some(line) = self.profile.lines.get_mut(self.open_line as usize)
        {
            let increment = now.increment_since(self.resident_since);
            line.resident_bytes = now.process;
            line.resident_increment_bytes = line.resident_increment_bytes.wrapping_add(increment);
        }
        self.resident_since = now;
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
    pub(crate) fn reopen(&mut self, line: u32) {
        if self.is_shown() {
            let stretch = self.settle();
            let execution = self.execution(stretch);
            self.close_line(execution);
        }
        self.open_line = line;
        self.make_line_current();
    }

    /// Has blocks that the thread makes from now on be the open line's.
    #[inline(always)]
    fn make_line_current(&self) {
        if OWNERSHIP {
            threads::set_line(owner::nth(self.first_id, self.open_line));
        }
    }

    /// Begins a line.
    #[inline(always)]
    pub(crate) fn open(&mut self, line: u32) {
        self.reopen(line);
        if let Some(line) = self.profile.lines.get_mut(line as usize) {
            line.hits = line.hits.wrapping_add(1);
        }
    }

    /// Notes that the call won't get beyond the line that is open.
    pub(crate) fn cut_short(&mut self, how: CutShort) {
        let line = self.profile.site.lines().get(self.open_line as usize);
        self.profile.cut_short_count = 1;
        self.profile.last_cut_short = Some((how, line.copied().unwrap_or(0)));
    }

    /// Ends a call that has been left, and prints its table if that is wanted.
    pub(crate) fn end(mut self: Box<Self>) {
        if self.is_panicking() && self.profile.last_cut_short.is_none() {
            self.cut_short(CutShort::Panic);
        }
        let execution = self.earlier.take().unwrap_or_default();
        self.close_line(execution);
        // The call is moved in, so that it is freed in there, as it was made.
        own_work::during(self.reads_resident, move || {
            let Self {
                settings,
                mut profile,
                ..
            } = *self;
            profile.call_count = 1;
            match settings.print {
                Print::Call => report::print(&settings, &profile),
                Print::Exit => profile::keep_until_exit(settings, &profile),
                Print::Never => {}
            }
        });
    }

    /// Whether anybody will see the call's lines. If not, a line is only opened to
    /// own what is made in it, which is a fraction of the work.
    #[inline(always)]
    fn is_shown(&self) -> bool {
        self.settings.print != Print::Never
    }

    /// Whether the call is being unwound.
    pub(crate) fn is_panicking(&self) -> bool {
        !self.entered_in_panic && thread::panicking()
    }
}

/// Ends the calls that the exiting thread is still in, and prints what was kept
/// for this moment.
extern "C" fn end_of_process() {
    while let Some(mut call) = Call::leave() {
        call.cut_short(CutShort::ProcessExit);
        call.end();
    }
    own_work::during(false, || match profile::take_kept() {
        Some(functions) => {
            for (settings, profile) in functions {
                report::print(&settings, &profile);
            }
        }
        None => output::say("the tables at exit are lost: another thread holds on to them"),
    });
}
