//! Random programs: blocks made, grown, shrunk and freed by random lines on random
//! threads, against a model that does the same sums. One test to a binary: a
//! report is the process's.
#![expect(clippy::match_same_arms, reason = "each is to have a line of its own")]

use memprof::{Made, memprofile, report};
use proptest::prelude::*;
use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, realloc};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

const LINES: usize = 4;
const THREADS: usize = 3;

/// One step of a program, by a line on a thread.
#[derive(Clone, Copy, Debug)]
enum Step {
    Make {
        size: usize,
        align: usize,
        zeroed: bool,
    },
    /// Of the block at this place among those alive, if there are any.
    Resize {
        place: usize,
        size: usize,
    },
    Free {
        place: usize,
    },
}

/// A block of the program under test.
#[derive(Clone, Copy, Debug)]
struct Block {
    address: usize,
    layout: Layout,
    /// Who made it, according to the model.
    line: usize,
}

/// Does a step in one of four lines; the address of the block that is there then.
#[memprofile(print = "never")]
#[rustfmt::skip]
fn run(line: usize, step: Step, block: Option<Block>) -> usize {
    match line {
        0 => act(step, block), // line 0
        1 => act(step, block), // line 1
        2 => act(step, block), // line 2
        _ => act(step, block), // line 3
    }
}

fn act(step: Step, block: Option<Block>) -> usize {
    // SAFETY: sizes are more than 0, and a block is one that was made here, of its
    // layout, and not freed.
    let address = unsafe {
        match (step, block) {
            (
                Step::Make {
                    size,
                    align,
                    zeroed,
                },
                _,
            ) => {
                let layout = Layout::from_size_align(size, align).unwrap();
                if zeroed {
                    alloc_zeroed(layout)
                } else {
                    alloc(layout)
                }
            }
            (Step::Resize { size, .. }, Some(block)) => {
                realloc(block.address as *mut u8, block.layout, size)
            }
            (_, Some(block)) => {
                dealloc(block.address as *mut u8, block.layout);
                return 0;
            }
            (_, None) => return 0,
        }
    };
    assert!(!address.is_null());
    address as usize
}

/// A thread that does steps one after another.
struct Worker {
    steps: Sender<(usize, Step, Option<Block>)>,
    addresses: Receiver<usize>,
    thread: JoinHandle<()>,
}

impl Worker {
    fn start() -> Self {
        let (steps, receive) = channel();
        let (send, addresses) = channel();
        let thread = thread::spawn(move || {
            for (line, step, block) in receive {
                send.send(run(line, step, block)).unwrap();
            }
        });
        Self {
            steps,
            addresses,
            thread,
        }
    }

    fn run(&self, line: usize, step: Step, block: Option<Block>) -> usize {
        self.steps.send((line, step, block)).unwrap();
        self.addresses.recv().unwrap()
    }
}

/// What the four lines made, according to the report.
fn reported() -> [Made; LINES] {
    let report = report();
    let function = report
        .functions
        .iter()
        .find(|function| function.path == "model::run");
    let made = |line: usize| {
        let lines = &function?.lines;
        let words = format!("// line {line}");
        Some(lines.iter().find(|line| line.source.contains(&words))?.made)
    };
    std::array::from_fn(|line| made(line).unwrap_or_default())
}

fn steps() -> impl Strategy<Value = Vec<(usize, usize, Step)>> {
    let size = prop_oneof![1..64_usize, 1..5000_usize, Just(1 << 20)];
    let make = (size.clone(), 0..13_u32, any::<bool>());
    let make = make.prop_map(|(size, align, zeroed)| Step::Make {
        size,
        align: 1 << align,
        zeroed,
    });
    let resize = (any::<usize>(), size).prop_map(|(place, size)| Step::Resize { place, size });
    let free = any::<usize>().prop_map(|place| Step::Free { place });
    let step = prop_oneof![3 => make, 2 => resize, 2 => free];
    prop::collection::vec((0..THREADS, 0..LINES, step), 1..200)
}

/// Bytes and blocks that each line made, and that were freed of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    allocated_bytes: u64,
    allocation_count: u64,
    freed_bytes: u64,
    deallocation_count: u64,
}

impl Sums {
    fn between(before: &Made, after: &Made) -> Self {
        Self {
            allocated_bytes: after.allocated_bytes - before.allocated_bytes,
            allocation_count: after.allocation_count - before.allocation_count,
            freed_bytes: after.freed_bytes - before.freed_bytes,
            deallocation_count: after.deallocation_count - before.deallocation_count,
        }
    }

    fn allocate(&mut self, bytes: usize, blocks: u64) {
        self.allocated_bytes += bytes as u64;
        self.allocation_count += blocks;
    }

    fn free(&mut self, bytes: usize, blocks: u64) {
        self.freed_bytes += bytes as u64;
        self.deallocation_count += blocks;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn each_line_has_what_the_model_says(steps in steps()) {
        let before = reported();
        let workers: Vec<Worker> = (0..THREADS).map(|_| Worker::start()).collect();
        let mut alive: Vec<Block> = Vec::new();
        let mut model = [Sums::default(); LINES];

        for (thread, line, step) in steps {
            let place = match step {
                Step::Resize { place, .. } | Step::Free { place } if !alive.is_empty() => {
                    Some(place % alive.len())
                }
                _ => None,
            };
            let address = workers[thread].run(line, step, place.map(|place| alive[place]));
            match (step, place) {
                (Step::Make { size, align, .. }, _) => {
                    let layout = Layout::from_size_align(size, align).unwrap();
                    prop_assert_eq!(address % align, 0);
                    model[line].allocate(size, 1);
                    alive.push(Block { address, layout, line });
                }
                (Step::Resize { size, .. }, Some(place)) => {
                    let block = &mut alive[place];
                    let old = block.layout.size();
                    if size < old {
                        model[block.line].free(old - size, 0);
                    } else if line == block.line {
                        model[line].allocate(size - old, 0);
                    } else {
                        model[block.line].free(old, 1);
                        model[line].allocate(size, 1);
                        block.line = line;
                    }
                    block.address = address;
                    block.layout = Layout::from_size_align(size, block.layout.align()).unwrap();
                }
                (Step::Free { .. }, Some(place)) => {
                    let block = alive.swap_remove(place);
                    model[block.line].free(block.layout.size(), 1);
                }
                (_, None) => {}
            }
        }
        // Threads that end take nothing along.
        for Worker { steps, thread, .. } in workers {
            drop(steps);
            thread.join().unwrap();
        }
        for (line, block) in alive.into_iter().enumerate() {
            run(line % LINES, Step::Free { place: 0 }, Some(block));
            model[block.line].free(block.layout.size(), 1);
        }

        let after = reported();
        for line in 0..LINES {
            prop_assert_eq!(Sums::between(&before[line], &after[line]), model[line], "line {}", line);
        }
    }
}
