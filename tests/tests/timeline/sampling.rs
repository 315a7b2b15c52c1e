//! Memory over time: sampling this and other processes, and the marks of calls in a file.

use memprof::memprofile;
use memprof::timeline::MemorySampler;
use memprof::timeline::MemoryTimeline;
use memprof_tests::Program;
use proptest::prelude::*;
use std::cell::Cell;
use std::fs;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const MIB: u64 = 1 << 20;

#[memprofile(print = "never")]
fn outer() {
    let kept = inner();
    drop(inner());
    drop(kept);
}

#[memprofile(columns = "net", print = "exit")]
fn inner() -> Vec<u8> {
    black_box(vec![1; 32 << 20])
}

#[memprofile(print = "never")]
fn often() {}

#[memprofile(print = "never")]
fn panics() {
    panic!("on purpose");
}

#[test]
fn a_closure_runs_once_and_its_answer_is_given() {
    let runs = Cell::new(0);
    let (memory, answer) = MemorySampler::new()
        .of(|| {
            runs.set(runs.get() + 1);
            "answer"
        })
        .unwrap();

    assert_eq!((runs.get(), answer), (1, "answer"));
    // One sample before and one after, however short the work is.
    assert_eq!(memory.samples.len(), 2);
}

#[test]
fn what_a_closure_touches_is_seen() {
    let (memory, touched) = MemorySampler::new().of(|| vec![1_u8; 64 << 20]).unwrap();

    let before = memory.samples[0].resident_bytes;
    let after = memory.samples.last().unwrap().resident_bytes;
    // Other tests run concurrently, and may free memory.
    assert!(after + 32 * MIB > before + 64 * MIB, "{before} {after}");
    drop(touched);
}

#[test]
fn a_closure_that_panics_does_so_for_its_caller() {
    let look = || {
        MemorySampler::new()
            .of(|| panic!("on purpose"))
            .map(|_: (_, ())| ())
    };
    let panic = catch_unwind(AssertUnwindSafe(look)).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"on purpose"));
}

#[test]
fn samples_come_until_a_closure_ends() {
    let (seen, is_seen) = mpsc::channel();
    let each = move |_: &_| {
        let _ = seen.send(());
        ControlFlow::Continue(())
    };
    let sampling = MemorySampler::new()
        .interval(Duration::from_millis(1))
        .each(each);
    let (memory, ()) = sampling
        .of(|| (0..20).for_each(|_| is_seen.recv().unwrap()))
        .unwrap();

    assert!(memory.samples.len() >= 20);
    let times: Vec<_> = memory.samples.iter().map(|sample| sample.at).collect();
    assert!(times.is_sorted());
}

#[test]
fn the_highest_is_all_that_is_kept_of_many() {
    let mut highest = 0;
    let sampling = MemorySampler::new()
        .interval(Duration::from_millis(1))
        .timeout(Duration::from_millis(20))
        .max_only()
        .each(|reading| {
            highest = highest.max(reading.process.resident_bytes);
            ControlFlow::Continue(())
        });
    let memory = sampling.of_self().unwrap();

    assert_eq!(memory.samples.len(), 1);
    assert_eq!(memory.samples[0].resident_bytes, highest);
}

#[test]
fn whoever_is_told_of_each_sample_can_end_it() {
    let mut left = 3;
    let sampling = MemorySampler::new()
        .interval(Duration::ZERO)
        .timeout(Duration::MAX / 4)
        .each(|_| {
            left -= 1;
            if left == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
    assert_eq!(sampling.of_self().unwrap().samples.len(), 3);
}

#[test]
#[cfg(target_os = "linux")]
fn a_program_is_looked_at_until_it_ends() {
    let mut command = Command::new("sh");
    command.args(["-c", "exit 7"]);
    // The sampler must not wait for these times to pass.
    let sampling = MemorySampler::new()
        .interval(Duration::MAX)
        .timeout(Duration::MAX);
    let (memory, status) = sampling.of_command(&mut command).unwrap();

    assert_eq!(status.code(), Some(7));
    assert!(memory.samples.len() <= 1);
    assert_eq!(memory.command, "sh -c 'exit 7'");
}

#[test]
#[cfg(target_os = "linux")]
fn children_are_summed_or_apart() {
    let mut child = Command::new("sleep").arg("100").spawn().unwrap();
    let apart = MemorySampler::new().children_apart().of_self().unwrap();
    let summed = MemorySampler::new()
        .sum_children()
        .children_apart()
        .of_self()
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();

    assert!(apart.children[&child.id()][0].resident_bytes > 0);
    // Other tests may have child processes, too.
    let children: u64 = summed
        .children
        .values()
        .map(|samples| samples[0].resident_bytes)
        .sum();
    assert!(summed.samples[0].resident_bytes > children);
}

#[test]
fn a_process_that_is_not_there_is_said() {
    let error = MemorySampler::new()
        .of_process(u32::MAX)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("the memory of process 4294967295 can't be read"),
        "{error}"
    );
    let error = MemorySampler::new().of_command(&mut Command::new("/nowhere/to/be found"));
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with("the program \"/nowhere/to/be found\" can't be started"),
        "{error}"
    );
}

fn marks(folder: &Path) -> MemoryTimeline {
    MemoryTimeline::read(folder.join("memory.dat")).unwrap()
}

#[test]
fn calls_are_marked_whenever_their_tables_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    Program::new(|| {
        outer();
    })
    .env("MEMPROF_TIMESTAMPS", folder.path().join("memory.dat"))
    .stdout();

    let memory = marks(folder.path());
    let calls = memory.calls.iter();
    let calls: Vec<_> = calls.map(|call| (&*call.function, call.depth)).collect();
    let [inner, outer] = ["timeline::sampling::inner", "timeline::sampling::outer"];
    assert_eq!(calls, [(inner, 1), (inner, 1), (outer, 0)]);
    for call in &memory.calls {
        assert!(call.start.at <= call.end.at);
    }
    let grown = |place: usize| {
        let (start, end) = (memory.calls[place].start, memory.calls[place].end);
        end.resident_bytes.saturating_sub(start.resident_bytes)
    };
    assert!(grown(0) >= 31 * MIB, "{memory:?}");
    assert!(grown(2) < 31 * MIB, "{memory:?}");
}

#[test]
fn a_call_that_panics_is_marked_and_so_is_what_comes_after() {
    let folder = tempfile::tempdir().unwrap();
    Program::new(|| {
        let _ = catch_unwind(panics);
        often();
    })
    .env("MEMPROF_TIMESTAMPS", folder.path().join("memory.dat"))
    .stdout();

    let memory = marks(folder.path());
    let calls = memory.calls.iter();
    let calls: Vec<_> = calls.map(|call| (&*call.function, call.depth)).collect();
    assert_eq!(
        calls,
        [
            ("timeline::sampling::panics", 0),
            ("timeline::sampling::often", 0)
        ]
    );
}

#[test]
fn of_a_hot_function_the_first_thousand_calls_are_marked_each_on_its_line() {
    let folder = tempfile::tempdir().unwrap();
    Program::new(|| {
        let threads: Vec<_> = (0..4)
            .map(|_| thread::spawn(|| (0..1000).for_each(|_| often())))
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    })
    .env("MEMPROF_TIMESTAMPS", folder.path().join("memory.dat"))
    .stdout();

    assert_eq!(marks(folder.path()).calls.len(), 1000);
}

#[test]
fn a_file_for_marks_that_cannot_be_written_is_said_once() {
    let output = Program::new(|| {
        often();
        often();
    })
    .env("MEMPROF_TIMESTAMPS", "/nowhere/memory.dat")
    .output();

    assert!(output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    let said = stderr.matches("calls can't be marked in \"/nowhere/memory.dat\"");
    assert_eq!(said.count(), 1, "{stderr}");
}

#[test]
#[cfg(unix)]
fn a_pipe_without_a_reader_holds_up_no_call() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    memprof_tests::make_pipe(&pipe);
    let output = Program::new(|| {
        often();
        often();
    })
    .env("MEMPROF_TIMESTAMPS", &pipe)
    .output();

    assert!(output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.matches("calls can't be marked in").count(), 1);
    assert!(stderr.contains("no process has it open"), "{stderr}");
}

/// Starts a process that touches 64 MiB, and leaves it running.
#[cfg(target_os = "linux")]
#[memprofile(print = "never")]
fn starts_a_process() -> (libc::pid_t, std::io::PipeWriter) {
    use std::io::{Read, Write};

    let (mut has_touched, mut says_so) = std::io::pipe().unwrap();
    let (mut waits, ends) = std::io::pipe().unwrap();
    // SAFETY: the program has only one thread, so the child may call any function.
    let child = unsafe { libc::fork() };
    if child == 0 {
        drop((has_touched, ends));
        let touched = black_box(vec![1_u8; 64 << 20]);
        says_so.write_all(b"1").unwrap();
        let _ = waits.read(&mut [0]);
        drop(touched);
        // SAFETY: `_exit` has no preconditions. It ends the child without flushing shared files.
        unsafe { libc::_exit(0) };
    }
    has_touched.read_exact(&mut [0]).unwrap();
    (child, ends)
}

#[test]
#[cfg(target_os = "linux")]
fn marks_count_children_where_samples_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::new(|| {
        let (child, ends) = starts_a_process();
        drop(ends);
        // SAFETY: the status pointer may be null.
        unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    });
    for (children, with) in [("on", true), ("off", false)] {
        let path = folder.path().join("memory.dat");
        program.env("MEMPROF_TIMESTAMPS", &path);
        program.env("MEMPROF_CHILDREN", children).stdout();

        let call = &marks(folder.path()).calls[0];
        let added = call.end.resident_bytes - call.start.resident_bytes;
        assert_eq!(added >= 64 * MIB, with, "{added}");
        fs::remove_file(path).unwrap();
    }
}

#[memprofile(print = "never", columns = "net")]
fn grows() -> Vec<u8> {
    let small = black_box(vec![1; 100]);
    let large = black_box(vec![1; 256 << 20]); // beyond
    drop(small);
    large
}

/// Runs a program with a limit and `on_stop` as its action, and returns its stderr and status.
fn stopped(program: &mut Program, on_stop: &str) -> (String, std::process::ExitStatus) {
    let program = program.env("MEMPROF_STOP_AT", "200MiB");
    let output = program.env("MEMPROF_ON_STOP", on_stop).output();
    (String::from_utf8(output.stderr).unwrap(), output.status)
}

#[test]
#[cfg(unix)]
fn the_line_that_passes_the_limit_is_said_and_the_program_stops() {
    use std::os::unix::process::ExitStatusExt;

    let mut program = Program::new(|| {
        grows();
        grows();
    });
    for (on_stop, signal) in [("abort", Some(6)), ("trap", Some(5)), ("continue", None)] {
        let (stderr, status) = stopped(&mut program, on_stop);
        assert_eq!(status.signal(), signal, "{stderr}");
        let said = "of timeline::sampling::grows, in tests/tests/timeline/sampling.rs: let large = black_box(vec![1; 256 << 20]); // beyond\n";
        assert_eq!(stderr.matches(said).count(), 1, "{stderr}");
        // The backtrace has the caller.
        assert!(
            stderr.contains("the_line_that_passes_the_limit"),
            "{stderr}"
        );
    }
    let status = program.env("MEMPROF_STOP_AT", "1000GiB").output().status;
    assert!(status.success());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_in_a_file_it_is_read_or_refused(text in any_file()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory.dat");
        fs::write(&path, &text).unwrap();
        match MemoryTimeline::read(&path) {
            Ok(memory) => {
                // What could be read is the same after writing and reading it again.
                memory.write(&path).unwrap();
                let again = MemoryTimeline::read(&path).unwrap();
                prop_assert_eq!(again.to_string(), memory.to_string());
            }
            Err(error) => {
                let said = error.to_string();
                prop_assert!(!said.contains(char::is_control), "{said:?}");
            }
        }
    }
}

/// Files of lines that are nearly valid, and of arbitrary bytes.
fn any_file() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "MEM",
        "FUNC",
        "CHLD",
        "CMDLINE",
        "a::b",
        "1.5",
        "-1",
        "1e400",
        "NaN",
        "inf",
        "7",
        "99999999999",
        "1795390245.2584",
        "\u{1b}[2J",
        "",
        "\r",
        "ä",
    ]);
    let word =
        prop_oneof![9 => words.prop_map(|word| word.as_bytes().to_vec()), 1 => any::<Vec<u8>>()];
    let line = prop::collection::vec(word, 0..8).prop_map(|words| words.join(&b' '));
    let sample =
        (0.0..1e6_f64, 0.0..2e9_f64).prop_map(|(mib, at)| format!("MEM {mib} {at}").into_bytes());
    let lines = prop::collection::vec(prop_oneof![line, sample], 0..8);
    (lines, any::<bool>()).prop_map(|(lines, is_whole)| {
        let mut text = lines.join(&b'\n');
        text.extend(is_whole.then_some(b'\n'));
        text
    })
}
