//! The profiled calls that the calling thread is in: a shadow of its call stack.
//!
//! # Entries
//!
//! Each profiled function, closure and poll that a thread enters pushes an [`Entry`], and pops it
//! when it is left. A probe stores the place of its line in the entry, and does nothing else. Which
//! call path the entry belongs to isn't known until somebody asks: the allocator does at its next
//! event ([`this_thread`](crate::count::this_thread)), and most calls allocate nothing.
//!
//! # Memory
//!
//! A thread's entries are in pages of their own, which are never freed, so a reference to an entry
//! is always valid: nothing points into the stack of the program, and nothing is borrowed there.
//! A page takes memory only once an entry in it was written. When a thread ends, its pages are left
//! to the next thread. Calls deeper than [`MOST_CALLS`] aren't pushed: what they allocate is
//! counted for the line of the deepest call that was.
//!
//! # What the compiler may do with a probe
//!
//! A probe's store is an ordinary one, so that the compiler can leave out all but the last of
//! several in a row, or take it out of a loop that calls nothing. It has to be made before the
//! allocator runs. LLVM assumes that an allocation doesn't read the program's memory, but `std`
//! calls an opaque function before each allocation, which keeps stores from being moved past it.
//! The test `optimised_lines` has this checked in an optimised program.
//!
//! # Signal handlers
//!
//! A handler may interrupt a push and enter profiled functions itself. The top is moved first and
//! the entry written second, so that the handler's entries are above the new one.
#![allow(unsafe_code)] // Pointers into the stack's memory.

use crate::count::line_counters::PathCounters;
use crate::count::tag::{self, BEYOND_PLACE};
use crate::model::site::{Kind, Site};
use crate::sys::leak::{Zeroes, allocate_zeroes, leak_zeroes};
use crate::sys::sync::locals;
use std::cell::Cell;
use std::mem::offset_of;
use std::ptr;
use std::sync::atomic::{Ordering, compiler_fence};

/// How many calls of a thread are told apart.
pub(crate) const MOST_CALLS: usize = if cfg!(memprof_loom) { 6 } else { (1 << 18) - 2 };

/// In place of a path: it hasn't been asked for yet.
const UNRESOLVED: u32 = tag::first_id(tag::MOST_PATHS - 1);

/// In place of a path: there is none, for lack of memory.
const NONE: u32 = tag::first_id(tag::MOST_PATHS - 2);

/// A call that a thread is in.
// All bytes 0 are the entry of code outside of profiled functions, which is at the bottom.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Entry {
    /// The place of the current line among the lines of its function.
    place: Cell<u32>,
    /// The id of the first line of the call's path, or [`UNRESOLVED`], or [`NONE`].
    first_line: Cell<u32>,
    site: Cell<Option<&'static Site>>,
    state: Cell<State>,
    /// The thread's counters for the path, where they were needed.
    counters: Cell<Option<&'static PathCounters>>,
}

/// The state of a call, as bit fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct State(u32);

/// What is done at the lines: a [`Kind`].
const KIND: u32 = 0b11;
/// The thread was already unwinding when it entered the function, from a `Drop` during a panic:
/// then `thread::panicking` doesn't tell whether this call panics.
const ENTERED_IN_PANIC: u32 = 1 << 2;
/// The call began on another stack than the thread's own.
const IS_ELSEWHERE: u32 = 1 << 3;
/// A closure or an `async` block.
const IS_BLOCK: u32 = 1 << 4;
/// Bits 5 to 31 of the stack address at which the call began.
const ADDRESS: u32 = !0b1_1111;

impl State {
    /// A call at whose lines nothing is done but to note them.
    const PLAIN: Self = Self(Kind::Owning as u32);

    /// A call at whose lines nothing is done but to note and count them.
    const COUNTING: Self = Self(Kind::Counting as u32);

    #[allow(
        clippy::cast_possible_truncation,
        reason = "calls under way are hardly ever 4 GiB apart to the byte"
    )]
    pub(crate) fn new(kind: Kind, here: usize) -> Self {
        Self(kind as u32 | here as u32 & ADDRESS)
    }

    pub(crate) fn in_panic(self, is: bool) -> Self {
        if is {
            Self(self.0 | ENTERED_IN_PANIC)
        } else {
            self
        }
    }

    pub(crate) fn elsewhere(self, is: bool) -> Self {
        if is {
            Self(self.0 | IS_ELSEWHERE)
        } else {
            self
        }
    }

    pub(crate) fn block(self, is: bool) -> Self {
        if is { Self(self.0 | IS_BLOCK) } else { self }
    }

    #[inline(always)]
    pub(crate) fn kind(self) -> Kind {
        Kind::from_number(self.0 & KIND)
    }

    pub(crate) fn entered_in_panic(self) -> bool {
        self.0 & ENTERED_IN_PANIC != 0
    }

    pub(crate) fn is_elsewhere(self) -> bool {
        self.0 & IS_ELSEWHERE != 0
    }

    pub(crate) fn is_block(self) -> bool {
        self.0 & IS_BLOCK != 0
    }

    /// Whether both calls began within 16 KiB, and so on the same stack: stacks are farther apart.
    pub(crate) fn is_near(self, other: Self) -> bool {
        const NEAR_BYTES: u32 = 16 << 10;
        let [own, other] = [self, other].map(|state| state.0 & ADDRESS);
        own.wrapping_sub(other).min(other.wrapping_sub(own)) < NEAR_BYTES
    }
}

impl Entry {
    const fn fixed(place: u32) -> Self {
        Self {
            place: Cell::new(place),
            first_line: Cell::new(0),
            site: Cell::new(None),
            state: Cell::new(State(Kind::Off as u32)),
            counters: Cell::new(None),
        }
    }

    /// The id of the current line, if the path is known; otherwise an id that no line has.
    #[inline(always)]
    fn id(&self) -> u32 {
        self.first_line.get().wrapping_add(self.place.get())
    }

    /// The id of the current line, whose path must have been [resolved](Self::set_path).
    pub(crate) fn line(&self) -> u32 {
        if self.first_line.get() == NONE || self.place.get() == BEYOND_PLACE {
            tag::UNTRACKED
        } else {
            self.id()
        }
    }

    /// The function that was called. `None` at the bottom.
    pub(crate) fn site(&self) -> Option<&'static Site> {
        self.site.get()
    }

    pub(crate) fn place(&self) -> u32 {
        self.place.get()
    }

    #[inline(always)]
    pub(crate) fn set_place(&self, place: u32) {
        let place = if place < BEYOND_PLACE {
            place
        } else {
            BEYOND_PLACE
        };
        self.place.set(place);
    }

    #[inline(always)]
    pub(crate) fn state(&self) -> State {
        self.state.get()
    }

    /// Whether nothing is done at the call's lines but to note them.
    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        self.state.get() == State::PLAIN
    }

    pub(crate) fn is_unresolved(&self) -> bool {
        self.first_line.get() == UNRESOLVED
    }

    /// The id of the first line of the call's path.
    pub(crate) fn first_line(&self) -> u32 {
        match self.first_line.get() {
            NONE | UNRESOLVED => tag::UNTRACKED,
            first_line => first_line,
        }
    }

    /// Sets the path of the call; 0 if it has none.
    pub(crate) fn set_path(&self, path: u32) {
        let first_line = if path == 0 { NONE } else { tag::first_id(path) };
        self.first_line.set(first_line);
    }

    pub(crate) fn counters(&self) -> Option<&'static PathCounters> {
        self.counters.get()
    }

    pub(crate) fn set_counters(&self, counters: &'static PathCounters) {
        self.counters.set(Some(counters));
    }

    /// The entry below, which is that of the calling function. The bottom has none, and is its own.
    pub(crate) fn below(&'static self) -> &'static Self {
        entry_at(ptr::from_ref(self).addr().wrapping_sub(size_of::<Self>())).unwrap_or(self)
    }

    /// The entry above. The last one has none, and is its own.
    pub(crate) fn above(&'static self) -> &'static Self {
        entry_at(ptr::from_ref(self).addr() + size_of::<Self>()).unwrap_or(self)
    }

    /// The nearest entry below that is on the thread's own stack.
    pub(crate) fn below_on_own_stack(&'static self) -> &'static Self {
        let mut entry = self.below();
        while entry.state().is_elsewhere() {
            entry = entry.below();
        }
        entry
    }
}

/// An entry that is never written to.
struct Fixed(Entry);

// SAFETY: threads only read it. No frame has a handle of a fixed entry, and probes that look for the
// top do nothing at an entry of kind `Off`.
unsafe impl Sync for Fixed {}

/// The top of a thread that has no stack yet.
static OUTSIDE: Fixed = Fixed(Entry::fixed(tag::UNTRACKED));

/// The top during the profiler's own work.
static OWN_WORK: Fixed = Fixed(Entry::fixed(tag::PROFILER));

/// The memory of a thread's entries. The first is the bottom. The second is written to, and never
/// the top, where profiling is off.
#[derive(Debug)]
pub(crate) struct Memory([Entry; MOST_CALLS + 1]);

// SAFETY: one thread at a time uses the entries, that of the record which the memory belongs to.
unsafe impl Sync for Memory {}

// SAFETY: `Entry` consists of cells of integers and of optional references, for which zeroes are
// valid values.
unsafe impl Zeroes for Memory {}

impl Memory {
    pub(crate) fn new() -> Option<&'static Self> {
        if cfg!(all(unix, not(memprof_loom))) {
            leak_zeroes()
        } else {
            allocate_zeroes()
        }
    }
}

/// What a thread knows of its entries.
#[repr(C)]
struct Stack {
    /// An entry of the thread's memory, or a fixed one.
    top: Cell<&'static Entry>,
    /// The first of the thread's entries, or null.
    first: Cell<*const Entry>,
    /// The size in bytes of the entries that may be pushed without a closer look: 0 if there are
    /// none, as in a scope, where calls are counted, and during the profiler's own work.
    plain_size: Cell<usize>,
    /// The lowest address of the thread's own stack, and its size in bytes. The size is 0 if each
    /// call has to be looked at since some are on other stacks.
    own_lowest: Cell<usize>,
    own_size: Cell<usize>,
    memory: Cell<Option<&'static Memory>>,
    /// The program's top during the profiler's own work.
    programs_top: Cell<&'static Entry>,
}

impl Stack {
    const fn new() -> Self {
        Self {
            top: Cell::new(&OUTSIDE.0),
            first: Cell::new(ptr::null()),
            plain_size: Cell::new(0),
            own_lowest: Cell::new(0),
            own_size: Cell::new(0),
            memory: Cell::new(None),
            programs_top: Cell::new(&OUTSIDE.0),
        }
    }
}

locals! {
    // One thread-local, since each costs a calculation of its address. Without a destructor, since
    // functions may be called while the thread's locals are destroyed.
    static STACK: Stack = Stack::new();
}

/// The innermost call that the thread is in.
#[inline(always)]
pub(crate) fn top() -> &'static Entry {
    STACK.with(|stack| stack.top.get())
}

/// The id of the current line, or an id that no line has if a closer look is needed.
#[inline(always)]
pub(crate) fn top_id() -> u32 {
    top().id()
}

pub(crate) fn is_top(entry: &'static Entry) -> bool {
    ptr::eq(top(), entry)
}

#[inline(always)]
pub(crate) fn set_top(entry: &'static Entry) {
    STACK.with(|stack| stack.top.set(entry));
}

/// Notes where the thread's own stack is, or a size of 0 if calls are on other stacks, too.
pub(crate) fn set_own_stack(lowest: usize, size: usize) {
    STACK.with(|stack| {
        stack.own_lowest.set(lowest);
        stack.own_size.set(size);
    });
}

/// The address of what the calling thread knows of its entries, for [`Copied`].
pub(crate) fn address() -> usize {
    STACK.with(|stack| ptr::from_ref(stack).addr())
}

/// Gives the thread the memory for its entries. Not during the profiler's own work.
pub(crate) fn begin(memory: &'static Memory, is_closely_watched: bool) {
    if let Some(bottom) = memory.0.first() {
        STACK.with(|stack| {
            stack.memory.set(Some(memory));
            stack.first.set(memory.0.as_ptr());
        });
        set_top(bottom);
        watch_closely(is_closely_watched);
    }
}

pub(crate) fn has_begun() -> bool {
    memory().is_some()
}

fn memory() -> Option<&'static Memory> {
    STACK.with(|stack| stack.memory.get())
}

/// Ends the thread's use of its memory; whether the next thread can have it, since this one is in
/// no call.
pub(crate) fn end() -> bool {
    let bottom = memory().and_then(|memory| memory.0.first());
    let is_outside = bottom.is_none_or(is_top);
    STACK.with(|stack| {
        stack.memory.set(None);
        stack.first.set(ptr::null());
        stack.plain_size.set(0);
        stack.top.set(&OUTSIDE.0);
    });
    is_outside
}

/// Sets whether each call has to be looked at when it begins and ends, as in a scope.
pub(crate) fn watch_closely(is_closely_watched: bool) {
    let is_plain = memory().is_some() && !is_closely_watched && !is_own_work();
    let size = if is_plain { size_of::<Memory>() } else { 0 };
    STACK.with(|stack| stack.plain_size.set(size));
}

/// Whether the entry is in the memory of the calling thread.
pub(crate) fn is_of_this_thread(entry: &'static Entry) -> bool {
    memory().is_some_and(|memory| memory.0.as_ptr_range().contains(&ptr::from_ref(entry)))
}

/// What [`begin_own_work`] has replaced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    top: &'static Entry,
    plain_size: usize,
}

/// Makes the profiler's line the current one.
pub(crate) fn begin_own_work() -> Before {
    STACK.with(|stack| {
        let before = Before {
            top: stack.top.get(),
            plain_size: stack.plain_size.get(),
        };
        if !ptr::eq(before.top, &raw const OWN_WORK.0) {
            stack.programs_top.set(before.top);
        }
        stack.top.set(&OWN_WORK.0);
        stack.plain_size.set(0);
        before
    })
}

pub(crate) fn end_own_work(before: Before) {
    STACK.with(|stack| {
        stack.top.set(before.top);
        stack.plain_size.set(before.plain_size);
    });
}

/// Whether the thread is doing the profiler's own work.
#[inline]
pub(crate) fn is_own_work() -> bool {
    ptr::eq(top(), &raw const OWN_WORK.0)
}

/// The innermost call that the thread is in, also during the profiler's own work.
pub(crate) fn programs_top() -> &'static Entry {
    if is_own_work() {
        STACK.with(|stack| stack.programs_top.get())
    } else {
        top()
    }
}

/// Pushes a call at whose lines nothing is done but to note them. `None` if a closer look is
/// needed, as on another stack than the thread's own: `here` is an address in the current one.
#[inline(always)]
pub(crate) fn push_plain(site: &'static Site, place: u32, here: usize) -> Option<Handle> {
    push_in(State::PLAIN, site, place, here).map(|entry| Handle(ptr::from_ref(entry)))
}

/// [`push_plain`], for a call whose lines are counted, too.
#[inline(always)]
pub(crate) fn push_counting(
    site: &'static Site,
    place: u32,
    here: usize,
) -> Option<&'static Entry> {
    push_in(State::COUNTING, site, place, here)
}

/// Whether the call is the innermost one, and its lines are noted and counted without a closer look
/// at the thread.
#[inline(always)]
pub(crate) fn is_counting_top(entry: &'static Entry) -> bool {
    STACK.with(|stack| {
        ptr::eq(stack.top.get(), entry)
            && entry.state.get() == State::COUNTING
            && stack.plain_size.get() != 0
            && stack.own_size.get() != 0
    })
}

/// Pushes a call whose state is the same wherever it begins.
#[inline(always)]
fn push_in(state: State, site: &'static Site, place: u32, here: usize) -> Option<&'static Entry> {
    STACK.with(|stack| {
        let first = stack.first.get();
        let next = ptr::from_ref(stack.top.get()).addr() + size_of::<Entry>();
        let is_on_own_stack = here.wrapping_sub(stack.own_lowest.get()) < stack.own_size.get();
        if !is_on_own_stack || next.wrapping_sub(first.addr()) >= stack.plain_size.get() {
            return None;
        }
        let next = first.with_addr(next);
        // SAFETY: the size isn't 0, so it is that of the memory which `first` points to. The top is
        // an entry of that memory: a fixed entry, or one of another thread's memory, isn't followed
        // by an address in it. So `next` is an entry of the memory, too.
        let entry = unsafe { &*next };
        stack.top.set(entry);
        compiler_fence(Ordering::SeqCst);
        if state != State::PLAIN {
            entry.counters.set(None);
        }
        entry.fill(site, place, state);
        Some(entry)
    })
}

/// Pushes a call whose probes have to do more. `None` if there is no room.
pub(crate) fn push(site: &'static Site, place: u32, state: State) -> Option<&'static Entry> {
    let entry = entry_at(ptr::from_ref(top()).addr() + size_of::<Entry>())?;
    set_top(entry);
    compiler_fence(Ordering::SeqCst);
    entry.fill(site, place, state);
    entry.counters.set(None);
    Some(entry)
}

/// The entry of the thread's memory at an address, if that is in it.
fn entry_at(address: usize) -> Option<&'static Entry> {
    let memory = memory()?;
    let offset = address.checked_sub(memory.0.as_ptr().addr())?;
    memory.0.get(offset / size_of::<Entry>())
}

impl Entry {
    #[inline(always)]
    fn fill(&self, site: &'static Site, place: u32, state: State) {
        self.set_place(place);
        self.site.set(Some(site));
        self.state.set(state);
        // Last, since a signal handler that comes before may look up the path of what is here.
        compiler_fence(Ordering::SeqCst);
        self.first_line.set(UNRESOLVED);
    }
}

/// What a probe knows of its call: the entry, and in the pointer's lowest bit whether the probe has
/// to do more than to note its line.
#[derive(Clone, Copy, Debug)]
#[must_use]
#[repr(transparent)]
pub(crate) struct Handle(*const Entry);

const NEEDS_MORE: usize = 1;

impl Handle {
    /// The handle of a call that isn't profiled.
    pub(crate) const NOTHING: Self = Self(ptr::without_provenance(NEEDS_MORE));

    /// The handle of a call whose probes have to do more.
    pub(crate) fn of(entry: &'static Entry) -> Self {
        // The pointer may be used for the entry below, too.
        let first = STACK.with(|stack| stack.first.get());
        let address = ptr::from_ref(entry).addr();
        Self(first.with_addr(address | NEEDS_MORE))
    }

    /// The handle of a call where profiling is off. Its entry is never the top.
    pub(crate) fn off() -> Self {
        let entry = memory().and_then(|memory| memory.0.get(1));
        let is_at_bottom = entry.is_some_and(|entry| is_top(entry.below()));
        let entry = entry.filter(|_| is_at_bottom);
        entry.map_or(Self::NOTHING, |entry| {
            Self(Self::of(entry).0.map_addr(|address| address & !NEEDS_MORE))
        })
    }

    #[inline(always)]
    pub(crate) fn needs_more(self) -> bool {
        self.0.addr() & NEEDS_MORE != 0
    }

    /// Makes the line at `place` the current one. Only if the probe doesn't [need
    /// more](Self::needs_more).
    #[inline(always)]
    pub(crate) fn set_place(self, place: u32) {
        // SAFETY: a handle without the mark was made from a reference to an entry, whose memory is
        // never freed. It can't be sent to another thread.
        unsafe { (*self.0).set_place(place) };
    }

    /// Pops the call. Only if its end doesn't [need more](Self::needs_more).
    #[inline(always)]
    pub(crate) fn pop(self) {
        // SAFETY: as above. A pushed entry is never the first one of its memory, and neither is
        // that of `off`; the pointer was derived from one to all of the memory.
        set_top(unsafe { &*self.0.sub(1) });
    }

    /// The entry of the call. `None` if it isn't profiled.
    pub(crate) fn entry(self) -> Option<&'static Entry> {
        let entry = self.0.map_addr(|address| address & !NEEDS_MORE);
        // SAFETY: without the mark, it is null or was made from a reference.
        unsafe { entry.as_ref() }
    }
}

/// A part of a thread's call stack, as bytes that another thread has copied.
#[derive(Clone, Debug)]
pub(crate) struct Copied<const SIZE: usize>(pub(crate) [u8; SIZE]);

/// What a thread knows of its entries.
pub(crate) type CopiedStack = Copied<{ size_of::<Stack>() }>;

/// An entry.
pub(crate) type CopiedEntry = Copied<{ size_of::<Entry>() }>;

impl<const SIZE: usize> Copied<SIZE> {
    pub(crate) const EMPTY: Self = Self([0; SIZE]);

    fn bytes<const COUNT: usize>(&self, offset: usize) -> [u8; COUNT] {
        let bytes = self.0.get(offset..).and_then(<[u8]>::first_chunk);
        bytes.copied().unwrap_or([0; COUNT])
    }

    fn address(&self, offset: usize) -> usize {
        usize::from_ne_bytes(self.bytes(offset))
    }
}

impl CopiedStack {
    /// The number of calls that the thread is in. `None` if the bytes don't tell.
    pub(crate) fn depth(&self, memory: &'static Memory) -> Option<usize> {
        let top = memory.place_of(self.address(offset_of!(Stack, top)));
        top.or_else(|| memory.place_of(self.address(offset_of!(Stack, programs_top))))
    }
}

impl CopiedEntry {
    /// The address of the function that was called.
    pub(crate) fn site(&self) -> usize {
        self.address(offset_of!(Entry, site))
    }

    pub(crate) fn place(&self) -> u32 {
        u32::from_ne_bytes(self.bytes(offset_of!(Entry, place)))
    }

    pub(crate) fn is_elsewhere(&self) -> bool {
        State(u32::from_ne_bytes(self.bytes(offset_of!(Entry, state)))).is_elsewhere()
    }
}

impl Memory {
    /// The address of the entry of the `depth`th call, the first of which is the outermost.
    pub(crate) fn address_of(&self, depth: usize) -> usize {
        self.0.as_ptr().addr() + depth * size_of::<Entry>()
    }

    /// The place of the entry at an address, if there is one: 0 at the bottom.
    fn place_of(&self, address: usize) -> Option<usize> {
        let offset = address.checked_sub(self.0.as_ptr().addr())?;
        let place = offset / size_of::<Entry>();
        (offset % size_of::<Entry>() == 0 && place < self.0.len()).then_some(place)
    }
}
