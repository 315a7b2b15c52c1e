//! The process's peak and which lines' blocks made it up, temporary blocks, and bytes that are
//! moved when blocks grow.

use memprof::report::Report;
use memprof::{memprofile, report, reset};
use memprof_tests::{block, line, run};
use std::alloc::{Layout, alloc, dealloc, realloc};
use std::sync::mpsc::channel;
use std::thread;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

/// Asserts that the bytes of all lines and of untracked blocks at the peak add up to the peak.
fn assert_adds_up(report: &Report) {
    let lines = report.functions.iter().flat_map(|function| &function.lines);
    let sum: u64 = lines.map(|line| line.own.bytes_at_peak).sum();
    let sum = sum + report.untracked.bytes_at_peak;
    assert_eq!(sum, report.total.bytes_at_peak, "{report:?}");
    let live = u64::try_from(report.total.live_bytes()).unwrap();
    assert!(
        report.total.bytes_at_peak + report.peak_error_bytes >= live,
        "{report:#?}"
    );
}

#[memprofile(print = "never")]
fn drops_and_keeps(kept: &mut Vec<Vec<u8>>, times: usize) {
    for _ in 0..times {
        drop(block(1 << 20)); // temporary
        kept.push(block(64 << 10));
    }
}

#[test]
fn three_lines_tell_churn_from_growth() {
    run(|| {
        let mut kept = Vec::with_capacity(3000);
        drops_and_keeps(&mut kept, 3000);
        let report = report();

        let temporary = line(&report, "drops_and_keeps", "temporary").own;
        assert_eq!(temporary.allocated_bytes, 3000 << 20);
        assert_eq!(
            (temporary.live_bytes(), temporary.temporary_count),
            (0, 3000)
        );
        let keeps = line(&report, "drops_and_keeps", "kept.push").own;
        assert_eq!(keeps.live_bytes(), 3000 * (64 << 10));
        assert_eq!(keeps.temporary_count, 0);
        // The last temporary block was freed before the last kept block was allocated.
        assert_eq!(temporary.bytes_at_peak, 1 << 20);
        assert_eq!(keeps.bytes_at_peak, 2999 * (64 << 10));
        assert_adds_up(&report);
    });
}

#[memprofile(print = "never")]
#[rustfmt::skip]
fn hills(highest: usize) {
    let low = block(100);
    for height in 1..=10_usize {
        let hill = block(1000 * (10 - height.abs_diff(highest))); // hill
        drop(block(1)); // crumb
        drop(hill);
    }
    drop(low);
}

#[test]
fn what_was_alive_at_the_peak_is_not_what_was_before_or_after() {
    run(|| {
        for highest in 1..=10 {
            reset();
            hills(highest);
            let report = report();
            let at_peak = ["let low", "// hill", "// crumb"]
                .map(|words| line(&report, "hills", words).own.bytes_at_peak);
            // The peak includes the crumb.
            assert_eq!(at_peak, [100, 10_000, 1], "{highest}");
            assert_adds_up(&report);
        }
    });
}

#[memprofile(print = "never")]
#[rustfmt::skip]
fn replaces(kept: &mut Vec<u8>, bytes: usize) {
    drop(std::mem::take(kept)); // freed by another line than made it
    *kept = block(bytes); // made
    kept.reserve_exact(2 * bytes); // grown
}

#[test]
fn a_peak_in_the_middle_of_a_line_is_seen_whoever_frees_and_grows() {
    run(|| {
        reset();
        let mut kept = Vec::new();
        for bytes in [1000, 500, 3000, 200] {
            replaces(&mut kept, bytes);
            assert_adds_up(&report());
        }
        let report = report();
        assert_eq!(line(&report, "replaces", "grown").own.bytes_at_peak, 6000);
        assert_eq!(line(&report, "replaces", "// made").own.bytes_at_peak, 0);
        assert_eq!(line(&report, "replaces", "grown").own.live_bytes(), 400);
    });
}

#[memprofile(print = "never")]
fn makes_for_others(bytes: usize) -> Vec<u8> {
    block(bytes) // theirs
}

#[test]
fn a_peak_is_that_of_all_threads_together() {
    run(|| {
        let (send, receive) = channel();
        let worker = thread::spawn(move || {
            for kept in receive {
                drop::<Vec<u8>>(kept);
            }
            makes_for_others(3 << 20)
        });
        let mine = makes_for_others(5 << 20);
        for _ in 0..100 {
            send.send(makes_for_others(1 << 10)).unwrap();
        }
        drop(send);
        let theirs = worker.join().unwrap();
        let report = report();

        let at_peak = line(&report, "makes_for_others", "theirs")
            .own
            .bytes_at_peak;
        let error = report.peak_error_bytes;
        assert!((1..10_000).contains(&error), "{error}");
        assert!(at_peak + error >= 8 << 20, "{at_peak}");
        assert!(at_peak <= (8 << 20) + (100 << 10), "{at_peak}");
        assert_adds_up(&report);
        drop((mine, theirs));
    });
}

#[test]
fn a_thread_that_is_alone_again_finds_exact_peaks() {
    run(|| {
        thread::spawn(|| drop(makes_for_others(100 << 10)))
            .join()
            .unwrap();
        reset();
        let kept = makes_for_others(200 << 10);
        let report = report();
        let made = line(&report, "makes_for_others", "theirs").own;
        assert_eq!(made.bytes_at_peak, 200 << 10);
        assert_adds_up(&report);
        drop(kept);
    });
}

#[memprofile(print = "never")]
fn temporaries() {
    drop(block(1)); // at once
    let first = block(10); // one later
    let second = block(20); // two later
    drop(first);
    let third = block(30); // last
    drop(block(2)); // between
    drop(second);
    drop(third);
    let mut grows = block(5); // grows
    grows.reserve_exact(100_000);
    drop(grows);
}

#[test]
fn temporary_is_what_is_freed_within_one_further_allocation() {
    run(|| {
        temporaries();
        let report = report();
        let count = |words| line(&report, "temporaries", words).own.temporary_count;
        assert_eq!(count("at once"), 1);
        assert_eq!(count("one later"), 1);
        assert_eq!(count("two later"), 0);
        assert_eq!(count("last"), 1);
        assert_eq!(count("between"), 1);
        // The block was transferred to the line that let it grow.
        assert_eq!((count("// grows"), count("reserve_exact")), (0, 1));
    });
}

#[test]
fn what_another_thread_frees_is_not_temporary() {
    run(|| {
        let kept = makes_for_others(1 << 10);
        thread::spawn(|| drop(kept)).join().unwrap();
        let report = report();
        let made = line(&report, "makes_for_others", "theirs").own;
        assert_eq!((made.deallocation_count, made.temporary_count), (1, 0));
    });
}

#[memprofile(print = "never")]
#[rustfmt::skip]
fn grows_to(size: usize) -> u64 {
    let layout = |size| Layout::from_size_align(size, 8).unwrap();
    let mut moved_bytes = 0;
    // SAFETY: the layout's size isn't 0.
    let mut start = unsafe { alloc(layout(16)) };
    let mut old = 16;
    while old < size {
        // SAFETY: the block is allocated with this layout, and the new size is valid.
        let grown = unsafe { realloc(start, layout(old), 2 * old) }; // here
        if grown != start {
            moved_bytes += old as u64;
        }
        (start, old) = (grown, 2 * old);
    }
    // SAFETY: the block is allocated with this layout.
    unsafe { dealloc(start, layout(old)) };
    moved_bytes
}

#[test]
fn bytes_that_went_along_as_blocks_moved_are_counted() {
    run(|| {
        let moved_bytes = grows_to(1 << 22);
        let report = report();
        assert_eq!(
            line(&report, "grows_to", "here").own.moved_bytes,
            moved_bytes
        );
        assert!(moved_bytes > 0);
    });
}

#[memprofile(print = "never")]
#[rustfmt::skip]
fn asks_for_the_same_size(start: *mut u8, layout: Layout) -> *mut u8 {
    // SAFETY: the block is allocated with this layout, and the size is valid.
    let same = unsafe { realloc(start, layout, layout.size()) }; // asks
    let kept = block(10); // next
    drop(kept);
    same
}

#[test]
fn a_block_that_neither_grows_nor_shrinks_moves_no_bytes_of_any_line() {
    run(|| {
        // With this alignment, `realloc` allocates another block each time.
        let layout = Layout::from_size_align(640, 64).unwrap();
        // SAFETY: the layout's size isn't 0.
        let start = unsafe { alloc(layout) };
        let start = asks_for_the_same_size(start, layout);
        let report = report();
        for line in &report.functions[0].lines {
            assert_eq!(line.own.moved_bytes, 0, "{line:?}");
        }
        assert_adds_up(&report);
        // SAFETY: the block is allocated with this layout.
        unsafe { dealloc(start, layout) };
    });
}
