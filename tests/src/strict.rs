//! An allocator to put inside another one, which it watches.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::slice;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Gives the system's blocks, and takes back only what it gave.
///
/// Blocks lie between bytes that nobody may write. New ones are full of rubbish,
/// unless they were asked for zeroed, and freed ones are filled with it. What is
/// wrong is noted, not said at once, since an allocator must not panic. Nothing
/// here uses the global allocator, so that nothing of it is in anybody's counters.
///
/// A reference to it is an allocator.
#[derive(Debug)]
pub struct Strict {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    given: Vec<Given>,
    fails: bool,
    stays: bool,
    last_answer: usize,
    fault: Option<Fault>,
}

/// A block that somebody has.
#[derive(Clone, Copy, Debug)]
struct Given {
    address: usize,
    layout: Layout,
    /// The size up to which it can grow where it is.
    room: usize,
}

/// What somebody did who may not.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// In words.
    pub what: &'static str,
    /// The size and the alignment that came with it.
    pub size_and_align: (usize, usize),
    /// The layout with which the block was given, if it was.
    pub given: Option<Layout>,
}

/// Larger blocks aren't given.
const LARGEST: usize = 64 << 20;

/// Bytes that are watched on either side of a block.
const MARGIN: usize = 64;

const UNTOUCHED: u8 = 0x5c;
const RUBBISH: u8 = 0xa5;
const FREED: u8 = 0xdd;

impl Strict {
    /// One that can have `blocks` blocks out at once.
    #[must_use]
    pub fn with_room_for(blocks: usize) -> Self {
        Self {
            state: Mutex::new(State {
                given: Vec::with_capacity(blocks),
                fails: false,
                stays: false,
                last_answer: 0,
                fault: None,
            }),
        }
    }

    /// Has everything fail that is asked for from now on, or again nothing.
    pub fn set_failing(&self, fails: bool) {
        self.state().fails = fails;
    }

    /// Has blocks change their size where they are, if there is room, or again
    /// always move.
    pub fn set_staying(&self, stays: bool) {
        self.state().stays = stays;
    }

    /// The layout that `block` was given with, if somebody has it.
    #[must_use]
    pub fn given(&self, block: *mut u8) -> Option<Layout> {
        let state = self.state();
        Some(state.given[state.place(block)?].layout)
    }

    /// How many blocks are out.
    #[must_use]
    pub fn given_count(&self) -> usize {
        self.state().given.len()
    }

    /// What was answered last, null too.
    #[must_use]
    pub fn last_answer(&self) -> usize {
        self.state().last_answer
    }

    /// The first thing that was wrong, if anything was; of the margins of blocks
    /// that are still out, too.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        let mut state = self.state();
        for place in 0..state.given.len() {
            let given = state.given[place];
            state.check_margins(given.address as *mut u8, given.layout);
        }
        state.fault
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes in front of a block, a multiple of its alignment.
fn front(align: usize) -> usize {
    align.max(MARGIN)
}

/// The layout of a block with all that is around it.
fn whole(room: usize, align: usize) -> Layout {
    Layout::from_size_align(front(align) + room + MARGIN, align).expect("a moderate size")
}

impl State {
    fn note(&mut self, what: &'static str, size: usize, align: usize, given: Option<Layout>) {
        self.fault.get_or_insert(Fault {
            what,
            size_and_align: (size, align),
            given,
        });
    }

    fn place(&self, block: *mut u8) -> Option<usize> {
        let address = block.addr();
        self.given.iter().position(|given| given.address == address)
    }

    /// The place of a block that comes back with a layout.
    fn check_block(&mut self, block: *mut u8, layout: Layout) -> Option<usize> {
        let [size, align] = [layout.size(), layout.align()];
        let Some(place) = self.place(block) else {
            self.note("a block that nobody has", size, align, None);
            return None;
        };
        let given = self.given[place].layout;
        if given != layout {
            self.note("a layout of another block", size, align, Some(given));
            return None;
        }
        self.check_margins(block, layout);
        Some(place)
    }

    /// Whether a block can be asked for.
    fn check_request(&mut self, size: usize, align: usize) -> bool {
        if size == 0 {
            self.note("a block of no bytes", size, align, None);
        }
        if Layout::from_size_align(size, align).is_err() {
            self.note("more than there can be", size, align, None);
        }
        size > 0 && size <= LARGEST && !self.fails
    }

    fn check_margins(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is out, and has margins.
        let margins = unsafe {
            [block.sub(MARGIN), block.add(layout.size())]
                .map(|margin| slice::from_raw_parts(margin, MARGIN))
        };
        if margins != [[UNTOUCHED; MARGIN]; 2] {
            let [size, align] = [layout.size(), layout.align()];
            self.note("bytes beside a block written", size, align, Some(layout));
        }
    }

    fn give(&mut self, size: usize, align: usize, zeroed: bool) -> *mut u8 {
        if !self.check_request(size, align) {
            return ptr::null_mut();
        }
        assert!(self.given.len() < self.given.capacity(), "room for a block");
        let room = size + MARGIN;
        // SAFETY: the layout is of more than no bytes, and all that is written is
        // inside it.
        unsafe {
            let all = whole(room, align);
            let base = if zeroed {
                System.alloc_zeroed(all)
            } else {
                System.alloc(all)
            };
            assert!(!base.is_null(), "memory for tests");
            let block = base.add(front(align));
            if !zeroed {
                block.write_bytes(RUBBISH, size);
            }
            block.sub(MARGIN).write_bytes(UNTOUCHED, MARGIN);
            block.add(size).write_bytes(UNTOUCHED, MARGIN);
            self.given.push(Given {
                address: block.addr(),
                layout: Layout::from_size_align_unchecked(size, align),
                room,
            });
            block
        }
    }

    /// Frees the block at a place, which is `block`.
    fn take(&mut self, place: usize, block: *mut u8) {
        let Given { layout, room, .. } = self.given.swap_remove(place);
        // SAFETY: the block was made with this room, and nobody has it any more.
        unsafe {
            block.write_bytes(FREED, layout.size());
            let base = block.sub(front(layout.align()));
            System.dealloc(base, whole(room, layout.align()));
        }
    }

    fn resize(&mut self, place: usize, block: *mut u8, size: usize) -> *mut u8 {
        let Given { layout, room, .. } = self.given[place];
        if !self.check_request(size, layout.align()) {
            return ptr::null_mut();
        }
        // SAFETY: the layout has been checked, and all that is written is inside
        // the two blocks and their margins.
        unsafe {
            if self.stays && size <= room {
                self.given[place].layout = Layout::from_size_align_unchecked(size, layout.align());
                if size > layout.size() {
                    let more = size - layout.size();
                    block.add(layout.size()).write_bytes(RUBBISH, more);
                }
                block.add(size).write_bytes(UNTOUCHED, MARGIN);
                return block;
            }
            let moved = self.give(size, layout.align(), false);
            moved.copy_from_nonoverlapping(block, size.min(layout.size()));
            self.take(place, block);
            moved
        }
    }
}

// SAFETY: blocks are the system's, each in the middle of one that is larger, with
// the alignment asked for; what comes back is checked.
unsafe impl GlobalAlloc for &Strict {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut state = self.state();
        let block = state.give(layout.size(), layout.align(), false);
        state.last_answer = block.addr();
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let mut state = self.state();
        let block = state.give(layout.size(), layout.align(), true);
        state.last_answer = block.addr();
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let mut state = self.state();
        if let Some(place) = state.check_block(block, layout) {
            state.take(place, block);
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let mut state = self.state();
        let answer = match state.check_block(block, layout) {
            Some(place) => state.resize(place, block, new_size),
            None => ptr::null_mut(),
        };
        state.last_answer = answer.addr();
        answer
    }
}
