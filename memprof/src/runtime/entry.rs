//! The calling thread inside a function: its way in and out, of a call, of a closure
//! and of an `async` block.
//!
//! A function that the thread enters is its [frame](crate::runtime::frame), and if its lines are
//! to be settled also a [call](crate::runtime::call). A closure or an `async` block of a
//! function has the function's lines, wherever and whenever it runs.

use crate::model::options::Print;
use crate::model::site::{Kind, Site};
use crate::record::function_profile::CutShort;
use crate::runtime::call::{self, Call};
use crate::runtime::exit;
use crate::runtime::frame::{self, Outer};
use crate::runtime::settings::settings_of;
#[cfg(feature = "timeline")]
use crate::timeline::{marks, stop};

/// The calling thread, inside a profiled function.
#[derive(Debug)]
#[must_use]
pub(crate) struct Entered {
    site: &'static Site,
    back: Back,
}

/// What the thread goes back to.
#[derive(Debug)]
enum Back {
    /// From a call: to what was around it.
    Outer {
        outer: Outer,
        /// The address of the settling call, or 0 if it isn't one.
        call: usize,
    },
    /// From a closure or an `async` block that runs on its own, away from the function
    /// it stands in: to what it runs in.
    Elsewhere(Outer),
    /// From one that the function itself runs: to the line that was open.
    Line(u32),
}

/// How far a call of an `async fn` has come, or an `async` block, while no thread is in
/// it.
// Two words, which is all that a profiled future is larger than a plain one.
#[derive(Debug)]
pub(crate) enum Stage {
    NotBegun(&'static Site),
    /// With the line that the block is on.
    BlockNotBegun(&'static Site, u32),
    /// Left in the middle, with the line that was open, as the next two.
    Settling(Box<Call>, u32),
    Owning(&'static Site, u32),
    Block(&'static Site, u32),
    /// At its end, or not profiled.
    Ended,
}

/// Begins a call. Nothing if profiling is off.
#[inline]
pub(crate) fn enter(site: &'static Site) -> Option<Entered> {
    // First, since finding out more may have brought the thread here.
    if frame::is_own_work() {
        return Some(unprofiled(site));
    }
    let back = match kind_of(site) {
        Kind::Off => return None,
        Kind::Owning => Back::Outer {
            outer: frame::enter(site, Kind::Owning),
            call: 0,
        },
        Kind::Settling => enter_settling(site)?,
    };
    Some(Entered { site, back })
}

#[inline]
pub(crate) fn kind_of(site: &'static Site) -> Kind {
    site.kind().unwrap_or_else(|| kind_of_new(site))
}

/// As [`kind_of`], of a function that runs for the first time.
#[cold]
fn kind_of_new(site: &'static Site) -> Kind {
    let is_watched = is_watched();
    let kind = match settings_of(site.options()) {
        None => Kind::Off,
        Some(settings) if settings.print == Print::Never && !is_watched => Kind::Owning,
        Some(_) => Kind::Settling,
    };
    site.set_kind(kind);
    if kind != Kind::Off {
        exit::prepare();
    }
    kind
}

/// Whether calls are marked in a file of memory over time, or their lines are to stay
/// under a limit, so that they have to be settled, whatever is printed.
fn is_watched() -> bool {
    #[cfg(feature = "timeline")]
    {
        let [is_marked, is_limited] = [marks::prepare(), stop::prepare()];
        is_marked || is_limited
    }
    #[cfg(not(feature = "timeline"))]
    false
}

/// Enters what the profiler itself calls.
#[cold]
fn unprofiled(site: &'static Site) -> Entered {
    Entered {
        site,
        back: Back::Elsewhere(frame::enter_unprofiled()),
    }
}

#[inline(never)]
fn enter_settling(site: &'static Site) -> Option<Back> {
    let settings = settings_of(site.options())?;
    let outer = frame::enter(site, Kind::Settling);
    Some(Back::Outer {
        outer,
        call: Call::begin(site, settings).enter(),
    })
}

/// Begins a closure or an `async` block of a function, on the line at `place`, or goes
/// on with it there. Nothing if profiling is off.
///
/// Where the function itself runs it, the lines in it are lines of that call. Where
/// it runs on another thread, in a task or after the function has returned, they
/// are lines of the function all the same, but no call's.
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

/// Goes on with a line that was open before another one was.
pub(crate) fn resume_line(place: u32) {
    if frame::resume_line(place) {
        call::reopen(place);
    }
}

impl Entered {
    /// Ends the call, and prints its table if that is wanted.
    #[inline]
    pub(crate) fn end(self) {
        match self.back {
            Back::Outer { outer, call: 0 } | Back::Elsewhere(outer) => {
                outer.restore(self.site);
            }
            Back::Outer { outer, call } => end_settling(self.site, outer, call),
            // What panicked stays the open line.
            Back::Line(line) if !frame::is_panicking() => resume_line(line),
            Back::Line(_) => {}
        }
    }

    /// Leaves the call, to be gone on with on any thread.
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
    /// Begins, or goes on. Nothing if profiling is off, or it has ended.
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

    /// Goes on with what was left in the middle, for its end: it won't get beyond the
    /// line that is open. Nothing if it wasn't.
    pub(crate) fn enter_to_end(mut self, how: CutShort) -> Option<Entered> {
        match &mut self {
            Self::NotBegun(_) | Self::BlockNotBegun(..) | Self::Ended => return None,
            Self::Settling(call, _) => call.cut_short(how),
            Self::Owning(..) | Self::Block(..) => {}
        }
        self.enter()
    }
}
