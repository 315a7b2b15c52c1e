//! Closures and `async` blocks have lines, wherever and whenever they run.

use memprof::{memprofile, report};
use memprof_tests::{assert_law_3, block, made, run};
use rayon::prelude::*;
use std::future::Future;
use std::pin::Pin;
use std::thread;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

#[memprofile(columns = "hits, allocated")]
fn spawns_a_thread() -> Vec<u8> {
    let thread = thread::spawn(|| {
        drop(block(70)); // temporary
        block(1000) // kept
    });
    thread.join().unwrap()
}

#[test]
fn a_closure_on_another_thread_fills_its_lines_of_the_report_and_no_table() {
    let tables = run(|| {
        let kept = spawns_a_thread();
        let report = report();
        assert_eq!(
            made(&report, "spawns_a_thread", "// temporary"),
            [0, 0, 70, 1]
        );
        assert_eq!(
            made(&report, "spawns_a_thread", "// kept"),
            [1000, 1, 1000, 1]
        );
        assert_law_3(&report);
        drop(kept);
    });
    assert_eq!(tables[0].row("// kept").number("Allocated"), None);
    assert_eq!(tables[0].row("let thread").number("Hits"), Some(1));
}

#[memprofile(columns = "hits, allocated, freed")]
fn makes_a_maker(bytes: usize) -> impl Fn(usize) -> Vec<u8> {
    move |more| {
        let kept = block(bytes + more); // later
        kept
    }
}

#[test]
fn a_closure_that_outlives_its_call_still_has_its_lines() {
    let tables = run(|| {
        let make = makes_a_maker(100);
        let kept = (make(1), make(2));
        assert_eq!(
            made(&report(), "makes_a_maker", "// later"),
            [203, 2, 203, 2]
        );
        drop(kept);
    });
    // The block ran after the call had ended.
    assert_eq!(tables[0].total("allocated"), 0);
}

#[memprofile(columns = "hits, allocated, freed, net")]
fn runs_closures(count: usize) -> usize {
    let doubled = |bytes: usize| 2 * bytes; // computes
    let blocks: Vec<_> = (1..=count).map(|bytes| block(doubled(bytes))).collect(); // one line
    let sizes: Vec<_> = blocks
        .iter()
        .map(|block_of| {
            let copy = block_of.clone(); // copied
            copy.capacity() + block(3).capacity() // sized
        })
        .collect();
    sizes.into_iter().filter(|size| *size > 0).count()
}

#[test]
fn a_closure_that_its_function_runs_is_lines_of_the_call() {
    let tables = run(|| {
        assert_eq!(runs_closures(4), 4);
    });
    let list = 4 * i64::try_from(size_of::<Vec<u8>>()).unwrap();
    let one = tables[0].row("// one line");
    assert_eq!(one.number("Hits"), Some(1));
    assert_eq!(one.number("Allocated"), Some(20 + list));
    assert_eq!(tables[0].row("// copied").number("Hits"), Some(4));
    let sized = tables[0].row("// sized");
    assert_eq!(
        (sized.number("Hits"), sized.number("Allocated")),
        (Some(4), Some(12))
    );
    // The rest of the statement is counted on its first line.
    assert_eq!(tables[0].row("let sizes").number("Allocated"), Some(4 * 8));
    assert_eq!(tables[0].sum("Allocated"), tables[0].total("allocated"));
    assert_eq!(tables[0].sum("Net"), 0);
}

#[memprofile(print = "never")]
fn in_parallel(count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .into_par_iter()
        .map(|_| {
            block(100) // by a worker
        })
        .collect()
}

#[test]
fn closures_that_workers_run_are_lines_of_the_function() {
    run(|| {
        let kept = in_parallel(500);
        assert_eq!(
            made(&report(), "in_parallel", "// by a worker"),
            [50_000, 500, 50_000, 500]
        );
        drop(kept);
    });
}

#[memprofile(columns = "hits, allocated, freed")]
async fn spawns_tasks() -> usize {
    let tasks: Vec<_> = (1..=10)
        .map(|bytes| {
            tokio::spawn(async move {
                let kept = block(bytes); // in a task
                tokio::task::yield_now().await;
                kept.capacity()
            })
        })
        .collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.unwrap();
    }
    let awaited = async {
        block(77).capacity() // awaited here
    };
    sum + awaited.await
}

#[test]
fn an_async_block_has_lines_in_a_task_and_where_it_is_awaited() {
    let tables = run(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build();
        assert_eq!(runtime.unwrap().block_on(spawns_tasks()), 55 + 77);
        let report = report();
        assert_eq!(
            made(&report, "spawns_tasks", "// in a task"),
            [0, 0, 55, 10]
        );
        assert_eq!(
            made(&report, "spawns_tasks", "// awaited here"),
            [0, 0, 77, 1]
        );
        assert_law_3(&report);
    });
    let table = tables
        .iter()
        .find(|table| table.function().ends_with("spawns_tasks"));
    let here = table.unwrap().row("// awaited here");
    assert_eq!(
        (here.number("Hits"), here.number("Allocated")),
        (Some(1), Some(77))
    );
}

#[memprofile(print = "never")]
fn makes_a_future(bytes: usize) -> Pin<Box<dyn Future<Output = usize> + Send>> {
    Box::pin(async move {
        let held = block(bytes); // held
        std::future::ready(()).await;
        held.capacity()
    })
}

#[test]
fn a_future_dropped_half_way_drops_its_blocks_in_its_lines() {
    run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        assert_eq!(runtime.block_on(makes_a_future(30)), 30);
        drop(makes_a_future(50));
        assert_eq!(made(&report(), "makes_a_future", "// held"), [0, 0, 30, 1]);
    });
}
