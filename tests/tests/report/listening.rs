//! A running program serves its report on a socket, and isn't affected by clients.
#![cfg(unix)]

use memprof::memprofile;
use memprof::report::Report;
use memprof_tests::{Program, Running, block, keep, line, say};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

#[memprofile(print = "never")]
fn keeps(size: usize) -> Vec<u8> {
    drop(block(7));
    block(size) // kept
}

/// Starts a program that listens on a socket, and waits until it says `word`.
fn start(program: &mut Program, socket: impl AsRef<Path>, word: &str) -> Running {
    Running::start_until(program.env("MEMPROF_LISTEN", socket.as_ref()), word)
}

fn live_bytes(socket: &Path) -> i64 {
    let report = Report::read(socket).unwrap();
    line(&report, "keeps", "// kept").own.live_bytes()
}

#[test]
fn who_connects_gets_the_report_of_that_moment() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let mut program = Program::new(|| {
        let kept = keeps(100);
        say("one");
        let more = keeps(20);
        say("two");
        drop((kept, more));
    });
    let mut running = start(&mut program, &socket, "one");
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let report = Report::read(&socket).unwrap();
    assert!(report.resident_bytes > Some(report.total.live_bytes().unsigned_abs()));
    assert_eq!(live_bytes(&socket), 100);
    assert_eq!(live_bytes(&socket), 100);
    running.go_on();
    running.wait_for("two");
    assert_eq!(live_bytes(&socket), 120);
    running.go_on_to_a_quiet_end();
    let left: Vec<_> = fs::read_dir(&folder).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn who_goes_away_in_the_middle_disturbs_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("%p.socket");
    let mut program = Program::new(|| keep(keeps(100), "ready"));
    let running = start(&mut program, &socket, "ready");
    let socket = folder.path().join(format!("{}.socket", running.id()));
    for _ in 0..10 {
        drop(UnixStream::connect(&socket).unwrap());
    }
    assert_eq!(live_bytes(&socket), 100);
    running.go_on_to_a_quiet_end();
}

#[test]
fn source_stays_at_home_where_it_is_confidential() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let mut program = Program::new(|| keep(keeps(100), "ready"));
    program.env("MEMPROF_CONFIDENTIAL", "on");
    let mut running = start(&mut program, &socket, "ready");
    let report = Report::read(&socket).unwrap();
    let sources = report.functions.iter().flat_map(|function| &function.lines);
    assert!(
        sources
            .map(|line| &line.source)
            .all(|source| source.is_empty())
    );
    running.go_on();
    running.end_well();
}

/// The stderr of a program that can't listen at `socket`.
fn refusal(program: &mut Program, socket: &Path) -> String {
    let output = program.env("MEMPROF_LISTEN", socket).output();
    assert!(output.status.success(), "{}", output.status);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let words = "cannot listen on ";
    let (before, said) = stderr.split_once(words).expect(&stderr);
    assert_eq!(before, "memprof: ");
    let (_, said) = said.split_once(", the path in MEMPROF_LISTEN: ").unwrap();
    said.trim_end().to_owned()
}

#[test]
fn what_is_in_the_way_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "text").unwrap();
    let mut program = Program::new(|| drop(keeps(100)));
    assert_eq!(
        refusal(&mut program, &file),
        "the file there is not a socket; use a path where there is no file"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "text");
}

#[test]
fn another_process_goes_on_listening() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let _other = UnixListener::bind(&socket).unwrap();
    let mut program = Program::new(|| drop(keeps(100)));
    assert_eq!(
        refusal(&mut program, &socket),
        "another process listens there, or another copy of memprof in this one; `%p` in the path \
         stands for the id of the process"
    );
    assert!(UnixStream::connect(&socket).is_ok());
}

#[test]
fn a_path_that_cannot_be_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::new(|| drop(keeps(100)));
    let said = refusal(&mut program, &folder.path().join("no folder/socket"));
    assert!(said.contains("No such file"), "{said}");
}

#[test]
fn a_path_that_no_address_of_a_socket_can_have_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::new(|| drop(keeps(100)));
    let long = folder.path().join("s".repeat(150));
    assert_eq!(
        refusal(&mut program, &long),
        format!(
            "its {} bytes are more than the address of a socket can have; use a shorter path",
            long.as_os_str().len()
        )
    );
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn a_path_as_long_as_the_address_of_a_socket_can_be_is_listened_at() {
    let folder = tempfile::tempdir().unwrap();
    // The shortest limit for a socket's path on any system is 104 bytes, including the NUL.
    let inner = "f".repeat(100 - folder.path().as_os_str().len());
    let inner = folder.path().join(inner);
    fs::create_dir(&inner).unwrap();
    let socket = inner.join("s");
    assert_eq!(socket.as_os_str().len(), 103);
    let mut program = Program::new(|| keep(keeps(100), "ready"));
    let running = start(&mut program, &socket, "ready");
    assert_eq!(live_bytes(&socket), 100);
    running.go_on_to_a_quiet_end();
}

#[test]
fn a_socket_that_another_program_has_put_in_its_place_stays() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let mut program = Program::new(|| keep(keeps(100), "ready"));
    let running = start(&mut program, &socket, "ready");
    fs::remove_file(&socket).unwrap();
    let _other = UnixListener::bind(&socket).unwrap();
    running.go_on_to_a_quiet_end();
    assert!(UnixStream::connect(&socket).is_ok());
}

#[test]
fn a_path_that_is_no_text_has_the_number_of_the_process_too() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let name = |number: &str| [b"\xff", number.as_bytes()].concat();
    let mut program = Program::new(|| keep(keeps(100), "ready"));
    let path = folder.path().join(OsStr::from_bytes(&name("%p")));
    let running = start(&mut program, path, "ready");
    let name = name(&running.id().to_string());
    assert_eq!(
        live_bytes(&folder.path().join(OsStr::from_bytes(&name))),
        100
    );
    running.go_on_to_a_quiet_end();
}

#[test]
fn a_socket_that_was_left_behind_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    drop(UnixListener::bind(&socket).unwrap());
    let mut program = Program::new(|| keep(keeps(100), "ready"));
    let running = start(&mut program, &socket, "ready");
    assert_eq!(live_bytes(&socket), 100);
    running.go_on_to_a_quiet_end();
}

#[test]
fn a_forked_child_leaves_its_parents_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let mut program = Program::new(|| {
        let kept = keeps(100);
        // SAFETY: the child only exits, like a program at its end.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::exit(0);
            }
            let mut status = -1;
            assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
            assert_eq!(status, 0);
        }
        keep(kept, "forked");
    });
    let running = start(&mut program, &socket, "forked");
    assert_eq!(live_bytes(&socket), 100);
    running.go_on_to_a_quiet_end();
}

#[cfg(target_os = "linux")]
#[test]
fn the_programs_signals_are_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let mut program = Program::new(|| keep(keeps(100), "ready"));
    let running = start(&mut program, &socket, "ready");
    // The thread has its name after it has answered.
    assert_eq!(live_bytes(&socket), 100);
    let threads = fs::read_dir(format!("/proc/{}/task", running.id())).unwrap();
    let mut statuses =
        threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("status")).unwrap());
    let ours = statuses.find(|status| status.starts_with("Name:\tmemprof\n"));
    let ours = ours.expect("a thread answers");
    let blocked = ours.lines().find_map(|line| line.strip_prefix("SigBlk:"));
    let blocked = u64::from_str_radix(blocked.unwrap().trim(), 16).unwrap();
    let all = [libc::SIGINT, libc::SIGTERM, libc::SIGUSR1, libc::SIGCHLD];
    for signal in all {
        assert_eq!(blocked >> (signal - 1) & 1, 1, "{signal}");
    }
    running.go_on_to_a_quiet_end();
}
