//! One call of a profiled function under way: which line is open, and what has
//! happened since it was.
//!
//! The call that a thread is in stands in a thread-local, and the calls around
//! it behind it. Generated code opens the next line by its number alone
//! ([`at`]), so nothing of a call is borrowed by the function it measures: no
//! lifetime is drawn out, and a future stays `Send`.
//!
//! Opening a line settles the one before: counters are read, the difference is
//! the old line's. Every moment of a call thus belongs to one line, and the lines
//! of a call add up to the whole of it. Nothing here locks, allocates or panics
//! between a call's begin and its end.

use crate::config::{Print, Settings};
use crate::heap::HeapSource;
use crate::profile::{self, CutShort, FunctionProfile};
use crate::site::Site;
use crate::tally::Tally;
use crate::usage::Usage;
use crate::{own_work, report, rss};
use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop};
use std::sync::Once;
use std::thread;

thread_local! {
    // Without a destructor, for the reasons of `tally`: a function may well be
    // called while its thread is torn down. A call is never left behind here,
    // since whoever enters one leaves it in a `Drop`.
    static CURRENT: Cell<ManuallyDrop<Option<Box<Call>>>> =
        const { Cell::new(ManuallyDrop::new(None)) };
}

/// Whether [`end_of_process`] will be called.
static EXIT: Once = Once::new();

/// Puts `call` in the place of the thread's current one, which it returns.
#[inline]
fn replace_current(call: Option<Box<Call>>) -> Option<Box<Call>> {
    ManuallyDrop::into_inner(CURRENT.replace(ManuallyDrop::new(call)))
}

/// A moment at which a line was opened or a task taken up.
#[derive(Debug, Default)]
struct Moment {
    heap: Tally,
    /// 0 where it isn't read.
    resident_bytes: u64,
    /// What of that the profiler itself has added on this thread so far.
    own_resident_bytes: i64,
}

impl Moment {
    /// What the program changed in resident memory since `earlier`.
    fn resident_increment_bytes(&self, earlier: &Self) -> i64 {
        let all = self
            .resident_bytes
            .wrapping_sub(earlier.resident_bytes)
            .cast_signed();
        let own = self
            .own_resident_bytes
            .wrapping_sub(earlier.own_resident_bytes);
        all.wrapping_sub(own)
    }
}

/// A call of a profiled function, from its first line to its last.
#[derive(Debug)]
pub(crate) struct Call {
    settings: Settings,
    reads_resident: bool,
    /// The call this one was made in. None while a task is not being polled.
    outer: Option<Box<Call>>,
    /// Whether that, or one further out, is a call of the same function.
    is_inside_another: bool,
    /// Whether the thread was unwinding already when the call began, as it does
    /// in a `Drop` after a panic: then it can't be told how the call ends.
    began_in_panic: bool,
    open_line: u32,
    /// What the open line's present execution has done so far, in the polls
    /// before this one.
    execution: Usage,
    since: Moment,
    /// The highest the thread's heap has been since it entered the call, or
    /// what the outer call knows of it.
    highest_net_bytes: i64,
    profile: FunctionProfile,
}

impl Call {
    /// Begins a call, on its first row. Nothing if profiling is off.
    pub(crate) fn begin(site: &'static Site) -> Option<Box<Self>> {
        let settings = Settings::of(site.options())?;
        let reads_resident = settings.show_resident() && settings.print != Print::Never;
        EXIT.call_once(|| crate::os::at_exit(end_of_process));

        let (mut call, resident_bytes) = own_work::during(reads_resident, || {
            Box::new(Self {
                settings,
                reads_resident,
                outer: None,
                is_inside_another: false,
                began_in_panic: thread::panicking(),
                open_line: 0,
                execution: Usage::default(),
                since: Moment::default(),
                highest_net_bytes: 0,
                profile: FunctionProfile::new(site, HeapSource::current()),
            })
        });
        call.profile.resident_bytes_at_entry = resident_bytes;
        Some(call)
    }

    /// Makes this the thread's current call: from now on, what the thread does
    /// is done by the open line.
    pub(crate) fn enter(mut self: Box<Self>) {
        self.since = self.now();
        self.highest_net_bytes = self.since.heap.highest_net_bytes;
        self.outer = replace_current(None);
        self.is_inside_another = self.is_inside(self.profile.site);
        replace_current(Some(self));
    }

    /// Takes the thread's current call away from it, with the open line settled.
    ///
    /// The call around it is current again.
    pub(crate) fn leave() -> Option<Box<Self>> {
        let mut call = replace_current(None)?;
        call.settle();
        call.profile.heap_source.resume_peak(call.highest_net_bytes);
        replace_current(call.outer.take());
        Some(call)
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

    fn now(&self) -> Moment {
        let resident_bytes = if self.reads_resident {
            rss::resident_bytes()
        } else {
            None
        };
        Moment {
            heap: self.profile.heap_source.lap(),
            resident_bytes: resident_bytes.unwrap_or(0),
            own_resident_bytes: own_work::resident_bytes(),
        }
    }

    /// Gives what has happened since the last moment to the open line.
    fn settle(&mut self) {
        let now = self.now();
        let stretch = now.heap.since(self.since.heap);
        self.highest_net_bytes = self.highest_net_bytes.max(now.heap.highest_net_bytes);
        self.execution = self.execution.then(stretch);
        self.profile.heap = self.profile.heap.then(stretch);
        if self.reads_resident
            && let Some(line) = self.profile.lines.get_mut(self.open_line as usize)
        {
            let increment = now.resident_increment_bytes(&self.since);
            line.resident_bytes = now.resident_bytes;
            line.resident_increment_bytes = line.resident_increment_bytes.wrapping_add(increment);
        }
        self.since = now;
    }

    /// Closes the open line.
    fn close_line(&mut self) {
        let execution = mem::take(&mut self.execution);
        if let Some(line) = self.profile.lines.get_mut(self.open_line as usize) {
            line.heap = line.heap.and(execution);
        }
    }

    /// Goes on with a line that was open before another one was.
    fn reopen(&mut self, line: u32) {
        self.settle();
        self.close_line();
        self.open_line = line;
    }

    /// Begins a line.
    fn open(&mut self, line: u32) {
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
        self.close_line();
        // The call is moved in, so that it is freed in there, as it was made.
        own_work::during(self.reads_resident, move || {
            let Self {
                settings,
                is_inside_another,
                mut profile,
                ..
            } = *self;
            profile.call_count = 1;
            match settings.print {
                Print::Call => report::print(&settings, &profile),
                Print::Exit => profile::keep_until_exit(settings, &profile, is_inside_another),
                Print::Never => {}
            }
        });
    }

    /// Whether the call is being unwound.
    fn is_panicking(&self) -> bool {
        !self.began_in_panic && thread::panicking()
    }
}

/// Opens a line of the thread's current call, and settles the one before.
pub fn at(line: u32) {
    if let Some(mut call) = replace_current(None) {
        call.open(line);
        replace_current(Some(call));
    }
}

/// Opens a line when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct AtExit {
    line: u32,
    begins: bool,
}

/// Begins `line` when the answer is dropped: that of a closing brace, on which
/// the locals declared before it die, or of a loop's header, which runs once
/// more.
///
/// Not if it is dropped by a panic: then everything up to the end of the call is
/// the panicking line's.
pub fn at_exit(line: u32) -> AtExit {
    AtExit { line, begins: true }
}

/// As [`at_exit`], but goes on with `line`: that of a statement of which a block
/// was only a part.
pub fn back_at_exit(line: u32) -> AtExit {
    AtExit {
        line,
        begins: false,
    }
}

impl Drop for AtExit {
    fn drop(&mut self) {
        if let Some(mut call) = replace_current(None) {
            if call.is_panicking() {
                // Left with the line that panicked.
            } else if self.begins {
                call.open(self.line);
            } else {
                call.reopen(self.line);
            }
            replace_current(Some(call));
        }
    }
}

/// A call of a function that isn't `async`, for as long as it lives.
#[derive(Debug)]
#[must_use]
pub struct Frame {
    is_profiled: bool,
    // Dropping it on another thread would end another call.
    _not_send: PhantomData<*const ()>,
}

/// Begins a call of a function, which ends when the answer is dropped.
pub fn enter(site: &'static Site) -> Frame {
    let call = Call::begin(site);
    let is_profiled = call.is_some();
    if let Some(call) = call {
        call.enter();
    }
    Frame {
        is_profiled,
        _not_send: PhantomData,
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        if self.is_profiled
            && let Some(call) = Call::leave()
        {
            call.end();
        }
    }
}

/// Ends the calls that the exiting thread is still in, and prints what was kept
/// for this moment.
extern "C" fn end_of_process() {
    while let Some(mut call) = Call::leave() {
        call.cut_short(CutShort::ProcessExit);
        call.end();
    }
    own_work::during(false, profile::print_kept);
}
