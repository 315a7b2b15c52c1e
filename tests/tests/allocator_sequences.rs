//! Blocks in any order, of any size and alignment, from an allocator that may
//! fail at any time: the program gets what it would get without the counting,
//! the allocator inside is asked for nothing it couldn't give, and the counters
//! know what happened.

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

/// No two places of it less than 251 apart look the same.
static PATTERN: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..251).cycle().take(LARGEST + 251).collect());
static ZEROS: LazyLock<Vec<u8>> = LazyLock::new(|| vec![0; LARGEST]);

#[derive(Clone, Copy, Debug)]
enum Size {
    Of(usize),
    /// So many bytes less than the most that there can be, of the alignment.
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
    /// Which block, among those alive.
    place: usize,
    /// Whether the allocator inside fails.
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

/// A block of the program, full of its part of the pattern.
#[derive(Debug)]
struct Block {
    pointer: *mut u8,
    layout: Layout,
    /// Where its part of the pattern begins.
    start: usize,
}

impl Block {
    fn new(pointer: *mut u8, layout: Layout, start: usize) -> Self {
        let block = Self {
            pointer,
            layout,
            start,
        };
        // SAFETY: the block is of this size.
        unsafe { pointer.copy_from_nonoverlapping(block.expected().as_ptr(), layout.size()) };
        block
    }

    fn expected(&self) -> &'static [u8] {
        &PATTERN[self.start..][..self.layout.size()]
    }

    fn contents(&self) -> &[u8] {
        // SAFETY: the block is alive, and has been written from end to end.
        unsafe { slice::from_raw_parts(self.pointer, self.layout.size()) }
    }
}

/// The program, the allocator that it uses, and the one inside.
struct Program<'a> {
    alloc: CountingAlloc<&'a Strict>,
    inner: &'a Strict,
    alive: Vec<Block>,
    /// Bytes that a block of a size may have behind its end for the counting.
    behind: fn(usize) -> usize,
}

/// A way to build the allocator, and how many bytes it may have behind a block.
type Way = (fn(&Strict) -> CountingAlloc<&Strict>, fn(usize) -> usize);

const WAYS: [Way; 3] = [
    (|inner| CountingAlloc::new(inner).with_tags_behind(), |_| 8),
    (
        |inner| CountingAlloc::new(inner),
        |size| {
            // What fits into the size class, and what has pages of its own.
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

/// What mimalloc and jemalloc give for so many bytes, of fewer than 80.
fn size_class(size: usize) -> usize {
    if size <= 8 {
        8
    } else {
        size.next_multiple_of(16)
    }
}

impl Program<'_> {
    /// What counters have to say of a step that was no failure.
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

    /// Whether there is such a block while the allocator inside works.
    fn can_be_had(size: usize) -> bool {
        size <= LARGEST
    }

    fn make(&mut self, layout: Layout, zeroed: bool, fails: bool, start: usize) {
        // SAFETY: the layout is of more than no bytes.
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
            // SAFETY: the block is of this size, and zeroed.
            let contents = unsafe { slice::from_raw_parts(pointer, size) };
            assert!(*contents == ZEROS[..size]);
        }
        self.alive.push(Block::new(pointer, layout, start));
    }

    fn resize(&mut self, place: usize, size: usize, fails: bool, start: usize) {
        let block = &self.alive[place];
        let (old_pointer, old) = (block.pointer, block.layout);
        let behind_old = self.behind(block);
        // SAFETY: the block is alive, and the new size is of a valid layout.
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
        // SAFETY: so much of the block was written before it moved.
        let contents = unsafe { slice::from_raw_parts(pointer, kept) };
        assert!(*contents == block.expected()[..kept]);
        self.alive[place] = Block::new(pointer, layout, start);
    }

    fn free(&mut self, place: usize) {
        let block = self.alive.swap_remove(place);
        // SAFETY: the block was alive, and nobody has it now.
        let ((), usage) = measure(|| unsafe { self.alloc.dealloc(block.pointer, block.layout) });
        assert_eq!(usage, Self::usage(0, block.layout.size(), [0, 1, 0]));
    }

    /// A block has to be the one that the allocator inside gave, and no larger
    /// than it needs to be.
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
        // SAFETY: the block was given with so many bytes more.
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

    /// Every block has what the program wrote.
    fn check(&self) {
        for block in &self.alive {
            // Not `assert_eq!`, which would print megabytes.
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

/// `GlobalAlloc` has no blocks of no bytes, and a caller that asks for one gets
/// whatever the allocator inside has for it. The system's allocator answers and
/// takes back, so that a program that relies on it isn't stopped by the counting.
#[test]
#[cfg(unix)]
fn a_block_of_no_bytes_is_one_wherever_the_allocator_inside_has_such() {
    for align in [1, 8, 64, 4096] {
        let layout = |size| Layout::from_size_align(size, align).unwrap();
        // SAFETY: the system's allocator of Unix knows blocks of no bytes, and each
        // of these is freed once.
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
