//! The stack of scopes that the calling thread has entered.
//!
//! Each change of the stack ends a *stretch*: what the thread did since the last change. The
//! stretch is added to the scope that was innermost, and to the scopes around it.

use crate::count::thread_counters::Tally;
use crate::count::{scope_counters, this_thread, uncounted};
use crate::model::usage::Usage;
use crate::runtime::call;
use crate::scope::concurrent_usage::Thread;
use crate::scope::handle::Scope;
use std::cell::Cell;
use std::iter;
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::atomic::Ordering;

/// An entry of the stack: a scope, and the entries below it.
#[derive(Debug)]
pub(crate) struct Level {
    scope: Scope,
    /// Identifies the entry among those of the thread.
    number: u64,
    /// Whether the thread entered to run the code that the scope was created for. A budget measures
    /// that code itself, so its usage is kept apart.
    runs_own_code: bool,
    outer: Option<Box<Level>>,
}

thread_local! {
    // Const-initialised and without destructors: access never allocates, and works while the
    // thread is being torn down.
    static CURRENT: Cell<ManuallyDrop<Option<Box<Level>>>> =
        const { Cell::new(ManuallyDrop::new(None)) };
    // The thread's counters at the start of the stretch, if the thread is in a scope.
    static SINCE: Cell<Option<Tally>> = const { Cell::new(None) };
    static NEXT_NUMBER: Cell<u64> = const { Cell::new(0) };
}

impl Level {
    #[allow(clippy::unnecessary_box_returns, reason = "it stays in its box")]
    pub(crate) fn new(scope: Scope, runs_own_code: bool) -> Box<Self> {
        let make = || {
            Box::new(Self {
                scope,
                number: 0,
                runs_own_code,
                outer: None,
            })
        };
        uncounted::during(false, make).0
    }

    /// Enters the scope on the calling thread and returns the number with which to
    /// [leave](leave()) it.
    pub(crate) fn enter(mut self: Box<Self>) -> u64 {
        let number = NEXT_NUMBER.replace(NEXT_NUMBER.get().wrapping_add(1));
        self.number = number;
        change(|levels| {
            self.outer = levels.take();
            *levels = Some(self);
            None
        });
        number
    }

    pub(crate) fn scope_mut(&mut self) -> &mut Scope {
        &mut self.scope
    }

    /// Frees the level uncounted, as it was allocated.
    pub(crate) fn free(self: Box<Self>) {
        uncounted::during(false, || drop(self));
    }
}

/// Takes a level off the calling thread's stack, if it is there.
pub(crate) fn leave(number: u64) -> Option<Box<Level>> {
    change(|levels| remove(levels, number))
}

/// Ends the calling thread's stretch and begins another one, so that its scopes include what it has
/// done so far.
pub(crate) fn settle() {
    change(|_| None);
}

/// The innermost scope that the calling thread is in.
pub(crate) fn current() -> Option<Scope> {
    let levels = take();
    let current = levels.as_ref().map(|level| level.scope.clone());
    CURRENT.set(ManuallyDrop::new(levels));
    current
}

/// Removes a level. Levels further in stay, and the scope is marked as disordered then.
fn remove(levels: &mut Option<Box<Level>>, number: u64) -> Option<Box<Level>> {
    let mut is_innermost = true;
    let mut place = levels;
    while place.as_ref()?.number != number {
        is_innermost = false;
        place = &mut place.as_mut()?.outer;
    }
    let mut level = place.take()?;
    *place = level.outer.take();
    let disordered = level.scope.disordered();
    disordered.fetch_or(!is_innermost, Ordering::Relaxed);
    Some(level)
}

fn take() -> Option<Box<Level>> {
    ManuallyDrop::into_inner(CURRENT.replace(ManuallyDrop::new(None)))
}

/// Changes the thread's stack: ends the stretch, applies `change`, and begins a stretch in the
/// scope that is innermost then. Returns the level that `change` removed.
fn change(
    change: impl FnOnce(&mut Option<Box<Level>>) -> Option<Box<Level>>,
) -> Option<Box<Level>> {
    scope_counters::end_time(this_thread::tag());
    let stretch = end_stretch();
    let mut levels = take();
    if let Some(stretch) = stretch.filter(|stretch| *stretch != Usage::ZERO) {
        uncounted::during(false, || add(levels.as_deref(), stretch));
    }
    let before = levels.as_ref().map(|level| level.number);
    let left = change(&mut levels);
    let is_before = |level: &&Level| Some(level.number) == before;
    let before = left
        .as_deref()
        .filter(is_before)
        .or_else(|| outwards(levels.as_deref()).find(is_before));
    go(
        before.map(|level| &level.scope),
        levels.as_deref().map(|level| &level.scope),
    );
    let id = levels
        .as_ref()
        .map_or(0, |level| level.scope.id_for_blocks());
    this_thread::set_scope(id);
    if levels.is_some() {
        begin_stretch();
        scope_counters::begin_time(this_thread::tag());
    }
    CURRENT.set(ManuallyDrop::new(levels));
    left
}

/// The level and those around it, the innermost first.
fn outwards(innermost: Option<&Level>) -> impl Iterator<Item = &Level> {
    iter::successors(innermost, |level| level.outer.as_deref())
}

/// Adds a stretch to the innermost scope and those around it.
fn add(innermost: Option<&Level>, stretch: Usage) {
    let thread = thread();
    for scope in chain(innermost.map(|level| &level.scope)) {
        let is_own = outwards(innermost).any(|level| level.runs_own_code && level.scope.is(scope));
        scope.stretches().add(thread, stretch, is_own);
    }
}

/// Takes the thread out of the scopes around `from` and into those around `to`. A scope that is
/// around both, and all scopes around that one, stay as they are.
fn go(from: Option<&Scope>, to: Option<&Scope>) {
    let thread = thread();
    let is_in = |scope: &Scope, innermost| chain(innermost).any(|other| other.is(scope));
    for scope in chain(from).take_while(|scope| !is_in(scope, to)) {
        scope.stretches().end(thread);
    }
    for scope in chain(to).take_while(|scope| !is_in(scope, from)) {
        scope.stretches().begin(thread);
    }
}

/// The scope and those around it, the innermost first.
fn chain(innermost: Option<&Scope>) -> impl Iterator<Item = &Scope> {
    iter::successors(innermost, |scope| scope.outer())
}

/// The calling thread, by the address of its `CURRENT`, which is unique among running threads.
fn thread() -> Thread {
    CURRENT.with(|current| ptr::from_ref(current).addr())
}

fn begin_stretch() {
    call::cut_line();
    SINCE.set(Some(this_thread::begin_stretch()));
}

/// Ends the stretch and returns what the thread did in it, if it was in a scope.
fn end_stretch() -> Option<Usage> {
    let since = SINCE.take()?;
    call::cut_line();
    let stretch = this_thread::end_stretch().since(since);
    // The peak measurement that was interrupted goes on as if the stretch hadn't been.
    call::resume_peak(since.highest_net_bytes);
    Some(stretch)
}
