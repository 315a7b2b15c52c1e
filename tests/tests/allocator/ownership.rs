//! Law 3: the numbers of all lines and the untracked rest add up to those of the process, to the
//! byte, whatever thread allocates or frees.

use memprof::report::Allocations;
use memprof::{memprofile, report, reset};
#[cfg(unix)]
use memprof_tests::alone;
use memprof_tests::{Row, Table, assert_law_3, block, line, numbers, pause, run};
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Waker};
use std::thread;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof_tests::system(env!("CARGO_CRATE_NAME"));

#[memprofile(print = "never")]
fn keeps_and_drops(kept: &mut Vec<Vec<u8>>, times: usize) {
    for _ in 0..times {
        drop(block(1 << 20)); // temporary
        kept.push(block(64 << 10));
    }
}

#[test]
fn what_a_line_keeps_is_told_from_what_it_drops() {
    run(|| {
        let mut kept = Vec::with_capacity(3000);
        keeps_and_drops(&mut kept, 3000);

        let report = report();
        let temporary = line(&report, "keeps_and_drops", "// temporary").own;
        assert_eq!(numbers(temporary), [0, 0, 3000 << 20, 3000]);
        let keeping = line(&report, "keeps_and_drops", "kept.push").own;
        assert_eq!(numbers(keeping), [3000 << 16, 3000, 3000 << 16, 3000]);
        assert_law_3(&report);
    });
}

#[memprofile(print = "never")]
fn makes(bytes: usize) -> Vec<u8> {
    let length = bytes;
    block(length)
}

#[memprofile(print = "never", hits = true)]
fn frees(blocks: Vec<Vec<u8>>) {
    drop(blocks);
}

#[test]
fn a_block_freed_on_another_thread_is_still_its_lines() {
    run(|| {
        let (give, take) = channel();
        let freeing = thread::spawn(move || {
            for blocks in take {
                frees(blocks);
            }
        });
        for bytes in 1..=100 {
            give.send(vec![makes(bytes)]).unwrap();
        }
        drop(give);
        freeing.join().unwrap();
        let kept = makes(7);

        let report = report();
        let making = line(&report, "makes", "    block(length)").own;
        assert_eq!(numbers(making), [7, 1, 5057, 101]);
        assert_eq!(
            line(&report, "frees", "drop(blocks)").own,
            Allocations::default()
        );
        assert_law_3(&report);
        drop(kept);
    });
}

#[memprofile(print = "never")]
fn grows(list: &mut Vec<u8>) {
    let mut own = block(10);
    own.reserve_exact(100); // own
    list.reserve_exact(1000); // other
    list.shrink_to(500);
}

#[test]
fn a_line_that_lets_a_block_grow_takes_it_over() {
    run(|| {
        let mut list = block(200);
        let before = report();
        grows(&mut list);

        let report = report();
        let made = |words| line(&report, "grows", words).own;
        let transferred = |made: Allocations| [made.transferred_bytes, made.transferred_count];
        // The block was taken over with its size before the growth.
        assert_eq!(numbers(made("let mut own")), [0, 0, 10, 1]);
        assert_eq!(transferred(made("let mut own")), [-10, -1]);
        assert_eq!(made("let mut own").freed_bytes, 0);
        // The line that took it over allocated only the growth, and freed the whole block.
        assert_eq!(numbers(made("// own")), [0, 0, 90, 0]);
        assert_eq!(transferred(made("// own")), [10, 1]);
        assert_eq!(made("// own").freed_bytes, 100);
        assert_eq!(made("// own").deallocation_count, 1);

        assert_eq!(numbers(made("// other")), [500, 1, 800, 0]);
        assert_eq!(transferred(made("// other")), [200, 1]);
        let since = report.since(&before);
        assert_eq!(transferred(since.untracked), [-200, -1]);
        assert_eq!(transferred(since.total), [0, 0]);
        assert_law_3(&report);
        assert_law_3(&since);
    });
}

#[memprofile(print = "never")]
fn calls() -> [Vec<u8>; 3] {
    let before = block(1);
    let made = makes(2); // the callee's
    let after = block(3);
    [before, made, after]
}

#[test]
fn the_innermost_line_makes_a_block() {
    run(|| {
        let kept = calls();

        let report = report();
        assert_eq!(line(&report, "calls", "let before").own.live_bytes(), 1);
        assert_eq!(
            line(&report, "calls", "// the callee's").own,
            Allocations::default()
        );
        assert_eq!(
            line(&report, "makes", "    block(length)").own.live_bytes(),
            2
        );
        assert_eq!(line(&report, "calls", "let after").own.live_bytes(), 3);
        assert_law_3(&report);
        drop(kept);
    });
}

#[expect(clippy::unnecessary_box_returns, reason = "it is the box that counts")]
#[memprofile(print = "never")]
fn generic<T: Default>() -> Box<T> {
    Box::default() // made
}

#[test]
fn a_generic_function_is_one_function() {
    run(|| {
        let kept = (generic::<u64>(), generic::<[u64; 4]>());

        let report = report();
        assert_eq!(line(&report, "generic", "// made").own.live_bytes(), 40);
        assert_eq!(report.functions.len(), 1);
        drop(kept);
    });
}

#[memprofile(print = "never")]
fn on_a_short_thread(bytes: usize) -> Vec<u8> {
    let made = block(bytes);
    drop(block(5)); // dropped
    made
}

#[test]
fn ten_thousand_short_threads_leak_nothing_and_lose_nothing() {
    run(|| {
        let mut kept = Vec::with_capacity(10_000);
        for _ in 0..100 {
            let threads: Vec<_> = (0..100)
                .map(|_| thread::spawn(|| on_a_short_thread(3)))
                .collect();
            kept.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
        }

        let first = report();
        let made = line(&first, "on_a_short_thread", "let made").own;
        assert_eq!(numbers(made), [30_000, 10_000, 30_000, 10_000]);
        let dropped = line(&first, "on_a_short_thread", "// dropped").own;
        assert_eq!(numbers(dropped), [0, 0, 50_000, 10_000]);
        assert_law_3(&first);

        kept.clear();
        let made = line(&report(), "on_a_short_thread", "let made").own;
        assert_eq!(numbers(made), [0, 0, 30_000, 10_000]);
    });
}

#[memprofile(print = "never")]
async fn in_a_task(bytes: usize) -> Vec<u8> {
    let first = block(bytes);
    tokio::task::yield_now().await;
    let second = block(2 * bytes);
    tokio::task::yield_now().await;
    drop(first);
    second
}

#[test]
fn what_tasks_made_is_their_lines_wherever_they_are_polled() {
    run(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .build()
            .unwrap();
        let kept = runtime.block_on(async {
            let tasks: Vec<_> = (0..500)
                .map(|bytes| tokio::spawn(in_a_task(bytes)))
                .collect();
            let mut kept = Vec::new();
            for task in tasks {
                kept.push(task.await.unwrap());
            }
            kept
        });
        drop(runtime);

        let report = report();
        let sum = (0..500).sum::<i64>();
        assert_eq!(
            numbers(line(&report, "in_a_task", "let first").own),
            [0, 0, sum, 499]
        );
        assert_eq!(
            numbers(line(&report, "in_a_task", "let second").own),
            [2 * sum, 499, 2 * sum, 499]
        );
        assert_law_3(&report);
        drop(kept);
    });
}

#[test]
fn reports_begin_at_the_last_reset() {
    run(|| {
        let old = makes(100);
        reset();
        let new = makes(30);

        let report = report();
        let making = line(&report, "makes", "    block(length)").own;
        assert_eq!(numbers(making), [30, 1, 30, 1]);
        assert_law_3(&report);

        drop(old);
        let since = memprof::report().since(&report);
        assert_eq!(
            line(&since, "makes", "    block(length)").own.live_bytes(),
            -100
        );
        assert_law_3(&since);
        drop(new);
    });
}

#[memprofile(columns = "all")]
fn reports_in_the_middle() -> i64 {
    let held = block(1000); // held
    let live = line(&report(), "reports_in_the_middle", concat!("//", " held"))
        .own
        .live_bytes();
    drop(held);
    live
}

#[test]
fn a_report_can_be_taken_in_the_middle_of_a_profiled_function() {
    let tables = run(|| {
        assert_eq!(reports_in_the_middle(), 1000);
        assert_law_3(&report());
    });

    // The memory of a report is the program's own, which asked for the report.
    assert!(tables[0].row("let live").number("Allocated") > Some(0));
    assert_eq!(tables[0].total("net"), 0);
}

#[test]
fn printing_is_in_no_report() {
    run(|| {
        reports_in_the_middle();
        let before = report();
        reports_in_the_middle();
        let after = report();

        assert_law_3(&after);
        let since = after.since(&before);
        // The first report is still alive.
        assert!(since.total.live_bytes() < 4096, "{since:#?}");
    });
}

/// A key destructor that allocates and frees in every round of its thread's teardown.
#[cfg(unix)]
extern "C" fn allocates_late(key: *mut std::ffi::c_void) {
    drop(block(100));
    // SAFETY: the value points to the key, in a box that is leaked. The key is never deleted.
    unsafe { libc::pthread_setspecific(*key.cast::<libc::pthread_key_t>(), key) };
}

#[test]
#[cfg(unix)]
fn what_a_thread_does_while_it_is_torn_down_is_counted_once() {
    run(|| {
        let mut key = 0;
        // SAFETY: `key` is valid to write to for the call, and the destructor is a function.
        unsafe { libc::pthread_key_create(&raw mut key, Some(allocates_late)) };
        let key: &'static _ = Box::leak(Box::new(key));
        let before = report();
        for _ in 0..10 {
            let with_room = thread::Builder::new().stack_size(64 << 20);
            let thread = with_room.spawn(move || {
                // SAFETY: the key was created above and is never deleted.
                unsafe { libc::pthread_setspecific(*key, std::ptr::from_ref(key).cast()) };
                drop(makes(1000));
            });
            thread.unwrap().join().unwrap();
        }

        let report = report();
        assert_law_3(&report);
        let since = report.since(&before);
        assert_eq!(
            line(&since, "makes", "    block(length)")
                .own
                .allocated_bytes,
            10_000
        );
        // There are four rounds for each thread.
        assert!(
            since.untracked.allocated_bytes >= 10 * 4 * 100,
            "{since:#?}"
        );
        assert!(since.total.allocated_bytes < 100_000, "{since:#?}");
    });
}

#[test]
#[cfg(unix)]
fn a_forked_child_counts_its_own_threads_and_those_it_had() {
    run(|| {
        // Threads that own blocks, and don't exist in the child.
        let (ready, wait) = channel();
        for _ in 0..3 {
            let ready = ready.clone();
            let with_room = thread::Builder::new().stack_size(30 << 20);
            let parked = with_room.spawn(move || {
                let _kept = makes(1000);
                ready.send(()).unwrap();
                loop {
                    thread::park();
                }
            });
            parked.unwrap();
        }
        for _ in 0..3 {
            wait.recv().unwrap();
        }
        // SAFETY: the other threads are parked and hold no lock. The system's allocator handles
        // forks itself. The child exits without returning to the harness.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                let kept = thread::spawn(|| makes(500)).join().unwrap();
                let report = report();
                assert_law_3(&report);
                let made = line(&report, "makes", "    block(length)").own;
                assert_eq!(numbers(made), [3500, 4, 3500, 4]);
                drop(kept);
                libc::_exit(0);
            }
            let mut status = -1;
            libc::waitpid(child, &raw mut status, 0);
            assert_eq!(status, 0);
        }
    });
}

#[memprofile(print = "never")]
fn hands_on(given: &std::sync::mpsc::SyncSender<Box<u64>>, count: u64) {
    for number in 0..count {
        given.send(Box::new(number)).unwrap();
    }
}

#[memprofile(print = "never")]
fn takes(taken: &std::sync::mpsc::Receiver<Box<u64>>) -> u64 {
    let mut sum = 0;
    for number in taken {
        sum += *number;
    }
    sum
}

#[test]
fn reports_of_busy_threads_may_lag_and_never_make_anything_up() {
    run(|| {
        const COUNT: u64 = 200_000;
        let (give, take) = std::sync::mpsc::sync_channel(64);
        let taking = thread::spawn(move || takes(&take));
        let giving = thread::spawn(move || hands_on(&give, COUNT));
        while !taking.is_finished() {
            let report = report();
            let lines = report.functions.iter().flat_map(|function| &function.lines);
            for made in lines.map(|line| line.own).chain([report.total]) {
                assert!(made.deallocation_count <= made.allocation_count, "{made:?}");
                assert!(made.freed_bytes <= made.allocated_bytes, "{made:?}");
            }
        }
        giving.join().unwrap();
        taking.join().unwrap();

        let report = report();
        let boxes = line(&report, "hands_on", "Box::new").own;
        assert!(boxes.allocation_count >= COUNT);
        assert_eq!(line(&report, "takes", "sum +=").own.deallocation_count, 0);
        assert_law_3(&report);
    });
}

/// The start function of a C thread that begins with a profiled call.
#[cfg(unix)]
extern "C" fn begins_with_a_profiled_call(_: *mut std::ffi::c_void) -> *mut std::ffi::c_void {
    let made = makes(1000);
    assert_law_3(&report());
    Box::into_raw(Box::new(made)).cast()
}

#[test]
#[cfg(unix)]
fn a_thread_that_begins_with_a_profiled_call_is_counted_once() {
    run(|| {
        let before = report();
        let kept: Vec<Vec<u8>> = (0..5)
            .map(|_| {
                let mut made = std::ptr::null_mut();
                // SAFETY: the thread is joined once, and returns a pointer from `Box::into_raw`
                // that nothing else uses.
                unsafe {
                    let mut thread = std::mem::zeroed();
                    let start = begins_with_a_profiled_call;
                    libc::pthread_create(
                        &raw mut thread,
                        std::ptr::null(),
                        start,
                        std::ptr::null_mut(),
                    );
                    libc::pthread_join(thread, &raw mut made);
                    *Box::from_raw(made.cast())
                }
            })
            .collect();

        let report = report();
        assert_law_3(&report);
        let since = report.since(&before);
        let making = line(&since, "makes", "    block(length)").own;
        assert_eq!(numbers(making), [5000, 5, 5000, 5]);
        // Less than twice the blocks: the first report is alive, too.
        assert!(since.total.live_bytes() < 10_000, "{since:#?}");
        drop(kept);
    });
}

static IS_OVER: AtomicBool = AtomicBool::new(false);

#[memprofile(print = "never")]
fn changes_lines() {
    let mut rounds = 0_u64;
    while !IS_OVER.load(Ordering::Relaxed) {
        rounds = rounds.wrapping_add(1); // nothing
        drop(block(100)); // something
    }
    black_box(rounds);
}

#[test]
fn a_report_puts_what_a_busy_thread_does_down_to_no_line_that_did_nothing() {
    run(|| {
        let busy = thread::spawn(changes_lines);
        while report().functions.is_empty() {}
        for _ in 0..10_000 {
            let made = line(&report(), "changes_lines", "// nothing").own;
            assert_eq!(made, Allocations::default());
        }
        IS_OVER.store(true, Ordering::Relaxed);
        busy.join().unwrap();
    });
}

#[memprofile(print = "exit", columns = "hits, allocated")]
fn makes_nothing() -> u64 {
    black_box(1)
}

#[test]
#[cfg(unix)]
fn what_the_profiler_does_on_a_busy_thread_is_in_no_report() {
    run(|| {
        // The allocations of the harness's own thread would be in reports.
        alone(|| {
            makes_nothing();
            let busy = thread::spawn(|| {
                while !IS_OVER.load(Ordering::Relaxed) {
                    makes_nothing();
                }
            });
            // Wait until the thread only does what its loop does.
            let calls = || report().functions[0].call_count.unwrap();
            let before = calls();
            while calls() < before + 2 {}
            let before = report().total.allocated_bytes;
            let reporting = memprof::measure(report).1.allocated_bytes;
            for times in 2..10_000 {
                let total = report().total.allocated_bytes;
                assert_eq!(total, before + times * reporting);
            }
            IS_OVER.store(true, Ordering::Relaxed);
            busy.join().unwrap();
        });
    });
}

/// The line with `words`: the bytes and blocks that it owns, its bytes at the peak, and how many of
/// its blocks were temporary.
#[track_caller]
fn owned(table: &Table, words: &str) -> [i64; 4] {
    let number = |row: &Row, heading: &str| row.number(heading).expect("a number");
    let row = table.row(words);
    ["Live", "Live count", "At peak", "Temporary"].map(|heading| number(row, heading))
}

#[memprofile(print = "exit")]
fn fills_a_cache(cache: &mut Vec<Vec<u8>>) {
    for _ in 0..3000 {
        drop(block(1 << 20)); // temporary
        cache.push(block(64 << 10));
    }
}

#[test]
fn the_words_below_a_table_say_which_line_keeps_what_is_alive_and_which_frees_at_once() {
    let tables = run(|| {
        let mut cache = Vec::with_capacity(3000);
        fills_a_cache(&mut cache);
        std::mem::forget(cache);
    });

    let [kept, temporary] = ["cache.push", "// temporary"].map(|words| tables[0].row(words).number);
    assert_eq!(
        tables[0].words,
        [
            format!("Still alive: 196,608,000 B in 3,000 blocks, all made in line {kept}"),
            format!("Freed at once: 3,000 of 6,000 blocks, all made in line {temporary}"),
        ]
    );
}

#[memprofile(columns = "live, live_count, at_peak, temporary", print = "exit")]
fn owns_at_exit(kept: &mut Vec<Vec<u8>>) {
    drop(block(1000)); // temporary
    kept.push(block(100));
    let thread = thread::spawn(|| {
        block(10) // elsewhere
    });
    kept.push(thread.join().expect("it doesn't panic"));
}

#[test]
fn at_exit_lines_own_what_is_alive_of_all_calls_whatever_was_reset() {
    let tables = run(|| {
        let mut kept = Vec::with_capacity(6);
        owns_at_exit(&mut kept);
        owns_at_exit(&mut kept);
        reset();
        owns_at_exit(&mut kept);
        // A block of the first call. The peak from here on doesn't include it.
        drop(kept.remove(0));
        reset();
        drop(block(1 << 20));
        std::mem::forget(kept);
    });

    let table = &tables[0];
    assert_eq!(owned(table, "// temporary"), [0, 0, 0, 3]);
    assert_eq!(owned(table, "kept.push(block"), [200, 2, 200, 0]);
    // Those lines ran on other threads, outside of the call.
    assert_eq!(owned(table, "// elsewhere"), [30, 3, 30, 0]);
    assert_eq!(table.row("fn owns_at_exit").cell("Live"), "");
    assert!(table.words.is_empty(), "{:?}", table.words);
}

#[memprofile(columns = "live, live_count, at_peak, temporary")]
fn owns(kept: &mut Vec<Vec<u8>>, times: usize) {
    for _ in 0..times {
        drop(block(100_000)); // temporary
        kept.push(block(10_000));
    }
}

#[test]
fn a_call_owns_what_it_made_and_no_other_call_did() {
    let tables = run(|| {
        let mut kept = Vec::with_capacity(100);
        reset();
        owns(&mut kept, 3);
        owns(&mut kept, 60);
        drop(kept.split_off(60));
        owns(&mut kept, 1);
    });

    // The peak is reached when the last temporary block is allocated.
    let rows = tables.iter().map(|table| owned(table, "kept.push"));
    let expected = [
        [30_000, 3, 20_000, 0],
        [600_000, 60, 590_000, 0],
        [10_000, 1, 0, 0],
    ];
    assert_eq!(rows.collect::<Vec<_>>(), expected);
    let rows = tables.iter().map(|table| owned(table, "// temporary"));
    let expected = [[0, 0, 100_000, 3], [0, 0, 100_000, 60], [0, 0, 0, 1]];
    assert_eq!(rows.collect::<Vec<_>>(), expected);

    // The sentences are about all calls, and say so.
    assert_eq!(tables[0].words, [""; 0]);
    let kept = tables[0].row("kept.push").number;
    let said = |bytes: &str, calls: u32, blocks: u32| {
        format!(
            "Still alive of what {calls} calls made: {bytes} B in {blocks} blocks, all made in line {kept}"
        )
    };
    assert_eq!(tables[1].words, [said("630,000", 2, 63)]);
    assert_eq!(tables[2].words, [said("610,000", 3, 61)]);
}

#[memprofile(columns = "live")]
fn replaces(kept: &mut Vec<u8>) {
    *kept = block(100 + kept.capacity()); // replaced
}

#[test]
fn what_a_call_frees_of_an_earlier_calls_blocks_is_not_its_own() {
    let tables = run(|| {
        let mut kept = Vec::new();
        replaces(&mut kept);
        replaces(&mut kept);
    });

    let live = |table: &Table| table.row("// replaced").number("Live");
    assert_eq!(live(&tables[0]), Some(100));
    // The call allocated 200 bytes, and freed 100 bytes of the earlier call.
    assert_eq!(live(&tables[1]), Some(100));
}

#[memprofile(columns = "live, live_count, temporary")]
fn calls_itself(kept: &mut Vec<Vec<u8>>, depth: usize) {
    drop(block(10)); // temporary
    kept.push(block(100));
    if depth > 0 {
        calls_itself(kept, depth - 1);
    }
}

#[test]
fn a_call_owns_what_calls_of_itself_made_inside() {
    let tables = run(|| calls_itself(&mut Vec::with_capacity(3), 2));

    // The table of the innermost call is printed first.
    for (depth, table) in (1..).zip(&tables) {
        let kept = table.row("kept.push");
        assert_eq!(kept.number("Live"), Some(100 * depth));
        assert_eq!(kept.number("Live count"), Some(depth));
        assert_eq!(table.row("// temporary").number("Temporary"), Some(depth));
    }
    assert_eq!(tables.len(), 3);
}

#[memprofile(columns = "live, live_count, temporary")]
fn beside_another(bytes: usize, both: &Barrier) -> Vec<u8> {
    both.wait();
    drop(block(7)); // temporary
    let kept = block(bytes);
    both.wait();
    kept
}

#[test]
fn calls_on_two_threads_at_once_own_what_each_made() {
    let tables = run(|| {
        let both = &Barrier::new(2);
        thread::scope(|scope| {
            for bytes in [100_000, 200_000] {
                scope.spawn(move || {
                    let kept = beside_another(bytes, both);
                    // Free the blocks only after both tables were printed.
                    both.wait();
                    drop(kept);
                });
            }
        });
    });

    let mut live: Vec<_> = tables
        .iter()
        .map(|table| table.row("let kept").number("Live"))
        .collect();
    live.sort_unstable();
    assert_eq!(live, [Some(100_000), Some(200_000)]);
    for table in &tables {
        assert_eq!(table.row("let kept").number("Live count"), Some(1));
        assert_eq!(table.row("// temporary").number("Temporary"), Some(1));
        let kept = table.row("let kept").number;
        let said = format!(
            "Still alive of what 2 calls made: 300,000 B in 2 blocks, all made in line {kept}"
        );
        assert_eq!(table.words, [said]);
    }
}

#[memprofile(columns = "live, live_count")]
fn gives(to: &Sender<Vec<u8>>, freed: &Receiver<()>, times: usize) {
    for _ in 0..times {
        to.send(block(1000)).unwrap(); // given
        freed.recv().unwrap();
    }
}

#[test]
fn a_call_does_not_own_what_another_thread_has_freed() {
    let tables = run(|| {
        let (to, given) = channel::<Vec<u8>>();
        let (tell, freed) = channel();
        let freeing = thread::spawn(move || {
            let mut last = Vec::new();
            for block in given {
                last = block;
                tell.send(()).unwrap();
            }
            last
        });
        gives(&to, &freed, 100);
        drop(to);
        drop(freeing.join());
    });

    let given = &tables[0];
    // The line also owns what the channel allocates.
    let live = given.row("// given").number("Live").unwrap();
    assert!((1000..10_000).contains(&live), "{live}");
}

#[memprofile(columns = "live, live_count, at_peak, temporary")]
async fn in_turns(bytes: usize) -> [Vec<u8>; 2] {
    let first = block(bytes);
    pause().await;
    drop(block(7)); // temporary
    let second = block(2 * bytes);
    pause().await;
    [first, second]
}

#[test]
fn calls_of_an_async_fn_own_what_they_made_on_whichever_threads() {
    type Turns = Pin<Box<dyn Future<Output = [Vec<u8>; 2]> + Send>>;
    fn poll(mut future: Turns) -> (Turns, Option<[Vec<u8>; 2]>) {
        let mut context = Context::from_waker(Waker::noop());
        match future.as_mut().poll(&mut context) {
            Poll::Pending => (future, None),
            Poll::Ready(kept) => (future, Some(kept)),
        }
    }
    let tables = run(|| {
        let [one, other]: [Turns; 2] = [Box::pin(in_turns(100)), Box::pin(in_turns(100_000))];
        reset();
        let (one, _) = poll(one);
        let (other, _) = poll(other);
        // A peak while neither is polled.
        drop(block(10 << 20));
        let elsewhere = thread::spawn(|| (poll(one).0, poll(other).0));
        let (one, other) = elsewhere.join().unwrap();
        let (other, kept_by_other) = poll(other);
        let (one, kept) = poll(one);
        drop((one, other, kept, kept_by_other));
    });

    let [other, one] = &tables[..] else {
        panic!("{tables:#?}")
    };
    for (table, bytes) in [(one, 100), (other, 100_000)] {
        assert_eq!(owned(table, "let first"), [bytes, 1, bytes, 0]);
        assert_eq!(owned(table, "let second"), [2 * bytes, 1, 0, 0]);
        assert_eq!(owned(table, "// temporary"), [0, 0, 0, 1]);
    }
}

#[memprofile(columns = "live")]
fn exits_with_a_block() {
    let kept = block(100_000);
    black_box(&kept);
    std::process::exit(0);
}

#[test]
fn a_call_that_the_end_of_the_process_cuts_short_owns_what_it_made() {
    let tables = run(|| {
        exits_with_a_block();
    });

    let row = tables[0].row("let kept");
    assert_eq!(row.number("Live"), Some(100_000));
    let said = format!(
        "Still alive: 100,000 B in 1 block, made in line {}",
        row.number
    );
    assert_eq!(tables[0].words, [said]);
}
