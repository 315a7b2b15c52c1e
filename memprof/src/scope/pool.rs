//! A thread's spare scope: one that nobody has used yet, for the next piece of code that
//! is to have one of its own. Making one takes longer than a short piece of code may.

use crate::count::uncounted;
use crate::scope::handle::Scope;
use crate::scope::stack::{self, Level};
use std::cell::Cell;

thread_local! {
    static SPARE: Spare = const { Spare(Cell::new(None)) };

    // Whether the thread knows that it has a destructor for that.
    static HAS_DESTRUCTOR: Cell<bool> = const { Cell::new(false) };
}

struct Spare(Cell<Option<Box<Level>>>);

impl Drop for Spare {
    fn drop(&mut self) {
        if let Some(level) = self.0.take() {
            level.free();
        }
    }
}

/// A level for code that the thread is to run now, in a scope of its own inside the current
/// one.
#[allow(clippy::unnecessary_box_returns, reason = "it stays in its box")]
pub(crate) fn take() -> Box<Level> {
    let spare = HAS_DESTRUCTOR.get().then(|| {
        let spare = SPARE.try_with(|spare| spare.0.take());
        spare.ok().flatten()
    });
    let Some(mut level) = spare.flatten() else {
        return Level::new(scope(), true);
    };
    if let Some(outer) = stack::current() {
        level.scope_mut().put_inside(outer);
    }
    level
}

/// Leaves the level to the next one who wants one, unless it has been used.
pub(crate) fn leave(mut level: Box<Level>) {
    if !level.scope_mut().be_as_new() {
        return level.free();
    }
    if !HAS_DESTRUCTOR.replace(true) {
        // That may need memory.
        uncounted::during(false, || SPARE.try_with(|_| ())).0.ok();
    }
    let mut level = Some(level);
    // There is one already if this one was made while that one was in use.
    let before = SPARE.try_with(|spare| spare.0.replace(level.take()));
    for level in [level, before.ok().flatten()].into_iter().flatten() {
        level.free();
    }
}

/// A new scope for a piece of code.
pub(crate) fn scope() -> Scope {
    uncounted::during(false, || Scope::new("memory budget")).0
}
