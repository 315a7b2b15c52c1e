//! Files of memory over time: what `memprof run` and `attach` write, and what the command and
//! Python's `mprof` read.
#![cfg(target_os = "linux")]

use memprof::timeline::MemoryTimeline;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memprof"));
    command.args(arguments).current_dir(folder);
    command
}

fn memprof(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The one line that the command prints when it refuses its input, with exit code 2.
fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(!stderr.trim_end().contains(char::is_control), "{stderr:?}");
    stderr
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// Arguments for a program that waits until its stdin ends, so that it is sampled at least once.
const WAITS: [&str; 5] = ["run", "-T", "0.002", "-o", "a.dat"];

/// A file of `mprof`, with calls of two functions.
const SEEN: &str = "\
FUNC __main__.inner 27.5 101.2 46.5 101.5 1
FUNC __main__.outer 27.5 101.0 65.5 101.9 0
CMDLINE python3 prog.py
MEM 10.0 100.0
MEM 27.5 101.0
CHLD 77 18.5 101.0
MEM 65.6875 101.8
MEM 30.0 102.0
";

/// A folder with several files of `run`, and one of `mprof`.
fn with_files() -> TempDir {
    let folder = folder();
    for second in 0..3 {
        let name = format!("mprofile_2026112312000{second}.dat");
        let text = format!("CMDLINE a\nMEM {second}.5 100.0\nMEM 1.0 101.0\n");
        fs::write(folder.path().join(name), text).unwrap();
    }
    fs::write(folder.path().join("seen.dat"), SEEN).unwrap();
    folder
}

#[test]
fn a_run_is_written_to_a_file_of_the_time() {
    let folder = folder();
    for _ in 0..3 {
        let output = memprof(
            folder.path(),
            &["run", "--", "sh", "-c", "echo said; exit 3"],
        );
        // As with mprof, the exit code is the program's only with -E.
        assert_eq!(stdout(&output), "said\n");
    }

    let names = names(folder.path());
    assert_eq!(names.len(), 3, "{names:?}");
    for name in names {
        let memory = MemoryTimeline::read(folder.path().join(name)).unwrap();
        assert_eq!(memory.command, "sh -c 'echo said; exit 3'");
    }
}

#[test]
fn the_exit_code_is_passed_on_where_it_is_asked_for() {
    let folder = folder();
    let run = |script| {
        memprof(folder.path(), &["run", "-E", "sh", "-c", script])
            .status
            .code()
    };
    assert_eq!(run("exit 0"), Some(0));
    assert_eq!(run("exit 3"), Some(3));
    assert_eq!(run("kill -TERM $$"), Some(128 + 15));
}

#[test]
fn a_log_that_a_stream_leads_to_goes_on_behind_what_is_seen() {
    let folder = folder();
    let path = folder.path().join("log");
    let mut log = fs::File::create(&path).unwrap();
    log.write_all(b"before\n").unwrap();
    let run = command(folder.path(), &["run", "-o", "/dev/stderr", "true"])
        .stderr(log.try_clone().unwrap())
        .status();
    assert!(run.unwrap().success());
    log.write_all(b"after\n").unwrap();

    let text = fs::read_to_string(path).unwrap();
    let mut rows = text.lines();
    assert_eq!(rows.next(), Some("before"), "{text}");
    assert_eq!(rows.next(), Some("CMDLINE true"), "{text}");
    assert_eq!(rows.next_back(), Some("after"), "{text}");
    assert!(
        rows.next_back().unwrap().contains("\"/dev/stderr\""),
        "{text}"
    );
}

#[test]
fn a_program_that_is_not_there_leaves_the_file_of_the_last_run_as_it_is() {
    let folder = folder();
    let path = folder.path().join("a.dat");
    fs::write(&path, SEEN).unwrap();
    let modified = || fs::metadata(&path).unwrap().modified().unwrap();
    let before = modified();
    let said = refusal(&memprof(folder.path(), &["run", "-o", "a.dat", "no such"]));
    assert!(said.contains("\"no such\" can't be started"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), SEEN);
    assert_eq!(modified(), before);

    // A link is kept, and a file that wasn't there is removed.
    std::os::unix::fs::symlink("nothing.dat", folder.path().join("link.dat")).unwrap();
    for name in ["link.dat", "new.dat"] {
        refusal(&memprof(folder.path(), &["run", "-o", name, "no such"]));
    }
    assert!(folder.path().join("link.dat").is_symlink());
    assert!(!folder.path().join("new.dat").exists());
}

#[test]
fn a_program_whose_children_are_summed_is_told_to_mark_its_calls_so() {
    let folder = folder();
    let run = |options: &[&str]| {
        let mut arguments = options.to_vec();
        arguments.extend(["sh", "-c", "echo \"children: $MEMPROF_CHILDREN\""]);
        let mut command = command(folder.path(), &arguments);
        stdout(
            &command
                .env("MEMPROF_CHILDREN", "of another")
                .output()
                .unwrap(),
        )
    };
    assert_eq!(run(&["run", "-o", "a.dat", "-C"]), "children: on\n");
    assert_eq!(run(&["run", "-o", "a.dat"]), "children: \n");
}

#[test]
fn a_pipe_without_a_reader_is_said_and_the_program_not_started() {
    let folder = folder();
    let mut made = Command::new("mkfifo");
    let made = made.arg(folder.path().join("pipe")).status();
    assert!(made.unwrap().success());
    let said = refusal(&memprof(
        folder.path(),
        &["run", "-o", "pipe", "echo", "ran"],
    ));
    assert!(said.contains("no process has it open to read"), "{said}");
}

#[test]
fn a_limit_for_the_size_of_files_does_not_end_the_command() {
    let folder = folder();
    let script = "ulimit -f 1; exec \"$0\" run -E -T 0.001 -o a.dat sh -c 'read line; exit 3'";
    let mut command = Command::new("bash");
    command.args(["-c", script, env!("CARGO_BIN_EXE_memprof")]);
    let mut run = command
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Wait until the file has reached its size limit.
    while fs::metadata(folder.path().join("a.dat")).map_or(0, |file| file.len()) < 1024 {
        std::thread::yield_now();
    }
    drop(run.stdin.take());
    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("can't be written any more: File too large"),
        "{said}"
    );
}

#[test]
fn a_program_that_is_not_there_is_said_and_leaves_no_file() {
    let folder = folder();
    let said = refusal(&memprof(folder.path(), &["run", "no such program"]));
    assert!(
        said.contains("the program \"no such program\" can't be started"),
        "{said}"
    );
    assert_eq!(names(folder.path()).len(), 0);

    std::os::unix::fs::symlink("/dev/null", folder.path().join("device")).unwrap();
    refusal(&memprof(
        folder.path(),
        &["run", "-o", "device", "no such program"],
    ));
    assert_eq!(names(folder.path()), ["device"]);
}

#[test]
fn children_are_seen_apart() {
    let folder = folder();
    let script = "sleep 100 & echo $!; read line; kill $!";
    let arguments = [&WAITS[..], &["-C", "-M", "sh", "-c", script]].concat();
    let mut run = command(folder.path(), &arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut number = String::new();
    BufReader::new(run.stdout.take().unwrap())
        .read_line(&mut number)
        .unwrap();
    let number: u32 = number.trim().parse().unwrap();
    let path = folder.path().join("a.dat");
    // Each sample is in the file as soon as it is taken.
    let memory = loop {
        match MemoryTimeline::read(&path) {
            Ok(memory) if memory.children.contains_key(&number) => break memory,
            _ => std::thread::yield_now(),
        }
    };
    drop(run.stdin.take());
    assert!(run.wait().unwrap().success());

    let child = memory.children[&number][0].resident_bytes;
    assert!(child > 0 && memory.peak().unwrap().resident_bytes > child);
}

#[test]
fn signals_reach_the_program_and_the_file_is_kept() {
    let folder = folder();
    // `read` is a builtin: while a shell waits for a child, it doesn't run its trap.
    let script = "trap 'exit 5' TERM; echo ready; while :; do read line < fifo; done";
    let fifo = Command::new("mkfifo")
        .arg(folder.path().join("fifo"))
        .status();
    assert!(fifo.unwrap().success());
    let arguments = [&WAITS[..], &["-E", "sh", "-c", script]].concat();
    let mut run = command(folder.path(), &arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(run.stdout.take().unwrap())
        .read_line(&mut ready)
        .unwrap();
    let sent = Command::new("kill").arg(run.id().to_string()).status();
    assert!(sent.unwrap().success());

    assert_eq!(run.wait().unwrap().code(), Some(5));
    let memory = MemoryTimeline::read(folder.path().join("a.dat")).unwrap();
    assert!(memory.peak().unwrap().resident_bytes > 0);
}

#[test]
fn a_process_is_attached_to_by_number_until_it_ends() {
    let folder = folder();
    let mut cat = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Until it answers, the child may still be this program, before `exec`.
    cat.stdin.as_mut().unwrap().write_all(b"there\n").unwrap();
    let mut answer = BufReader::new(cat.stdout.as_mut().unwrap());
    answer.read_line(&mut String::new()).unwrap();
    let number = cat.id().to_string();
    let attach = command(folder.path(), &["attach", "-o", "a.dat", &number])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let path = folder.path().join("a.dat");
    while !MemoryTimeline::read(&path).is_ok_and(|memory| !memory.samples.is_empty()) {
        std::thread::yield_now();
    }
    drop(cat.stdin.take());
    cat.wait().unwrap();

    stdout(&attach.wait_with_output().unwrap());
    assert_eq!(MemoryTimeline::read(&path).unwrap().command, "cat");
    let said = refusal(&memprof(folder.path(), &["attach", "4194999"]));
    assert!(said.contains("there is no process 4194999"), "{said}");
}

#[test]
fn files_have_numbers_and_are_removed_by_them() {
    let folder = with_files();
    let list = || stdout(&memprof(folder.path(), &["list"]));
    assert_eq!(
        list(),
        "0 mprofile_20261123120000.dat 12:00:00 23/11/2026\n\
         1 mprofile_20261123120001.dat 12:00:01 23/11/2026\n\
         2 mprofile_20261123120002.dat 12:00:02 23/11/2026\n"
    );
    let dry = stdout(&memprof(folder.path(), &["rm", "--dry-run", "-1"]));
    assert_eq!(dry, "Files to be removed: \nmprofile_20261123120002.dat\n");
    stdout(&memprof(folder.path(), &["rm", "1"]));
    assert_eq!(list().lines().count(), 2);

    let said = refusal(&memprof(folder.path(), &["rm", "7"]));
    assert!(
        said.contains("there is no file with the number 7: this folder has 2"),
        "{said}"
    );
    fs::write(folder.path().join("main.rs"), "").unwrap();
    let said = refusal(&memprof(folder.path(), &["rm", "main.rs"]));
    assert!(
        said.contains("it should be a file of `memprof run`"),
        "{said}"
    );

    // Files named twice in different ways are listed once, with the `_ts.dat` files beside them.
    fs::write(folder.path().join("seen_ts.dat"), "").unwrap();
    let names_of_two = [
        "rm",
        "seen_ts.dat",
        "seen.dat",
        "./seen.dat",
        "1",
        "mprofile_20261123120002.dat",
    ];
    stdout(&memprof(folder.path(), &names_of_two));
    assert_eq!(
        names(folder.path()),
        ["main.rs", "mprofile_20261123120000.dat"]
    );

    stdout(&memprof(folder.path(), &["clean"]));
    assert_eq!(names(folder.path()), ["main.rs"]);
}

#[test]
fn a_file_is_read_and_removed_by_any_name_that_it_was_given() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let folder = folder();
    for name in [&b"a.txt"[..], b"no_ending", b"7", b"not \xff text.dat"] {
        let name = OsStr::from_bytes(name);
        let run = |arguments: &[&str], name: &OsStr, after: &[&str]| {
            let mut command = command(folder.path(), arguments);
            command.arg(name).args(after).output().unwrap()
        };
        stdout(&run(&["run", "-T", "0.01", "-o"], name, &["sleep", "0.05"]));
        assert!(folder.path().join(name).exists());
        assert!(stdout(&run(&["peak"], name, &[])).contains(" MiB"));
        assert!(stdout(&run(&["plot"], name, &[])).contains("highest: "));
        stdout(&run(&["rm"], name, &[]));
        assert!(!folder.path().join(name).exists());
    }
}

#[test]
fn a_window_that_no_file_can_have_is_refused() {
    let folder = with_files();
    for window in [
        "-1e12,1e12",
        "-1,1",
        "0,1e10",
        "1,1",
        "2,1",
        "0,inf",
        "nan,1",
        "0",
    ] {
        let window = format!("--window={window}");
        let refused = memprof(folder.path(), &["plot", &window, "seen.dat"]);
        assert_eq!(refused.status.code(), Some(2), "{window}");
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains("from 0 to 1000000000"), "{said}");
    }
}

#[test]
fn the_peak_is_that_of_the_latest_file_or_of_those_that_are_named() {
    let folder = with_files();
    let peak =
        |arguments: &[&str]| stdout(&memprof(folder.path(), &[&["peak"], arguments].concat()));
    assert_eq!(peak(&[]), "mprofile_20261123120002.dat\t2.500 MiB\n");
    assert_eq!(peak(&["0"]), "mprofile_20261123120000.dat\t1.000 MiB\n");
    assert_eq!(
        peak(&["seen.dat"]),
        "seen.dat\t65.688 MiB\n  Child 77\t\t\t18.500 MiB\n"
    );
    let inner = peak(&["--func", "__main__.inner", "seen.dat"]);
    assert!(inner.starts_with("seen.dat\t46.500 MiB\n"), "{inner}");
    let said = refusal(&memprof(
        folder.path(),
        &["peak", "--func", "inner", "seen.dat"],
    ));
    assert!(said.contains("has no call of \"inner\""), "{said}");
}

#[test]
fn a_plot_is_drawn_in_the_terminal() {
    let folder = with_files();
    let chart = stdout(&memprof(folder.path(), &["plot", "--slope", "seen.dat"]));
    assert!(chart.starts_with("python3 prog.py\n"), "{chart}");
    assert!(
        chart.contains("highest: 65.688 MiB at 1.800 s\n"),
        "{chart}"
    );
    assert!(chart.contains("slope "), "{chart}");
    let outer = "1.000 s to     1.900 s    +38.000 MiB  __main__.outer\n";
    assert!(chart.contains(outer), "{chart}");
    assert!(!chart.contains('\u{1b}'), "{chart:?}");

    let window = stdout(&memprof(
        folder.path(),
        &["plot", "-n", "-w", "0,1.0", "seen.dat"],
    ));
    assert!(!window.contains("__main__"), "{window}");
}

#[test]
fn a_plot_is_drawn_as_svg_and_png() {
    let folder = with_files();
    let path = |name: &str| folder.path().join(name);
    let plot =
        |arguments: &[&str]| stdout(&memprof(folder.path(), &[&["plot"], arguments].concat()));

    plot(&["seen.dat", "-o", "a.svg", "-t", "a <title>"]);
    let svg = fs::read_to_string(path("a.svg")).unwrap();
    for text in [
        "a &lt;title&gt;",
        "__main__.outer 0.900 s",
        "child 77",
        "time (in seconds)",
    ] {
        assert!(svg.contains(text), "{text}: {svg}");
    }
    plot(&["seen.dat", "--flame", "-o", "flame.svg"]);
    let flame = fs::read_to_string(path("flame.svg")).unwrap();
    assert!(flame.contains("__main__.inner"), "{flame}");
    plot(&["seen.dat", "0", "-o", "both.svg"]);
    let both = fs::read_to_string(path("both.svg")).unwrap();
    assert!(
        both.contains("seen.dat,") && !both.contains("__main__"),
        "{both}"
    );

    plot(&["seen.dat", "-o", "a.png"]);
    assert!(fs::read(path("a.png")).unwrap().starts_with(b"\x89PNG\r\n"));
    let said = refusal(&memprof(
        folder.path(),
        &["plot", "seen.dat", "-o", "a.pdf"],
    ));
    assert!(
        said.contains("\"a.pdf\" should end in .svg or .png"),
        "{said}"
    );
}

#[test]
fn a_plot_is_drawn_of_the_largest_and_the_smallest_numbers() {
    let folder = folder();
    let samples = [
        "MEM 0 0\nMEM 1e12 253402300799\n",
        "MEM 1e12 1e9\nMEM 1e12 1e9\n",
        "MEM 0 5\nMEM 0.000001 5.000000001\n",
        "MEM -1 -1\nFUNC f 1e12 0 0 253402300799 100000000\n",
        "MEM 0 1\nMEM 1e12 1.002\nMEM 0 5\n",
        "MEM 1 253402300799\nFUNC f 0 253402300799 0 0 1\n",
    ];
    for text in samples {
        fs::write(folder.path().join("a.dat"), text).unwrap();
        for options in [
            &["--slope"][..],
            &["--flame"],
            &["-w", "0,0.001"],
            &["-w", "0,1e9"],
        ] {
            for output in [&[][..], &["-o", "a.svg"]] {
                let arguments = [&["plot", "a.dat"], options, output].concat();
                stdout(&memprof(folder.path(), &arguments));
            }
        }
    }
}

#[test]
fn a_file_that_is_damaged_is_refused_in_a_sentence() {
    let folder = folder();
    let bad = [
        (&b""[..], "no line of it begins with"),
        (b"MEM x 1\n", "line 1 is damaged: \"x\" should be memory"),
        (b"MEM \x1b[2J 1\n", "line 1 is damaged: "),
        (b"CMDLINE a\n", "has no sample"),
    ];
    for (text, said) in bad {
        fs::write(folder.path().join("bad.dat"), text).unwrap();
        for command in ["peak", "plot"] {
            let refusal = refusal(&memprof(folder.path(), &[command, "bad.dat"]));
            assert!(refusal.contains(said), "{refusal}");
        }
    }
    fs::create_dir(folder.path().join("folder.dat")).unwrap();
    refusal(&memprof(folder.path(), &["peak", "folder.dat"]));
}

#[test]
fn nothing_in_a_file_is_obeyed_by_the_terminal() {
    let folder = folder();
    let text = "CMDLINE \u{1b}]0;title\u{7}\nFUNC \u{1b}[2Jf 1 1 1 2 0\nMEM 1 1\nMEM 1 2\n";
    fs::write(folder.path().join("a.dat"), text).unwrap();
    let chart = stdout(&memprof(folder.path(), &["plot", "a.dat"]));
    let mut rows = chart.lines();
    assert!(rows.all(|row| !row.contains(char::is_control)), "{chart:?}");
    stdout(&memprof(folder.path(), &["plot", "-o", "a.svg", "a.dat"]));
    let svg = fs::read_to_string(folder.path().join("a.svg")).unwrap();
    assert!(!svg.contains('\u{1b}'), "{svg}");
}

#[test]
fn a_full_disk_does_not_stop_the_program() {
    let folder = folder();
    let arguments = ["run", "-o", "/dev/full", "sh", "-c", "echo said; exit 7"];
    let output = memprof(folder.path(), &arguments);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "said\n");
    let said = refusal(&output);
    assert!(said.contains("\"/dev/full\" can't be written"), "{said}");

    let as_it_does = [&["run", "-E"], &arguments[1..]].concat();
    let output = memprof(folder.path(), &as_it_does);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "said\n");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("\"/dev/full\" can't be written"),
        "{stderr}"
    );
    assert_eq!(output.status.code(), Some(7));
}

#[test]
fn a_plot_that_there_is_no_room_for_leaves_the_one_before() {
    let folder = with_files();
    for name in ["a.png", "a.svg"] {
        let path = folder.path().join(name);
        fs::write(&path, "before").unwrap();
        // Files are limited to a block of 512 bytes, and the signal for that is ignored.
        let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" plot seen.dat -o \"$1\"";
        let output = Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_memprof"), name])
            .current_dir(folder.path())
            .env("TMPDIR", folder.path())
            .output();
        let said = refusal(&output.unwrap());
        assert!(
            said.contains(&format!("{name:?} can't be written: ")),
            "{said}"
        );
        assert_eq!(fs::read_to_string(path).unwrap(), "before");
        assert!(
            !names(folder.path())
                .iter()
                .any(|name| name.starts_with('.'))
        );
    }
}

#[test]
fn a_program_that_passes_a_limit_is_stopped() {
    let folder = folder();
    // `cat` waits for input that never comes.
    let run = |on_stop: &str| {
        let limit = [
            "--stop-at",
            "0.00390625 MiB",
            "--on-stop",
            on_stop,
            "-E",
            "cat",
        ];
        command(folder.path(), &[&WAITS[..], &limit].concat())
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    for (on_stop, code) in [("abort", 128 + 6), ("trap", 128 + 5)] {
        let mut run = run(on_stop);
        let stdin = run.stdin.take();
        let output = run.wait_with_output().unwrap();
        drop(stdin);
        assert_eq!(output.status.code(), Some(code));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            stderr.matches(" B, beyond 4,096 B\n").count(),
            1,
            "{stderr}"
        );
    }
    let mut run = run("continue");
    let mut said = String::new();
    BufReader::new(run.stderr.as_mut().unwrap())
        .read_line(&mut said)
        .unwrap();
    assert!(said.ends_with(" B, beyond 4,096 B\n"), "{said}");
    drop(run.stdin.take());
    assert_eq!(run.wait().unwrap().code(), Some(0));
}

#[test]
fn whether_anybody_listens_does_not_matter() {
    let folder = folder();
    let arguments = ["run", "-E", "--stop-at=4KiB", "--on-stop=continue", "cat"];
    let mut run = command(folder.path(), &arguments)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(run.stderr.take());
    drop(run.stdin.take());
    assert_eq!(run.wait().unwrap().code(), Some(0));
}

/// The path of Python's `mprof`, if it is installed in `target` or in a folder of `PATH`.
fn mprof() -> Option<PathBuf> {
    let in_target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/clients/bin/mprof");
    let commands = [in_target, PathBuf::from("mprof")];
    let is_there = |command: &PathBuf| Command::new(command).arg("list").output().is_ok();
    let found = commands.into_iter().find(is_there);
    if found.is_none() {
        eprintln!("skipped: Python's mprof is not installed, as .ci/run does it");
    }
    found
}

#[test]
fn pythons_mprof_and_this_read_the_files_of_each_other() {
    let Some(mprof) = mprof() else { return };
    let folder = folder();
    let theirs = |arguments: &[&str]| {
        let mut command = Command::new(&mprof);
        let output = command.args(arguments).current_dir(folder.path()).output();
        stdout(&output.unwrap())
    };
    let ours = |arguments: &[&str]| stdout(&memprof(folder.path(), arguments));
    let script = "head -c 100000 /dev/zero | sort > /dev/null; sleep 0.3";

    ours(&[
        "run", "-C", "-M", "-T", "0.02", "-o", "ours.dat", "sh", "-c", script,
    ]);
    theirs(&[
        "run",
        "-C",
        "-M",
        "-T",
        "0.02",
        "-o",
        "theirs.dat",
        "sh",
        "-c",
        script,
    ]);
    fs::write(folder.path().join("seen.dat"), SEEN).unwrap();
    for file in ["ours.dat", "theirs.dat", "seen.dat"] {
        assert_eq!(ours(&["peak", file]), theirs(&["peak", file]));
        theirs(&["plot", "--backend", "Agg", "-o", "theirs.png", file]);
        ours(&["plot", "-o", "ours.png", file]);
        for picture in ["ours.png", "theirs.png"] {
            fs::remove_file(folder.path().join(picture)).unwrap();
        }
    }
    let inner = ["peak", "--func", "__main__.outer", "seen.dat"];
    assert_eq!(ours(&inner), theirs(&inner));
}
