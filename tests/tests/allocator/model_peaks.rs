//! Compares random programs on one thread with a model: each line's bytes at the peak, temporary
//! blocks and moved bytes, in the process and in a scope. There is only one test per binary, since
//! a peak is that of the process.
#![expect(clippy::match_same_arms, reason = "each is to have a line of its own")]

use memprof::report::{LineReport, Report};
use memprof::{Scope, memprofile, report, reset};
use proptest::prelude::*;
use std::alloc::{Layout, alloc, dealloc, realloc};

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof_tests::system(env!("CARGO_CRATE_NAME"));

const LINES: usize = 4;

/// One step of a program, which a line executes.
#[derive(Clone, Copy, Debug)]
enum Step {
    Make {
        size: usize,
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

#[derive(Clone, Copy, Debug)]
struct Block {
    address: usize,
    size: usize,
    line: usize,
    /// How many blocks had been allocated before.
    number: u64,
}

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
    let layout = |size| Layout::from_size_align(size, 8).unwrap();
    // SAFETY: sizes are greater than 0. A block was allocated here with its size, and hasn't been
    // freed.
    let start = unsafe {
        match (step, block) {
            (Step::Make { size }, _) => alloc(layout(size)),
            (Step::Resize { size, .. }, Some(block)) => {
                realloc(block.address as *mut u8, layout(block.size), size)
            }
            (_, Some(block)) => {
                dealloc(block.address as *mut u8, layout(block.size));
                return 0;
            }
            (_, None) => return 0,
        }
    };
    assert!(!start.is_null());
    start.addr()
}

/// The model of the four lines.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Model {
    live: [u64; LINES],
    highest: u64,
    at_peak: [u64; LINES],
    temporary: [u64; LINES],
    moved: [u64; LINES],
    made: u64,
}

impl Model {
    fn grow(&mut self, line: usize, bytes: usize) {
        self.live[line] += bytes as u64;
        let all = self.live.iter().sum();
        if all > self.highest {
            self.highest = all;
            self.at_peak = self.live;
        }
    }

    fn shrink(&mut self, line: usize, bytes: usize) {
        self.live[line] -= bytes as u64;
    }

    fn step(&mut self, line: usize, step: Step, alive: &mut Vec<Block>) {
        let place = match step {
            Step::Resize { place, .. } | Step::Free { place } if !alive.is_empty() => {
                Some(place % alive.len())
            }
            _ => None,
        };
        let address = run(line, step, place.map(|place| alive[place]));
        match (step, place) {
            (Step::Make { size }, _) => {
                self.made += 1;
                self.grow(line, size);
                let number = self.made;
                alive.push(Block {
                    address,
                    size,
                    line,
                    number,
                });
            }
            (Step::Resize { size, .. }, Some(place)) => {
                let block = &mut alive[place];
                if address != block.address {
                    self.moved[line] += size.min(block.size) as u64;
                }
                if size < block.size {
                    self.shrink(block.line, block.size - size);
                } else {
                    // The block is transferred before it grows.
                    self.shrink(block.line, block.size);
                    self.live[line] += block.size as u64;
                    block.line = line;
                    self.grow(line, size - block.size);
                }
                (block.address, block.size) = (address, size);
            }
            (Step::Free { .. }, Some(place)) => {
                let block = alive.swap_remove(place);
                self.shrink(block.line, block.size);
                if self.made - block.number <= 1 {
                    self.temporary[block.line] += 1;
                }
            }
            (_, None) => {}
        }
    }
}

fn lines(report: &Report) -> [LineReport; LINES] {
    let run = report
        .functions
        .iter()
        .find(|found| found.path.ends_with("model_peaks::run"));
    let lines = &run.expect("it has run").lines;
    std::array::from_fn(|line| {
        let words = format!("// line {line}");
        let mut lines = lines.iter();
        lines
            .find(|line| line.source.contains(&words))
            .unwrap()
            .clone()
    })
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let size = prop_oneof![1..64_usize, 1..5000_usize, Just(1 << 20)];
    let make = size.clone().prop_map(|size| Step::Make { size });
    let resize = (any::<usize>(), size).prop_map(|(place, size)| Step::Resize { place, size });
    let free = any::<usize>().prop_map(|place| Step::Free { place });
    let last = Just(Step::Free { place: usize::MAX });
    let step = prop_oneof![3 => make, 2 => resize, 2 => free, 1 => last];
    prop::collection::vec((0..LINES, step), 1..300)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_line_had_at_the_peak_what_the_model_says(steps in steps()) {
        // With enough capacity, so that only the steps allocate.
        let mut alive = Vec::with_capacity(steps.len());
        let mut model = Model::default();
        run(0, Step::Free { place: 0 }, None);
        let scope = Scope::new("model");

        reset();
        let guard = scope.enter();
        for (line, step) in &steps {
            model.step(*line, *step, &mut alive);
        }
        drop(guard);
        let report = report();
        let in_scope = scope.report();
        for block in alive {
            run(0, Step::Free { place: 0 }, Some(block));
        }
        let empty = scope.report();

        let all = lines(&report).map(|line| line.own);
        prop_assert_eq!(all.map(|made| made.bytes_at_peak), model.at_peak);
        prop_assert_eq!(all.map(|made| made.temporary_count), model.temporary);
        prop_assert_eq!(all.map(|made| made.moved_bytes), model.moved);
        let in_scope = lines(&in_scope).map(|line| line.own);
        for (line, made) in all.into_iter().enumerate() {
            prop_assert_eq!(made.live_bytes(), model.live[line].cast_signed());
            // Peaks are those of the process only.
            let mut expected = made;
            expected.bytes_at_peak = 0;
            prop_assert_eq!(in_scope[line], expected);
        }
        prop_assert_eq!(scope.usage().peak_bytes, model.highest);

        prop_assert_eq!(empty.total.live_bytes(), 0);
    }
}
