//! Random sequences of allocations of any size and alignment, with an inner allocator that may fail
//! at any time. The program gets the same results as without counting, the inner allocator gets
//! only valid requests, and the counters are correct.

use memprof::{CountingAlloc, Usage, measure};
use memprof_tests::Strict;
use proptest::prelude::*;
use std::alloc::{GlobalAlloc, Layout};
use std::slice;
use std::sync::LazyLock;

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc::system();

const MOST_STEPS: usize = 150;
const LARGEST: usize = 3 << 20;

/// A pattern in which positions less than 251 bytes apart always differ.
static PATTERN: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..251).cycle().take(LARGEST + 251).collect());
static ZEROS: LazyLock<Vec<u8>> = LazyLock::new(|| vec![0; LARGEST]);

#[derive(Clone, Copy, Debug)]
enum Size {
    Of(usize),
    /// This many bytes less than the largest size for the alignment.
    BelowMost(usize),
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Make {
        size: Size,
        align: usize,
        zeroed: bool,
    },
    Resize {
        size: Size,
        stays: bool,
    },
    Free,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    action: Action,
    /// The index of a block, among the live blocks.
    place: usize,
    /// Whether the inner allocator fails.
    fails: bool,
}

impl Size {
    fn bytes(self, align: usize) -> usize {
        match self {
            Self::Of(bytes) => bytes,
            Self::BelowMost(below) => isize::MAX as usize - (align - 1) - below,
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![
        8 => (1..80_usize).prop_map(Size::Of),
        4 => (1..5000_usize).prop_map(Size::Of),
        1 => (1..=LARGEST).prop_map(Size::Of),
        1 => (0..80_usize).prop_map(Size::BelowMost),
    ];
    let align = prop_oneof![4 => 0..5_u32, 1 => 0..=16_u32];
    let make = (size.clone(), align, any::<bool>());
    let make = make.prop_map(|(size, align, zeroed)| Action::Make {
        size,
        align: 1 << align,
        zeroed,
    });
    let resize = (size, any::<bool>()).prop_map(|(size, stays)| Action::Resize { size, stays });
    let action = prop_oneof![4 => make, 4 => resize, 3 => Just(Action::Free)];
    let step = (action, any::<usize>(), prop::bool::weighted(0.15));
    let step = step.prop_map(|(action, place, fails)| Step {
        action,
        place,
        fails,
    });
    prop::collection::vec(step, 1..MOST_STEPS)
}

/// A block of the program, filled with a part of the pattern.
#[derive(Debug)]
struct Block {
    pointer: *mut u8,
    layout: Layout,
    /// The start of its part of the pattern.
    start: usize,
}

impl Block {
    fn new(pointer: *mut u8, layout: Layout, start: usize) -> Self {
        let block = Self {
            pointer,
            layout,
            start,
        };
        // SAFETY: the block has this size, and doesn't overlap with the pattern.
        unsafe { pointer.copy_from_nonoverlapping(block.expected().as_ptr(), layout.size()) };
        block
    }

    fn expected(&self) -> &'static [u8] {
        &PATTERN[self.start..][..self.layout.size()]
    }

    fn contents(&self) -> &[u8] {
        // SAFETY: the block is allocated, and completely initialised.
        unsafe { slice::from_raw_parts(self.pointer, self.layout.size()) }
    }
}

/// A program, its counting allocator, and the inner allocator.
struct Program<'a> {
    alloc: CountingAlloc<&'a Strict>,
    inner: &'a Strict,
    alive: Vec<Block>,
    /// How many bytes behind a block of this size the counting allocator may use.
    behind: fn(usize) -> usize,
}

/// A way to build the counting allocator, and how many bytes behind a block it may use.
type Way = (fn(&Strict) -> CountingAlloc<&Strict>, fn(usize) -> usize);

const WAYS: [Way; 3] = [
    (|inner| CountingAlloc::new(inner).with_tags_behind(), |_| 8),
    (
        |inner| CountingAlloc::new(inner),
        |size| {
            // The tag is behind blocks whose size class has room for it, and behind blocks with
            // their own pages.
            let fits = size < 64 && size_class(size + 8) == size_class(size);
            if size < 8 || fits || size >= 16 << 10 {
                8
            } else {
                0
            }
        },
    ),
    (|inner| CountingAlloc::counting(inner), |_| 0),
];

/// The size class of mimalloc and jemalloc for a size below 80 bytes.
fn size_class(size: usize) -> usize {
    if size <= 8 {
        8
    } else {
        size.next_multiple_of(16)
    }
}

impl Program<'_> {
    /// The expected usage of a successful step.
    fn usage(allocated: usize, freed: usize, counts: [u64; 3]) -> Usage {
        let mut usage = Usage::default();
        usage.allocated_bytes = allocated as u64;
        usage.freed_bytes = freed as u64;
        usage.peak_bytes = allocated as u64;
        [
            usage.allocation_count,
            usage.deallocation_count,
            usage.reallocation_count,
        ] = counts;
        usage
    }

    /// Whether the inner allocator can provide this size.
    fn can_be_had(size: usize) -> bool {
        size <= LARGEST
    }

    fn make(&mut self, layout: Layout, zeroed: bool, fails: bool, start: usize) {
        // SAFETY: the layout's size isn't 0.
        let (pointer, usage) = measure(|| unsafe {
            if zeroed {
                self.alloc.alloc_zeroed(layout)
            } else {
                self.alloc.alloc(layout)
            }
        });
        let size = layout.size();
        if fails || !Self::can_be_had(size) {
            assert!(pointer.is_null());
            assert_eq!(usage, Usage::default());
            return;
        }
        assert_eq!(usage, Self::usage(size, 0, [1, 0, 0]));
        self.check_answer(pointer, layout);
        if zeroed {
            // SAFETY: the block has this size, and is initialised with zeros.
            let contents = unsafe { slice::from_raw_parts(pointer, size) };
            assert!(*contents == ZEROS[..size]);
        }
        self.alive.push(Block::new(pointer, layout, start));
    }

    fn resize(&mut self, place: usize, size: usize, fails: bool, start: usize) {
        let block = &self.alive[place];
        let (old_pointer, old) = (block.pointer, block.layout);
        let behind_old = self.behind(block);
        // SAFETY: the block is allocated with this layout, and the new size is valid for it.
        let (pointer, usage) = measure(|| unsafe { self.alloc.realloc(old_pointer, old, size) });
        if fails || !Self::can_be_had(size) {
            assert!(pointer.is_null());
            assert_eq!(usage, Usage::default());
            assert_eq!(self.behind(&self.alive[place]), behind_old);
            return;
        }
        let grown = size.saturating_sub(old.size());
        let shrunk = old.size().saturating_sub(size);
        assert_eq!(usage, Self::usage(grown, shrunk, [0, 0, 1]));
        let layout = Layout::from_size_align(size, old.align()).unwrap();
        self.check_answer(pointer, layout);
        let kept = size.min(old.size());
        // SAFETY: this part of the block was initialised before the block was resized.
        let contents = unsafe { slice::from_raw_parts(pointer, kept) };
        assert!(*contents == block.expected()[..kept]);
        self.alive[place] = Block::new(pointer, layout, start);
    }

    fn free(&mut self, place: usize) {
        let block = self.alive.swap_remove(place);
        // SAFETY: the block is allocated with this layout, and isn't used afterwards.
        let ((), usage) = measure(|| unsafe { self.alloc.dealloc(block.pointer, block.layout) });
        assert_eq!(usage, Self::usage(0, block.layout.size(), [0, 1, 0]));
    }

    /// Checks that a block is the one that the inner allocator returned, and not larger than
    /// necessary.
    fn check_answer(&self, pointer: *mut u8, layout: Layout) {
        assert!(!pointer.is_null());
        assert_eq!(pointer.addr(), self.inner.last_answer());
        assert_eq!(pointer.addr() % layout.align(), 0);
        let given = self.inner.given(pointer).unwrap();
        assert_eq!(given.align(), layout.align());
        assert_eq!(given.size(), layout.size() + (self.behind)(layout.size()));
    }

    /// The bytes behind a block.
    fn behind(&self, block: &Block) -> Vec<u8> {
        // SAFETY: the inner allocator's block has this many more bytes.
        unsafe {
            let end = block.pointer.add(block.layout.size());
            slice::from_raw_parts(end, (self.behind)(block.layout.size())).to_vec()
        }
    }

    fn run(&mut self, step: Step, start: usize) {
        self.inner.set_failing(step.fails);
        let place = step.place.checked_rem(self.alive.len());
        match (step.action, place) {
            (
                Action::Make {
                    size,
                    align,
                    zeroed,
                },
                _,
            ) => {
                let layout = Layout::from_size_align(size.bytes(align), align).unwrap();
                self.make(layout, zeroed, step.fails, start);
            }
            (Action::Resize { size, stays }, Some(place)) => {
                self.inner.set_staying(stays);
                let size = size.bytes(self.alive[place].layout.align());
                self.resize(place, size, step.fails, start);
            }
            (Action::Free, Some(place)) => self.free(place),
            (_, None) => {}
        }
        self.check();
    }

    /// Checks that every block has the contents that the program wrote.
    fn check(&self) {
        for block in &self.alive {
            // `assert_eq!` would print megabytes.
            assert!(block.contents() == block.expected(), "{block:?}");
        }
        assert_eq!(self.inner.given_count(), self.alive.len());
        if let Some(fault) = self.inner.fault() {
            panic!("{fault:?}");
        }
    }
}

proptest! {
    #[test]
    fn a_program_and_an_allocator_do_not_notice_that_they_are_counted(steps in steps()) {
        for (alloc, behind) in WAYS {
            let inner = Strict::with_room_for(MOST_STEPS + 1);
            let mut program = Program {
                alloc: alloc(&inner),
                inner: &inner,
                alive: Vec::with_capacity(MOST_STEPS),
                behind,
            };
            for (number, step) in steps.iter().enumerate() {
                program.run(*step, number * 7 % 251);
            }
            inner.set_failing(false);
            while !program.alive.is_empty() {
                program.free(0);
                program.check();
            }
        }
    }
}

/// `GlobalAlloc` doesn't allow a size of 0. Such requests are forwarded to the inner allocator.
/// Since the system's allocator supports them, a program that relies on that still works.
#[test]
#[cfg(unix)]
fn a_block_of_no_bytes_is_one_wherever_the_allocator_inside_has_such() {
    for align in [1, 8, 64, 4096] {
        let layout = |size| Layout::from_size_align(size, align).unwrap();
        // SAFETY: the system's allocator on Unix supports blocks of size 0, and each of these is
        // freed once.
        let ((), usage) = measure(|| unsafe {
            let block = ALLOC.alloc(layout(0));
            let zeroed = ALLOC.alloc_zeroed(layout(0));
            assert!(!block.is_null() && !zeroed.is_null() && block != zeroed);
            ALLOC.dealloc(zeroed, layout(0));
            let block = ALLOC.realloc(block, layout(0), 100);
            block.write_bytes(7, 100);
            let block = ALLOC.realloc(block, layout(100), 0);
            assert!(!block.is_null());
            assert_eq!(block.addr() % align, 0);
            ALLOC.dealloc(block, layout(0));
        });

        assert_eq!(usage, Program::usage(100, 100, [2, 2, 2]));
    }
}
