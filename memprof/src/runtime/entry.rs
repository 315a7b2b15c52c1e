//! How the calling thread enters and leaves a function, a closure or an `async` block.
//!
//! A function that a thread enters becomes its current [frame](crate::runtime::frame) and, if the
//! function's lines are settled, also its current [call](crate::runtime::call). Closures and
//! `async` blocks use the lines of the function that they are written in, wherever and whenever
//! they run.

use crate::model::options::Print;
use crate::model::site::{Kind, Site};
use crate::record::function_profile::CutShort;
use crate::runtime::call::{self, Call};
use crate::runtime::exit;
use crate::runtime::frame::{self, Outer};
use crate::runtime::settings::table_settings;
#[cfg(feature = "timeline")]
use crate::timeline::{marks, stop};

/// The calling thread inside a profiled function, closure or `async` block.
#[derive(Debug)]
#[must_use]
pub(crate) struct Entered {
    site: &'static Site,
    back: Back,
}

/// What the thread goes back to when it leaves.
#[derive(Debug)]
enum Back {
    /// From a call: to the code that called it.
    Outer {
        outer: Outer,
        /// The address of the settling call, or 0 if the call doesn't settle its lines.
        call: usize,
    },
    /// From a closure or an `async` block that runs outside of its function: to the code that runs
    /// it.
    Elsewhere(Outer),
    /// From a closure or an `async` block that its function itself runs: to the line that was open.
    Line(u32),
}

/// The state of an `async fn` call or an `async` block between polls.
///
/// [`task`](crate::runtime::task) shows the transitions.
// Two words: a profiled future is no more than that larger than a plain one.
#[derive(Debug)]
pub(crate) enum Stage {
    /// A call that was never polled.
    NotBegun(&'static Site),
    /// A block that was never polled, with the place of the line that it begins on.
    BlockNotBegun(&'static Site, u32),
    /// A suspended call that settles its lines, with the place of the open line.
    Settling(Box<Call>, u32),
    /// A suspended call that doesn't, with the place of the open line.
    Owning(&'static Site, u32),
    /// A suspended block, with the place of the open line.
    Block(&'static Site, u32),
    /// A call or block that has ended or isn't profiled. Also the state during a poll.
    Ended,
}

/// Begins a call. Returns `None` if profiling is off.
#[inline]
pub(crate) fn enter(site: &'static Site) -> Option<Entered> {
    // Checked first: the thread may have come here from `kind_of`, through profiled code that the
    // profiler itself calls.
    if frame::is_own_work() {
        return Some(unprofiled(site));
    }
    let back = match kind_of(site) {
        Kind::Off => return None,
        Kind::Owning | Kind::Counting => Back::Outer {
            outer: frame::enter(site, Kind::Owning),
            call: 0,
        },
        Kind::Settling => enter_settling(site)?,
    };
    Some(Entered { site, back })
}

/// What is done at the lines of a function in this process.
#[inline]
pub(crate) fn kind_of(site: &'static Site) -> Kind {
    site.kind().unwrap_or_else(|| kind_of_new(site))
}

/// [`kind_of`] a function that runs for the first time.
#[cold]
fn kind_of_new(site: &'static Site) -> Kind {
    let is_watched = is_watched();
    let kind = match table_settings(site.options()) {
        None => Kind::Off,
        Some(settings) if settings.print != Print::Never || is_watched => Kind::Settling,
        Some(settings) if settings.hits => Kind::Counting,
        Some(_) => Kind::Owning,
    };
    site.set_kind(kind);
    if kind != Kind::Off {
        exit::prepare();
    }
    kind
}

/// Whether calls are marked in a timeline file (`MEMPROF_TIMESTAMPS`), or resident memory has a
/// limit (`MEMPROF_STOP_AT`). Then lines have to be settled, even if no table is printed.
fn is_watched() -> bool {
    #[cfg(feature = "timeline")]
    {
        let [is_marked, is_limited] = [marks::prepare(), stop::prepare()];
        is_marked || is_limited
    }
    #[cfg(not(feature = "timeline"))]
    false
}

/// Enters a function that the profiler's own work has reached, without profiling it.
#[cold]
fn unprofiled(site: &'static Site) -> Entered {
    Entered {
        site,
        back: Back::Elsewhere(frame::enter_unprofiled()),
    }
}

#[inline(never)]
fn enter_settling(site: &'static Site) -> Option<Back> {
    let settings = table_settings(site.options())?;
    let outer = frame::enter(site, Kind::Settling);
    Some(Back::Outer {
        outer,
        call: Call::begin(site, settings).enter(),
    })
}

/// Begins or resumes a closure or an `async` block of a function, on the line at `place`. Returns
/// `None` if profiling is off.
///
/// If the function itself runs it, its lines belong to that call. If it runs on another thread, in
/// a task or after the function has returned, they are counted for the function, but for no call.
#[inline]
pub(crate) fn enter_block(site: &'static Site, place: u32) -> Option<Entered> {
    if frame::is_own_work() {
        return Some(unprofiled(site));
    }
    if kind_of(site) == Kind::Off {
        return None;
    }
    let back = match frame::open_line_in(site) {
        Some(line) => {
            resume_line(place);
            Back::Line(line)
        }
        None => Back::Elsewhere(frame::go_on(site, Kind::Owning, place)),
    };
    Some(Entered { site, back })
}

/// Makes the line at `place` the open one again, without counting an execution.
pub(crate) fn resume_line(place: u32) {
    if frame::resume_line(place) {
        call::reopen(place);
    }
}

impl Entered {
    /// Ends the call, and prints its table if one is wanted.
    #[inline]
    pub(crate) fn end(self) {
        match self.back {
            Back::Outer { outer, call: 0 } | Back::Elsewhere(outer) => {
                outer.restore(self.site);
            }
            Back::Outer { outer, call } => end_settling(self.site, outer, call),
            // The line that panicked stays open.
            Back::Line(line) if !frame::is_panicking() => resume_line(line),
            Back::Line(_) => {}
        }
    }

    /// Leaves the call so that any thread can resume it.
    pub(crate) fn suspend(self) -> Stage {
        match self.back {
            Back::Outer { outer, call } => {
                let call = (call > 0).then(|| Call::leave(call)).flatten();
                let place = outer.restore(self.site);
                match call {
                    Some(call) => Stage::Settling(call, place),
                    None => Stage::Owning(self.site, place),
                }
            }
            Back::Elsewhere(outer) => Stage::Block(self.site, outer.restore(self.site)),
            Back::Line(line) => {
                let place = frame::open_line_in(self.site).unwrap_or(line);
                resume_line(line);
                Stage::Block(self.site, place)
            }
        }
    }
}

#[inline(never)]
fn end_settling(site: &'static Site, outer: Outer, call: usize) {
    let is_panicking = frame::is_panicking();
    let call = Call::leave(call);
    outer.restore(site);
    if let Some(mut call) = call {
        if is_panicking {
            call.panic();
        }
        call.end();
    }
}

impl Stage {
    /// Begins or resumes the call or block. Returns `None` if profiling is off or it has ended.
    pub(crate) fn enter(self) -> Option<Entered> {
        let (site, outer, call) = match self {
            Self::NotBegun(site) => return enter(site),
            Self::BlockNotBegun(site, place) | Self::Block(site, place) => {
                return enter_block(site, place);
            }
            Self::Ended => return None,
            Self::Settling(call, place) => {
                let site = call.site();
                (
                    site,
                    frame::go_on(site, Kind::Settling, place),
                    call.enter(),
                )
            }
            Self::Owning(site, place) => (site, frame::go_on(site, Kind::Owning, place), 0),
        };
        let back = Back::Outer { outer, call };
        Some(Entered { site, back })
    }

    /// Resumes a suspended call or block in order to end it in the line that is open. Returns
    /// `None` if it isn't suspended.
    pub(crate) fn enter_to_end(mut self, how: CutShort) -> Option<Entered> {
        match &mut self {
            Self::NotBegun(_) | Self::BlockNotBegun(..) | Self::Ended => return None,
            Self::Settling(call, _) => call.cut_short(how),
            Self::Owning(..) | Self::Block(..) => {}
        }
        self.enter()
    }
}
