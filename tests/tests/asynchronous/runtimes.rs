//! Laws 3 and 4 with tokio, futures, rayon, scoped threads, and futures polled by hand.
//!
//! A line is charged with its own allocations, whatever thread runs it, and with nothing that runs
//! concurrently.

use futures::StreamExt as _;
use futures::stream::{self, FuturesUnordered};
use memprof::report::Report;
use memprof::{measure, memprofile, report};
use memprof_tests::{Table, assert_law_3, assert_made, block, made, pause, run};
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use std::cell::RefCell;
use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet, block_in_place, spawn_blocking, spawn_local};
use tokio::time::{Instant, timeout};

fn one_thread() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

fn four_workers() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(4)
        .build()
        .unwrap()
}

/// Runs a future on a runtime with four workers, and ends the runtime.
fn on_four_workers<F: Future>(future: F) -> F::Output {
    let runtime = four_workers();
    let output = runtime.block_on(future);
    drop(runtime);
    output
}

/// Polls a future once.
fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Allocates blocks, and is ready at the third poll.
#[memprofile(print = "never")]
async fn works(bytes: usize) -> Vec<u8> {
    let temporary = block(3 * bytes);
    pause().await;
    let kept = block(bytes);
    pause().await;
    drop(temporary);
    kept
}

/// Like `works`, but synchronous.
#[memprofile(print = "never")]
fn crunches(bytes: usize) -> Vec<u8> {
    let temporary = block(3 * bytes);
    let kept = block(bytes);
    drop(temporary);
    kept
}

#[memprofile(print = "never")]
async fn waits_for_ever(bytes: usize) {
    let held = block(bytes);
    std::future::pending::<()>().await;
    drop(held);
}

/// A concurrent task that isn't profiled.
async fn makes_noise() {
    for _ in 0..3 {
        drop(block(1 << 20));
        let held = block(1 << 16);
        pause().await;
        drop(held);
    }
}

/// Asserts the allocations of `function` (`works` or `crunches`) after `count` calls with a total
/// of `bytes`, of whose results `kept` are still alive.
#[track_caller]
fn assert_worked(report: &Report, function: &str, bytes: i64, count: i64, kept: &[Vec<u8>]) {
    let kept_bytes: usize = kept.iter().map(Vec::capacity).sum();
    let kept_bytes = i64::try_from(kept_bytes).unwrap();
    let kept_count = i64::try_from(kept.len()).unwrap();
    let expected = [
        ("let temporary", [0, 0, 3 * bytes, count]),
        ("let kept", [kept_bytes, kept_count, bytes, count]),
    ];
    assert_made(report, function, &expected);
}

/// The sum of the numbers from 1 to `last`.
fn sum_to(last: i64) -> i64 {
    last * (last + 1) / 2
}

/// Spawns `count` tasks that run `works` with 1, 2, ... bytes, and tasks of [`makes_noise`] in
/// between.
async fn spawn_all(count: usize) -> Vec<Vec<u8>> {
    let mut tasks = Vec::new();
    for bytes in 1..=count {
        tasks.push(tokio::spawn(works(bytes)));
        tokio::spawn(makes_noise());
    }
    let mut kept = Vec::new();
    for task in tasks {
        kept.push(task.await.unwrap());
    }
    kept
}

#[test]
fn tasks_of_one_thread_do_not_mix() {
    run(|| {
        let runtime = one_thread();
        let kept = runtime.block_on(spawn_all(1000));
        drop(runtime);

        let report = report();
        assert_worked(&report, "works", sum_to(1000), 1000, &kept);
        assert_law_3(&report);
    });
}

#[test]
fn tasks_of_many_threads_do_not_mix() {
    run(|| {
        let runtime = four_workers();
        let mut kept = runtime.block_on(spawn_all(1000));
        kept.extend(runtime.block_on(spawn_all(10)));
        drop(runtime);

        let report = report();
        let bytes = sum_to(1000) + sum_to(10);
        assert_worked(&report, "works", bytes, 1010, &kept);
        assert_law_3(&report);
    });
}

#[memprofile(print = "exit", columns = "hits, allocated, freed, net, peak, count")]
async fn works_and_tells(bytes: usize) -> usize {
    let temporary = block(3 * bytes);
    pause().await;
    let held = block(bytes);
    pause().await;
    drop(temporary);
    held.capacity()
}

#[test]
fn one_table_adds_up_the_tasks_of_all_threads() {
    let tables = run(|| {
        four_workers().block_on(async {
            let mut tasks = JoinSet::new();
            for bytes in 1..=500 {
                tasks.spawn(works_and_tells(bytes));
                tasks.spawn(async {
                    makes_noise().await;
                    0
                });
            }
            tasks.join_all().await;
        });
    });

    let sum = sum_to(500);
    assert_eq!(tables.len(), 1);
    assert!(tables[0].summary.contains("works_and_tells, 500 calls"));
    tables[0].assert_heap(&[
        ("let temporary", [500, 3 * sum, 0, 3 * sum, 1500, 500]),
        ("let held", [500, sum, 0, sum, 500, 500]),
        ("drop(temporary)", [500, 0, 3 * sum, -3 * sum, 0, 0]),
        ("}", [500, 0, sum, -sum, 0, 0]),
    ]);
    assert_eq!(tables[0].total("peak"), 2000);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
async fn joins() -> usize {
    let (a, b) = tokio::join!(works(10), works(20));
    a.capacity() + b.capacity()
}

#[test]
fn futures_that_are_joined_are_on_the_line_that_joins_them() {
    let tables = run(|| {
        on_four_workers(joins());

        let report = report();
        assert_worked(&report, "works", 30, 2, &[]);
        assert_made(&report, "joins", &[]);
        assert_law_3(&report);
    });

    tables[0].assert_heap(&[
        ("join!", [1, 120, 90, 30, 120, 4]),
        ("}", [1, 0, 30, -30, 0, 0]),
    ]);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
async fn races() -> usize {
    let won = tokio::select! {
        biased;
        won = works(10) => won.capacity(),
        () = waits_for_ever(1000) => 0,
    };
    won + block(5).capacity()
}

#[test]
fn the_loser_of_a_select_frees_on_the_line_that_drops_it() {
    let tables = run(|| {
        let runtime = one_thread();
        assert_eq!(runtime.block_on(races()), 15);
        drop(runtime);

        let report = report();
        assert_worked(&report, "works", 10, 1, &[]);
        assert_made(&report, "waits_for_ever", &[("let held", [0, 0, 1000, 1])]);
        assert_made(&report, "races", &[("block(5)", [0, 0, 5, 1])]);
        assert_law_3(&report);
    });

    tables[0].assert_heap(&[
        ("select!", [1, 1040, 1040, 0, 1040, 3]),
        ("block(5)", [1, 5, 5, 0, 5, 1]),
    ]);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
async fn races_in_rounds() -> usize {
    let mut slow = pin!(works(100));
    let kept = loop {
        tokio::select! {
            biased;
            kept = &mut slow => break kept,
            () = pause() => {}
        }
    };
    kept.capacity()
}

#[test]
fn a_future_that_lives_through_rounds_of_a_select_goes_on_in_each() {
    let tables = run(|| {
        one_thread().block_on(races_in_rounds());
        assert_law_3(&report());
    });

    tables[0].assert_heap(&[
        ("select!", [2, 400, 300, 100, 400, 2]),
        ("}", [1, 0, 100, -100, 0, 0]),
    ]);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
async fn spawns() -> usize {
    let task = tokio::spawn(works(1000));
    let kept = task.await.unwrap();
    kept.capacity()
}

#[test]
fn a_line_that_spawns_has_the_task_but_not_what_it_does() {
    let tables = run(|| {
        let runtime = one_thread();
        let task = runtime.block_on(async {
            let (other, task) = measure(|| tokio::spawn(works(1)));
            other.await.unwrap();
            spawns().await;
            task
        });
        drop(runtime);

        let report = report();
        assert_worked(&report, "works", 1001, 2, &[]);
        let task = task.allocated_bytes.cast_signed();
        assert_made(&report, "spawns", &[("let task", [0, 0, task, 1])]);
        assert_law_3(&report);
    });

    let task = tables[0].row("let task").number("Allocated").unwrap();
    tables[0].assert_heap(&[
        ("let task", [1, task, 0, task, task, 1]),
        ("task.await", [1, 0, task, -task, 0, 0]),
        ("}", [1, 0, 1000, -1000, 0, 0]),
    ]);
}

#[memprofile(print = "never")]
async fn offloads(bytes: usize) -> Vec<u8> {
    let task = spawn_blocking(move || crunches(bytes));
    task.await.unwrap()
}

#[test]
fn what_a_blocking_thread_does_is_not_on_the_line_that_asks_for_it() {
    run(|| {
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(1)
            .build()
            .unwrap();
        let (kept, task) = runtime.block_on(async {
            // Let the runtime start the thread and allocate its queue.
            spawn_blocking(|| ()).await.unwrap();
            let bytes = black_box(1);
            let (other, task) = measure(|| spawn_blocking(move || crunches(bytes)));
            other.await.unwrap();
            (offloads(1000).await, task)
        });
        drop(runtime);

        let report = report();
        let task = task.allocated_bytes.cast_signed();
        assert_worked(&report, "crunches", 1001, 2, &[kept]);
        assert_made(&report, "offloads", &[("let task", [0, 0, task, 1])]);
        assert_law_3(&report);
    });
}

#[test]
fn futures_run_to_their_end_on_blocking_threads_do_not_mix() {
    run(|| {
        let kept = on_four_workers(async {
            let mut tasks = JoinSet::new();
            for bytes in 1..=50 {
                let works = move || Handle::current().block_on(works(bytes));
                tasks.spawn_blocking(works);
            }
            tasks.join_all().await
        });

        let report = report();
        assert_worked(&report, "works", sum_to(50), 50, &kept);
        assert_law_3(&report);
    });
}

#[memprofile(print = "never")]
async fn blocks_its_worker(bytes: usize) -> Vec<u8> {
    let before = block(bytes);
    pause().await;
    let kept = block_in_place(|| crunches(bytes));
    drop(block(5)); // after
    pause().await;
    drop(before);
    kept
}

#[test]
fn a_task_that_blocks_its_worker_goes_on_with_its_lines() {
    run(|| {
        let kept = on_four_workers(async {
            let mut tasks = JoinSet::new();
            for bytes in 1..=100 {
                tasks.spawn(blocks_its_worker(bytes));
            }
            tasks.join_all().await
        });

        let report = report();
        assert_worked(&report, "crunches", sum_to(100), 100, &kept);
        let before = made(&report, "blocks_its_worker", "let before");
        assert_eq!(before, [0, 0, sum_to(100), 100]);
        let after = made(&report, "blocks_its_worker", "// after");
        assert_eq!(after, [0, 0, 500, 100]);
        assert_law_3(&report);
    });
}

#[memprofile(print = "never")]
async fn waits_after_a_sign(started: Arc<Semaphore>, bytes: usize) {
    let held = block(bytes);
    started.add_permits(1);
    std::future::pending::<()>().await;
    drop(held);
}

#[test]
fn tasks_that_are_aborted_have_freed_what_they_held() {
    run(|| {
        let kept = on_four_workers(async {
            let mut tasks = JoinSet::new();
            for bytes in 1..=100 {
                tasks.spawn(works(bytes));
            }
            let started = Arc::new(Semaphore::new(0));
            let mut waiting = JoinSet::new();
            for bytes in 1..=100 {
                waiting.spawn(waits_after_a_sign(started.clone(), bytes));
            }
            let all = started.acquire_many(100).await.unwrap();
            let before = report();
            let held = made(&before, "waits_after_a_sign", "let held");
            assert_eq!(held, [sum_to(100), 100, sum_to(100), 100]);
            all.forget();
            waiting.abort_all();
            while let Some(ended) = waiting.join_next().await {
                assert!(ended.unwrap_err().is_cancelled());
            }
            tasks.join_all().await
        });

        let report = report();
        assert_worked(&report, "works", sum_to(100), 100, &kept);
        assert_made(
            &report,
            "waits_after_a_sign",
            &[("let held", [0, 0, sum_to(100), 100])],
        );
        assert_law_3(&report);
    });
}

#[test]
fn tasks_that_end_with_their_runtime_have_freed_what_they_held() {
    run(|| {
        let runtime = four_workers();
        let started = Arc::new(Semaphore::new(0));
        for bytes in 1..=100 {
            runtime.spawn(waits_after_a_sign(started.clone(), bytes));
        }
        runtime.block_on(async { started.acquire_many(100).await.unwrap().forget() });
        drop(runtime);

        let report = report();
        let held = ("let held", [0, 0, sum_to(100), 100]);
        assert_made(&report, "waits_after_a_sign", &[held]);
        assert_law_3(&report);
    });
}

#[test]
fn a_task_aborted_before_it_began_has_not_run() {
    run(|| {
        one_thread().block_on(async {
            let mut tasks = JoinSet::new();
            tasks.spawn(works(1000));
            tasks.abort_all();
            assert!(tasks.join_next().await.unwrap().is_err());
        });

        let report = report();
        assert_eq!(report.functions, []);
        assert_law_3(&report);
    });
}

#[memprofile(print = "never")]
async fn panics(bytes: usize) -> Vec<u8> {
    let held = block(bytes);
    pause().await;
    if held.capacity() == bytes {
        std::panic::resume_unwind(Box::new("on purpose"));
    }
    held
}

#[test]
fn tasks_that_panic_leave_nothing_behind_and_nothing_on_others() {
    run(|| {
        let kept = on_four_workers(async {
            let mut tasks = JoinSet::new();
            for bytes in 1..=100 {
                tasks.spawn(works(bytes));
                tasks.spawn(panics(bytes));
            }
            let mut kept = Vec::new();
            while let Some(ended) = tasks.join_next().await {
                kept.extend(ended.ok());
            }
            kept
        });

        let report = report();
        assert_worked(&report, "works", sum_to(100), 100, &kept);
        let held = made(&report, "panics", "let held");
        assert_eq!(held, [0, 0, sum_to(100), 100]);
        let [live_bytes, live_count, _, _] = made(&report, "panics", "resume_unwind");
        assert_eq!([live_bytes, live_count], [0, 0]);
        assert_law_3(&report);
    });
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
async fn gives_up() -> bool {
    let waited = timeout(Duration::from_secs(100), waits_for_ever(1000)).await;
    waited.is_err()
}

#[test]
fn a_future_that_times_out_frees_on_the_line_that_waited_for_it() {
    let tables = run(|| {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let begin = Instant::now();
            assert!(gives_up().await);
            assert!(begin.elapsed() >= Duration::from_secs(100));
            // Ready before the timeout.
            timeout(Duration::from_secs(1), works(7)).await.unwrap();
        });
        drop(runtime);

        let report = report();
        assert_made(&report, "waits_for_ever", &[("let held", [0, 0, 1000, 1])]);
        assert_made(&report, "gives_up", &[]);
        assert_worked(&report, "works", 7, 1, &[]);
        assert_law_3(&report);
    });

    tables[0].assert_heap(&[("let waited", [1, 1000, 1000, 0, 1000, 1])]);
}

#[memprofile(print = "never")]
async fn holds_across_a_wait(shared: Rc<Vec<u8>>) -> usize {
    let copy = black_box(Rc::new(shared.capacity()));
    pause().await;
    *copy
}

#[test]
fn tasks_that_stay_on_their_thread_do_not_mix() {
    run(|| {
        let runtime = one_thread();
        let tasks = LocalSet::new();
        tasks.block_on(&runtime, async {
            let shared = Rc::new(block(100));
            let tasks: Vec<_> = (0..100)
                .map(|_| spawn_local(holds_across_a_wait(shared.clone())))
                .collect();
            let other = works(5).await;
            for task in tasks {
                assert_eq!(task.await.unwrap(), 100);
            }
            drop(other);
        });
        drop(tasks);
        drop(runtime);

        let report = report();
        // Each `Arc` has two reference counts, and the number.
        let copies = i64::try_from(100 * 3 * size_of::<usize>()).unwrap();
        assert_made(
            &report,
            "holds_across_a_wait",
            &[("let copy", [0, 0, copies, 100])],
        );
        assert_worked(&report, "works", 5, 1, &[]);
        assert_law_3(&report);
    });
}

#[memprofile(print = "never")]
async fn buffers() -> Vec<Vec<u8>> {
    stream::iter(1..=100)
        .map(works)
        .buffer_unordered(7)
        .collect()
        .await
}

#[test]
fn a_buffered_stream_has_its_own_blocks_and_the_futures_in_it_have_theirs() {
    run(|| {
        let kept = on_four_workers(buffers());

        let report = report();
        assert_worked(&report, "works", sum_to(100), 100, &kept);
        let list = i64::try_from(kept.capacity() * size_of::<Vec<u8>>()).unwrap();
        let [live_bytes, live_count, _, count] = made(&report, "buffers", "stream::iter");
        assert_eq!([live_bytes, live_count], [list, 1]);
        // The list, one block for each future, and two for the queue.
        assert_eq!(count, 1 + 100 + 2);
        assert_law_3(&report);
    });
}

#[memprofile(columns = "hits, allocated, freed, net, count")]
async fn runs_five_at_once() {
    stream::iter(1..=50)
        .for_each_concurrent(5, |bytes| async move {
            drop(works(bytes).await);
        })
        .await;
}

#[test]
fn a_stream_run_concurrently_is_on_the_line_that_runs_it() {
    let tables = run(|| {
        let runtime = one_thread();
        runtime.block_on(runs_five_at_once());
        drop(runtime);

        let report = report();
        assert_worked(&report, "works", sum_to(50), 50, &[]);
        let [live_bytes, live_count, _, count] = made(&report, "runs_five_at_once", "stream::iter");
        assert_eq!([live_bytes, live_count, count], [0, 0, 50 + 2]);
        assert_law_3(&report);
    });

    let running = tables[0].row("stream::iter");
    assert_eq!(running.number("Count"), Some(50 + 2));
    assert_eq!(running.number("Net"), Some(0));
    let inside = tables[0].row("drop(works(bytes).await)");
    assert_eq!(inside.number("Count"), Some(2 * 50));
    assert_eq!(inside.number("Net"), Some(0));
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
async fn gathers() -> usize {
    let mut gathered = FuturesUnordered::new();
    for bytes in 1..=50 {
        gathered.push(works(bytes));
    }
    let mut sum = 0;
    while let Some(kept) = gathered.next().await {
        sum += kept.capacity();
    }
    sum
}

#[test]
fn futures_are_polled_on_the_line_that_asks_for_the_next_one() {
    let tables = run(|| {
        let runtime = one_thread();
        assert_eq!(runtime.block_on(gathers()), 1275);
        drop(runtime);
        let ((), usage) = measure(|| {
            let gathered = FuturesUnordered::new();
            for bytes in 1..=50 {
                gathered.push(works(bytes));
            }
        });

        let report = report();
        assert_worked(&report, "works", sum_to(50), 50, &[]);
        let [_, _, queue, _] = made(&report, "gathers", "FuturesUnordered::new()");
        let nodes = usage.allocated_bytes.cast_signed() - queue;
        assert_made(
            &report,
            "gathers",
            &[
                ("FuturesUnordered::new()", [0, 0, queue, 2]),
                ("gathered.push", [0, 0, nodes, 50]),
            ],
        );
        assert_law_3(&report);
    });

    let number = |words| tables[0].row(words).number("Allocated").unwrap();
    let [queue, nodes] = [number("FuturesUnordered::new()"), number("gathered.push")];
    let all = 4 * sum_to(50);
    tables[0].assert_heap(&[
        ("FuturesUnordered::new()", [1, queue, 0, queue, queue, 2]),
        ("gathered.push", [50, nodes, 0, nodes, nodes / 50, 50]),
        // All futures are polled twice before the first one is ready. Its result is
        // dropped at the end of the iteration, on the loop's header.
        ("while let", [51, all, all + nodes, -nodes, all, 2 * 50]),
        ("}", [1, 0, queue, -queue, 0, 0]),
    ]);
}

#[memprofile(print = "never")]
async fn next_page(number: usize) -> Option<(Vec<u8>, usize)> {
    if number > 10 {
        return None;
    }
    let page = block(100 * number);
    pause().await;
    Some((page, number + 1))
}

#[test]
fn a_stream_made_of_calls_has_the_lines_of_all_of_them() {
    run(|| {
        let pages = on_four_workers(async {
            let [first, second] = [1, 6].map(|number| {
                let pages = stream::unfold(number, next_page);
                tokio::spawn(pages.collect::<Vec<_>>())
            });
            let mut pages = first.await.unwrap();
            pages.extend(second.await.unwrap());
            pages
        });

        let report = report();
        let bytes = 100 * (sum_to(10) + sum_to(10) - sum_to(5));
        assert_made(
            &report,
            "next_page",
            &[("let page", [bytes, 15, bytes, 15])],
        );
        assert_law_3(&report);
        drop(pages);
    });
}

/// A rayon pool of four threads, which can be joined.
struct Workers {
    pool: rayon::ThreadPool,
    threads: Arc<Mutex<Vec<thread::JoinHandle<()>>>>,
}

impl Workers {
    fn start() -> Self {
        let threads = Arc::new(Mutex::new(Vec::new()));
        let handles = threads.clone();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(4)
            .spawn_handler(move |worker| {
                let handle = thread::spawn(|| worker.run());
                handles.lock().unwrap().push(handle);
                Ok(())
            })
            .build()
            .unwrap();
        // Let the calling thread and the pool allocate what they need once.
        pool.install(|| ());
        Self { pool, threads }
    }

    /// Joins all threads.
    fn end(self) {
        drop(self.pool);
        for thread in self.threads.lock().unwrap().drain(..) {
            thread.join().unwrap();
        }
    }
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn shares_work(workers: &Workers) -> usize {
    let own = block(11);
    let crunched = workers.pool.install(|| {
        let all = (1..=1000).into_par_iter().map(crunches);
        all.map(|kept| kept.capacity()).sum::<usize>()
    });
    crunched + own.capacity()
}

#[test]
fn what_rayons_workers_do_is_not_on_the_line_that_waits_for_them() {
    let tables = run(|| {
        let workers = Workers::start();
        assert_eq!(shares_work(&workers), 500_511);
        workers.end();

        let report = report();
        assert_worked(&report, "crunches", sum_to(1000), 1000, &[]);
        assert_made(&report, "shares_work", &[("let own", [0, 0, 11, 1])]);
        assert_law_3(&report);
    });

    tables[0].assert_heap(&[
        ("let own", [1, 11, 0, 11, 11, 1]),
        ("}", [1, 0, 11, -11, 0, 0]),
    ]);
}

#[memprofile(print = "never")]
fn collects_in_a_pool() -> Vec<Vec<u8>> {
    let numbers = (1..=1000).into_par_iter();
    numbers.map(crunches).collect()
}

#[test]
fn what_rayons_workers_make_is_their_lines_wherever_it_dies() {
    run(|| {
        let workers = Workers::start();
        let kept = workers.pool.install(collects_in_a_pool);
        workers.end();

        let before = report();
        assert_worked(&before, "crunches", sum_to(1000), 1000, &kept);
        assert_law_3(&before);
        drop(kept);
        let report = report();
        assert_worked(&report, "crunches", sum_to(1000), 1000, &[]);
        assert_law_3(&report);
    });
}

#[memprofile(columns = "hits, allocated, freed, net, count")]
fn shares_in_a_scope(work: fn(usize) -> Vec<u8>) -> Vec<u8> {
    thread::scope(|scope| {
        let helping = scope.spawn(move || work(black_box(1 << 20)));
        helping.join().unwrap()
    })
}

#[test]
fn what_scoped_threads_do_is_not_on_the_line_that_waits_for_them() {
    let tables = run(|| {
        let idles = |_| Vec::new();
        // Allocate what the first spawned thread of a process needs.
        thread::spawn(|| ()).join().unwrap();
        drop(shares_in_a_scope(idles));
        let kept = shares_in_a_scope(crunches);

        let report = report();
        assert_worked(&report, "crunches", 1 << 20, 1, &[kept]);
        assert_law_3(&report);
    });

    // The threads did different work, but the tables are equal.
    let [idle, busy] = &tables[..] else {
        panic!("{tables:#?}")
    };
    assert_eq!(busy.rows, idle.rows);
    assert!(busy.row("thread::scope").number("Allocated") > Some(0));
}

#[test]
fn many_scoped_threads_in_one_function_do_not_mix() {
    run(|| {
        let kept: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (1..=100)
                .map(|bytes| scope.spawn(move || crunches(bytes)))
                .collect();
            let ends = threads.into_iter().map(|thread| thread.join().unwrap());
            ends.collect()
        });

        let report = report();
        assert_worked(&report, "crunches", sum_to(100), 100, &kept);
        assert_law_3(&report);
    });
}

type Boxed = Pin<Box<dyn Future<Output = Vec<u8>> + Send>>;

#[test]
fn futures_are_polled_by_a_new_thread_each_time() {
    run(|| {
        let mut kept = Vec::new();
        let mut futures: Vec<Boxed> = Vec::new();
        for bytes in 1..=20 {
            futures.push(Box::pin(works(bytes)));
        }
        while !futures.is_empty() {
            // A new thread for each round, which polls all futures.
            let polled = thread::spawn(move || {
                let mut ready = Vec::new();
                futures.retain_mut(|future| match poll_once(future.as_mut()) {
                    Poll::Ready(kept) => {
                        ready.push(kept);
                        false
                    }
                    Poll::Pending => true,
                });
                // Poll in another order in the next round.
                futures.reverse();
                drop(block(1 << 20));
                (futures, ready)
            });
            let ready;
            (futures, ready) = polled.join().unwrap();
            kept.extend(ready);
        }

        let report = report();
        assert_worked(&report, "works", sum_to(20), 20, &kept);
        assert_law_3(&report);
    });
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
async fn holds(given: Vec<u8>) -> Vec<u8> {
    let held = block(100);
    std::future::pending::<()>().await;
    drop(held);
    given
}

/// Asserts that the only table is that of `holds`, whose future was dropped with its argument.
#[track_caller]
fn assert_dropped(tables: &[Table]) {
    let [table] = tables else {
        panic!("{tables:#?}")
    };
    assert!(table.summary.ends_with("as its future was dropped"));
    table.assert_heap(&[
        ("let held", [1, 100, 0, 100, 100, 1]),
        ("}", [1, 0, 110, -110, 0, 0]),
    ]);
}

#[test]
fn a_future_dropped_by_another_thread_than_polled_it_frees_its_lines_blocks() {
    let tables = run(|| {
        let mut future = Box::pin(holds(crunches(10)));
        assert!(poll_once(future.as_mut()).is_pending());
        thread::spawn(move || drop(future)).join().unwrap();

        let report = report();
        assert_worked(&report, "crunches", 10, 1, &[]);
        assert_made(&report, "holds", &[("let held", [0, 0, 100, 1])]);
        assert_law_3(&report);
    });

    assert_dropped(&tables);
}

thread_local! {
    static LEFT: RefCell<Option<Boxed>> = const { RefCell::new(None) };
}

#[test]
fn a_future_left_in_a_thread_local_is_dropped_with_its_thread() {
    let tables = run(|| {
        let leaving = thread::spawn(|| {
            let mut future: Boxed = Box::pin(holds(block(10)));
            assert!(poll_once(future.as_mut()).is_pending());
            LEFT.set(Some(future));
        });
        leaving.join().unwrap();

        let report = report();
        assert_made(&report, "holds", &[("let held", [0, 0, 100, 1])]);
        assert_law_3(&report);
    });

    assert_dropped(&tables);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
#[expect(clippy::unused_async, reason = "a call of it is what is measured")]
async fn forgets_a_future() -> usize {
    let mut leaked = Box::pin(waits_for_ever(1000));
    assert!(poll_once(leaked.as_mut()).is_pending());
    std::mem::forget(leaked);
    block(5).capacity()
}

#[test]
fn a_leaked_future_keeps_its_blocks_and_its_line_to_itself() {
    let tables = run(|| {
        let mut leaked = Box::pin(holds(block(10)));
        assert!(poll_once(leaked.as_mut()).is_pending());
        std::mem::forget(leaked);
        let between = report();
        let nobodys = block(77);
        let since = report().since(&between);
        assert_made(&since, "holds", &[]);
        let runtime = one_thread();
        runtime.block_on(forgets_a_future());
        let kept = runtime.block_on(works(9));
        drop(runtime);

        let report = report();
        assert_made(&report, "holds", &[("let held", [100, 1, 100, 1])]);
        assert_made(
            &report,
            "waits_for_ever",
            &[("let held", [1000, 1, 1000, 1])],
        );
        let [box_bytes, ..] = made(&report, "forgets_a_future", "let mut leaked");
        assert_made(
            &report,
            "forgets_a_future",
            &[
                ("let mut leaked", [box_bytes, 1, box_bytes, 1]),
                ("block(5)", [0, 0, 5, 1]),
            ],
        );
        assert_worked(&report, "works", 9, 1, &[kept]);
        assert_law_3(&report);
        drop(nobodys);
    });

    // A call that never ends has no table.
    let [table] = &tables[..] else {
        panic!("{tables:#?}")
    };
    let boxed = table.row("let mut leaked").number("Allocated").unwrap();
    table.assert_heap(&[
        ("let mut leaked", [1, boxed, 0, boxed, boxed, 1]),
        ("poll_once", [1, 1000, 0, 1000, 1000, 1]),
        ("block(5)", [1, 5, 5, 0, 5, 1]),
    ]);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
async fn adopts(begun: Boxed) -> usize {
    let own = block(6);
    let kept = begun.await;
    own.capacity() + kept.capacity()
}

/// Returns a future that has been polled once.
async fn begins() -> Boxed {
    let mut begun: Boxed = Box::pin(works(1000));
    assert!(futures::poll!(begun.as_mut()).is_pending());
    begun
}

#[test]
fn a_future_begun_in_one_task_is_ended_in_another() {
    let tables = run(|| {
        on_four_workers(async {
            let begun = tokio::spawn(begins()).await.unwrap();
            assert_eq!(tokio::spawn(adopts(begun)).await.unwrap(), 1006);
        });

        let report = report();
        assert_worked(&report, "works", 1000, 1, &[]);
        assert_made(&report, "adopts", &[("let own", [0, 0, 6, 1])]);
        assert_law_3(&report);
    });

    let boxed = tables[0].total("freed") - 4006;
    tables[0].assert_heap(&[
        ("let own", [1, 6, 0, 6, 6, 1]),
        // The first block was allocated before. The box is freed by the line that awaits it.
        (
            "begun.await",
            [1, 1000, 3000 + boxed, -2000 - boxed, 1000, 1],
        ),
        ("}", [1, 0, 1006, -1006, 0, 0]),
    ]);
    assert!(boxed > 0);
}
