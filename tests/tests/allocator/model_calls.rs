//! Compares random call stacks with a model. Functions, closures and tasks call each other and
//! themselves at random, up to fifty deep and on three threads; some panic, and some tasks are
//! suspended on one thread and resumed deep inside another one's calls. At any depth, blocks are
//! allocated, resized and freed. Each line must have exactly what the model says.
//!
//! `MODEL_EVENTS` sets how many blocks are allocated, resized and freed.

use memprof::{memprofile, report};
use memprof_tests::assert_law_3;
use std::alloc::{Layout, alloc, dealloc, realloc};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Waker};
use std::thread;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

/// The lines marked `owner 0` and so on, and code that isn't profiled.
const OWNERS: usize = 13;
const NOBODY: usize = OWNERS - 1;
const DEEPEST: usize = 50;
const TASKS: usize = 8;

/// What happened to a line's blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    allocated_bytes: u64,
    allocation_count: u64,
    freed_bytes: u64,
    deallocation_count: u64,
    transferred_bytes: i64,
    transferred_count: i64,
}

#[derive(Clone, Copy)]
struct Block {
    address: usize,
    size: usize,
    owner: usize,
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The state of a run, and its model. Its lists never grow, so that it allocates nothing.
#[derive(Default)]
struct World {
    random: u64,
    events_left: u64,
    alive: Vec<Block>,
    /// The line that each running call is on.
    calls: Vec<usize>,
    /// How many calls are going to catch a panic.
    catching: usize,
    tasks: Vec<Option<Task>>,
    sums: [Sums; OWNERS],
    /// What the standard library allocates for a panic: bytes and blocks.
    of_a_panic: (u64, u64),
}

thread_local! {
    /// The world while a task is polled.
    static POLLED: Cell<Option<World>> = const { Cell::new(None) };
}

impl World {
    /// A random number below `end`.
    fn below(&mut self, end: usize) -> usize {
        // SplitMix64.
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }

    fn owner(&self) -> usize {
        self.calls.last().copied().unwrap_or(NOBODY)
    }

    fn make(&mut self) {
        let (size, owner) = (1 + self.below(300), self.owner());
        // SAFETY: the size isn't 0.
        let address = unsafe { alloc(layout(size)) } as usize;
        let sums = &mut self.sums[owner];
        sums.allocated_bytes += size as u64;
        sums.allocation_count += 1;
        self.alive.push(Block {
            address,
            size,
            owner,
        });
    }

    fn free(&mut self, index: usize) {
        let block = self.alive.swap_remove(index);
        // SAFETY: `make` or `resize` allocated the block with this layout.
        unsafe { dealloc(block.address as *mut u8, layout(block.size)) };
        let sums = &mut self.sums[block.owner];
        sums.freed_bytes += block.size as u64;
        sums.deallocation_count += 1;
    }

    fn resize(&mut self, index: usize) {
        let (size, owner) = (1 + self.below(300), self.owner());
        let block = self.alive[index];
        // SAFETY: as in `free`; the new size isn't 0.
        let address =
            unsafe { realloc(block.address as *mut u8, layout(block.size), size) } as usize;
        let resized = &mut self.alive[index];
        *resized = Block {
            address,
            size,
            ..block
        };
        if size < block.size {
            self.sums[block.owner].freed_bytes += (block.size - size) as u64;
            return;
        }
        resized.owner = owner;
        self.sums[owner].allocated_bytes += (size - block.size) as u64;
        let bytes = i64::try_from(block.size).unwrap();
        for (line, sign) in [(block.owner, -1), (owner, 1)] {
            self.sums[line].transferred_bytes += sign * bytes;
            self.sums[line].transferred_count += sign;
        }
    }

    /// Does something with blocks.
    fn event(&mut self) {
        self.events_left = self.events_left.saturating_sub(1);
        let alive = self.alive.len();
        match self.below(6) {
            0..3 if alive < 1000 => self.make(),
            3 if alive > 0 => {
                let index = self.below(alive);
                self.resize(index);
            }
            _ if alive > 0 => {
                let index = self.below(alive);
                self.free(index);
            }
            _ => self.make(),
        }
    }

    fn panic(&mut self) -> ! {
        let owner = self.owner();
        let (bytes, blocks) = self.of_a_panic;
        let sums = &mut self.sums[owner];
        sums.allocated_bytes += bytes;
        sums.freed_bytes += bytes;
        sums.allocation_count += blocks;
        sums.deallocation_count += blocks;
        resume_unwind(Box::new(()))
    }
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 1).unwrap()
}

/// Executes random steps in the line that the caller is on.
fn perform(world: &mut World) {
    for _ in 0..=world.below(5) {
        if world.events_left == 0 {
            return;
        }
        let is_deep = world.calls.len() >= DEEPEST;
        match world.below(16) {
            0..4 if !is_deep => call(world),
            4 if !is_deep && world.catching < 4 => catch(world),
            5 if world.catching > 0 => world.panic(),
            6 if !is_deep => poll(world),
            _ => world.event(),
        }
    }
}

fn call(world: &mut World) {
    match world.below(3) {
        0 => first(world),
        1 => second(world),
        _ => third(world),
    }
}

/// Executes steps on the line `owner`.
fn on(owner: usize, world: &mut World) {
    world.calls.push(owner);
    perform(world);
    world.calls.pop();
}

#[memprofile(print = "never")]
#[rustfmt::skip]
fn first(world: &mut World) {
    on(0, world); // owner 0
    for _ in 0..world.below(3) {
        on(1, world); // owner 1
    }
    on(2, world); // owner 2
}

#[memprofile(print = "never")]
#[rustfmt::skip]
fn second(world: &mut World) {
    if world.below(2) == 0 {
        on(3, world); // owner 3
        return;
    }
    let mut act = |which: usize| match which {
        0 => on(4, world), // owner 4
        _ => on(5, world), // owner 5
    };
    act(0);
    act(1);
    on(6, world); // owner 6
}

/// Counts its hits, so that its probes do more.
#[memprofile(print = "never", hits = true)]
#[rustfmt::skip]
fn third(world: &mut World) {
    let steps = match world.below(2) {
        0 => { on(7, world); 1 } // owner 7
        _ => 2,
    };
    (0..steps).for_each(|_| {
        on(8, world); // owner 8
    });
}

fn catch(world: &mut World) {
    let depth = world.calls.len();
    world.catching += 1;
    let _ = catch_unwind(AssertUnwindSafe(|| call(world)));
    world.catching -= 1;
    world.calls.truncate(depth);
}

/// Polls a task, unless it is being polled.
fn poll(world: &mut World) {
    let index = world.below(TASKS);
    let Some(mut task) = world.tasks.get_mut(index).and_then(Option::take) else {
        return;
    };
    // A task isn't to end by a panic.
    let catching = std::mem::replace(&mut world.catching, 0);
    POLLED.set(Some(std::mem::take(world)));
    let poll = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll.is_pending());
    *world = POLLED.take().unwrap();
    world.catching = catching;
    world.tasks[index] = Some(task);
}

#[memprofile(print = "never")]
#[rustfmt::skip]
async fn task() {
    loop {
        in_task(9); // owner 9
        pend().await;
        async {
            in_task(10); // owner 10
            pend().await;
            in_task(11); // owner 11
        }.await;
    }
}

fn in_task(owner: usize) {
    let mut world = POLLED.take().unwrap();
    on(owner, &mut world);
    POLLED.set(Some(world));
}

/// Is pending once.
fn pend() -> impl Future<Output = ()> {
    let mut is_ready = false;
    poll_fn(move |_| {
        if std::mem::replace(&mut is_ready, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
}

/// A thread that executes steps when it gets the world.
fn worker() -> (Sender<World>, Receiver<World>, thread::JoinHandle<()>) {
    let (send, receive) = channel::<World>();
    let (give_back, back) = channel();
    let thread = thread::spawn(move || {
        for mut world in receive {
            perform(&mut world);
            give_back.send(world).unwrap();
        }
    });
    (send, back, thread)
}

fn reported() -> [Sums; NOBODY] {
    let report = report();
    assert_law_3(&report);
    let lines = || report.functions.iter().flat_map(|function| &function.lines);
    std::array::from_fn(|owner| {
        let words = format!("// owner {owner}");
        let found = lines().find(|line| line.source.ends_with(&words));
        found.map_or(Sums::default(), |line| Sums {
            allocated_bytes: line.own.allocated_bytes,
            allocation_count: line.own.allocation_count,
            freed_bytes: line.own.freed_bytes,
            deallocation_count: line.own.deallocation_count,
            transferred_bytes: line.own.transferred_bytes,
            transferred_count: line.own.transferred_count,
        })
    })
}

#[test]
fn each_line_of_random_calls_has_what_the_model_says() {
    let events = std::env::var("MODEL_EVENTS").map_or(200_000, |count| count.parse().unwrap());
    let catch = || drop(catch_unwind(|| resume_unwind(Box::new(()))));
    catch();
    let ((), usage) = memprof::measure(catch);
    let mut world = World {
        random: 2026,
        events_left: events,
        alive: Vec::with_capacity(1001),
        calls: Vec::with_capacity(2 * DEEPEST),
        tasks: (0..TASKS).map(|_| Some(Box::pin(task()) as Task)).collect(),
        of_a_panic: (usage.allocated_bytes, usage.allocation_count),
        ..World::default()
    };
    let workers: Vec<_> = (0..3).map(|_| worker()).collect();
    while world.events_left > 0 {
        let thread = world.below(workers.len());
        workers[thread].0.send(world).unwrap();
        world = workers[thread].1.recv().unwrap();
    }
    let owners: [Sums; NOBODY] = std::array::from_fn(|owner| world.sums[owner]);

    assert_eq!(reported(), owners);
    assert!(
        owners.iter().all(|sums| sums.allocation_count > 100),
        "{owners:?}"
    );
    assert!(usage.allocation_count > 0);

    while !world.alive.is_empty() {
        world.free(0);
    }
    assert!(reported().iter().all(|sums| {
        let live_count =
            sums.allocation_count.cast_signed() - sums.deallocation_count.cast_signed();
        live_count + sums.transferred_count == 0
    }));
    for (send, _, thread) in workers {
        drop(send);
        thread.join().unwrap();
    }
}
