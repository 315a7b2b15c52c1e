//! Compares random programs with a model. Random lines on random threads and in tasks allocate,
//! grow, shrink and free blocks, and the model adds up the expected numbers. The sum over all
//! lines and the untracked rest must be what `stats_alloc` counts as the inner allocator. There is
//! only one test per binary, since a report covers the process.
#![expect(clippy::match_same_arms, reason = "each is to have a line of its own")]

use memprof::report::Allocations;
use memprof::{memprofile, report};
use memprof_tests::assert_law_3;
use proptest::prelude::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::{Layout, System, alloc, alloc_zeroed, dealloc, realloc};
use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};

#[global_allocator]
static ALLOC: memprof::CountingAlloc<&StatsAlloc<System>> =
    memprof_tests::over(&INSTRUMENTED_SYSTEM, env!("CARGO_CRATE_NAME"));

/// The lines of `run`, followed by those of `run_in_task`.
const LINES: usize = 6;
const LINES_OF_RUN: usize = 4;
const THREADS: usize = 3;

/// One step of a program, which a line on a thread executes.
#[derive(Clone, Copy, Debug)]
enum Step {
    Make {
        size: usize,
        align: usize,
        zeroed: bool,
    },
    /// Resizes the block with this index (modulo their number) among the live blocks, if any.
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
    /// The line that owns it, according to the model.
    line: usize,
}

/// Executes a step on one of four lines, and returns the address of the resulting block.
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

/// Like [`run`], in a task that waits once before the step.
#[memprofile(print = "never")]
#[rustfmt::skip]
async fn run_in_task(line: usize, step: Step, block: Option<Block>) -> usize {
    tokio::task::yield_now().await;
    match line {
        4 => act(step, block), // line 4
        _ => act(step, block), // line 5
    }
}

fn act(step: Step, block: Option<Block>) -> usize {
    // SAFETY: sizes are greater than 0. A block was allocated here with its layout, and hasn't been
    // freed.
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

type Task = Pin<Box<dyn Future<Output = usize> + Send>>;

/// A request to a worker thread.
enum Work {
    Step(usize, Step, Option<Block>),
    Poll(Task),
}

/// The result of a request.
enum Done {
    /// The address of the resulting block.
    Step(usize),
    Waits(Task),
}

/// A thread that executes steps one after another.
struct Worker {
    work: Sender<Work>,
    done: Receiver<Done>,
    thread: JoinHandle<()>,
}

impl Worker {
    fn start() -> Self {
        let (work, receive) = channel::<Work>();
        let (send, done) = channel();
        let thread = thread::spawn(move || {
            for work in receive {
                send.send(work.run()).unwrap();
            }
        });
        Self { work, done, thread }
    }

    fn run(&self, work: Work) -> Done {
        self.work.send(work).unwrap();
        self.done.recv().unwrap()
    }
}

impl Work {
    fn run(self) -> Done {
        match self {
            Self::Step(line, step, block) => Done::Step(run(line, step, block)),
            Self::Poll(mut task) => {
                match task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(address) => Done::Step(address),
                    Poll::Pending => Done::Waits(task),
                }
            }
        }
    }
}

/// Executes a step on a thread. A task starts there, and continues on the next thread.
fn run_on(
    workers: &[Worker],
    thread: usize,
    line: usize,
    step: Step,
    block: Option<Block>,
) -> usize {
    let mut work = if line < LINES_OF_RUN {
        Work::Step(line, step, block)
    } else {
        Work::Poll(Box::pin(run_in_task(line, step, block)))
    };
    let mut workers = workers.iter().cycle().skip(thread);
    loop {
        match workers.next().unwrap().run(work) {
            Done::Step(address) => return address,
            Done::Waits(task) => work = Work::Poll(task),
        }
    }
}

/// The allocations of the lines, according to the report.
fn reported() -> [Allocations; LINES] {
    let report = report();
    let lines = || report.functions.iter().flat_map(|function| &function.lines);
    let made = |line: usize| {
        let words = format!("// line {line}");
        Some(lines().find(|line| line.source.contains(&words))?.own)
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

/// Bytes and blocks that a line allocated, and how many of them were freed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    allocated_bytes: u64,
    allocation_count: u64,
    freed_bytes: u64,
    deallocation_count: u64,
    transferred_bytes: i64,
    transferred_count: i64,
}

impl Sums {
    fn between(before: &Allocations, after: &Allocations) -> Self {
        Self {
            allocated_bytes: after.allocated_bytes - before.allocated_bytes,
            allocation_count: after.allocation_count - before.allocation_count,
            freed_bytes: after.freed_bytes - before.freed_bytes,
            deallocation_count: after.deallocation_count - before.deallocation_count,
            transferred_bytes: after.transferred_bytes - before.transferred_bytes,
            transferred_count: after.transferred_count - before.transferred_count,
        }
    }

    fn allocate(&mut self, bytes: usize, blocks: u64) {
        self.allocated_bytes += bytes as u64;
        self.allocation_count += blocks;
    }

    fn transfer(&mut self, bytes: i64, blocks: i64) {
        self.transferred_bytes += bytes;
        self.transferred_count += blocks;
    }

    fn free(&mut self, bytes: usize, blocks: u64) {
        self.freed_bytes += bytes as u64;
        self.deallocation_count += blocks;
    }
}

/// The numbers of the process between two reports, without those of the reports themselves.
fn process(reports: [&memprof::report::Report; 3]) -> [u64; 4] {
    let numbers = |before: &memprof::report::Report, after: &memprof::report::Report| {
        let since = after.since(before).total;
        [
            since.allocated_bytes,
            since.allocation_count,
            since.freed_bytes,
            since.deallocation_count,
        ]
    };
    let [empty, before, after] = reports;
    let (of_a_report, all) = (numbers(empty, before), numbers(before, after));
    std::array::from_fn(|index| all[index] - of_a_report[index])
}

/// What `stats_alloc` has counted. As the inner allocator, it also sees the tag behind each block.
fn oracle(region: &Region<'_, System>) -> [u64; 4] {
    const TAG: usize = 8;
    let stats = region.change();
    let (made, freed) = (stats.allocations, stats.deallocations);
    let bytes = [
        stats.bytes_allocated.wrapping_sub(TAG * made),
        stats.bytes_deallocated.wrapping_sub(TAG * freed),
    ];
    [bytes[0], made, bytes[1], freed].map(|number| number as u64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_line_has_what_the_model_says(steps in steps()) {
        // Each function allocates once, so that all reports have the same size.
        let warm = [Worker::start(), Worker::start()];
        for line in [0, LINES - 1] {
            let make = Step::Make { size: 1, align: 1, zeroed: false };
            let address = run_on(&warm, 0, line, make, None);
            let layout = Layout::from_size_align(1, 1).unwrap();
            let block = Block { address, layout, line };
            run_on(&warm, 0, line, Step::Free { place: 0 }, Some(block));
        }
        for Worker { work, thread, .. } in warm {
            drop(work);
            thread.join().unwrap();
        }
        let before = reported();
        let empty = report();
        let begin = report();
        let region = Region::new(&INSTRUMENTED_SYSTEM);
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
            let block = place.map(|place| alive[place]);
            let address = run_on(&workers, thread, line, step, block);
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
                        model[block.line].transfer(-old.cast_signed() as i64, -1);
                        model[line].transfer(old.cast_signed() as i64, 1);
                        model[line].allocate(size - old, 0);
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
        // Nothing is lost when threads end.
        for Worker { work, thread, .. } in workers {
            drop(work);
            thread.join().unwrap();
        }
        let counted = oracle(&region);
        let end = report();
        let [bytes, count, freed_bytes, freed_count] = process([&empty, &begin, &end]);
        prop_assert_eq!([count, freed_count], [counted[1], counted[3]]);
        // With tags aside (in side tables), there is no tag behind a block.
        if !env!("CARGO_CRATE_NAME").ends_with("_aside") {
            prop_assert_eq!([bytes, freed_bytes], [counted[0], counted[2]]);
        }
        assert_law_3(&end);
        assert_law_3(&end.since(&begin));
        for (line, block) in alive.into_iter().enumerate() {
            run(line % LINES_OF_RUN, Step::Free { place: 0 }, Some(block));
            model[block.line].free(block.layout.size(), 1);
        }

        let after = reported();
        for line in 0..LINES {
            prop_assert_eq!(Sums::between(&before[line], &after[line]), model[line], "line {}", line);
        }
    }
}
