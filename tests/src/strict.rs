//! An inner allocator that checks how the allocator around it uses it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::slice;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Hands out blocks of the system's allocator, and checks what comes back.
///
/// Each block has margins on both sides that must not be written. New blocks are filled with
/// garbage, unless they were requested zeroed, and so are freed blocks. A [`Fault`] is recorded
/// instead of reported at once, since an allocator must not panic. Nothing here uses the global
/// allocator, so it doesn't show in any counter.
///
/// `&Strict` implements [`GlobalAlloc`].
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

/// A block that is allocated.
#[derive(Clone, Copy, Debug)]
struct Given {
    address: usize,
    layout: Layout,
    /// The size up to which the block can grow in place.
    room: usize,
}

/// A violation of the contract of [`GlobalAlloc`].
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// A description.
    pub what: &'static str,
    /// The size and the alignment that were passed.
    pub size_and_align: (usize, usize),
    /// The layout with which the block was allocated, if it was.
    pub given: Option<Layout>,
}

/// The largest size that is handed out; larger requests fail.
const LARGEST: usize = 64 << 20;

/// The size of the margin on either side of a block, in bytes.
const MARGIN: usize = 64;

const UNTOUCHED: u8 = 0x5c;
const RUBBISH: u8 = 0xa5;
const FREED: u8 = 0xdd;

impl Strict {
    /// An allocator that can have at most `blocks` blocks allocated at once.
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

    /// Makes all later requests fail, or none.
    pub fn set_failing(&self, fails: bool) {
        self.state().fails = fails;
    }

    /// Makes `realloc` resize blocks in place if there is room, or always move them.
    pub fn set_staying(&self, stays: bool) {
        self.state().stays = stays;
    }

    /// The layout that `block` was allocated with, if it is allocated.
    #[must_use]
    pub fn given(&self, block: *mut u8) -> Option<Layout> {
        let state = self.state();
        Some(state.given[state.place(block)?].layout)
    }

    /// The number of allocated blocks.
    #[must_use]
    pub fn given_count(&self) -> usize {
        self.state().given.len()
    }

    /// The address that was last returned, which may be null.
    #[must_use]
    pub fn last_answer(&self) -> usize {
        self.state().last_answer
    }

    /// The first fault, if there was one. Also checks the margins of blocks that are still
    /// allocated.
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

/// The number of bytes in front of a block, which is a multiple of its alignment.
fn front(align: usize) -> usize {
    align.max(MARGIN)
}

/// The layout of a block including its margins.
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

    /// Checks a block that is passed with `layout`, and returns its index.
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

    /// Checks a request, and returns whether it is to succeed.
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
        // SAFETY: the block is allocated with this layout, so both margins are initialised bytes of
        // the same system block.
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
        // SAFETY: `check_request` has ruled out size 0 and sizes above `LARGEST`, so the layouts
        // are valid. All writes are within the system block: `front` bytes, `room` and a margin.
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

    /// Frees `block`, whose index is `place`.
    fn take(&mut self, place: usize, block: *mut u8) {
        let Given { layout, room, .. } = self.given.swap_remove(place);
        // SAFETY: the system block was allocated with this layout, and its owner has just given it
        // back.
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
        // SAFETY: `check_request` has ruled out size 0 and sizes above `LARGEST`, so the layouts
        // are valid. All writes are within the two blocks, which don't overlap, and their margins.
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

// SAFETY: each block lies within a larger block of the system, at an offset that is a multiple of
// the requested alignment. Blocks that come back are looked up before they are freed.
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
