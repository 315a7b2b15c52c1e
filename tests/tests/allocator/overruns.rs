//! A program that writes past the end of a block may overwrite the block's tag. Nothing else is
//! affected: the block then belongs to some other line or is untracked, and the numbers of the
//! process stay correct.
#![cfg(unix)]

use memprof::report::{Allocations, Report};
use memprof::{CountingAlloc, Usage, measure, memprofile, report};
use memprof_tests::{Strict, alone, on_a_c_thread, run, with_no_new_memory};
use std::alloc::{GlobalAlloc, Layout};

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc::system();

/// Runs `work` on one of three lines.
#[expect(clippy::match_same_arms, reason = "each has a line of its own")]
#[memprofile(print = "never")]
#[rustfmt::skip]
fn on_line(line: usize, act: &mut dyn FnMut()) {
    match line {
        0 => act(), // line 0
        1 => act(), // line 1
        _ => act(), // line 2
    }
}

/// A counting allocator, and its inner allocator, which knows the sizes of all blocks.
struct Allocators<'a> {
    counting: CountingAlloc<&'a Strict>,
    inner: &'a Strict,
}

/// A block that another thread may free.
#[derive(Clone, Copy, Debug)]
struct Block {
    pointer: *mut u8,
    layout: Layout,
}

// SAFETY: the threads of a test use a block one after the other, never concurrently.
unsafe impl Send for Block {}
// SAFETY: as for `Send`.
unsafe impl Sync for Block {}

const SIZE: usize = 24;

impl<'a> Allocators<'a> {
    fn new(inner: &'a Strict) -> Self {
        Self {
            counting: CountingAlloc::new(inner).with_tags_behind(),
            inner,
        }
    }

    fn make(&self) -> Block {
        let layout = Layout::from_size_align(SIZE, 8).unwrap();
        // SAFETY: the layout's size isn't 0.
        let pointer = unsafe { self.counting.alloc(layout) };
        Block { pointer, layout }
    }

    /// The address and the length of the tag behind a block.
    fn behind(&self, block: Block) -> (*mut u8, usize) {
        let given = self.inner.given(block.pointer).unwrap();
        // SAFETY: the block has at least this size.
        let end = unsafe { block.pointer.add(block.layout.size()) };
        (end, given.size() - block.layout.size())
    }

    /// The tag behind a block that `line` allocates.
    fn tag_of(&self, line: usize) -> Vec<u8> {
        let mut tag = Vec::new();
        on_line(line, &mut || {
            let block = self.make();
            let (behind, length) = self.behind(block);
            // SAFETY: the inner allocator's block has `length` more bytes behind this block.
            tag = unsafe { std::slice::from_raw_parts(behind, length) }.to_vec();
            self.free(block);
        });
        tag
    }

    /// Writes `bytes` past the end of a block.
    fn overrun(&self, block: Block, bytes: &[u8]) {
        let (behind, length) = self.behind(block);
        assert!(bytes.len() <= length);
        // SAFETY: the inner allocator's block has `length` more bytes behind this block.
        unsafe { behind.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    fn resize(&self, block: Block, size: usize) -> Block {
        let Block { pointer, layout } = block;
        // SAFETY: the block is allocated with this layout, and the size is valid.
        let pointer = unsafe { self.counting.realloc(pointer, layout, size) };
        let layout = Layout::from_size_align(size, layout.align()).unwrap();
        Block { pointer, layout }
    }

    fn free(&self, block: Block) {
        // SAFETY: the block is allocated with this layout, and isn't used afterwards.
        unsafe { self.counting.dealloc(block.pointer, block.layout) };
        assert!(self.inner.fault().is_none(), "{:?}", self.inner.fault());
    }

    /// Frees a block in one of several ways.
    fn end(&self, block: Block, ending: Ending) {
        let block = match ending {
            Ending::Free => block,
            Ending::Grow => self.resize(block, 2 * SIZE),
            Ending::Shrink => self.resize(block, SIZE / 2),
            Ending::ShrinkAndGrow => self.resize(self.resize(block, SIZE / 2), SIZE),
        };
        self.free(block);
    }
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Free,
    Grow,
    Shrink,
    ShrinkAndGrow,
}

const ENDINGS: [Ending; 4] = [
    Ending::Free,
    Ending::Grow,
    Ending::Shrink,
    Ending::ShrinkAndGrow,
];

/// What a program may write over `tag`: small and large numbers, in one or both halves, and a part
/// of the tag.
fn rubbish(tag: &[u8]) -> Vec<Vec<u8>> {
    let small = 0..=20_u64;
    let bits = (0..64).flat_map(|shift| [1_u64 << shift, !(1 << shift)]);
    let numbers = small.chain(bits).chain([u64::MAX]).flat_map(|number| {
        let bytes = number.to_ne_bytes();
        let (low, high) = bytes.split_at(4);
        let pairs = [(low, high), (low, low), (low, &[0xff; 4]), (&[0; 4], low)];
        pairs.map(|(first, second)| [first, second].concat())
    });
    let numbers = numbers.map(|bytes| bytes.into_iter().cycle().take(tag.len()).collect());
    let short = (1..=tag.len())
        .flat_map(|length| [0, 1, 0x5a, 0x7f, 0x80, 0xff].map(|byte| vec![byte; length]));
    let mut all: Vec<Vec<u8>> = numbers.chain(short).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn add(sum: Allocations, made: Allocations) -> Allocations {
    let mut sum = sum;
    sum.allocated_bytes += made.allocated_bytes;
    sum.allocation_count += made.allocation_count;
    sum.freed_bytes += made.freed_bytes;
    sum.deallocation_count += made.deallocation_count;
    sum.transferred_bytes += made.transferred_bytes;
    sum.transferred_count += made.transferred_count;
    sum
}

/// Asserts what holds whatever was overwritten, since `before`: the process's numbers are `usage`,
/// and the live numbers of all lines and the untracked rest add up to those of the process.
fn assert_right(before: &Report, usage: Usage, of_what: &dyn std::fmt::Debug) {
    let (after, reporting) = measure(report);
    let since = after.since(before);
    let total = since.total;
    // Bytes and blocks allocated, bytes and blocks freed.
    assert_eq!(
        [
            total.allocated_bytes,
            total.allocation_count,
            total.freed_bytes,
            total.deallocation_count,
        ],
        [
            usage.allocated_bytes + reporting.allocated_bytes,
            usage.allocation_count + reporting.allocation_count,
            usage.freed_bytes + reporting.freed_bytes,
            usage.deallocation_count + reporting.deallocation_count,
        ],
        "{of_what:?}"
    );
    let lines = since.functions.iter().flat_map(|function| &function.lines);
    let sum = lines.map(|line| line.own).fold(since.untracked, add);
    assert_eq!(
        (sum.live_bytes(), sum.live_count()),
        (total.live_bytes(), total.live_count()),
        "{of_what:?}: {since:#?}"
    );
}

/// A block that line 0 allocated, with `bytes` written behind it.
fn overrun_block(allocators: &Allocators<'_>, bytes: &[u8]) -> Block {
    let mut made = None;
    on_line(0, &mut || made = Some(allocators.make()));
    let block = made.expect("the line has run");
    allocators.overrun(block, bytes);
    block
}

#[test]
fn whatever_is_written_behind_a_block_the_process_has_the_right_numbers() {
    run(|| {
        alone(|| {
            let inner = Strict::with_room_for(4);
            let allocators = Allocators::new(&inner);
            for bytes in rubbish(&allocators.tag_of(0)) {
                for ending in ENDINGS {
                    for in_line in [false, true] {
                        let before = report();
                        let ((), usage) = measure(|| {
                            let block = overrun_block(&allocators, &bytes);
                            if in_line {
                                on_line(1, &mut || allocators.end(block, ending));
                            } else {
                                allocators.end(block, ending);
                            }
                        });
                        assert_right(&before, usage, &(&bytes, ending, in_line));
                    }
                }
            }
        });
    });
}

#[test]
fn whatever_is_written_behind_a_block_one_line_loses_it() {
    run(|| {
        let inner = Strict::with_room_for(4);
        let allocators = Allocators::new(&inner);
        for bytes in rubbish(&allocators.tag_of(0)) {
            let block = overrun_block(&allocators, &bytes);
            let before = report();
            allocators.free(block);
            let since = report().since(&before);

            let lines = since.functions.iter().flat_map(|function| &function.lines);
            let touched: Vec<Allocations> = lines
                .map(|line| {
                    let mut freed = Allocations::default();
                    freed.freed_bytes = line.own.freed_bytes;
                    freed.deallocation_count = line.own.deallocation_count;
                    freed
                })
                .filter(|made| *made != Allocations::default())
                .collect();
            let mut lost = Allocations::default();
            lost.freed_bytes = SIZE as u64;
            lost.deallocation_count = 1;
            // Otherwise, the untracked rest lost the block.
            assert!(
                touched.is_empty() || touched == [lost],
                "{bytes:?}: {since:#?}"
            );
        }
    });
}

#[test]
fn a_block_with_the_mark_of_another_line_is_that_lines() {
    run(|| {
        let inner = Strict::with_room_for(4);
        let allocators = Allocators::new(&inner);
        let block = overrun_block(&allocators, &allocators.tag_of(2));
        let before = report();
        allocators.free(block);
        let since = report().since(&before);

        let lines = since.functions.iter().flat_map(|function| &function.lines);
        for line in lines {
            let is_loser = line.source.contains("// line 2");
            assert_eq!(line.own.deallocation_count, u64::from(is_loser));
        }
    });
}

/// Asserts the process's numbers after a C thread has freed an overrun block, as its first or, if
/// `at_last`, as its last action.
fn assert_right_after_freeing_on_a_thread(at_last: bool) {
    let inner = Strict::with_room_for(4);
    let allocators = Allocators::new(&inner);
    for bytes in rubbish(&allocators.tag_of(0)) {
        let before = report();
        let ((), mut usage) = measure(|| {
            let block = overrun_block(&allocators, &bytes);
            let free = || allocators.free(block);
            if at_last {
                // The thread has allocated, and its counters have ended.
                on_a_c_thread(|| allocators.free(allocators.make()), free);
            } else {
                on_a_c_thread(free, || {});
            }
        });
        // Add what the other thread freed: `measure` covers only this one.
        let size = SIZE as u64;
        usage.freed_bytes += size;
        usage.deallocation_count += 1;
        if at_last {
            usage.allocated_bytes += size;
            usage.allocation_count += 1;
            usage.freed_bytes += size;
            usage.deallocation_count += 1;
        }
        assert_right(&before, usage, &bytes);
    }
}

#[test]
fn a_thread_may_begin_with_freeing_an_overrun_block() {
    run(|| alone(|| assert_right_after_freeing_on_a_thread(false)));
}

#[test]
fn a_thread_may_end_with_freeing_an_overrun_block() {
    run(|| alone(|| assert_right_after_freeing_on_a_thread(true)));
}

/// Allocates blocks on one line, and pushes them to a list with enough capacity.
#[memprofile(print = "never")]
fn makes_with_no_new_memory(alloc: &impl GlobalAlloc, blocks: &mut Vec<*mut u8>) {
    let layout = Layout::from_size_align(1024, 8).unwrap();
    for _ in 0..blocks.capacity() {
        // SAFETY: the layout's size isn't 0.
        blocks.push(unsafe { alloc.alloc(layout) }); // each
    }
}

/// If the system has no memory for the side tables of tags, blocks are allocated and freed as
/// usual, but untracked. When there is memory again, new blocks have owners.
#[test]
#[cfg(target_os = "linux")]
fn blocks_for_whose_owners_there_is_no_memory_are_untracked() {
    use std::alloc::System;
    const COUNT: usize = 5000;
    const SIZE: u64 = 1024;

    run(|| {
        alone(|| {
            static ASIDE: CountingAlloc = CountingAlloc::new(System);
            let layout = Layout::from_size_align(1024, 8).unwrap();
            let mut blocks = Vec::with_capacity(COUNT);
            makes_with_no_new_memory(&System, &mut blocks);
            // The system's allocator reuses this memory.
            for block in blocks.drain(..) {
                // SAFETY: the block is System's, has this layout, and isn't used afterwards.
                unsafe { System.dealloc(block, layout) };
            }
            let live = |before: &Report| {
                let since = report().since(before);
                let made = since.functions.iter().flat_map(|function| &function.lines);
                let lines: i64 = made.map(|line| line.own.live_bytes()).sum();
                assert_eq!(
                    lines + since.untracked.live_bytes(),
                    since.total.live_bytes()
                );
                lines.cast_unsigned()
            };

            let before = report();
            let limited = || makes_with_no_new_memory(&ASIDE, &mut blocks);
            with_no_new_memory(limited);
            assert!(blocks.iter().all(|block| !block.is_null()));
            assert_eq!(live(&before), 0);

            // After a failure, the next request to the system is delayed, so that a system without
            // memory isn't asked each time.
            let mut later = Vec::with_capacity(COUNT);
            makes_with_no_new_memory(&ASIDE, &mut later);
            let tracked = live(&before);
            assert!(tracked > 0 && tracked.is_multiple_of(SIZE), "{tracked}");

            let ((), usage) = measure(|| {
                for block in blocks.drain(..).chain(later.drain(..)) {
                    // SAFETY: the block is this allocator's, has this layout, and isn't used
                    // afterwards.
                    unsafe { ASIDE.dealloc(block, layout) };
                }
            });
            assert_eq!(usage.deallocation_count, 2 * COUNT as u64);
            assert_eq!(usage.freed_bytes, 2 * COUNT as u64 * SIZE);
            assert_eq!(live(&before), 0);
        });
    });
}
