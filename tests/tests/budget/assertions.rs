//! The assertions on heap use: they are exact while other tests run concurrently, and their
//! messages name the line.

use futures::future::join_all;
use memprof::{
    Scope, ScopeExt, assert_alloc, assert_alloc_async, assert_no_alloc, assert_no_alloc_async,
    assert_no_leak, assert_no_leak_async, measure, memprofile,
};
use memprof_tests::{Program, block, pause};
use std::cell::Cell;
use std::future::Future;
use std::panic::{self, AssertUnwindSafe, Location};
use std::pin::{Pin, pin};
use std::sync::Barrier;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;

/// The panic message of `work`.
fn message(work: impl FnOnce()) -> String {
    let panic = panic::catch_unwind(AssertUnwindSafe(work)).expect_err("a budget is exceeded");
    *panic.downcast::<String>().expect("a message has numbers")
}

/// Polls a future until it is ready.
fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

#[memprofile(print = "never")]
fn makes(bytes: usize) -> Vec<u8> {
    drop(block(10));
    block(bytes) // kept
}

#[memprofile(print = "never")]
fn calls(bytes: usize) -> Vec<u8> {
    makes(bytes) // called
}

#[test]
fn each_quantity_and_each_comparison_holds_at_its_edge_and_not_beyond() {
    let mut text = Vec::with_capacity(100);
    text.push(1_u8);
    let work = |mut text: Vec<u8>| {
        let kept = block(50);
        drop(block(1000));
        text.shrink_to(40);
        drop(text);
        kept
    };
    let copy = || {
        let mut copy = Vec::with_capacity(100);
        copy.push(1);
        copy
    };
    let kept = assert_alloc!(
        allocated_bytes == 1050,
        freed_bytes == 1100,
        net_bytes == -50,
        peak_bytes == 1050,
        allocation_count == 2,
        deallocation_count == 2,
        reallocation_count == 1,
        { work(text) }
    );
    assert_eq!(kept.capacity(), 50);

    let given = copy();
    assert_alloc!(
        net_bytes <= -100,
        net_bytes < -99,
        net_bytes >= -100,
        net_bytes > -101,
        {
            drop(work(given));
        }
    );
    macro_rules! exceeded {
        ($($limit:tt)*) => {{
            let given = copy();
            message(|| drop(assert_alloc!($($limit)*, { work(given) })))
        }};
    }
    let said = exceeded!(net_bytes < -50);
    assert!(said.contains("! net_bytes < -50"), "{said}");
    assert!(said.contains("measured -50\n"), "{said}");
    assert!(exceeded!(net_bytes > -50).contains("net_bytes > -50"));
    assert!(exceeded!(peak_bytes <= 1049).contains("measured 1,050"));
    assert!(exceeded!(peak_bytes >= 1051).contains("measured 1,050"));
    assert!(exceeded!(allocation_count == 1).contains("measured 2"));
    assert!(exceeded!(deallocation_count < 2).contains("measured 2"));
    assert!(exceeded!(reallocation_count > 1).contains("measured 1"));
    assert!(exceeded!(freed_bytes == 0).contains("measured 1,100"));
    assert!(exceeded!(allocated_bytes == 0).contains("measured 1,050"));
}

#[test]
fn the_message_has_each_limit_and_the_lines_and_who_called_them() {
    let said = message(|| {
        drop(assert_alloc!(net_bytes == 0, allocation_count <= 9, {
            let _unknown = block(7);
            calls(1000)
        }));
    });

    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "memory budget exceeded");
    assert!(lines[1].starts_with("  ! net_bytes == 0 ") && lines[1].ends_with(" measured 1,000"));
    assert!(
        lines[2].starts_with("    allocation_count <= 9 ") && lines[2].ends_with(" measured 3")
    );
    assert_eq!(
        lines[3],
        "in all: net 1,000 B, allocated 1,017 B in 3 blocks, freed 17 B in 2 blocks, 0 blocks resized, \
         peak 1,007 B"
    );
    assert_eq!(lines[4], "by line:");
    assert!(lines[5].ends_with(": block(bytes) // kept"), "{said}");
    assert!(lines[5].contains("budget::assertions::makes:"), "{said}");
    let of_line = "allocated 1,000 B in 1 block, 1,000 B alive, from budget::assertions::calls:";
    assert!(lines[6].trim().starts_with(of_line), "{said}");
    assert!(
        said.ends_with("no profiled function: allocated 7 B in 1 block, 0 B alive"),
        "{said}"
    );
}

#[memprofile(print = "never")]
fn churns() -> usize {
    let mut sum = 0;
    for _ in 0..10_000 {
        sum += block(1024).capacity(); // churned
    }
    let one = block(1 << 20); // the peak
    let lasting: Vec<Vec<u8>> = (0..100).map(|_| block(1024)).collect(); // lasting
    sum + one.capacity() + lasting.len()
}

#[test]
fn of_a_peak_the_line_that_made_it_comes_first() {
    let said = message(|| {
        assert_alloc!(peak_bytes <= 1 << 20, { churns() });
    });
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("// ")).collect();
    let ends = ["// the peak", "// lasting", "// churned"];
    assert_eq!(lines.len(), 3, "{said}");
    for (line, end) in lines.iter().zip(ends) {
        assert!(line.ends_with(end), "{said}");
    }
}

#[test]
fn without_a_profiled_function_the_message_says_how_to_get_lines() {
    let said = message(|| assert_no_alloc!(drop(block(8))));

    assert!(said.contains("! allocation_count == 0"), "{said}");
    assert!(said.contains("#[memprofile(print = \"never\")]"), "{said}");
}

#[test]
fn a_second_failure_at_the_same_place_knows_nothing_of_the_first() {
    let fail = |bytes| message(|| drop(assert_alloc!(allocated_bytes == 0, { makes(bytes) })));
    assert!(fail(5000).contains("allocated 5,000 B in 1 block"));
    let said = fail(300);
    assert!(said.contains("allocated 300 B in 1 block"), "{said}");
    assert!(!said.contains("5,"), "{said}");
}

#[test]
fn a_panic_is_at_the_place_of_the_assertion() {
    thread_local! {
        static PLACE: Cell<Option<(u32, bool)>> = const { Cell::new(None) };
    }
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let place = info.location().map(Location::line);
        let is_here = info.location().is_some_and(|place| place.file() == file!());
        PLACE.set(place.map(|line| (line, is_here)));
        before(info);
    }));
    message(|| assert_no_alloc!(drop(block(8))));
    assert_eq!(PLACE.get(), Some((line!() - 1, true)));
    let waited =
        wait_for_message(async { memprof::assert_no_alloc_async!(async { drop(block(8)) }).await });
    assert_eq!(PLACE.get(), Some((line!() - 1, true)), "{waited}");
}

fn wait_for_message(future: impl Future<Output = ()>) -> String {
    message(|| wait(future))
}

#[test]
fn the_value_comes_out_and_a_return_leaves_the_block_alone() {
    let half = |number: u32| -> Option<u32> {
        let half = assert_no_alloc!({
            if number % 2 == 1 {
                return None;
            }
            Some(number / 2)
        });
        Some(half? + 100)
    };
    assert_eq!(half(4), Some(102));
    assert_eq!(half(5), None);
}

#[test]
fn what_runs_beside_it_on_other_threads_is_not_in_it() {
    let (stop, stopped) = mpsc::channel::<()>();
    let (begin, has_begun) = mpsc::channel();
    let other = thread::spawn(move || {
        let mut count = 0_u64;
        while stopped.try_recv().is_err() {
            drop(block(100_000));
            count += 1;
            if count == 1 {
                begin.send(()).expect("the test waits");
            }
        }
    });
    has_begun.recv().expect("the thread runs");
    for _ in 0..10_000 {
        assert_alloc!(allocated_bytes == 16, peak_bytes == 16, net_bytes == 0, {
            drop(block(16));
        });
    }
    stop.send(()).expect("the thread runs");
    other.join().expect("the thread doesn't panic");
}

#[test]
fn threads_that_join_the_scope_are_in_it() {
    let (give, given) = mpsc::channel::<Option<Scope>>();
    let (answer, answered) = mpsc::channel();
    let other = thread::spawn(move || {
        for scope in given.into_iter().flatten() {
            let kept = scope.run(|| {
                drop(makes(4000));
                makes(3000)
            });
            answer.send(kept).expect("the test waits");
        }
    });
    // Sending allocates an unknown number of small blocks.
    let kept = assert_alloc!(
        net_bytes >= 3000,
        peak_bytes < 6000,
        allocated_bytes >= 7020,
        {
            give.send(Scope::current()).expect("the thread runs");
            answered.recv().expect("the thread runs")
        }
    );
    let said = message(|| {
        drop(assert_alloc!(allocated_bytes < 7020, {
            give.send(Scope::current()).expect("the thread runs");
            answered.recv().expect("the thread runs")
        }));
    });
    assert!(
        said.contains("allocated 7,000 B in 2 blocks, 3,000 B alive"),
        "{said}"
    );
    drop((give, kept));
    other.join().expect("the thread doesn't panic");
}

#[test]
fn the_peaks_of_threads_that_join_at_once_add_up() {
    let four = || {
        let scope = Scope::current().expect("an assertion has one");
        let (barrier, all_have_one) = (Barrier::new(4), Barrier::new(4));
        let work = || {
            barrier.wait();
            scope.run(|| {
                let kept = block(1 << 20);
                all_have_one.wait();
                drop(kept);
            });
        };
        thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(work);
            }
        });
    };
    // Spawning threads allocates, too.
    assert_alloc!(peak_bytes >= 4 << 20, peak_bytes < 5 << 20, { four() });
    let said = message(|| assert_alloc!(peak_bytes <= 2 << 20, { four() }));
    assert!(said.contains("measured at most 4,"), "{said}");
    assert!(said.contains(" peak at most 4,"), "{said}");
}

#[test]
fn the_peaks_of_threads_that_join_one_after_the_other_do_not() {
    assert_alloc!(peak_bytes >= 1 << 20, peak_bytes < 2 << 20, {
        let scope = Scope::current().expect("an assertion has one");
        for _ in 0..4 {
            let work = || scope.run(|| drop(block(1 << 20)));
            thread::scope(|threads| threads.spawn(work).join().expect("it doesn't panic"));
        }
    });
}

#[test]
fn a_scope_that_was_made_elsewhere_takes_nothing_from_an_assertion() {
    let elsewhere = Scope::new("elsewhere");
    let kept = assert_alloc!(
        net_bytes == 500,
        allocation_count == 2,
        peak_bytes == 500,
        { elsewhere.run(|| makes(500)) }
    );
    // A scope that is entered inside the assertion doesn't hide the thread's allocations.
    assert_alloc!(net_bytes == -500, { drop(kept) });
    assert_eq!(elsewhere.usage().net_bytes(), 500);
}

#[test]
fn assertions_in_each_other_and_in_measures_and_scopes_take_nothing_from_each_other() {
    let around = Scope::new("around");
    let (kept, usage) = measure(|| {
        around.run(|| {
            assert_alloc!(
                net_bytes == 1300,
                peak_bytes == 1300,
                allocated_bytes == 1320,
                {
                    let outer = makes(300);
                    let inner =
                        assert_alloc!(net_bytes == 1000, peak_bytes == 1000, { makes(1000) });
                    assert_no_alloc!(());
                    (outer, inner)
                }
            )
        })
    });
    assert_eq!((usage.net_bytes(), usage.peak_bytes), (1300, 1300));
    assert_eq!(around.usage(), usage);
    let report = around.report();
    assert_eq!(report.total.live_bytes(), 1300);
    drop(kept);
}

#[test]
fn what_an_inner_assertion_hands_out_is_no_leak_when_it_is_dropped() {
    assert_no_leak!({
        let kept = assert_alloc!(allocation_count == 1, { block(10) });
        drop(kept);
    });
    let said = message(|| {
        assert_no_leak!(assert_alloc!(allocation_count == 1, {
            std::mem::forget(block(10));
        }));
    });
    assert!(said.contains("measured 10"), "{said}");
}

#[memprofile(columns = "hits, net, peak", stream = "stderr")]
fn asserts(bytes: usize) -> Vec<u8> {
    drop(block(2 * bytes));
    let kept = assert_alloc!(allocated_bytes == bytes as u64, { block(bytes) });
    assert_no_alloc!(drop(kept));
    block(bytes)
}

#[test]
fn assertions_stand_in_profiled_functions_and_are_about_profiled_functions() {
    let ((), usage) = measure(|| {
        assert_alloc!(
            allocated_bytes == 4000,
            peak_bytes == 2000,
            net_bytes == 0,
            {
                drop(asserts(1000));
            }
        );
    });
    assert_eq!((usage.peak_bytes, usage.net_bytes()), (2000, 0));
}

#[test]
fn a_failure_that_is_caught_is_no_leak_of_the_assertion_around_it() {
    // In a child process: the test harness captures a panic's output, which allocates.
    let mut program = Program::new(|| {
        let caught = || {
            let failure = panic::catch_unwind(|| assert_no_alloc!(drop(makes(8))));
            drop(failure.expect_err("a block was made"));
        };
        caught();
        assert_alloc!(net_bytes == 0, { caught() });
    });
    program.stdout();
}

#[test]
fn a_panic_in_the_middle_is_the_programs_and_the_next_assertion_is_right() {
    let said =
        panic::catch_unwind(|| assert_no_alloc!(panic!("in the middle"))).expect_err("it panics");
    assert_eq!(said.downcast_ref::<&str>(), Some(&"in the middle"));
    assert!(Scope::current().is_none());
    assert_alloc!(allocated_bytes == 30, peak_bytes == 30, { drop(block(30)) });
}

#[test]
fn nothing_is_kept_where_what_was_made_is_gone_whoever_freed_it() {
    let (give, given) = mpsc::sync_channel::<Vec<u8>>(1);
    let (tell, told) = mpsc::sync_channel::<()>(1);
    let other = thread::spawn(move || {
        for block in given {
            drop(block);
            tell.send(()).expect("the test waits");
        }
    });
    let round = || {
        give.send(block(100)).expect("the thread runs");
        told.recv().expect("the thread runs");
    };
    // Channels allocate when a thread first waits for them.
    (0..3).for_each(|_| round());
    assert_no_leak!(round());
    drop(give);
    other.join().expect("the thread doesn't panic");

    // Freeing an older block doesn't make up for one that is kept.
    let another = block(100);
    let mut kept = Vec::new();
    let said = message(|| {
        assert_no_leak!({
            drop(another);
            kept = makes(100);
        });
    });
    assert!(said.contains("measured 100\n"), "{said}");
    assert!(said.contains("// kept"), "{said}");
}

#[test]
fn what_is_kept_of_a_scope_that_was_made_elsewhere_is_kept() {
    let elsewhere = Scope::new("elsewhere");
    let mut kept = Vec::new();
    let said = message(|| assert_no_leak!(kept = elsewhere.run(|| block(40))));
    assert!(said.contains("measured 40\n"), "{said}");
    assert_no_leak!(elsewhere.run(|| drop(block(40))));
    drop(kept);
}

#[test]
fn a_future_keeps_to_its_own_limits_among_hundreds_on_two_threads() {
    async fn work(bytes: usize) -> Vec<u8> {
        let kept = block(bytes);
        pause().await;
        drop(block(2 * bytes));
        pause().await;
        kept
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("a runtime starts");
    let tasks = (1..300_u16).map(|bytes| {
        let exact = u64::from(bytes);
        runtime.spawn(assert_alloc_async!(
            net_bytes == i64::from(bytes),
            peak_bytes == 3 * exact,
            allocation_count == 2,
            work(bytes.into())
        ))
    });
    let tasks: Vec<_> = tasks.collect();
    let kept: usize = runtime.block_on(async {
        let all = join_all(tasks).await.into_iter();
        all.map(|block| block.expect("the limits are kept").capacity())
            .sum()
    });
    assert_eq!(kept, (1..300).sum::<usize>());
}

#[test]
fn tasks_that_join_the_scope_are_in_the_budget_of_a_future() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("a runtime starts");
    let spawned = async {
        let task = tokio::spawn(async { makes(50_000) }.with_current_scope());
        task.await.expect("the task doesn't panic")
    };
    let (kept, beside) = runtime.block_on(async {
        let beside = tokio::spawn(async { makes(80_000) });
        let kept = assert_alloc_async!(net_bytes >= 50_000, net_bytes < 55_000, spawned).await;
        (kept, beside.await.expect("the task doesn't panic"))
    });
    assert_eq!((kept.capacity(), beside.capacity()), (50_000, 80_000));
}

#[test]
fn the_making_of_a_future_and_its_end_are_in_its_budget() {
    fn boxed(bytes: usize) -> Pin<Box<dyn Future<Output = usize>>> {
        let made = block(bytes);
        Box::pin(async move {
            pause().await;
            made.capacity()
        })
    }
    let bytes = 100;
    assert_eq!(
        wait(assert_alloc_async!(
            net_bytes == 0,
            allocation_count == 2,
            deallocation_count == 2,
            boxed(bytes)
        )),
        100
    );
    wait(assert_no_leak_async!(boxed(1)));
    let said = message(|| {
        wait(assert_no_alloc_async!(boxed(1)));
    });
    assert!(said.contains("measured 2\n"), "{said}");
    // The future may borrow.
    let mut text = String::with_capacity(10);
    wait(assert_no_alloc_async!(async { text.push('a') }));
    assert_eq!(text, "a");
}

#[test]
fn a_future_that_exceeds_its_budget_panics_with_its_lines() {
    let said = wait_for_message(async {
        let made = async {
            pause().await;
            let made = makes(700);
            pause().await;
            made
        };
        drop(assert_alloc_async!(net_bytes < 700, made).await);
    });
    assert!(said.contains("! net_bytes < 700"), "{said}");
    assert!(
        said.contains("allocated 700 B in 1 block, 700 B alive"),
        "{said}"
    );
}

#[test]
fn a_future_that_is_dropped_half_way_has_no_limits_to_keep_to() {
    let mut future = Box::pin(assert_alloc_async!(allocated_bytes == 0, async {
        let _kept = block(10);
        pause().await;
    }));
    let mut context = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_pending());
    assert!(Scope::current().is_none());
    assert_alloc!(freed_bytes >= 10, { drop(future) });
    assert!(Scope::current().is_none());
}

#[test]
fn the_future_is_send_where_the_one_inside_is() {
    fn is_send<T: Send>(_: &T) {}
    let future = memprof::assert_no_leak_async!(async { pause().await });
    is_send(&future);
    wait(future);
}
