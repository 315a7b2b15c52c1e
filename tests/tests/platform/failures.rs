//! Law 7: failures of the profiler don't affect the program.
#![cfg(unix)]

use memprof::memprofile;
use memprof_tests::{Program, Table, block, run};
use std::cell::Cell;
use std::fs::OpenOptions;
use std::hint::black_box;
use std::io::{Read, Write, stdout};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::thread;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

#[memprofile(columns = "all")]
fn profiled(bytes: usize) -> usize {
    let a = block(bytes);
    a.capacity()
}

/// Redirects standard output to `file`.
fn print_into(file: &impl AsRawFd) {
    // SAFETY: both descriptors are open, and no Rust object owns that of standard output.
    let answer = unsafe { libc::dup2(file.as_raw_fd(), libc::STDOUT_FILENO) };
    assert_eq!(answer, libc::STDOUT_FILENO);
}

#[test]
fn a_pipe_that_nobody_reads_is_no_harm() {
    let tables = run(|| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        print_into(&writer);
        drop(writer);
        assert_eq!(profiled(7), 7);
    });

    assert_eq!(tables, []);
}

#[test]
fn a_closed_standard_output_is_no_harm() {
    let tables = run(|| {
        // SAFETY: no Rust object owns the descriptor of standard output.
        unsafe { libc::close(libc::STDOUT_FILENO) };
        assert_eq!(profiled(7), 7);
    });

    assert_eq!(tables, []);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_no_harm() {
    let tables = run(|| {
        print_into(&OpenOptions::new().write(true).open("/dev/full").unwrap());
        assert_eq!(profiled(7), 7);
    });

    assert_eq!(tables, []);
}

/// Prints a thousand tables, more than a pipe holds, into a non-blocking pipe. The reader starts to
/// read after `meanwhile`.
fn print_into_a_slow_pipe(meanwhile: impl FnOnce() + Send + 'static) {
    let (mut reader, writer) = std::io::pipe().unwrap();
    // SAFETY: the call sets a flag on an open descriptor.
    unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    let original = stdout().as_fd().try_clone_to_owned().unwrap();
    print_into(&writer);
    drop(writer);
    let copied = thread::spawn(move || {
        meanwhile();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    });
    for _ in 0..1000 {
        profiled(7);
    }
    print_into(&original);
    print!("{}", copied.join().unwrap());
}

#[test]
fn a_pipe_made_non_blocking_by_its_reader_gets_whole_tables() {
    let tables = run(|| print_into_a_slow_pipe(|| {}));

    assert_eq!(tables.len(), 1000);
}

extern "C" fn ignore(_: libc::c_int) {}

#[test]
fn signals_lose_no_table_of_a_pipe_that_is_full() {
    let tables = run(|| {
        // SAFETY: the handler does nothing, and nothing else uses this signal.
        let this_thread = unsafe {
            libc::signal(libc::SIGUSR1, ignore as *const () as libc::sighandler_t);
            libc::pthread_self()
        };
        print_into_a_slow_pipe(move || {
            for _ in 0..10_000 {
                // SAFETY: the target thread waits for this one, so it still exists.
                unsafe { libc::pthread_kill(this_thread, libc::SIGUSR1) };
            }
        });
    });

    assert_eq!(tables.len(), 1000);
}

#[test]
fn a_thread_that_prints_while_another_holds_the_standard_output_goes_on() {
    let tables = run(|| {
        let held = stdout().lock();
        let value = thread::spawn(|| profiled(7)).join().unwrap();
        assert_eq!(value, 7);
        drop(held);
    });

    assert_eq!(tables.len(), 1);
}

struct PrintsWhileFormatted;

impl std::fmt::Display for PrintsWhileFormatted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", profiled(3))
    }
}

#[test]
fn a_profiled_function_can_be_called_while_something_is_printed() {
    let tables = run(|| {
        println!("three: {PrintsWhileFormatted}");
        let mut held = stdout().lock();
        writeln!(held, "three again: {PrintsWhileFormatted}").unwrap();
    });

    assert_eq!(tables.len(), 2);
}

struct CallsWhenDropped;

impl Drop for CallsWhenDropped {
    fn drop(&mut self) {
        profiled(9);
    }
}

thread_local! {
    static LAST: Cell<Option<CallsWhenDropped>> = const { Cell::new(None) };
}

#[test]
fn a_profiled_function_can_be_called_while_its_thread_is_torn_down() {
    let tables = run(|| {
        thread::spawn(|| LAST.set(Some(CallsWhenDropped)))
            .join()
            .unwrap();
    });

    assert_eq!(tables[0].total("allocated"), 9);
}

#[memprofile(columns = "hits, allocated, freed")]
fn drops_in_a_panic() {
    let _calls = CallsWhenDropped;
    panic!("on purpose");
}

#[test]
fn a_profiled_function_can_be_called_while_a_panic_unwinds() {
    let tables = run(|| {
        assert!(std::panic::catch_unwind(drops_in_a_panic).is_err());
    });

    let [inner, outer] = &tables[..] else {
        panic!("{tables:#?}")
    };
    assert!(!inner.summary.contains("cut short"), "{}", inner.summary);
    assert_eq!(inner.row("}").number("Freed"), Some(9));
    let line = outer.row("panic!").number;
    assert!(
        outer
            .summary
            .ends_with(&format!("; cut short in line {line} by a panic"))
    );
}

#[memprofile(columns = "hits, allocated", print = "exit")]
fn deep(depth: u64) -> u64 {
    if depth == 0 {
        return 0;
    }
    1 + deep(depth - 1)
}

#[test]
fn a_hundred_thousand_calls_can_be_inside_each_other() {
    const DEPTH: u64 = 100_000;
    let tables = run(|| {
        let with_room = thread::Builder::new().stack_size(512 << 20);
        let depth = with_room.spawn(|| deep(DEPTH)).unwrap().join().unwrap();
        assert_eq!(depth, DEPTH);
    });

    assert_eq!(
        tables[0].row("deep(depth - 1)").number("Hits"),
        Some(100_000)
    );
    assert!(tables[0].summary.contains(", 100,001 calls: "));
}

#[memprofile(columns = "hits, allocated", print = "exit")]
fn on_many_threads() -> usize {
    let a = block(10);
    a.capacity()
}

#[test]
fn ten_thousand_threads_are_no_harm() {
    let tables = run(|| {
        for _ in 0..100 {
            thread::scope(|scope| {
                for _ in 0..100 {
                    scope.spawn(on_many_threads);
                }
            });
        }
    });

    assert_eq!(tables[0].row("let a").number("Hits"), Some(10_000));
    assert_eq!(tables[0].total("allocated"), 100_000);
}

#[memprofile(columns = "hits, mem_usage")]
fn reads_resident() -> usize {
    let a = block(10);
    a.capacity()
}

#[test]
#[cfg(target_os = "linux")]
fn a_program_that_closes_every_file_goes_on_reading_its_memory() {
    let tables = run(|| {
        reads_resident();
        let statm = |number: &i32| {
            let link = std::fs::read_link(format!("/proc/self/fd/{number}"));
            link.is_ok_and(|path| path.ends_with("statm"))
        };
        let kept_open = (3..1000).find(statm).expect("statm is kept open");
        // SAFETY: this program acts as a daemon that closes all descriptors. memprof doesn't rely
        // on its descriptor staying open.
        drop(unsafe { OwnedFd::from_raw_fd(kept_open) });
        let _takes_its_number = std::fs::File::open("/proc/self/cmdline").unwrap();
        reads_resident();
    });

    let [before, after] = [0, 1].map(|index| tables[index].rows[0].number("Mem usage").unwrap());
    assert!(after > before / 2 && after < before * 2, "{before} {after}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_forked_child_reads_its_own_memory() {
    run(|| {
        assert!(memprof::resident_bytes() < Some(64 << 20));
        // SAFETY: the program has only one thread, so the child may call any function.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let touched = black_box(vec![1_u8; 64 << 20]);
            let grown = memprof::resident_bytes().unwrap();
            // SAFETY: `_exit` has no preconditions. It doesn't flush files shared with the parent.
            unsafe { libc::_exit(i32::from(grown < touched.len() as u64)) };
        }
        let mut status = -1;
        // SAFETY: `status` is valid to write to for the call.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(status, 0);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_forked_child_keeps_its_files_open() {
    run(|| {
        reads_resident();
        // A daemon closes all descriptors, and opens a log, which gets the number of one of them.
        let null = OpenOptions::new().write(true).open("/dev/null").unwrap();
        for descriptor in 3..64 {
            // SAFETY: no Rust object that is used later owns one of these descriptors.
            unsafe { libc::dup2(null.as_raw_fd(), descriptor) };
        }
        // SAFETY: the child only checks a descriptor and exits.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                let open = (3..64).all(|descriptor| libc::fcntl(descriptor, libc::F_GETFD) >= 0);
                libc::_exit(i32::from(!open));
            }
            let mut status = -1;
            libc::waitpid(child, &raw mut status, 0);
            assert_eq!(status, 0);
        }
    });
}

#[test]
fn nothing_is_printed_by_a_program_that_calls_nothing_profiled() {
    let mut program = Program::new(|| drop(block(10)));
    let output = program.output();

    assert_eq!(Table::all_in(&String::from_utf8_lossy(&output.stdout)), []);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("memprof"), "{stderr}");
}

#[test]
fn what_comes_to_nothing_without_a_call_is_said_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::new(|| drop(block(10)));
    program.env("MEMPROF_OUTPUT", folder.path().join("report.json"));
    let stderr = |program: &mut Program| String::from_utf8(program.output().stderr).unwrap();

    assert_eq!(
        stderr(&mut program),
        "memprof: MEMPROF_OUTPUT is ignored: no profiled function was called\n"
    );
    assert_eq!(stderr(program.env("MEMPROF", "off")), "");
}

#[test]
fn each_variable_that_changes_nothing_is_said_once() {
    let mut program = Program::new(|| {
        profiled(7);
        profiled(8);
    });
    program
        .env("MEMPROF_FORMAT", "csv")
        .env("MEMPROF_OUPUT", "report.json")
        .env("MEMPROF_PRINT", "always")
        .env("MEMPROF_STREAM", "");

    assert_eq!(
        String::from_utf8(program.output().stderr).unwrap(),
        "memprof: MEMPROF_FORMAT is ignored: it changes nothing without MEMPROF_OUTPUT, which isn't set\n\
         memprof: \"MEMPROF_OUPUT\" is ignored: there is no such variable; did you mean MEMPROF_OUTPUT?\n\
         memprof: MEMPROF_PRINT is \"always\", which is not `call`, `exit` or `never`; it is ignored\n"
    );
    assert_eq!(Table::all_in(&program.stdout()).len(), 2);
    program.env("MEMPROF", "off");
    assert_eq!(program.output().stderr, b"");
}

#[test]
fn a_table_for_a_pipe_without_a_reader_does_not_end_a_program_that_would_end_by_it() {
    let mut program = Program::new(|| {
        // SAFETY: `SIG_DFL` is a valid action. It is the default of C programs.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        print_into(&writer);
        assert_eq!(profiled(7), 7);
        // SAFETY: `_exit` has no preconditions. It skips the output of the harness.
        unsafe { libc::_exit(21) };
    });

    assert_eq!(program.output().status.code(), Some(21));
}

#[test]
fn a_table_past_the_limit_for_the_size_of_files_does_not_end_the_program() {
    let mut program = Program::new(|| {
        let file = tempfile::tempfile().unwrap();
        memprof_tests::limit_files_by_signal(10);
        print_into(&file);
        assert_eq!(profiled(7), 7);
        // SAFETY: `_exit` has no preconditions.
        unsafe { libc::_exit(21) };
    });

    assert_eq!(program.output().status.code(), Some(21));
}
