//! Samples of where threads are, and the times of lines in reports, files and texts.
#![cfg(target_os = "linux")]

use memprof::report::{Format, LineReport, Report, SampledTime};
use memprof::{Sampler, memprofile, report};
use memprof_tests::{Program, line, run};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

#[memprofile(print = "never")]
fn outer(calls: &Receiver<()>, ready: &Sender<()>) {
    ready.send(()).unwrap();
    waits(calls); // outer waits
}

#[memprofile(print = "never")]
fn waits(calls: &Receiver<()>) {
    calls.recv().unwrap(); // waits here
}

#[memprofile(print = "never")]
fn spins(until: impl Fn() -> bool) {
    while !until() {} // spins here
}

/// The samples of the process so far.
fn sample_count() -> u64 {
    report().sampling.map_or(0, |it| it.total.sample_count)
}

/// Runs on until more samples were taken, in the line of `spins`.
fn let_samples_come(count: u64) {
    let before = sample_count();
    spins(|| sample_count() >= before + count);
}

fn sum(lines: impl Iterator<Item = SampledTime>) -> SampledTime {
    let mut sum = SampledTime::default();
    lines.for_each(|time| sum += time);
    sum
}

/// A thread that is blocked in `waits`, called from `outer`, while `work` runs.
fn beside_a_waiting_thread<T>(work: impl FnOnce() -> T) -> T {
    let (call, calls) = mpsc::channel();
    let (say_ready, ready) = mpsc::channel();
    let thread = thread::spawn(move || outer(&calls, &say_ready));
    ready.recv().unwrap();
    let answer = work();
    call.send(()).unwrap();
    thread.join().unwrap();
    answer
}

#[test]
fn a_thread_that_waits_is_found_waiting_at_its_line_and_that_of_its_caller() {
    run(|| {
        let report = beside_a_waiting_thread(|| {
            let sampler = Sampler::start().unwrap();
            let_samples_come(20);
            sampler.stop()
        });

        let waits = line(&report, "waits", "// waits here");
        let caller = line(&report, "outer", "// outer waits");
        assert!(waits.own_time.sample_count > 0);
        assert!(waits.own_time.waiting > Duration::ZERO);
        assert!(caller.inclusive_time.sample_count >= waits.own_time.sample_count);
        assert!(caller.inclusive_time.waiting >= waits.own_time.waiting);
        let spins = line(&report, "spins", "// spins here");
        assert!(spins.own_time.sample_count > 0);
        let sampling = report.sampling.unwrap();
        assert!(sampling.total.elapsed() >= waits.own_time.elapsed());
    });
}

#[test]
fn times_add_up_over_lines_calls_and_functions() {
    run(|| {
        beside_a_waiting_thread(|| {
            let sampler = Sampler::start().unwrap();
            let_samples_come(50);
            let report = sampler.stop();

            let sampling = report.sampling.unwrap();
            let of_functions = report.functions.iter().flat_map(|it| &it.lines);
            let of_calls = report.calls.iter().flat_map(|it| &it.lines);
            let untracked = || [sampling.untracked].into_iter();
            let by_function = sum(of_functions.map(|line| line.own_time).chain(untracked()));
            let by_call = sum(of_calls.map(|line| line.own_time).chain(untracked()));
            assert_eq!(by_function, sampling.total);
            assert_eq!(by_call, sampling.total);
            for call in &report.calls {
                let own = sum(call.lines.iter().map(|line| line.own_time));
                assert_eq!(call.own_elapsed, own.elapsed());
                let inclusive = sum(call.lines.iter().map(|line| line.inclusive_time));
                assert_eq!(call.inclusive_elapsed, inclusive.elapsed());
            }
            for function in &report.functions {
                let own = sum(function.lines.iter().map(|line| line.own_time));
                assert_eq!(function.own_elapsed, own.elapsed());
            }
        });
    });
}

#[test]
fn recursion_counts_no_sample_twice() {
    #[memprofile(print = "never")]
    fn descends(depth: u32) {
        if depth == 0 {
            let_samples_come(20);
            return;
        }
        descends(depth - 1); // descends
    }

    run(|| {
        let sampler = Sampler::start().unwrap();
        descends(1000);
        let report = sampler.stop();

        let total = report.sampling.unwrap().total;
        let descends = line(&report, "descends", "// descends");
        let spins = line(&report, "spins", "// spins here");
        assert!(spins.own_time.sample_count > 0);
        assert!(descends.inclusive_time.sample_count <= total.sample_count);
        let paths = report.calls.len();
        assert!(paths <= 3, "{paths} paths");
    });
}

#[test]
fn without_a_sampler_there_are_no_samples() {
    run(|| {
        spins(|| true);
        assert_eq!(report().sampling, None);
        let none = report().times().to_string();
        assert!(none.starts_with("No samples: "), "{none}");

        // What ran before the sampler isn't in its report.
        let sampler = Sampler::start().unwrap();
        let_samples_come(5);
        drop(sampler);
        let sampler = Sampler::start().unwrap();
        let second = sampler.stop().sampling.unwrap().total;
        assert!(second.sample_count < sample_count());
    });
}

#[test]
fn a_sampler_leaves_nothing_in_its_own_report() {
    run(|| {
        beside_a_waiting_thread(|| {
            // The first one's report has functions, which the second one's reports have again.
            let functions = Sampler::start().unwrap().stop().functions;
            assert!(!functions.is_empty());
            let total = Sampler::start().unwrap().stop().total;
            assert_eq!([total.allocation_count, total.deallocation_count], [0; 2]);
        });
    });
}

#[test]
fn the_time_between_two_samplers_is_in_no_sample() {
    run(|| {
        let sampled = || {
            let start = Instant::now();
            let sampler = Sampler::start().unwrap();
            let_samples_come(5);
            drop(sampler);
            start.elapsed()
        };
        let first = sampled();
        let start = Instant::now();
        spins(|| start.elapsed() > 10 * first);
        let both = first + sampled();
        let total = report().sampling.unwrap().total;
        assert!(total.elapsed() <= both, "{total:?} in {both:?}");
    });
}

#[test]
fn many_threads_that_begin_and_end_are_no_trouble() {
    #[memprofile(print = "never")]
    fn works(depth: u32) -> u32 {
        if depth == 0 { 0 } else { works(depth - 1) + 1 }
    }

    run(|| {
        let sampler = Sampler::start_every(Duration::ZERO).unwrap();
        let is_done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let_samples_come(200);
                is_done.store(true, Ordering::Relaxed);
            });
            for _ in 0..3 {
                scope.spawn(|| {
                    while !is_done.load(Ordering::Relaxed) {
                        thread::spawn(|| works(100)).join().unwrap();
                    }
                });
            }
        });
        let sampling = sampler.stop().sampling.unwrap();
        assert!(sampling.dropped_count <= sampling.total.sample_count);
    });
}

#[test]
fn a_forked_child_has_a_sampler_of_its_own() {
    run(|| {
        let sampler = Sampler::start().unwrap();
        let_samples_come(5);
        let has_ended_well = memprof_tests_fork(|| {
            let own = Sampler::start().unwrap();
            let_samples_come(5);
            own.stop().sampling.is_some()
        });
        assert!(has_ended_well);
        let_samples_come(5);
        drop(sampler);
    });
}

/// Whether `work` returned true in a forked child.
fn memprof_tests_fork(work: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child has the calling thread alone, and runs nothing but `work`.
    #[allow(unsafe_code)]
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::_exit(i32::from(!work()));
        }
        let mut status = 0;
        libc::waitpid(child, &raw mut status, 0) == child && status == 0
    }
}

#[test]
fn files_have_the_times() {
    run(|| {
        let report = beside_a_waiting_thread(|| {
            let sampler = Sampler::start().unwrap();
            let_samples_come(20);
            sampler.stop()
        });
        let text = |format: Format| {
            let mut text = Vec::new();
            report.write_to(format, &mut text).unwrap();
            text
        };

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        std::fs::write(&path, text(Format::Json)).unwrap();
        assert_eq!(Report::read(&path).unwrap(), report);

        let speedscope: serde_json::Value =
            serde_json::from_slice(&text(Format::Speedscope)).unwrap();
        let profiles = speedscope["profiles"].as_array().unwrap();
        let time = profiles.iter().find(|it| it["name"] == "time").unwrap();
        assert_eq!(time["unit"], "nanoseconds");
        let total = report.sampling.unwrap().total.elapsed();
        assert_eq!(time["endValue"].as_u64().unwrap(), nanoseconds(total));
        let stacks = time["samples"].as_array().unwrap();
        assert_eq!(stacks.len(), time["weights"].as_array().unwrap().len());

        let page = String::from_utf8(text(Format::Html)).unwrap();
        for column in ["after.rows.own_ns", "after.lines.own.sample_count"] {
            assert!(page.contains(&format!("id=\"{column}\"")), "{column}");
        }

        let csv = text(Format::Csv);
        let mut rows = csv::Reader::from_reader(&csv[..]);
        let headings = rows.headers().unwrap().clone();
        let place = |name: &str| headings.iter().position(|it| it == name).unwrap();
        let [running, waiting] = ["sampled_running_ns", "sampled_waiting_ns"].map(place);
        let rows: Vec<_> = rows.records().map(Result::unwrap).collect();
        let written: u64 = rows
            .iter()
            .flat_map(|row| [&row[running], &row[waiting]].map(|it| it.parse::<u64>().unwrap()))
            .sum();
        let lines = report.functions.iter().flat_map(|it| &it.lines);
        let own = |line: &LineReport| nanoseconds(line.own_time.elapsed());
        assert_eq!(written, lines.map(own).sum::<u64>());
    });
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap()
}

#[test]
fn the_variable_prints_the_times_at_the_end() {
    let main = || beside_a_waiting_thread(|| spins(|| true));
    let output = Program::new(main).env("MEMPROF_SAMPLE", "1ms").output();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    for part in [" samples of ", "running", "Own time", "With callees"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn what_is_confidential_is_not_printed() {
    let output = Program::new(|| beside_a_waiting_thread(|| let_samples_come(20)))
        .env("MEMPROF_SAMPLE", "on")
        .env("MEMPROF_CONFIDENTIAL", "on")
        .output();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("::waits:"), "{said}");
    assert!(!said.contains("recv()"), "{said}");
}

#[test]
fn a_forked_child_does_not_print_the_times_of_its_parent() {
    let main = || {
        spins(|| true);
        // SAFETY: the child has the calling thread alone, and ends.
        #[allow(unsafe_code)]
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::exit(0);
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
            assert_eq!(status, 0);
        }
    };
    let output = Program::new(main).env("MEMPROF_SAMPLE", "on").output();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.matches(" samples of ").count(), 1, "{said}");
}

#[test]
fn the_variable_has_the_report_at_the_end_contain_the_times() {
    let mut program = Program::new(|| beside_a_waiting_thread(|| spins(|| true)));
    let (_folder, path) = program.env("MEMPROF_SAMPLE", "on").report_as("report.json");
    let report = Report::read(path).unwrap();
    assert!(report.sampling.unwrap().total.sample_count > 0);

    let mut program = Program::new(|| spins(|| true));
    let (_folder, path) = program
        .env("MEMPROF_SAMPLE", "off")
        .report_as("report.json");
    assert_eq!(Report::read(path).unwrap().sampling, None);
}

#[test]
fn an_interval_that_is_none_is_named() {
    for value in ["often", "0ms", "-1ms"] {
        let output = Program::new(|| spins(|| true))
            .env("MEMPROF_SAMPLE", value)
            .output();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("MEMPROF_SAMPLE is"), "{said}");
        assert!(said.contains("the time between two samples"), "{said}");
    }
}
