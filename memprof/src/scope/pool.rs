//! A pool of one unused scope per thread, for budgets.
//!
//! A budget needs a scope of its own, and creating one takes longer than a short piece of code may.
//! Code that allocates nothing leaves its scope untouched, so the next budget reuses it.

use crate::count::uncounted;
use crate::scope::handle::Scope;
use crate::scope::stack::{self, Level};
use std::cell::Cell;

thread_local! {
    static SPARE: Spare = const { Spare(Cell::new(None)) };

    // Whether the destructor of SPARE is registered on this thread.
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

/// Takes or creates a level for code that the thread runs next, with its own scope inside the
/// current one.
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

/// Returns a level to the pool. If its scope has been used, the level is freed instead.
pub(crate) fn leave(mut level: Box<Level>) {
    if !level.scope_mut().be_as_new() {
        return level.free();
    }
    if !HAS_DESTRUCTOR.replace(true) {
        // Registering the destructor may allocate.
        uncounted::during(false, || SPARE.try_with(|_| ())).0.ok();
    }
    let mut level = Some(level);
    // The pool may be full: budgets can be nested, and each level comes back.
    let before = SPARE.try_with(|spare| spare.0.replace(level.take()));
    for level in [level, before.ok().flatten()].into_iter().flatten() {
        level.free();
    }
}

/// Creates a scope for code under a budget.
pub(crate) fn scope() -> Scope {
    uncounted::during(false, || Scope::new("memory budget")).0
}
