//! A program that is ended by a signal or an abort writes its report, and ends as it would without
//! a report.
#![cfg(target_os = "linux")]

use memprof::report::Report;
use memprof::{memprofile, report};
use memprof_tests::{Program, Running, alone, assert_law_3, block, keep, line, say};
use std::alloc::{Layout, handle_alloc_error};
use std::fs;
use std::hint::black_box;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{abort, exit};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::time::Duration;
use std::{env, mem, ptr, thread};

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

const ENDING: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

#[memprofile(columns = "allocated", print = "exit")]
fn keeps(size: usize) -> Vec<u8> {
    drop(block(7));
    block(size) // kept
}

/// What the test wants the program to do.
fn how() -> String {
    env::var("HOW").unwrap_or_default()
}

/// Starts a program that writes its report to a file, and waits until it says `word`.
fn start(program: &mut Program, output: &Path, word: &str) -> Running {
    Running::start_until(program.env("MEMPROF_OUTPUT", output), word)
}

#[track_caller]
fn assert_kept(path: &Path, bytes: i64) {
    let report = Report::read(path).unwrap();
    assert_eq!(
        line(&report, "keeps", "// kept").own.live_bytes(),
        bytes,
        "{report:#?}"
    );
    assert_eq!(report.interim_after, None);
}

/// Calls `answer` until it returns `Some`.
fn wait_until<T>(mut answer: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_signal_that_ends_the_program_leaves_the_whole_report() {
    let folder = tempfile::tempdir().unwrap();
    for signal in ENDING {
        let path = folder.path().join(format!("{signal}.json"));
        let mut program = Program::new(|| keep(keeps(100), "ready"));
        let running = start(&mut program, &path, "ready");
        running.end_by(signal);
        assert_kept(&path, 100);
    }
    // There are no files besides the reports.
    assert_eq!(fs::read_dir(&folder).unwrap().count(), ENDING.len());
}

/// Overflows the stack.
#[expect(unconditional_recursion, reason = "that is the point")]
fn overflow(depth: usize) -> usize {
    black_box([depth; 100])[7] + overflow(depth + 1)
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("another one");
    }
}

#[test]
fn an_abort_leaves_the_whole_report() {
    let folder = tempfile::tempdir().unwrap();
    for how_it_ends in [
        "abort",
        "panic",
        "hook",
        "alloc_error",
        "no_memory",
        "overflow",
        "thread",
    ] {
        let path = folder.path().join(format!("{how_it_ends}.json"));
        let output = Program::new(|| {
            let kept = keeps(100);
            match &*how() {
                "abort" => abort(),
                "panic" => {
                    let _panics = PanicsWhenDropped;
                    panic!("on purpose");
                }
                // Like `panic = "abort"`, in a program with its own panic hook.
                "hook" => {
                    std::panic::set_hook(Box::new(|_| abort()));
                    panic!("on purpose");
                }
                "alloc_error" => handle_alloc_error(Layout::new::<[u8; 1000]>()),
                "no_memory" => drop(black_box(Vec::<u8>::with_capacity(isize::MAX as usize))),
                "overflow" => println!("{}", overflow(0)),
                "thread" => thread::spawn(abort).join().unwrap(),
                _ => {}
            }
            drop(kept);
        })
        .env("HOW", how_it_ends)
        .env("MEMPROF_OUTPUT", &path)
        .output();

        let status = output.status;
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(status.signal(), Some(libc::SIGABRT), "{status}: {stderr}");
        assert_kept(&path, 100);
    }
}

#[test]
fn a_signal_that_the_program_sends_itself_does_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let output = Program::new(|| {
        mem::forget(keeps(100));
        // SAFETY: the call accesses no memory of the program.
        unsafe { libc::raise(libc::SIGTERM) };
        exit(9);
    })
    .env("MEMPROF_OUTPUT", &path)
    .output();

    assert_eq!(
        output.status.signal(),
        Some(libc::SIGTERM),
        "{}",
        output.status
    );
    assert_kept(&path, 100);
}

static HEARD: AtomicI32 = AtomicI32::new(0);

/// The handler that was there before.
static BEFORE: AtomicUsize = AtomicUsize::new(0);

extern "C" fn note(signal: i32) {
    HEARD.store(signal, Ordering::SeqCst);
}

/// Calls the previous handler, as `signal-hook` and therefore tokio do.
extern "C" fn call_the_one_before_and_note(signal: i32) {
    let before = BEFORE.load(Ordering::SeqCst);
    if before != libc::SIG_DFL && before != libc::SIG_IGN {
        // SAFETY: `handle` got this address from `signal`, and it is neither default nor ignore, so
        // it is a handler.
        let before: extern "C" fn(i32) = unsafe { mem::transmute(before as *const ()) };
        before(signal);
    }
    note(signal);
}

fn handle(signal: i32, handler: extern "C" fn(i32)) {
    // SAFETY: both handlers are async-signal-safe: they store to an atomic, and call the handler
    // that was installed before.
    let before = unsafe { libc::signal(signal, handler as *const () as libc::sighandler_t) };
    BEFORE.store(before, Ordering::SeqCst);
}

#[test]
fn a_program_that_handles_a_signal_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    for when in ["before", "after", "chained"] {
        let path = folder.path().join(format!("{when}.json"));
        let mut program = Program::new(|| {
            if how() == "before" {
                handle(libc::SIGTERM, note);
            }
            let kept = keeps(100);
            match &*how() {
                "after" => handle(libc::SIGTERM, note),
                "chained" => handle(libc::SIGTERM, call_the_one_before_and_note),
                _ => {}
            }
            println!("said: ready");
            let heard = || Some(HEARD.load(Ordering::SeqCst)).filter(|signal| *signal != 0);
            assert_eq!(wait_until(heard), libc::SIGTERM);
            mem::forget((kept, keeps(20)));
            exit(7);
        });
        let running = start(program.env("HOW", when), &path, "ready");
        running.send(libc::SIGTERM);
        let (status, stderr) = running.end();
        assert_eq!(status.code(), Some(7), "{when}: {status}: {stderr}");
        assert_kept(&path, 120);
    }
}

#[test]
fn a_program_that_ignores_a_signal_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let mut program = Program::new(|| {
        let kept = keeps(100);
        say("ready");
        mem::forget((kept, keeps(20)));
    });
    // Ignore SIGHUP, as `nohup` does.
    // SAFETY: the closure only calls `signal`, which is async-signal-safe.
    unsafe {
        program.command().pre_exec(|| {
            libc::signal(libc::SIGHUP, libc::SIG_IGN);
            Ok(())
        });
    }
    let mut running = start(&mut program, &path, "ready");
    running.send(libc::SIGHUP);
    running.go_on();
    let (status, stderr) = running.end();
    assert_eq!(status.code(), Some(0), "{status}: {stderr}");
    assert_kept(&path, 120);
}

#[test]
fn a_forked_child_ends_at_once_and_leaves_the_report_to_its_parent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let mut program = Program::new(|| {
        let kept = keeps(100);
        // SAFETY: the child only makes async-signal-safe calls.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::raise(libc::SIGTERM);
                libc::_exit(3);
            }
            let mut status = -1;
            assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
            assert!(libc::WIFSIGNALED(status), "{status}");
            assert_eq!(libc::WTERMSIG(status), libc::SIGTERM);
        }
        keep(kept, "forked");
    });
    let running = start(&mut program, &path, "forked");
    assert!(!path.exists());
    running.end_by(libc::SIGINT);
    assert_kept(&path, 100);
}

/// Allocates in an endless loop, partly in a profiled function.
fn hammer() {
    loop {
        let mut kept: Vec<_> = (0..64).map(|size| vec![1_u8; size]).collect();
        drop(hammered(black_box(&mut kept).len()));
    }
}

#[memprofile(columns = "all", print = "exit")]
fn hammered(size: usize) -> Vec<u8> {
    let first = block(size);
    drop(first);
    block(2 * size)
}

#[test]
fn a_signal_in_the_middle_of_allocations_leaves_the_whole_report() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..40 {
        let path = folder.path().join(format!("{round}.json"));
        let mut program = Program::new(|| {
            mem::forget(keeps(100));
            thread::spawn(hammer);
            println!("said: ready");
            hammer();
        });
        let running = start(&mut program, &path, "ready");
        let signal = ENDING[round % ENDING.len()];
        running.end_by(signal);
        assert_kept(&path, 100);
    }
}

#[test]
fn a_signal_in_the_middle_of_a_report_leaves_the_whole_report() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let mut program = Program::new(|| {
        mem::forget(keeps(100));
        println!("said: ready");
        loop {
            black_box(report());
        }
    });
    let running = start(&mut program, &path, "ready");
    running.end_by(libc::SIGTERM);
    assert_kept(&path, 100);
}

#[test]
fn a_report_that_cannot_be_written_changes_nothing_about_the_end() {
    let folder = tempfile::tempdir().unwrap();
    for to in ["full", "gone"] {
        let inside = folder.path().join(to);
        fs::create_dir(&inside).unwrap();
        let path = match to {
            "full" => "/dev/full".into(),
            _ => inside.join("report.json"),
        };
        let mut program = Program::new(|| keep(keeps(100), "ready"));
        let running = start(program.env("MEMPROF_FORMAT", "json"), &path, "ready");
        fs::remove_dir(inside).unwrap();
        running.send(libc::SIGTERM);
        let (status, stderr) = running.end();
        assert_eq!(status.signal(), Some(libc::SIGTERM), "{to}: {status}");
        assert!(
            stderr.contains("memprof: the report can't be written to "),
            "{to}: {stderr}"
        );
    }
}

/// Creates a named pipe without a reader.
fn pipe_without_reader(path: &Path) {
    let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: the name is a NUL-terminated string for the duration of the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
}

#[test]
fn a_report_that_nobody_reads_does_not_keep_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe.json");
    pipe_without_reader(&path);
    let mut program = Program::new(|| keep(keeps(100), "ready"));
    let running = start(&mut program, &path, "ready");
    running.end_by(libc::SIGTERM);
}

#[test]
fn a_killed_program_leaves_the_last_of_its_reports() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    fs::write(&path, "of an earlier run").unwrap();
    let mut program = Program::new(|| {
        let kept = keeps(100);
        say("one");
        let more = keeps(20);
        say("two");
        drop((kept, more));
    });
    let mut running = start(program.env("MEMPROF_EVERY", "10ms"), &path, "one");
    let has = |bytes: i64| {
        wait_until(|| {
            let report = Report::read(&path).ok()?;
            // The first report may have been written before the function was called.
            report.functions.first()?;
            let kept = line(&report, "keeps", "// kept").own.live_bytes();
            (kept == bytes).then_some(report)
        })
    };
    let first = has(100);
    running.go_on();
    running.wait_for("two");
    let second = has(120);
    assert!(first.interim_after.unwrap() < second.interim_after.unwrap());
    running.end_by(libc::SIGKILL);
    let last = Report::read(&path).unwrap();
    assert!(last.interim_after >= second.interim_after);
}

#[test]
fn the_report_at_the_end_takes_the_place_of_those_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let mut program = Program::new(|| {
        let kept = keeps(100);
        say("ready");
        mem::forget(kept);
    });
    let mut running = start(program.env("MEMPROF_EVERY", "10ms"), &path, "ready");
    wait_until(|| Report::read(&path).ok());
    running.go_on();
    let (status, stderr) = running.end();
    assert!(status.success(), "{status}: {stderr}");
    assert_eq!(stderr, "");
    assert_kept(&path, 100);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn a_report_is_written_when_memory_passes_a_limit() {
    #[memprofile(print = "never")]
    fn grows() {
        let more = keeps(3 << 30);
        say("two");
        drop(more);
    }

    let folder = tempfile::tempdir().unwrap();
    for has_output in [true, false] {
        let mut program = Program::new(|| {
            let kept = keeps(100);
            say("one");
            grows();
            drop(kept);
        });
        program.command().current_dir(&folder);
        program.env("MEMPROF_DUMP_AT", "2GiB");
        let mut running = if has_output {
            start(&mut program, Path::new("report.json"), "one")
        } else {
            Running::start_until(&mut program, "one")
        };
        let name = if has_output {
            "report.dump.json".to_owned()
        } else {
            format!("memprof.{}.dump.json", running.id())
        };
        let path = folder.path().join(&name);
        assert!(!path.exists());
        running.go_on();
        running.wait_for("two");
        let dump = wait_until(|| Report::read(&path).ok());
        let kept = line(&dump, "keeps", "// kept").own.live_bytes();
        assert_eq!(kept, 100 + (3 << 30));
        assert!(dump.interim_after.is_some());
        running.go_on();
        let (status, stderr) = running.end();
        assert!(status.success(), "{status}: {stderr}");
        let said = "memprof: the heap or resident memory has reached the 2147483648 B of \
                    MEMPROF_DUMP_AT; a report is in \"";
        assert!(stderr.starts_with(said), "{stderr}");
        let (first, calls) = stderr.split_once('\n').unwrap();
        assert!(first.ends_with(&format!("{name}\"")), "{stderr}");
        assert!(calls.starts_with("thread "), "{stderr}");
        assert!(
            calls.contains("::grows at tests/tests/platform/"),
            "{stderr}"
        );
    }
}

#[test]
fn what_makes_no_sense_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let said = |variables: &[(&str, &str)]| {
        let mut program = Program::new(|| drop(keeps(1)));
        program.command().current_dir(&folder);
        for (name, value) in variables {
            program.env(name, value);
        }
        let output = program.output();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(
        said(&[("MEMPROF_EVERY", "2"), ("MEMPROF_OUTPUT", "a.json")]),
        "memprof: MEMPROF_EVERY is \"2\", which is not `on`, `off` or a time of 10ms or more, such \
         as `2s` or `500ms`; it is ignored\n"
    );
    assert_eq!(
        said(&[("MEMPROF_EVERY", "2s")]),
        "memprof: MEMPROF_EVERY is ignored: it changes nothing without MEMPROF_OUTPUT, which isn't \
         set\n"
    );
    let output = said(&[
        ("MEMPROF_EVERY", "on"),
        ("MEMPROF_OUTPUT", "/dev/null"),
        ("MEMPROF_FORMAT", "csv"),
    ]);
    assert_eq!(
        output,
        "memprof: MEMPROF_EVERY is ignored: \"/dev/null\", the path in MEMPROF_OUTPUT, is not a \
         file that a report can replace\n"
    );
    assert_eq!(
        said(&[("MEMPROF_DUMP_AT", "much")]),
        "memprof: MEMPROF_DUMP_AT is \"much\", which is not a number of bytes, such as `100MiB`; it \
         is ignored\n"
    );
    let off = [("MEMPROF_EVERY", "off"), ("MEMPROF_OUTPUT", "b.json")];
    assert_eq!(said(&off), "");
}

/// The handler of a signal.
fn handler_of(signal: i32) -> usize {
    // SAFETY: `action` is plain data for which zeros are valid, and is valid to write to for the
    // duration of the call.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        libc::sigaction(signal, ptr::null(), &raw mut action);
        action.sa_sigaction
    }
}

/// The number of threads, and the signals that each thread of the profiler blocks.
fn threads() -> (usize, Vec<u64>) {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let statuses: Vec<_> = threads
        .map(|thread| fs::read_to_string(thread.unwrap().path().join("status")).unwrap())
        .collect();
    let ours = statuses
        .iter()
        .filter(|status| status.starts_with("Name:\tmemprof\n"));
    let blocked = ours.map(|status| {
        let blocked = status
            .lines()
            .find_map(|line| line.strip_prefix("SigBlk:"))
            .unwrap();
        u64::from_str_radix(blocked.trim(), 16).unwrap()
    });
    (statuses.len(), blocked.collect())
}

#[test]
fn nothing_is_installed_where_no_report_is_asked_for() {
    Program::new(|| {
        let (before, _) = threads();
        drop(keeps(1));
        assert_eq!(threads(), (before, Vec::new()));
        for signal in ENDING.iter().chain(&[libc::SIGABRT]) {
            assert_eq!(handler_of(*signal), libc::SIG_DFL, "{signal}");
        }
    })
    .stdout();
}

#[test]
fn the_threads_for_it_are_two_and_the_programs_signals_are_its_own() {
    let folder = tempfile::tempdir().unwrap();
    Program::new(|| {
        let (before, _) = threads();
        drop(keeps(1));
        // Threads get their names after they have started.
        let (count, blocked) = wait_until(|| Some(threads()).filter(|(_, ours)| ours.len() == 2));
        assert_eq!(count, before + 2);
        for blocked in blocked {
            let all = [libc::SIGINT, libc::SIGTERM, libc::SIGUSR1, libc::SIGCHLD];
            assert!(all.iter().all(|signal| blocked >> (signal - 1) & 1 == 1));
        }
    })
    .env("MEMPROF_OUTPUT", folder.path().join("report.json"))
    .env("MEMPROF_PRINT", "never")
    .stdout();
}

#[test]
fn the_threads_for_it_are_in_no_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    Program::new(|| {
        // Exclude the threads of the test harness.
        alone(|| {
            memprof::reset();
            let kept = keeps(100);
            let path = env::var("MEMPROF_OUTPUT").unwrap();
            let first = wait_until(|| fs::read(&path).ok());
            wait_until(|| fs::read(&path).ok().filter(|text| *text != first));
            let before = report();
            let more = keeps(20);
            let now = report();
            assert_eq!(now.peak_error_bytes, 0);
            assert_law_3(&now);
            let since = now.since(&before);
            assert_eq!(line(&since, "keeps", "// kept").own.live_bytes(), 20);
            drop((kept, more));
        });
    })
    .env("MEMPROF_EVERY", "10ms")
    .env("MEMPROF_OUTPUT", &path)
    .env("MEMPROF_PRINT", "never")
    .stdout();
}
