//! Test cases for Python's memory_profiler, translated to Rust.
//!
//! Each test names its case, what memory_profiler reports, and what is correct. It asserts the
//! correct numbers to the byte, in the printed tables and in the report. Cases about child
//! processes, and about options, streams and tools that memprof doesn't have, are left out.
#![expect(clippy::let_and_return, reason = "each is to have a line of its own")]

use memprof::{measure, memprofile, report};
use memprof_tests::{Program, Table, assert_law_3, assert_made, block, made, pause, run};
use std::future::Future;
use std::hint::black_box;
use std::panic::catch_unwind;
use std::pin::{Pin, pin};
use std::process::exit;
use std::sync::Barrier;
use std::task::{Context, Poll, Waker};
use std::thread;

/// The size of an element of a `Vec` of blocks.
const ENTRY: i64 = size_of::<Vec<u8>>().cast_signed() as i64;

/// Polls a future until it is ready.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            return value;
        }
    }
}

/// The row of a line that runs once and allocates a block, which stays alive.
const fn keeps(bytes: i64) -> [i64; 6] {
    [1, bytes, 0, bytes, bytes, 1]
}

/// The row of a line that runs once and frees blocks.
const fn frees(bytes: i64) -> [i64; 6] {
    [1, 0, bytes, -bytes, 0, 0]
}

/// The row of a line that runs once, and allocates and frees a block.
const fn drops(bytes: i64) -> [i64; 6] {
    [1, bytes, bytes, 0, bytes, 1]
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn makes_and_frees() -> i32 {
    let a = block(50_000_000);
    let b = block(10_000_000);
    drop(a);
    let c = 1 + 2;
    drop(b);
    c
}

/// Case 1: memory_profiler is right to a page, for memory that was touched.
#[test]
fn one_line_makes_and_another_frees() {
    let tables = run(|| {
        makes_and_frees();

        let report = report();
        let a = ("let a", [0, 0, 50_000_000, 1]);
        let b = ("let b", [0, 0, 10_000_000, 1]);
        assert_made(&report, "makes_and_frees", &[a, b]);
        assert_law_3(&report);
    });

    tables[0].assert_heap(&[
        ("let a", keeps(50_000_000)),
        ("let b", keeps(10_000_000)),
        ("drop(a)", frees(50_000_000)),
        ("drop(b)", frees(10_000_000)),
    ]);
    assert_eq!(tables[0].total("peak"), 60_000_000);
}

#[memprofile(print = "exit", columns = "hits, allocated, freed, net, peak, count")]
fn is_called_twice(bytes: usize) {
    let a = block(bytes);
    let b = block(10);
    drop(a);
    drop(b);
}

/// Case 2: memory_profiler adds up the increments of both calls, and shows the higher `Mem usage`.
/// memprof shows the higher peak, and adds up everything else.
#[test]
fn two_calls_in_one_table() {
    let tables = run(|| {
        is_called_twice(50_000_000);
        let _between = block(1 << 20);
        is_called_twice(20_000_000);
    });

    tables[0].assert_heap(&[
        ("let a", [2, 70_000_000, 0, 70_000_000, 50_000_000, 2]),
        ("let b", [2, 20, 0, 20, 10, 2]),
        ("drop(a)", [2, 0, 70_000_000, -70_000_000, 0, 0]),
        ("drop(b)", [2, 0, 20, -20, 0, 0]),
    ]);
    assert!(tables[0].summary.contains("is_called_twice, 2 calls: "));
    assert_eq!(tables[0].total("peak"), 50_000_010);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn makes_and_frees_in_a_loop() {
    for _ in 0..10 {
        let b = block(50_000_000);
        drop(b);
    }
}

/// Case 3: memory_profiler's sums look as if 477 MiB were in use. memprof's peak shows a tenth of
/// that.
#[test]
fn a_loop_frees_what_it_makes() {
    let tables = run(|| {
        makes_and_frees_in_a_loop();
    });

    let all = 500_000_000;
    tables[0].assert_heap(&[
        ("for _", [11, 0, 0, 0, 0, 0]),
        ("let b", [10, all, 0, all, 50_000_000, 10]),
        ("drop(b)", [10, 0, all, -all, 0, 0]),
    ]);
    assert_eq!(tables[0].total("peak"), 50_000_000);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn grows_and_frees_in_a_loop() -> usize {
    let mut total = 0;
    for _ in 0..5 {
        let mut parts = Vec::with_capacity(20);
        for _ in 0..20 {
            parts.push(block(1_000_000));
        }
        total += parts.iter().map(Vec::capacity).sum::<usize>();
        drop(parts);
    }
    total
}

/// Cases 4 and 38: memory_profiler shows -711 MiB for a line that only allocates, and -730 MiB for
/// the loop's header, which does nothing. Correct are +95.4 MiB and 0.
#[test]
fn a_nested_loop_grows_and_is_freed_at_once() {
    let tables = run(|| {
        grows_and_frees_in_a_loop();

        let report = report();
        let lists = ("Vec::with_capacity", [0, 0, 5 * 20 * ENTRY, 5]);
        let parts = ("parts.push", [0, 0, 100_000_000, 100]);
        assert_made(&report, "grows_and_frees_in_a_loop", &[lists, parts]);
        assert_law_3(&report);
    });

    let list = 20 * ENTRY;
    let freed = 5 * list + 100_000_000;
    tables[0].assert_heap(&[
        ("for _ in 0..5", [6, 0, 0, 0, 0, 0]),
        ("Vec::with_capacity", [5, 5 * list, 0, 5 * list, list, 5]),
        ("for _ in 0..20", [5 * 21, 0, 0, 0, 0, 0]),
        (
            "parts.push",
            [100, 100_000_000, 0, 100_000_000, 1_000_000, 100],
        ),
        ("drop(parts)", [5, 0, freed, -freed, 0, 0]),
    ]);
    assert_eq!(tables[0].total("peak"), 20_000_000 + list);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn leaks_one_in_ten(cache: &mut Vec<Vec<u8>>) -> usize {
    for index in 0..100 {
        let temporary = block(3_000_000);
        if index % 10 == 0 {
            cache.push(block(1_000_000));
        }
        drop(temporary);
    }
    cache.len()
}

/// Case 33: memory_profiler is right about the leak, but shows 2 % of the 286 MiB of a temporary,
/// and 1 % for a `del`. memprof's numbers are exact, and show which line's blocks are alive.
#[test]
fn a_leak_in_a_loop_is_told_from_a_temporary() {
    let tables = run(|| {
        let mut cache = Vec::with_capacity(10);
        leaks_one_in_ten(&mut cache);

        let report = report();
        let temporary = ("let temporary", [0, 0, 300_000_000, 100]);
        let leak = ("cache.push", [10_000_000, 10, 10_000_000, 10]);
        assert_made(&report, "leaks_one_in_ten", &[temporary, leak]);
        assert_law_3(&report);
    });

    let all = 300_000_000;
    tables[0].assert_heap(&[
        ("let temporary", [100, all, 0, all, 3_000_000, 100]),
        ("cache.push", [10, 10_000_000, 0, 10_000_000, 1_000_000, 10]),
        ("drop(temporary)", [100, 0, all, -all, 0, 0]),
    ]);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn keeps_and_drops(kept: &mut Vec<Vec<u8>>) {
    for _ in 0..3000 {
        drop(block(1 << 20)); // temporary
        kept.push(block(64 << 10));
    }
}

/// Case 33 in three lines: one line allocates and frees 3,000 MiB, another keeps 187.5 MiB.
#[test]
fn what_is_kept_is_told_from_what_passes_through() {
    const PASSED: i64 = 3000 << 20;
    const KEPT: i64 = (375 << 20) / 2;
    let tables = run(|| {
        let mut kept = Vec::with_capacity(3000);
        keeps_and_drops(&mut kept);

        let report = report();
        let passing = ("// temporary", [0, 0, PASSED, 3000]);
        let keeping = ("kept.push", [KEPT, 3000, KEPT, 3000]);
        assert_made(&report, "keeps_and_drops", &[passing, keeping]);
        assert_law_3(&report);
    });

    tables[0].assert_heap(&[
        ("for _", [3001, 0, 0, 0, 0, 0]),
        ("// temporary", [3000, PASSED, PASSED, 0, 1 << 20, 3000]),
        ("kept.push", [3000, KEPT, 0, KEPT, 64 << 10, 3000]),
    ]);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn inner() -> Vec<u8> {
    let x = block(20_000_000);
    let y = x.capacity();
    drop(block(y / 2));
    x
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn outer() -> [Vec<u8>; 2] {
    let a = block(10_000_000);
    let b = inner();
    [a, b]
}

/// Cases 5 and 6: in a table for all calls, memory_profiler shows the memory of the whole process
/// on the caller's line; in separate tables, it is right. Correct is what the callee allocated; its
/// blocks belong to the callee's lines only.
#[test]
fn a_line_has_what_its_callee_does_and_owns_none_of_it() {
    let tables = run(|| {
        let kept = outer();

        let report = report();
        let x = ("let x", [20_000_000, 1, 20_000_000, 1]);
        let half = ("drop(block", [0, 0, 10_000_000, 1]);
        assert_made(&report, "inner", &[x, half]);
        let a = ("let a", [10_000_000, 1, 10_000_000, 1]);
        assert_made(&report, "outer", &[a]);
        assert_law_3(&report);
        drop(kept);
    });

    let [inner, outer] = &tables[..] else {
        panic!("{tables:#?}")
    };
    inner.assert_heap(&[
        ("let x", keeps(20_000_000)),
        ("drop(block", drops(10_000_000)),
    ]);
    outer.assert_heap(&[
        ("let a", keeps(10_000_000)),
        (
            "inner()",
            [1, 30_000_000, 10_000_000, 20_000_000, 30_000_000, 2],
        ),
    ]);
    assert_eq!(outer.total("peak"), 40_000_000);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn recurses(depth: usize) -> usize {
    let buffer = block(10_000_000);
    if depth > 0 {
        recurses(depth - 1);
    }
    buffer.capacity()
}

/// Case 7: memory_profiler shows -28.6 MiB for the recursive call, and the buffers of all three
/// calls on the buffer's line of the outermost call.
#[test]
fn each_call_of_a_recursion_has_a_table_of_its_own() {
    let tables = run(|| {
        recurses(2);

        let buffers = ("let buffer", [0, 0, 30_000_000, 3]);
        assert_made(&report(), "recurses", &[buffers]);
        assert_law_3(&report());
    });

    for (table, depth) in tables.iter().zip(0..3) {
        let below = depth * 10_000_000;
        let hits = i64::from(depth > 0);
        table.assert_heap(&[
            ("let buffer", keeps(10_000_000)),
            ("depth - 1", [hits, below, below, 0, below, depth]),
            ("}", frees(10_000_000)),
        ]);
    }
    assert_eq!(tables.len(), 3);
}

#[memprofile(print = "exit", columns = "hits, allocated, freed, net, peak, count")]
fn recurses_and_tells_at_exit(depth: usize) -> usize {
    let buffer = block(10_000_000);
    if depth > 0 {
        recurses_and_tells_at_exit(depth - 1);
    }
    buffer.capacity()
}

/// Case 8: like case 7, in one table for all calls. Each byte is counted once, on the line of the
/// outermost call during which it was allocated.
#[test]
fn the_calls_of_a_recursion_count_each_byte_once_together() {
    let tables = run(|| {
        recurses_and_tells_at_exit(2);

        let buffers = ("let buffer", [0, 0, 30_000_000, 3]);
        assert_made(&report(), "recurses_and_tells_at_exit", &[buffers]);
    });

    let below = 20_000_000;
    tables[0].assert_heap(&[
        ("let buffer", [3, 10_000_000, 0, 10_000_000, 10_000_000, 1]),
        ("depth - 1", [2, below, below, 0, below, 2]),
        ("}", [3, 0, 10_000_000, -10_000_000, 0, 0]),
    ]);
    assert_eq!(tables[0].total("allocated"), 30_000_000);
    assert_eq!(tables[0].total("peak"), 30_000_000);
}

/// The depth of recursions.
const DEPTH: usize = 100_000;

/// The depth of recursions in which each call also calls another function.
const DEPTH_OF_CALLERS: usize = 50_000;

/// Converts a number of calls or bytes.
fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap()
}

/// Runs `work` with a stack that is large enough for [`DEPTH`] calls, even without optimisation.
fn on_a_deep_stack(work: fn()) {
    let deep = thread::Builder::new().stack_size(1 << 30);
    deep.spawn(work).unwrap().join().unwrap();
}

#[memprofile(print = "never")]
fn dives(depth: usize, at_the_bottom: fn()) -> usize {
    let held = block(10);
    if depth == 0 {
        at_the_bottom();
        return held.capacity();
    }
    let below = dives(depth - 1, at_the_bottom);
    below + block(1).capacity()
}

/// Cases 7 and 8 with a hundred thousand nested calls. memory_profiler can't do that: Python's
/// recursion limit is 1,000.
#[test]
fn a_recursion_can_be_a_hundred_thousand_calls_deep() {
    run(|| {
        on_a_deep_stack(|| {
            let calls = count(DEPTH) + 1;
            assert_eq!(calls, 100_001);
            let all_in = || {
                let calls = count(DEPTH) + 1;
                let report = report();
                let held = made(&report, "dives", "let held");
                assert_eq!(held, [10 * calls, calls, 10 * calls, calls]);
                assert_law_3(&report);
            };
            assert_eq!(dives(DEPTH, all_in), DEPTH + 10);

            let report = report();
            let held = made(&report, "dives", "let held");
            assert_eq!(held, [0, 0, 10 * calls, calls]);
            let after = made(&report, "dives", "block(1)");
            assert_eq!(after, [0, 0, calls - 1, calls - 1]);
            assert_law_3(&report);
        });
    });
}

#[memprofile(print = "exit", columns = "hits, allocated, freed, net, peak, count")]
fn dives_and_tells(depth: usize) -> usize {
    let held = block(10);
    if depth == 0 {
        return held.capacity();
    }
    let below = dives_and_tells(depth - 1);
    below + block(1).capacity()
}

#[test]
fn a_deep_recursion_has_each_byte_once_in_the_table_at_exit() {
    let tables = run(|| {
        on_a_deep_stack(|| {
            dives_and_tells(DEPTH);

            let depth = count(DEPTH);
            let report = report();
            let held = ("let held", [0, 0, 10 * (depth + 1), depth + 1]);
            let after = ("block(1)", [0, 0, depth, depth]);
            assert_made(&report, "dives_and_tells", &[held, after]);
            assert_law_3(&report);
        });
    });

    let depth = count(DEPTH);
    let below = 10 * depth + (depth - 1);
    tables[0].assert_heap(&[
        ("let held", [depth + 1, 10, 0, 10, 10, 1]),
        ("return", [1, 0, 0, 0, 0, 0]),
        (
            "depth - 1",
            [depth, below, below, 0, 10 * depth, 2 * depth - 1],
        ),
        ("block(1)", [depth, 1, 1, 0, 1, 1]),
        ("}", [depth, 0, 10, -10, 0, 0]),
    ]);
    assert_eq!(tables[0].total("allocated"), 11 * depth + 10);
    assert_eq!(tables[0].total("peak"), 10 * (depth + 1));
}

#[memprofile(print = "never")]
fn is_even(number: usize) -> bool {
    let held = block(10);
    let answer = number == 0 || is_odd(number - 1);
    drop(held);
    answer
}

#[memprofile(print = "never")]
fn is_odd(number: usize) -> bool {
    let held = block(3);
    let answer = number != 0 && is_even(number - 1);
    drop(held);
    answer
}

/// Cases 5, 7 and 8 combined: two functions that call each other.
#[test]
fn two_functions_that_call_each_other_own_what_their_lines_made() {
    run(|| {
        on_a_deep_stack(|| {
            assert!(is_even(DEPTH));

            let report = report();
            let half = count(DEPTH / 2);
            let held = ("let held", [0, 0, 10 * (half + 1), half + 1]);
            assert_made(&report, "is_even", &[held]);
            let held = ("let held", [0, 0, 3 * half, half]);
            assert_made(&report, "is_odd", &[held]);
            assert_law_3(&report);
        });
    });
}

#[memprofile(print = "exit", columns = "hits, allocated, freed, net, peak, count")]
fn is_even_and_tells(number: usize) -> bool {
    let held = block(10);
    let answer = number == 0 || is_odd_and_tells(number - 1);
    drop(held);
    answer
}

#[memprofile(print = "exit", columns = "hits, allocated, freed, net, peak, count")]
fn is_odd_and_tells(number: usize) -> bool {
    let held = block(3);
    let answer = number != 0 && is_even_and_tells(number - 1);
    drop(held);
    answer
}

#[test]
fn two_functions_that_call_each_other_have_each_byte_once_each() {
    let tables = run(|| {
        on_a_deep_stack(|| {
            assert!(is_even_and_tells(DEPTH));
        });
    });

    let [even, odd] = &tables[..] else {
        panic!("{tables:#?}")
    };
    let half = count(DEPTH / 2);
    let below = (10 + 3) * half;
    even.assert_heap(&[
        ("let held", [half + 1, 10, 0, 10, 10, 1]),
        ("let answer", [half + 1, below, below, 0, below, 2 * half]),
        ("drop(held)", [half + 1, 0, 10, -10, 0, 0]),
    ]);
    let below = below - 3;
    odd.assert_heap(&[
        ("let held", [half, 3, 0, 3, 3, 1]),
        ("let answer", [half, below, below, 0, below, 2 * half - 1]),
        ("drop(held)", [half, 0, 3, -3, 0, 0]),
    ]);
    assert_eq!(even.total("allocated"), 10 + 13 * half);
    assert_eq!(odd.total("allocated"), 13 * half);
}

#[memprofile(print = "exit", columns = "hits, allocated, freed, net, peak, count")]
fn is_called_at_each_depth() -> usize {
    let held = block(3);
    held.capacity()
}

#[memprofile(print = "exit", columns = "hits, allocated, freed, net, peak, count")]
fn calls_at_each_depth(depth: usize) -> usize {
    let own = is_called_at_each_depth();
    if depth > 0 {
        return own + calls_at_each_depth(depth - 1);
    }
    own
}

#[test]
fn calls_at_each_depth_of_a_recursion_are_all_added_up() {
    let tables = run(|| {
        on_a_deep_stack(|| {
            calls_at_each_depth(DEPTH_OF_CALLERS);
        });
    });

    let [called, calling] = &tables[..] else {
        panic!("{tables:#?}")
    };
    let depth = count(DEPTH_OF_CALLERS);
    let calls = depth + 1;
    called.assert_heap(&[
        ("let held", [calls, 3 * calls, 0, 3 * calls, 3, calls]),
        ("}", [calls, 0, 3 * calls, -3 * calls, 0, 0]),
    ]);
    // Counted in the outermost call: its own three bytes, and those of the calls below.
    calling.assert_heap(&[
        ("let own", [calls, 3, 3, 0, 3, 1]),
        ("return", [depth, 3 * depth, 3 * depth, 0, 3, depth]),
    ]);
    assert_eq!(calling.total("peak"), 3);
}

type Boxed = Pin<Box<dyn Future<Output = usize>>>;

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
async fn recurses_in_a_task(depth: usize) -> usize {
    let buffer = block(1000);
    pause().await;
    if depth > 0 {
        let below: Boxed = Box::pin(recurses_in_a_task(depth - 1));
        return buffer.capacity() + below.await;
    }
    buffer.capacity()
}

/// Cases 7 and 11 combined: an `async` function that awaits itself.
#[test]
fn each_call_of_a_recursive_task_has_its_own_numbers() {
    let tables = run(|| {
        assert_eq!(block_on(recurses_in_a_task(2)), 3000);

        let report = report();
        let [_, _, boxes, _] = made(&report, "recurses_in_a_task", "Box::pin");
        let buffers = ("let buffer", [0, 0, 3000, 3]);
        let boxes = ("Box::pin", [0, 0, boxes, 2]);
        assert_made(&report, "recurses_in_a_task", &[buffers, boxes]);
        assert_law_3(&report);
    });

    assert_eq!(tables.len(), 3);
    let future = tables[2].row("Box::pin").number("Allocated").unwrap();
    tables[0].assert_heap(&[("let buffer", keeps(1000)), ("}", frees(1000))]);
    for (table, depth) in tables[1..].iter().zip(1..) {
        let below = 1000 * depth + future * (depth - 1);
        table.assert_heap(&[
            ("let buffer", keeps(1000)),
            ("Box::pin", keeps(future)),
            // The box is freed by the line that awaits it.
            (
                "return",
                [1, below, below + future, -future, below, 2 * depth - 1],
            ),
            ("}", frees(1000)),
        ]);
    }
}

/// An iterator that allocates and frees a block for each item, which is its size.
struct Blocks {
    left: usize,
}

impl Iterator for Blocks {
    type Item = usize;

    #[memprofile(print = "exit", columns = "hits, allocated, freed, net, peak, count")]
    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let b = block(5_000_000);
        Some(b.capacity())
    }
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn consumes(blocks: Blocks) -> usize {
    let sum = blocks.sum();
    sum
}

/// Cases 9 and 10: memory_profiler shows no table of a generator, or only some of its lines. The
/// counterpart in Rust is an iterator, whose allocations are on its consumer's lines.
#[test]
fn an_iterator_has_its_lines_and_its_consumer_has_them_on_one() {
    let tables = run(|| {
        assert_eq!(consumes(Blocks { left: 3 }), 15_000_000);

        let report = report();
        assert_made(
            &report,
            "Iterator>::next",
            &[("let b", [0, 0, 15_000_000, 3])],
        );
        assert_made(&report, "consumes", &[]);
        assert_law_3(&report);
    });

    let [consumer, iterator] = &tables[..] else {
        panic!("{tables:#?}")
    };
    let all = 15_000_000;
    consumer.assert_heap(&[("let sum", [1, all, all, 0, 5_000_000, 3])]);
    iterator.assert_heap(&[
        ("checked_sub", [4, 0, 0, 0, 0, 0]),
        ("let b", [3, all, 0, all, 5_000_000, 3]),
        ("}", [3, 0, all, -all, 0, 0]),
    ]);
    assert!(iterator.summary.contains("next, 4 calls: "));
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
async fn waits_between(bytes: usize) -> usize {
    let a = block(bytes);
    pause().await;
    let b = block(bytes);
    pause().await;
    a.capacity() + b.capacity()
}

/// Case 11: in memory_profiler, the table of a task that allocated 20 MB includes the 60 MB of
/// another task, and lines that wait are counted twice.
#[test]
fn two_tasks_in_turn_do_not_mix() {
    let tables = run(|| {
        block_on(async { tokio::join!(waits_between(10_000_000), waits_between(30_000_000)) });

        let report = report();
        let a = ("let a", [0, 0, 40_000_000, 2]);
        let b = ("let b", [0, 0, 40_000_000, 2]);
        assert_made(&report, "waits_between", &[a, b]);
        assert_law_3(&report);
    });

    let mut tables = tables;
    tables.sort_by_key(|table| table.total("peak"));
    for (table, bytes) in tables.iter().zip([10_000_000, 30_000_000]) {
        table.assert_heap(&[
            ("let a", keeps(bytes)),
            ("let b", keeps(bytes)),
            ("}", frees(2 * bytes)),
        ]);
        assert_eq!(table.total("peak"), 2 * bytes);
    }
    assert_eq!(tables.len(), 2);
}

#[memprofile(columns = "hits, allocated, freed, net")]
fn panics() {
    let a = block(20_000_000);
    std::panic::resume_unwind(Box::new(a.capacity()));
}

/// Case 12: memory_profiler shows no table of a function that an exception leaves.
#[test]
fn a_panic_does_not_cost_the_table() {
    let tables = run(|| {
        let caught = catch_unwind(panics).unwrap_err();
        assert_eq!(caught.downcast_ref(), Some(&20_000_000_usize));
        drop(caught);

        let made = made(&report(), "panics", "let a");
        assert_eq!(made, [0, 0, 20_000_000, 1]);
        assert_law_3(&report());
    });

    let table = &tables[0];
    let panicking = table.row("resume_unwind");
    let ending = format!("; cut short in line {} by a panic", panicking.number);
    assert!(table.summary.ends_with(&ending), "{}", table.summary);
    assert_eq!(table.row("let a").number("Allocated"), Some(20_000_000));
    assert_eq!(panicking.number("Freed"), Some(20_000_000));
    assert_eq!(table.total("freed"), 20_000_000);
}

#[memprofile(print = "exit", columns = "hits, allocated, freed, net, peak, count")]
fn fails_in_the_middle(text: &str) -> Result<usize, std::num::ParseIntError> {
    let a = block(20_000_000);
    let number = text.parse::<usize>()?;
    let b = block(10);
    Ok(a.capacity() + b.capacity() + number)
}

/// Case 13: memory_profiler is right, at the end of the program. In Rust, an error is returned like
/// any other value, and the line with `?` is the last one that runs.
#[test]
fn an_error_is_a_return() {
    let tables = run(|| {
        assert!(fails_in_the_middle("1").is_ok());
        assert!(fails_in_the_middle("one").is_err());
    });

    assert!(!tables[0].summary.contains("cut short"));
    let each = 20_000_000;
    tables[0].assert_heap(&[
        ("let a", [2, 2 * each, 0, 2 * each, each, 2]),
        ("let number", [2, 0, each, -each, 0, 0]),
        ("let b", [1, 10, 0, 10, 10, 1]),
        ("}", [1, 0, each + 10, -each - 10, 0, 0]),
    ]);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn waits_for_another(begin: &Barrier, end: &Barrier) -> usize {
    let x = block(1);
    begin.wait();
    end.wait();
    x.capacity()
}

/// Case 14: memory_profiler shows another thread's 80 MB on the line that waits for it.
#[test]
fn what_another_thread_makes_is_on_no_line() {
    let tables = run(|| {
        let [begin, end] = [(); 2].map(|()| Barrier::new(2));
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                begin.wait();
                let big = block(80_000_000);
                end.wait();
                big
            });
            waits_for_another(&begin, &end);
            let big = other.join().unwrap();
            let report = report();
            assert_made(&report, "waits_for_another", &[("let x", [0, 0, 1, 1])]);
            assert!(report.untracked.live_bytes() > 80_000_000);
            assert_law_3(&report);
            drop(big);
        });
    });

    tables[0].assert_heap(&[("let x", keeps(1)), ("}", frees(1))]);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn in_step(bytes: usize, step: &Barrier) -> usize {
    let a = block(bytes);
    step.wait();
    let b = block(bytes);
    step.wait();
    a.capacity() + b.capacity()
}

#[memprofile(print = "exit", columns = "hits, allocated, freed, net, peak, count")]
fn in_step_at_exit(bytes: usize, step: &Barrier) -> usize {
    let a = block(bytes);
    step.wait();
    drop(a);
    step.wait();
    bytes
}

/// Runs `work` on three threads at once, with 10, 20 and 30 MB.
fn on_three_threads(work: fn(usize, &Barrier) -> usize) {
    let step = &Barrier::new(3);
    thread::scope(|scope| {
        let threads = [1, 2, 3].map(|tens| scope.spawn(move || work(tens * 10_000_000, step)));
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// Case 26: in each of memory_profiler's three tables, lines that wait include what other threads
/// allocated meanwhile.
#[test]
fn three_threads_in_one_function_have_three_tables() {
    let mut tables = run(|| {
        on_three_threads(in_step);

        let report = report();
        let a = ("let a", [0, 0, 60_000_000, 3]);
        let b = ("let b", [0, 0, 60_000_000, 3]);
        assert_made(&report, "in_step", &[a, b]);
        assert_law_3(&report);
    });

    tables.sort_by_key(|table| table.total("allocated"));
    for (table, bytes) in tables.iter().zip([10_000_000, 20_000_000, 30_000_000]) {
        table.assert_heap(&[
            ("let a", keeps(bytes)),
            ("let b", keeps(bytes)),
            ("}", frees(2 * bytes)),
        ]);
    }
    assert_eq!(tables.len(), 3);
}

/// Case 15: memory_profiler's table includes only the first of three threads.
#[test]
fn three_threads_in_one_function_are_in_one_table() {
    let tables = run(|| on_three_threads(in_step_at_exit));

    let all = 60_000_000;
    tables[0].assert_heap(&[
        ("let a", [3, all, 0, all, 30_000_000, 3]),
        ("drop(a)", [3, 0, all, -all, 0, 0]),
    ]);
    assert!(tables[0].summary.contains("in_step_at_exit, 3 calls: "));
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn makes_one(bytes: usize) -> Vec<u8> {
    let made = block(bytes);
    drop(block(bytes));
    made
}

/// Case 16: memory_profiler shows 0.0000 for blocks smaller than a page. memprof is exact for each
/// size from a byte to 100 MB.
#[test]
fn every_size_is_exact() {
    const SIZES: [i64; 8] = [
        1,
        100,
        1000,
        10_000,
        100_000,
        1_000_000,
        10_000_000,
        100_000_000,
    ];
    let tables = run(|| {
        let kept: Vec<Vec<u8>> = SIZES
            .iter()
            .map(|bytes| makes_one(usize::try_from(*bytes).unwrap()))
            .collect();

        let all: i64 = SIZES.iter().sum();
        let made = ("let made", [all, 8, all, 8]);
        let dropped = ("drop(block", [0, 0, all, 8]);
        assert_made(&report(), "makes_one", &[made, dropped]);
        assert_law_3(&report());
        drop(kept);
    });

    for (table, bytes) in tables.iter().zip(SIZES) {
        table.assert_heap(&[("let made", keeps(bytes)), ("drop(block", drops(bytes))]);
    }
    assert_eq!(tables.len(), SIZES.len());
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn makes_many_small_ones() -> Option<Vec<u8>> {
    let one = block(100);
    let other = block(1000);
    let few: Vec<Vec<u8>> = (0..2000).map(|_| block(16)).collect();
    drop(few);
    let mut many: Vec<Vec<u8>> = (0..30_000).map(|_| block(16)).collect();
    let keep = many.pop();
    drop(many);
    let again: Vec<Vec<u8>> = (0..30_000).map(|_| block(16)).collect();
    drop((one, other, again));
    keep
}

/// Case 16: in memory_profiler, freeing 2,000 objects returns nothing, and the same list costs less
/// the second time. memprof counts the requested bytes.
#[test]
fn memory_that_is_used_again_counts_again() {
    let tables = run(|| {
        assert_eq!(makes_many_small_ones().unwrap().capacity(), 16);
    });

    let few = 2000 * (16 + ENTRY);
    let many = 30_000 * (16 + ENTRY);
    tables[0].assert_heap(&[
        ("let one", keeps(100)),
        ("let other", keeps(1000)),
        ("let few", [1, few, 0, few, few, 2001]),
        ("drop(few)", frees(few)),
        ("let mut many", [1, many, 0, many, many, 30_001]),
        ("drop(many)", frees(many - 16)),
        ("let again", [1, many, 0, many, many, 30_001]),
        ("drop((one, other, again))", frees(1100 + many)),
    ]);
    assert_eq!(tables[0].total("net"), 16);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn touches_late() {
    let a = block(50_000_000);
    let mut b = vec![0_u8; 50_000_000];
    b[49_999_999] = 1;
    let c = black_box(&b)[0];
    drop((a, b, c));
}

/// Case 17: memory_profiler shows nothing on the line that allocates, and all on the line that
/// first touches the memory.
#[test]
fn memory_counts_where_it_is_allocated_and_not_where_it_is_touched() {
    let tables = run(|| {
        touches_late();
    });

    tables[0].assert_heap(&[
        ("let a", keeps(50_000_000)),
        ("let mut b", keeps(50_000_000)),
        ("drop((a, b, c))", frees(100_000_000)),
    ]);
}

/// Four blocks in named fields.
struct Dictionary {
    _x: Vec<u8>,
    _y: Vec<u8>,
    _z: [Vec<u8>; 2],
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn takes_several_lines() -> usize {
    let a = block(
        // Counted on the first line of the statement.
        5_000_000,
    );
    let d = Dictionary {
        _x: block(5_000_000),
        _y: block(
            6_000_000, //
        ),
        _z: [0, 1].map(|index| {
            drop(block(2_000_000));
            block(index + 1)
        }),
    };
    let l: Vec<Vec<u8>> = [1, 1, 1, 1]
        .into_iter()
        .map(|millions| block(millions * 1_000_000))
        .collect();
    let g = l.iter().map(Vec::capacity).sum::<usize>();
    drop((a, d, l));
    g
}

/// Case 18: memory_profiler has a row for each physical line, counts the first one twice, and
/// splits the cost of a statement between its lines. In memprof, a statement is one row.
#[test]
fn a_statement_is_one_row_however_many_lines_it_has() {
    let tables = run(|| {
        assert_eq!(takes_several_lines(), 4_000_000);
    });

    let list = 4_000_000 + 4 * ENTRY;
    let kept = 11_000_003;
    let entries = 4 * ENTRY;
    tables[0].assert_heap(&[
        ("let a", keeps(5_000_000)),
        ("let d", [1, 11_000_000, 0, 11_000_000, 11_000_000, 2]),
        // The lines of closures have separate rows.
        (
            "drop(block(2_000_000))",
            [2, 4_000_000, 4_000_000, 0, 2_000_000, 2],
        ),
        ("block(index + 1)", [2, 3, 0, 3, 2, 2]),
        ("let l", [1, entries, 0, entries, entries, 1]),
        (
            ".map(|millions|",
            [4, 4_000_000, 0, 4_000_000, 1_000_000, 4],
        ),
        ("let g", [1, 0, 0, 0, 0, 0]),
        ("drop((a, d, l))", frees(5_000_000 + kept + list)),
    ]);
}

/// Stands for a file that is closed when it is dropped.
struct File(Vec<u8>);

impl Drop for File {
    fn drop(&mut self) {
        drop(block(9));
    }
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn opens_and_closes(flag: bool) -> usize {
    let outer = block(10);
    let length = {
        let file = File(block(7_000_000));
        file.0.capacity()
    };
    if flag {
        return length + outer.capacity();
    }
    // Not reached.
    let never = block(length);
    never.capacity()
}

/// Case 18: memory_profiler shows what a context manager frees at its end on the line that began
/// it. In Rust, a guard is dropped on the closing brace of its block.
#[test]
fn a_guard_closes_on_its_blocks_brace() {
    let tables = run(|| {
        opens_and_closes(true);
    });

    tables[0].assert_heap(&[
        ("let outer", keeps(10)),
        ("let file", keeps(7_000_000)),
        ("};", [1, 9, 7_000_009, -7_000_000, 9, 1]),
        ("return", [1, 0, 10, -10, 0, 0]),
    ]);
    assert_eq!(tables[0].row("let never").number("Hits"), None);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn tries_and_at_last_frees() -> usize {
    let mut freed_at_last = block(3_000_000);
    let tried = [8_000_000_usize, 0].map(|bytes| {
        let e = block(bytes);
        e.capacity().checked_sub(1).ok_or("empty")
    });
    let length = match tried[1] {
        Ok(length) => length,
        Err(reason) => {
            let text = reason.to_owned();
            text.len()
        }
    };
    freed_at_last.shrink_to(0);
    length
}

/// Case 18: a handled error, and code that runs in both cases.
#[test]
fn a_failure_that_is_handled_is_on_the_lines_that_handle_it() {
    let tables = run(|| {
        assert_eq!(tries_and_at_last_frees(), 5);
    });

    tables[0].assert_heap(&[
        ("let mut freed_at_last", keeps(3_000_000)),
        ("let tried", [1, 0, 0, 0, 0, 0]),
        ("let e = block", [2, 8_000_000, 0, 8_000_000, 8_000_000, 1]),
        ("e.capacity()", [2, 0, 0, 0, 0, 0]),
        ("    });", [2, 0, 8_000_000, -8_000_000, 0, 0]),
        ("let text", keeps(5)),
        ("        }", frees(5)),
        ("shrink_to", frees(3_000_000)),
    ]);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn calls_what_it_defines() -> usize {
    fn inner(bytes: usize) -> usize {
        let t = block(bytes);
        t.capacity()
    }
    let v = inner(4_000_000);
    let closure = |bytes| block(bytes).capacity();
    let w = closure(2_000_000);
    v + w
}

/// Case 18: memory_profiler shows the lines of a nested function in its parent's table, and nothing
/// on the line that calls it.
#[test]
fn a_nested_function_is_on_the_line_that_calls_it() {
    let tables = run(|| {
        calls_what_it_defines();
    });

    tables[0].assert_heap(&[
        ("let v", drops(4_000_000)),
        // A closure's allocations are on its own line.
        ("let closure", drops(2_000_000)),
        ("let w", [1, 0, 0, 0, 0, 0]),
    ]);
    assert_eq!(tables[0].row("let t").number("Hits"), None);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn comprehends() -> u64 {
    let squares: Vec<u64> = (0..1000).map(|number| number * number).collect();
    let sum: u64 = squares.iter().filter(|square| **square % 2 == 0).sum();
    let mut texts = Vec::with_capacity(10);
    texts.extend((1..=10).map(|length| "x".repeat(length)));
    let longer: Vec<&String> = texts.iter().filter(|text| text.len() > 10).collect();
    sum + longer.len() as u64
}

/// Cases 16 and 18: memory_profiler counts a comprehension once for each element, and three more
/// times. It is a line that runs once, whatever creates its elements.
#[test]
fn a_chain_of_iterators_is_a_line_that_runs_once() {
    let tables = run(|| {
        assert_eq!(comprehends(), 166_167_000);
    });

    let texts = (1..=10).sum();
    tables[0].assert_heap(&[
        ("let squares", keeps(8000)),
        ("let mut texts", keeps(10 * ENTRY)),
        ("texts.extend", [1, texts, 0, texts, texts, 10]),
        ("let longer", [1, 0, 0, 0, 0, 0]),
        ("}", frees(8000 + 10 * ENTRY + texts)),
    ]);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn has_a_table_each(number: usize) -> usize {
    let a = block(number * 10_000_000);
    a.capacity()
}

/// Case 19: memory_profiler also shows four tables, but without what is freed when the function
/// returns.
#[test]
fn each_call_has_a_table() {
    let tables = run(|| {
        for number in 1..=4 {
            has_a_table_each(number);
        }
    });

    for (table, number) in tables.iter().zip(1..) {
        let bytes = number * 10_000_000;
        table.assert_heap(&[("let a", keeps(bytes)), ("}", frees(bytes))]);
    }
    assert_eq!(tables.len(), 4);
}

/// A type with each kind of method.
struct Account {
    held: Vec<u8>,
}

/// A trait with a provided method.
trait Doubles {
    #[memprofile(columns = "hits, allocated, freed, net, peak, count")]
    fn doubled(&self) -> Vec<u8> {
        let bytes = self.bytes();
        block(2 * bytes)
    }

    fn bytes(&self) -> usize;
}

impl Account {
    #[memprofile(columns = "hits, allocated, freed, net, peak, count")]
    fn new(bytes: usize) -> Self {
        let held = block(bytes);
        Self { held }
    }

    #[memprofile(columns = "hits, allocated, freed, net, peak, count")]
    fn refill(&mut self) -> &mut Self {
        self.held = block(10_000_000);
        self
    }

    #[memprofile(columns = "hits, allocated, freed, net, peak, count")]
    fn close(self) -> usize {
        let length = self.held.capacity();
        drop(self);
        length
    }
}

impl Doubles for Account {
    #[memprofile(columns = "hits, allocated, freed, net, peak, count")]
    fn bytes(&self) -> usize {
        let copy = block(self.held.capacity());
        copy.capacity()
    }
}

/// Case 20: memory_profiler is right for methods. Its decorator doesn't work on a whole class,
/// which then is no longer a class.
#[test]
fn methods_of_every_kind_have_tables() {
    let tables = run(|| {
        let mut account = Account::new(5_000_000);
        account.refill();
        assert_eq!(account.doubled().capacity(), 20_000_000);
        account.close();

        let report = report();
        let held = ("let held", [0, 0, 5_000_000, 1]);
        assert_made(&report, "Account::new", &[held]);
        let refilled = ("self.held = ", [0, 0, 10_000_000, 1]);
        assert_made(&report, "Account::refill", &[refilled]);
        let copy = ("let copy", [0, 0, 10_000_000, 1]);
        assert_made(&report, "Doubles>::bytes", &[copy]);
        assert_law_3(&report);
    });

    let [new, refill, bytes, doubled, close] = &tables[..] else {
        panic!("{tables:#?}")
    };
    new.assert_heap(&[("let held", keeps(5_000_000))]);
    // The new block is allocated before the old one is freed.
    let refilling = [1, 10_000_000, 5_000_000, 5_000_000, 10_000_000, 1];
    refill.assert_heap(&[("self.held = ", refilling)]);
    bytes.assert_heap(&[("let copy", keeps(10_000_000)), ("}", frees(10_000_000))]);
    doubled.assert_heap(&[
        ("self.bytes()", drops(10_000_000)),
        ("block(2 * bytes)", keeps(20_000_000)),
    ]);
    close.assert_heap(&[("drop(self)", frees(10_000_000))]);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn is_large_within_a_line() -> usize {
    let n = block(block(200_000_000).capacity() / 2).capacity();
    n
}

/// Case 21: memory_profiler doesn't show a temporary of 200 MB within a line. memprof shows it as
/// the line's peak.
#[test]
fn a_temporary_within_a_line_is_its_peak() {
    let tables = run(|| {
        is_large_within_a_line();
    });

    let both = 300_000_000;
    tables[0].assert_heap(&[("let n", [1, both, both, 0, both, 2])]);
    assert_eq!(tables[0].total("peak"), both);
}

#[rustfmt::skip]
#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn has_much_on_a_line() -> usize {
    let a = block(5_000_000); let b = block(6_000_000); drop(a);
    for _ in 0..3 { drop(block(1_000_000)); }
    let mut n = 0;
    while n < 3 { n += 1; if n == 2 { continue; } drop(block(n)); }
    n + b.len()
}

/// Case 22: memory_profiler shows only the net change of three statements on one line. memprof's
/// row shows what they allocated and what they freed.
#[test]
fn statements_on_one_line_are_one_row() {
    let tables = run(|| {
        assert_eq!(has_much_on_a_line(), 3);
    });

    tables[0].assert_heap(&[
        (
            "let a",
            [1, 11_000_000, 5_000_000, 6_000_000, 11_000_000, 2],
        ),
        ("for _", [4, 3_000_000, 3_000_000, 0, 1_000_000, 3]),
        ("while", [4, 4, 4, 0, 3, 2]),
        ("}", frees(6_000_000)),
    ]);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn has_others_allocate() -> usize {
    let text = ["1.5"; 1000].join(",");
    let mut list: Vec<f64> = Vec::with_capacity(1000);
    list.extend(text.split(',').filter_map(|text| text.parse::<f64>().ok()));
    list.len()
}

/// Case 23: with tracemalloc, memory_profiler's bytes are exact, but allocations in other files are
/// shown as 0.
#[test]
fn what_the_standard_library_allocates_is_on_the_line_that_calls_it() {
    let tables = run(|| {
        assert_eq!(has_others_allocate(), 1000);
    });

    let text = 1000 * 3 + 999;
    tables[0].assert_heap(&[
        ("let text", keeps(text)),
        ("let mut list", keeps(8000)),
        ("}", frees(text + 8000)),
    ]);
}

#[memprofile(print = "exit", columns = "hits, allocated, freed, net, peak, count")]
fn does_nothing() -> i32 {
    let a = 1;
    a
}

/// Case 24: memory_profiler shows growth between the calls on the line of the decorator. Case 39: a
/// function that allocates nothing has zeros.
#[test]
fn what_happens_between_the_calls_is_not_the_functions() {
    let tables = run(|| {
        let mut keep = Vec::new();
        for _ in 0..3 {
            does_nothing();
            keep.push(block(40_000_000));
        }

        let report = report();
        assert_made(&report, "does_nothing", &[]);
        assert!(report.untracked.live_bytes() > 120_000_000);
        assert_law_3(&report);
    });

    tables[0].assert_heap(&[("let a", [3, 0, 0, 0, 0, 0])]);
    assert!(tables[0].summary.contains("does_nothing, 3 calls: "));
}

/// Case 27: memory_profiler runs a quick function up to seven times to measure it.
#[test]
fn what_is_measured_runs_once() {
    let mut runs = 0;
    let (kept, usage) = measure(|| {
        runs += 1;
        drop(block(50_000_000));
        block(7)
    });

    assert_eq!(runs, 1);
    assert_eq!(usage.allocated_bytes, 50_000_007);
    assert_eq!(usage.freed_bytes, 50_000_000);
    assert_eq!(usage.peak_bytes, 50_000_000);
    assert_eq!(usage.net_bytes(), 7);
    drop(kept);
}

#[memprofile(columns = "default, hits, allocated, freed, net, peak, count")]
fn repeats() -> f64 {
    let a: Vec<f64> = (0..40_000).map(f64::from).collect();
    a.iter().sum()
}

/// Cases 32 and 37: memory_profiler shows 1.5430 MiB in the first call, 0.2031 MiB in the second,
/// and then nothing, since the allocator keeps freed memory.
#[test]
fn the_fifth_call_has_the_numbers_of_the_first() {
    let tables = run(|| {
        for _ in 0..5 {
            repeats();
        }
    });

    for table in &tables {
        table.assert_heap(&[("let a", keeps(320_000)), ("}", frees(320_000))]);
    }
    assert_eq!(tables.len(), 5);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn exits() {
    let a = block(5_000_000);
    exit(i32::from(a.capacity() == 5_000_000) * 7);
}

/// Case 34: memory_profiler shows no table of a function in which the program exits.
#[test]
fn an_exit_does_not_cost_the_table() {
    let mut program = Program::new(|| {
        exits();
    });
    let output = program.output();

    assert_eq!(output.status.code(), Some(7));
    let output = String::from_utf8_lossy(&output.stdout);
    let table = &Table::all_in(&output)[0];
    assert!(table.summary.ends_with("as the process exited"));
    assert!(
        table.summary.contains(" allocated 5,000,000 B, "),
        "{output}"
    );
    assert_eq!(table.row("let a").number("Allocated"), Some(5_000_000));
    assert_eq!(table.row("exit(").cell("Allocated"), "0 B");
    assert_eq!(table.row("exit(").cell("Count"), "0");
}

/// Calls `work` like a decorator, and holds a block meanwhile.
#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn decorates<T>(work: impl FnOnce() -> T) -> T {
    let held = block(777);
    let done = work();
    drop(held);
    done
}

/// A function with other attributes, too.
#[inline(never)]
#[must_use]
#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn is_decorated() -> String {
    let é = "ü".repeat(10);
    é
}

/// Case 35: memory_profiler's table has the lines of another decorator instead of those of the
/// decorated function.
#[test]
fn a_decorated_function_and_its_decorator_have_their_own_lines() {
    let tables = run(|| {
        let kept = decorates(|| decorates(is_decorated));

        let report = report();
        assert_made(&report, "is_decorated", &[("let é", [20, 1, 20, 1])]);
        assert_made(&report, "decorates", &[("let held", [0, 0, 2 * 777, 2])]);
        assert_law_3(&report);
        drop(kept);
    });

    let [decorated, inner, outer] = &tables[..] else {
        panic!("{tables:#?}")
    };
    decorated.assert_heap(&[("let é = \"ü\"", keeps(20))]);
    inner.assert_heap(&[
        ("let held", keeps(777)),
        ("let done", keeps(20)),
        ("drop(held)", frees(777)),
    ]);
    outer.assert_heap(&[
        ("let held", keeps(777)),
        ("let done", [1, 797, 777, 20, 797, 2]),
        ("drop(held)", frees(777)),
    ]);
}

#[rustfmt::skip]
#[memprofile(columns = "hits, allocated, freed, net, peak, count")] fn is_one_line() -> usize { block(36).capacity() }

/// Case 36: a function on one line.
#[test]
fn a_function_on_one_line_is_one_row() {
    let tables = run(|| {
        is_one_line();
    });

    tables[0].assert_heap(&[("fn is_one_line", drops(36))]);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn my_func() -> Vec<u64> {
    let a = black_box(vec![0; 1_000_000]);
    let b = black_box(vec![0_u64; 20_000_000]);
    drop(b);
    a
}

/// Case 40: the example in memory_profiler's README, for which memory_profiler is right.
#[test]
fn the_example_of_memory_profiler() {
    let tables = run(|| {
        let kept = my_func();

        let report = report();
        let a = ("let a", [8_000_000, 1, 8_000_000, 1]);
        let b = ("let b", [0, 0, 160_000_000, 1]);
        assert_made(&report, "my_func", &[a, b]);
        assert_law_3(&report);
        drop(kept);
    });

    tables[0].assert_heap(&[
        ("let a", keeps(8_000_000)),
        ("let b", keeps(160_000_000)),
        ("drop(b)", frees(160_000_000)),
    ]);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn drops_at_its_end() -> usize {
    let a = block(50_000_000);
    let n = a.capacity();
    n
}

/// Case 41: memory_profiler shows a local that is dropped at the function's end on no line, so the
/// increments add up to 47.7 MiB that are no longer allocated.
#[test]
fn a_local_dies_on_the_closing_brace() {
    let tables = run(|| {
        drops_at_its_end();
    });

    tables[0].assert_heap(&[("let a", keeps(50_000_000)), ("}", frees(50_000_000))]);
    assert_eq!(tables[0].total("net"), 0);
}

#[memprofile(print = "never")]
async fn stays_async(number: u32) -> u32 {
    pause().await;
    number
}

/// Case 42: with memory_profiler's decorator, a coroutine function is no longer one.
#[test]
fn an_async_function_stays_one() {
    fn same<F: Future<Output = u32> + Send, G: AsyncFn(u32) -> u32 + Fn(u32) -> F>(of: G) -> G {
        of
    }

    assert_eq!(block_on(same(stays_async)(42)), 42);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn says_hello() {
    let hello = String::from("hello");
    println!("{hello}");
}

/// Case 43: the table appears in the output where the call ended.
#[test]
fn the_table_comes_where_the_call_ended() {
    let mut program = Program::new(|| {
        println!("before");
        says_hello();
        println!("after");
    });
    let output = program.stdout();

    let places = ["before", "hello\n", "Filename: ", "after"].map(|text| output.find(text));
    assert!(places.is_sorted() && places[0].is_some(), "{output}");
    let tables = Table::all_in(&output);
    assert_eq!(tables[0].row("let hello").number("Allocated"), Some(5));
}
