//! Leak detection by repetition: lines that grow with each run, and lines that only seem to.

use memprof::leak::{growth, leaks};
use memprof::report::Report;
use memprof::{Scope, assert_no_growth, measure, memprofile};
use memprof_tests::block;
use std::collections::HashMap;
use std::panic::{self, AssertUnwindSafe};
use std::thread;

struct Service {
    run: usize,
    kept: Vec<Vec<u8>>,
    cache: HashMap<usize, Vec<u8>>,
    numbers: Vec<u64>,
    buffer: Vec<u8>,
}

fn service() -> Service {
    Service {
        run: 0,
        kept: Vec::with_capacity(1000),
        cache: HashMap::new(),
        numbers: Vec::new(),
        buffer: Vec::new(),
    }
}

#[memprofile(print = "never")]
impl Service {
    fn leak(&mut self) {
        self.kept.push(block(64)); // leaked
    }

    fn cache(&mut self) {
        self.cache.insert(self.run % 20, block(100));
    }

    fn push(&mut self) {
        self.numbers.push(self.run as u64); // pushed
    }

    fn replace(&mut self) {
        self.buffer = block(self.run * 7919 % 1000); // replaced
    }

    fn work(&mut self) {
        drop(block(5000 + self.run));
    }
}

/// The lines that grow when `work` runs a hundred times.
fn growing(work: impl Fn(&mut Service)) -> Vec<(String, f64, f64)> {
    let mut service = service();
    let growing = growth(100, || {
        service.run += 1;
        work(&mut service);
    });
    let lines = growing.iter().map(|line| {
        (
            line.line.source.trim().to_owned(),
            line.bytes_per_run,
            line.confidence,
        )
    });
    lines.collect()
}

#[test]
fn a_leak_is_told_to_the_byte() {
    let lines = growing(|service| {
        service.leak();
        service.work();
        service.cache();
        service.replace();
    });

    let [(source, bytes_per_run, confidence)] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert_eq!(source, "self.kept.push(block(64)); // leaked");
    assert!((bytes_per_run - 64.0).abs() < 1e-9, "{lines:?}");
    // The line rose each of the six times.
    assert!((confidence - 7.0 / 8.0).abs() < 1e-9, "{lines:?}");
}

#[test]
fn a_list_that_doubles_its_room_grows() {
    let lines = growing(Service::push);

    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0].0, "self.numbers.push(self.run as u64); // pushed");
}

#[test]
fn caches_that_are_full_and_buffers_that_change_are_silent() {
    assert_eq!(growing(Service::cache), []);
    assert_eq!(growing(Service::replace), []);
    assert_eq!(growing(Service::work), []);
}

#[memprofile(print = "never")]
fn warm() {
    drop(block(3000));
}

#[test]
fn a_function_that_runs_in_the_middle_takes_no_line_for_another() {
    warm();
    let lines = growing(|service| {
        service.leak();
        if service.run == 60 {
            warm();
        }
    });

    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0].0, "self.kept.push(block(64)); // leaked");
}

#[test]
fn the_slope_is_that_of_the_last_half() {
    let mut run = 0;
    let mut kept = Vec::with_capacity(100);
    let lines = growth(100, || {
        run += 1;
        kept.push(block(run));
    });

    // The mean of the numbers from 51 to 100.
    assert!((lines[0].bytes_per_run - 75.5).abs() < 1e-9, "{lines:?}");
}

#[test]
fn a_cache_that_is_full_after_more_than_half_of_the_runs_is_silent() {
    let mut kept = Vec::with_capacity(60);
    let work = || {
        if kept.len() < 60 {
            kept.push(block(100));
        }
    };
    assert_eq!(growth(100, work), []);
}

#[test]
fn leaks_that_begin_late_or_come_seldom_grow() {
    let leaks = |is_leak: fn(u32) -> bool| {
        let (mut run, mut kept) = (0, Vec::with_capacity(100));
        let lines = growth(100, || {
            run += 1;
            if is_leak(run) {
                kept.push(block(10));
            }
        });
        lines.first().map(|line| line.live_count)
    };
    assert_eq!(leaks(|run| run >= 52), Some(49));
    assert_eq!(leaks(|run| run % 30 == 0), Some(3));
    assert_eq!(leaks(|run| run == 40), None);
}

#[test]
fn what_no_profiled_function_makes_grows_without_a_line() {
    let mut kept = Vec::with_capacity(100);
    let lines = growth(100, || kept.push(block(10)));

    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].line.function, "");
    assert_eq!((lines[0].live_bytes, lines[0].live_count), (1000, 100));
}

#[test]
fn what_grows_beside_it_is_not_in_it() {
    let worker = thread::spawn(|| {
        let mut service = service();
        (0..1000).for_each(|_| service.leak());
    });
    assert_eq!(growing(Service::work), []);
    worker.join().expect("it doesn't panic");
}

#[test]
fn the_message_names_the_lines_and_is_at_the_assertions_place() {
    let mut service = service();
    let work = AssertUnwindSafe(|| assert_no_growth(100, || service.leak()));
    let panic = panic::catch_unwind(work).expect_err("it grows");
    let said = panic.downcast::<String>().expect("it has numbers");

    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "memory grows in 100 runs:");
    assert!(
        lines[1].starts_with("leak::growth::Service::leak at tests/tests/leak/growth.rs:"),
        "{said}"
    );
    assert!(
        lines[1].ends_with(": self.kept.push(block(64)); // leaked"),
        "{said}"
    );
    assert!(
        lines[2].contains(" B per run, 6,400 B in 100 blocks alive"),
        "{said}"
    );
    assert!(lines[2].ends_with("confidence 0.88"), "{said}");
}

#[test]
fn looking_for_growth_is_on_nobodys_account() {
    let (lines, usage) = measure(|| growth(50, || drop(block(100))));

    assert_eq!(lines, []);
    assert_eq!(usage.allocation_count, 50);
    assert_eq!(usage.net_bytes(), 0);
}

#[test]
fn what_survives_between_two_reports_is_named_and_what_is_level_is_not() {
    let scope = Scope::new("mine");
    let mut service = service();
    let report = |service: &mut Service| -> Report {
        scope.run(|| {
            service.leak();
            service.leak();
            service.cache();
            service.work();
        });
        scope.report()
    };
    report(&mut service);
    let before = report(&mut service);
    let after = report(&mut service);

    let leaks = leaks(&before, &after);
    let lines: Vec<_> = leaks
        .iter()
        .map(|leak| (leak.line.source.trim(), leak.live_bytes, leak.live_count))
        .collect();
    assert_eq!(lines, [("self.kept.push(block(64)); // leaked", 128, 2)]);
    assert!(memprof::leak::leaks(&after, &after).is_empty());
    assert_eq!(memprof::leak::leaks(&after, &before), []);
}
