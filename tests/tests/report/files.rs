//! Reports in files: written at exit, read again, and read by other programs.

use memprof::report::{Format, Report};
use memprof::{memprofile, report};
use memprof_tests::{Program, assert_law_3, block, line, run};
use proptest::prelude::*;
use std::fs;
use std::io;
use std::path::Path;
use std::process::exit;

/// The names of all formats.
const NAMES: [&str; 8] = [
    "csv",
    "folded",
    "html",
    "json",
    "md",
    "pb.gz",
    "prof",
    "speedscope.json",
];

#[memprofile(columns = "all", print = "exit")]
fn keeps() -> Vec<Vec<u8>> {
    let mut kept = Vec::with_capacity(4);
    for size in 1..=4 {
        kept.push(makes(size));
    }
    kept
}

#[memprofile(print = "never")]
fn makes(size: usize) -> Vec<u8> {
    drop(block(1000 * size)); // at once
    block(10 * size) // kept
}

fn read(folder: &Path) -> Report {
    Report::read(folder.join("report.json")).unwrap()
}

fn assert_kept(report: &Report) {
    let kept = line(report, "makes", "// kept").own;
    assert_eq!((kept.live_bytes(), kept.live_count()), (100, 4));
    let at_once = line(report, "makes", "// at once").own;
    assert_eq!(at_once.allocated_bytes, 10_000);
    assert_eq!((at_once.live_bytes(), at_once.temporary_count), (0, 4));
    let in_loop = line(report, "keeps", "kept.push");
    assert_eq!(in_loop.hits, Some(4));
    let running = in_loop.while_running.unwrap();
    assert_eq!(running.heap.net_bytes(), 100);
}

/// The word after `words`, which the test harness's output may precede on the same line.
fn word_after<'a>(words: &str, stdout: &'a str) -> &'a str {
    let (_, rest) = stdout.split_once(words).unwrap();
    rest.split_whitespace().next().unwrap()
}

#[test]
fn the_report_is_written_at_the_end_of_the_process() {
    let folder = tempfile::tempdir().unwrap();
    Program::new(|| std::mem::forget(keeps()))
        .env("MEMPROF_OUTPUT", folder.path().join("report.json"))
        .env("MEMPROF_PRINT", "never")
        .stdout();

    let report = read(folder.path());
    assert_eq!(line(&report, "makes", "// kept").own.live_bytes(), 100);
}

#[test]
fn the_report_is_written_with_what_the_tables_at_exit_show() {
    let folder = tempfile::tempdir().unwrap();
    Program::new(|| std::mem::forget(keeps()))
        .env("MEMPROF_OUTPUT", folder.path().join("report.json"))
        .stdout();

    assert_kept(&read(folder.path()));
}

#[test]
fn the_report_is_written_after_an_exit_in_the_middle() {
    #[memprofile(columns = "allocated", print = "exit")]
    fn ends() {
        std::mem::forget(keeps());
        exit(3);
    }

    let folder = tempfile::tempdir().unwrap();
    let output = Program::new(|| {
        let () = ends();
    })
    .env("MEMPROF_OUTPUT", folder.path().join("report.json"))
    .output();

    assert_eq!(output.status.code(), Some(3));
    let report = read(folder.path());
    assert_kept(&report);
    // The report includes the call in which the process exited.
    assert_eq!(line(&report, "ends", "exit(3)").hits, Some(1));
    let keeping = line(&report, "ends", "forget").while_running.unwrap();
    assert_eq!(keeping.heap.allocation_count, 9);
}

#[test]
fn the_report_is_written_after_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let output = Program::new(|| {
        let _kept = keeps();
        panic!("on purpose");
    })
    .env("MEMPROF_OUTPUT", folder.path().join("report.json"))
    .output();

    assert!(!output.status.success());
    let kept = line(&read(folder.path()), "makes", "// kept").own;
    assert_eq!((kept.allocated_bytes, kept.live_bytes()), (100, 0));
}

#[test]
fn a_process_can_have_its_number_in_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let stdout = Program::new(|| {
        drop(keeps());
        println!("number {}", std::process::id());
    })
    .env("MEMPROF_OUTPUT", folder.path().join("%p.csv"))
    .env("MEMPROF_PRINT", "never")
    .stdout();

    let name = format!("{}.csv", word_after("number ", &stdout));
    assert!(folder.path().join(name).exists());
}

#[test]
fn the_format_can_be_named_and_the_source_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report");
    Program::new(|| drop(keeps()))
        .env("MEMPROF_OUTPUT", &path)
        .env("MEMPROF_FORMAT", "json")
        .env("MEMPROF_CONFIDENTIAL", "on")
        .stdout();

    let report = Report::read(&path).unwrap();
    let lines = report.functions.iter().flat_map(|function| &function.lines);
    assert!(lines.clone().count() > 5);
    assert!(lines.clone().all(|line| line.source.is_empty()));
}

#[test]
fn a_relative_name_is_of_the_folder_that_the_program_began_in() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("elsewhere")).unwrap();
    let mut program = Program::new(|| {
        drop(keeps());
        std::env::set_current_dir("elsewhere").unwrap();
    });
    program.command().current_dir(&folder);
    program
        .env("MEMPROF_OUTPUT", "report.json")
        .env("MEMPROF_PRINT", "never")
        .stdout();

    assert_eq!(
        line(&read(folder.path()), "makes", "// kept")
            .own
            .allocation_count,
        4
    );
}

#[test]
fn an_ending_that_is_no_format_is_said_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let output = Program::new(|| drop(keeps()))
        .env("MEMPROF_OUTPUT", folder.path().join("report.txt"))
        .output();

    assert!(output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("report.txt"), "{stderr}");
    assert!(stderr.contains("which is none of `.speedscope.json`, `.json`"));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn a_file_that_cannot_be_written_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let output = Program::new(|| drop(keeps()))
        .env("MEMPROF_OUTPUT", folder.path().join("nowhere/report.json"))
        .output();

    assert!(output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("the report can't be written to"),
        "{stderr}"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_device_is_written_to_and_stays_one() {
    use std::os::unix::fs::FileTypeExt;

    let error = report().write_as(Format::Json, "/dev/full").unwrap_err();
    assert!(error.to_string().contains("/dev/full"), "{error}");
    report().write_as(Format::Json, "/dev/null").unwrap();
    for device in ["/dev/full", "/dev/null"] {
        assert!(fs::metadata(device).unwrap().file_type().is_char_device());
    }
}

#[test]
#[cfg(unix)]
fn a_log_that_a_stream_leads_to_goes_on_behind_the_report() {
    use std::io::Write;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("/dev/stderr", &link).unwrap();
    let mut log = fs::File::create(&path).unwrap();
    log.write_all(b"before\n").unwrap();
    for output in ["/dev/stderr", "/dev/fd/2", link.to_str().unwrap()] {
        let mut program = Program::new(|| {
            drop(keeps());
            eprintln!("said");
        });
        // A descriptor without `O_APPEND`, as with `2>log`.
        program.command().stderr(log.try_clone().unwrap());
        program
            .env("MEMPROF_OUTPUT", output)
            .env("MEMPROF_FORMAT", "csv")
            .env("MEMPROF_PRINT", "never")
            .stdout();
        log.write_all(b"after\n").unwrap();
    }

    let text = fs::read_to_string(path).unwrap();
    let mut rows = text.lines();
    assert_eq!(rows.next(), Some("before"));
    for _ in 0..3 {
        assert_eq!(rows.next(), Some("said"), "{text}");
        assert!(rows.next().unwrap().starts_with("function,file,line,"));
        assert!(rows.by_ref().any(|row| row == "after"), "{text}");
    }
    assert_eq!(rows.next(), None);
}

#[test]
fn a_report_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    std::mem::forget(keeps());
    let written = report();
    written.write(&path).unwrap();

    assert_eq!(Report::read(&path).unwrap(), written);
}

#[test]
fn what_was_there_stays_whole_until_it_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    fs::write(&path, "before").unwrap();
    report().write(&path).unwrap();

    let names = fs::read_dir(&folder).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["report.json"]);
    assert!(Report::read(&path).is_ok());
}

#[test]
#[cfg(unix)]
fn what_was_there_stays_whole_when_there_is_no_room_for_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    fs::write(&path, "before").unwrap();
    let stdout = Program::new(|| {
        drop(keeps());
        memprof_tests::limit_files(100);
        let path = std::env::var_os("REPORT").unwrap();
        println!("failed: {}", report().write(path).unwrap_err());
    })
    .env("REPORT", &path)
    .env("MEMPROF_PRINT", "never")
    .stdout();

    assert!(stdout.contains("report.json\": File too large"), "{stdout}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "before");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

/// The stderr of a program that succeeds, and writes its report to `path` as JSON.
#[cfg(unix)]
fn said_with_output(program: &mut Program, path: &Path) -> String {
    let output = program
        .env("MEMPROF_OUTPUT", path)
        .env("MEMPROF_FORMAT", "json")
        .env("MEMPROF_PRINT", "never")
        .output();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{}: {stderr}", output.status);
    stderr
}

#[test]
#[cfg(unix)]
fn a_pipe_without_a_reader_is_said_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    memprof_tests::make_pipe(&path);

    let said = said_with_output(&mut Program::new(|| drop(keeps())), &path);
    assert!(
        said.contains("pipe\": no process has it open to read from it"),
        "{said}"
    );
    assert!(report().write_as(Format::Json, &path).is_err());
}

#[test]
#[cfg(unix)]
fn a_pipe_with_a_reader_gets_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    memprof_tests::make_pipe(&path);
    let mut program = Program::new(|| drop(keeps()));
    // Opened for reading and writing, so that opening the reader doesn't wait for a writer.
    let both_ends = fs::File::options().read(true).write(true).open(&path);
    let mut reader = fs::File::open(&path).unwrap();
    let reads = std::thread::spawn(move || io::read_to_string(&mut reader).unwrap());

    assert_eq!(said_with_output(&mut program, &path), "");
    drop(both_ends.unwrap());
    let copy = folder.path().join("report.json");
    fs::write(&copy, reads.join().unwrap()).unwrap();
    assert_eq!(
        line(&read(folder.path()), "makes", "// kept")
            .own
            .allocation_count,
        4
    );
}

#[test]
#[cfg(unix)]
fn a_limit_for_the_size_of_files_does_not_end_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let mut program = Program::new(|| {
        drop(keeps());
        memprof_tests::limit_files_by_signal(100);
    });

    let said = said_with_output(&mut program, &path);
    assert!(said.contains("report.json\": File too large"), "{said}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
#[cfg(target_os = "linux")]
fn a_name_that_is_no_text_is_written_to_as_it_is() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(OsStr::from_bytes(b"\xff%p.json"));
    let mut program = Program::new(|| drop(keeps()));
    program.env("MEMPROF_PRINT", "never");
    program.env("MEMPROF_OUTPUT", &path).stdout();

    let names = fs::read_dir(&folder).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    let [name] = &names[..] else {
        panic!("{names:?}")
    };
    let number = name.as_bytes().strip_prefix(b"\xff").unwrap();
    let number = number.strip_suffix(b".json").unwrap();
    assert!(number.iter().all(u8::is_ascii_digit), "{name:?}");
}

/// A folder in which all users can create files, and remove only their own, like `/tmp`.
#[cfg(unix)]
fn shared_folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    folder
}

/// Changes the owner of a file or a link to another user.
#[cfg(unix)]
fn give_away(path: &Path) {
    std::os::unix::fs::lchown(path, Some(12345), Some(12345)).unwrap();
}

#[test]
#[cfg(unix)]
fn a_link_of_another_user_in_a_shared_folder_is_not_followed() {
    if !memprof_tests::is_root() {
        return;
    }
    let [shared, own] = [shared_folder(), tempfile::tempdir().unwrap()];
    let victim = own.path().join("precious");
    fs::write(&victim, "before").unwrap();
    let link = shared.path().join("report.json");
    std::os::unix::fs::symlink(&victim, &link).unwrap();
    give_away(&link);

    let said = said_with_output(&mut Program::new(|| drop(keeps())), &link);
    assert!(said.contains("it is another user's link"), "{said}");
    let error = report().write(&link).unwrap_err().to_string();
    assert!(error.contains("it is another user's link"), "{error}");
    // Not even through a link of this user.
    let way = own.path().join("way.json");
    std::os::unix::fs::symlink(&link, &way).unwrap();
    assert!(report().write(&way).is_err());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "before");
}

#[test]
#[cfg(unix)]
fn a_file_or_a_pipe_of_another_user_in_a_shared_folder_is_not_written_to() {
    if !memprof_tests::is_root() {
        return;
    }
    let shared = shared_folder();
    let [file, pipe] = ["file.json", "pipe.json"].map(|name| shared.path().join(name));
    fs::write(&file, "theirs").unwrap();
    memprof_tests::make_pipe(&pipe);
    for path in [&file, &pipe] {
        give_away(path);
        let error = report().write(path).unwrap_err().to_string();
        assert!(error.contains("it is another user's file"), "{error}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "theirs");
}

#[test]
#[cfg(unix)]
fn links_of_ones_own_and_those_in_other_folders_are_followed() {
    let [shared, own] = [shared_folder(), tempfile::tempdir().unwrap()];
    let target = own.path().join("target.json");
    let links = [&shared, &own].map(|folder| folder.path().join("report.json"));
    for link in &links {
        std::os::unix::fs::symlink(&target, link).unwrap();
    }
    if memprof_tests::is_root() {
        // Another user's link in a folder that isn't shared.
        give_away(&links[1]);
    }
    for link in &links {
        report().write(link).unwrap();
        assert!(Report::read(&target).is_ok());
        assert!(link.is_symlink());
        fs::remove_file(&target).unwrap();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_second_copy_of_memprof_in_a_process_writes_to_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let mut program = Program::new(|| {
        // Another copy of memprof, as in a plugin, would hold this lock.
        let first = fs::File::open("/proc/self/stat").unwrap();
        first.try_lock().unwrap();
        drop(keeps());
    });

    let said = said_with_output(&mut program, &path);
    assert!(
        said.starts_with("memprof: a second copy of memprof in this process"),
        "{said}"
    );
    assert!(said.contains("report.2.json"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(!path.exists());
    assert!(Report::read(folder.path().join("report.2.json")).is_ok());
}

#[test]
#[cfg(target_os = "linux")]
fn no_variable_is_obeyed_in_a_setuid_program() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    let folder = shared_folder();
    let mut program = Program::new(|| drop(keeps()));
    if !memprof_tests::is_root() {
        return;
    }
    let path = folder.path().join("report.json");
    program.env("MEMPROF_OUTPUT", &path);
    program.env("MEMPROF_PRINT", "call");
    let original = program.command();
    let copy = folder.path().join("program");
    // By another process: a child that a test beside this one forks would inherit the open file,
    // and a program that is open for writing can't be started.
    let copied = Command::new("cp")
        .arg(original.get_program())
        .arg(&copy)
        .status();
    assert!(copied.unwrap().success());
    std::os::unix::fs::chown(&copy, Some(12346), None).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o4755)).unwrap();
    let mut command = Command::new(&copy);
    command.args(original.get_args()).current_dir(&folder);
    let variables = original.get_envs();
    command.envs(variables.filter_map(|(name, value)| Some((name, value?))));
    let output = command.uid(12345).gid(12345).output().unwrap();

    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{}: {stderr}", output.status);
    assert!(
        stderr.starts_with("memprof: the MEMPROF variables are ignored"),
        "{stderr}"
    );
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(!path.exists());
    // The table is printed as the attribute says.
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(memprof_tests::Table::all_in(&stdout).len(), 1);
}

#[test]
#[cfg(unix)]
fn a_file_keeps_its_mode_when_it_is_replaced() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mode = |name: &str| fs::metadata(path(name)).unwrap().permissions().mode() & 0o7777;
    for kept in [0o600, 0o640, 0o666] {
        fs::write(path("report.json"), "before").unwrap();
        let permissions = fs::Permissions::from_mode(kept);
        fs::set_permissions(path("report.json"), permissions).unwrap();
        report().write(path("report.json")).unwrap();
        assert_eq!(mode("report.json"), kept);
        assert!(Report::read(path("report.json")).is_ok());
    }
    fs::write(path("other"), "").unwrap();
    report().write(path("new.json")).unwrap();
    assert_eq!(mode("new.json"), mode("other"));
}

/// The error of reading a file with this text.
fn refusal(text: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    fs::write(&path, text).unwrap();
    let said = Report::read(&path).unwrap_err().to_string();
    let (_, said) = said.split_once("report.json\" can't be read: ").unwrap();
    said.to_owned()
}

#[test]
fn what_is_no_report_is_refused_in_a_sentence() {
    assert!(refusal(b"").starts_with("it is empty"));
    assert!(refusal(b"  \n").starts_with("it is empty"));
    assert!(refusal(b"{\"version\":").starts_with("it ends in the middle"));
    assert!(refusal(b"{}").starts_with("it is JSON, but its `format` is not"));
    assert!(refusal(b"\x1f\x8b\x08").starts_with("it is not a memprof report as JSON"));
    assert!(refusal(&b"[".repeat(100_000)).starts_with("it is not a memprof report as JSON"));
    let newer = br#"{"format": "memprof report", "version": 5, "functions": 7}"#;
    assert!(refusal(newer).starts_with("a newer memprof wrote it, in version 5"));
    let older = br#"{"format": "memprof report", "version": 2, "functions": 7}"#;
    assert!(refusal(older).starts_with("an older memprof wrote it, in version 2"));
    let damaged = br#"{"format": "memprof report", "version": 4, "functions": 7}"#;
    assert!(refusal(damaged).starts_with("it is a damaged report"));
}

#[memprofile(print = "never")]
fn takes_over(list: &mut Vec<u8>) {
    list.reserve_exact(1000); // grown
}

#[test]
fn what_a_line_has_taken_over_is_in_a_file() {
    run(|| {
        let mut list = makes(10);
        takes_over(&mut list);
        let report = report();
        let mut text = Vec::new();
        report.write_to(Format::Json, &mut text).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        fs::write(&path, text).unwrap();

        let read = Report::read(&path).unwrap();
        let grown = line(&read, "takes_over", "// grown").own;
        assert_eq!((grown.allocated_bytes, grown.transferred_bytes), (900, 100));
        assert_eq!((grown.live_bytes(), grown.live_count()), (1000, 1));
        assert_law_3(&read);
        drop(list);
    });
}

#[test]
fn a_report_of_the_first_version_is_read_with_nothing_transferred() {
    let blocks = r#""allocated_bytes": 640, "allocation_count": 10, "freed_bytes": 64,
        "deallocation_count": 1, "live_bytes": 576, "live_count": 9, "bytes_at_peak": 576,
        "temporary_count": 1, "moved_bytes": 0"#;
    let text = format!(
        r#"{{"format": "memprof report", "version": 3, "process": {{{blocks},
            "peak_error_bytes": 0, "resident_bytes": 0, "resident_is_exact": null,
            "callers_left_out": 0}}, "untracked": {{{blocks}}}, "functions": [], "calls": []}}"#
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    fs::write(&path, text).unwrap();

    let made = Report::read(&path).unwrap().total;
    assert_eq!((made.live_bytes(), made.live_count()), (576, 9));
    assert_eq!((made.transferred_bytes, made.transferred_count), (0, 0));
}

#[test]
fn half_a_report_is_refused_wherever_it_ends() {
    drop(keeps());
    let mut text = Vec::new();
    report().write_to(Format::Json, &mut text).unwrap();
    for end in (0..text.len()).step_by(97) {
        let said = refusal(&text[..end]);
        let is_said = said.starts_with("it ends in the middle") || said.starts_with("it is empty");
        assert!(is_said, "at {end} of {}: {said}", text.len());
    }
}

#[test]
fn a_report_that_points_nowhere_is_refused() {
    drop(keeps());
    let mut text = Vec::new();
    report().write_to(Format::Json, &mut text).unwrap();
    let whole: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let damages: [fn(&mut serde_json::Value); 4] = [
        |report| report["calls"][0]["function"] = 99.into(),
        |report| report["calls"][0]["caller"] = serde_json::json!({"call": 0, "line": 1}),
        |report| report["calls"][1]["lines"][0]["line"] = 0.into(),
        |report| report["functions"][0]["lines"][0]["line"] = 1_000_000.into(),
    ];
    for damage in damages {
        let mut report = whole.clone();
        damage(&mut report);
        let said = refusal(report.to_string().as_bytes());
        assert!(said.starts_with("it is a damaged report: "), "{said}");
    }
}

#[test]
fn calls_that_are_nested_without_end_are_refused() {
    drop(keeps());
    let mut text = Vec::new();
    report().write_to(Format::Json, &mut text).unwrap();
    let mut nested: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let calls = nested["calls"].as_array_mut().unwrap();
    for place in calls.len()..20_000 {
        let caller = serde_json::json!({"call": place - 1, "line": 1});
        calls.push(serde_json::json!({"function": 0, "caller": caller, "call_count": 1, "own_ns": 0, "inclusive_ns": 0, "lines": []}));
    }
    assert!(refusal(nested.to_string().as_bytes()).ends_with("calls are nested too deep"));
}

/// A report of a chain of `depth` nested calls, and `calls_at_end` calls at its end, each with a
/// block.
fn chain(depth: usize, calls_at_end: usize) -> Report {
    drop(keeps());
    let mut text = Vec::new();
    report().write_to(Format::Json, &mut text).unwrap();
    let mut chain: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let number = chain["functions"][0]["lines"][0]["line"].clone();
    let mut block = chain["untracked"].clone();
    block["allocation_count"] = 1.into();
    let calls = (0..depth + calls_at_end).map(|place| {
        let caller = place.min(depth).checked_sub(1);
        let is_at_end = place >= depth;
        serde_json::json!({
            "function": 0, "call_count": 1, "own_ns": 0, "inclusive_ns": 0,
            "caller": caller.map(|call| serde_json::json!({"call": call, "line": number})),
            "lines": if is_at_end {
                serde_json::json!([{"line": number, "hits": 1, "own": block}])
            } else {
                serde_json::json!([])
            },
        })
    });
    chain["calls"] = calls.collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chain.json");
    fs::write(&path, chain.to_string()).unwrap();
    Report::read(path).unwrap()
}

#[test]
fn numbers_may_be_as_large_as_can_be() {
    fn enlarge(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Array(values) => values.iter_mut().for_each(enlarge),
            serde_json::Value::Object(values) => {
                const SIGNED: [&str; 3] = [
                    "resident_increment_bytes",
                    "transferred_bytes",
                    "transferred_count",
                ];
                let places = ["version", "line", "function", "call"];
                for (name, value) in values {
                    match value {
                        _ if places.contains(&name.as_str()) && value.is_number() => {}
                        // Signed numbers get the smallest value.
                        serde_json::Value::Number(_) if SIGNED.contains(&name.as_str()) => {
                            *value = i64::MIN.into();
                        }
                        serde_json::Value::Number(_) => *value = u64::MAX.into(),
                        value => enlarge(value),
                    }
                }
            }
            _ => {}
        }
    }
    drop(keeps());
    let mut text = Vec::new();
    report().write_to(Format::Json, &mut text).unwrap();
    let mut large: serde_json::Value = serde_json::from_slice(&text).unwrap();
    // Duplicate the calls, so that their numbers are added up.
    let calls = large["calls"].as_array_mut().unwrap();
    calls.extend(calls.clone());
    enlarge(&mut large);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.json");
    fs::write(&path, large.to_string()).unwrap();

    let large = Report::read(&path).unwrap();
    assert_eq!(large.functions[0].call_count, Some(u64::MAX));
    for name in NAMES {
        let format = name.parse::<Format>().unwrap();
        large.write_to(format, io::sink()).unwrap();
    }
    large
        .write_difference(&large, folder.path().join("a.html"))
        .unwrap();
}

#[test]
fn stacks_that_would_fill_a_disk_are_refused() {
    let deep = chain(9000, 6000);
    for name in ["folded", "pb.gz", "speedscope.json"] {
        let mut out = Vec::new();
        let format = name.parse::<Format>().unwrap();
        let error = deep.write_to(format, &mut out).unwrap_err();
        assert!(
            error.to_string().contains("stacks of 54006000 frames"),
            "{error}"
        );
        assert!(out.is_empty(), "{name}");
    }
    for name in ["csv", "html", "json", "md", "prof"] {
        let format = name.parse::<Format>().unwrap();
        deep.write_to(format, io::sink()).unwrap();
    }
}

#[test]
fn stacks_are_written_as_they_are_made() {
    let deep = chain(1000, 300);
    for name in ["folded", "pb.gz", "speedscope.json"] {
        let format = name.parse::<Format>().unwrap();
        let (written, usage) = memprof::measure(|| deep.write_to(format, io::sink()));
        written.unwrap();
        // All stacks together have more than 300,000 frames of 8 B.
        assert!(usage.peak_bytes < 1 << 20, "{name}: {}", usage.peak_bytes);
    }
}

/// A report of `line_count` lines, in functions of ten lines, each called once.
fn large(line_count: u32) -> Report {
    drop(keeps());
    let mut text = Vec::new();
    report().write_to(Format::Json, &mut text).unwrap();
    let mut large: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let of_one = large["functions"][0]["lines"][0].clone();
    let blocks = large["process"].clone();
    let (mut functions, mut calls) = (Vec::new(), Vec::new());
    for place in 0..line_count / 10 {
        let mut function = large["functions"][0].clone();
        function["path"] = format!("app::module_{}::function_{place}", place % 100).into();
        let (mut lines, mut lines_of_call) = (Vec::new(), Vec::new());
        for number in 1..=10 {
            let mut line = of_one.clone();
            line["line"] = number.into();
            line["source"] = format!("    let value_{number} = make({place});").into();
            line["allocated_bytes"] = (place * 10 + number).into();
            lines.push(line);
            lines_of_call
                .push(serde_json::json!({"line": number, "hits": 1, "own": blocks.clone()}));
        }
        function["lines"] = lines.into();
        functions.push(function);
        calls.push(serde_json::json!({
            "function": place, "caller": null, "call_count": 1, "own_ns": 0, "inclusive_ns": 0,
            "lines": lines_of_call
        }));
    }
    large["functions"] = functions.into();
    large["calls"] = calls.into();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.json");
    fs::write(&path, large.to_string()).unwrap();
    Report::read(path).unwrap()
}

#[test]
fn writing_takes_no_more_than_three_times_the_memory_of_the_text() {
    let report = large(10_000);
    let written = |name: &str| {
        let mut file = Vec::with_capacity(16 << 20);
        let format = name.parse::<Format>().unwrap();
        let (written, usage) = memprof::measure(|| report.write_to(format, &mut file));
        written.unwrap();
        (usage.peak_bytes, u64::try_from(file.len()).unwrap())
    };
    let (_, table_size) = written("csv");
    for name in NAMES {
        let (peak_bytes, size) = written(name);
        // For compressed formats, the uncompressed text is about as long as the CSV table.
        let is_compressed = matches!(name, "html" | "pb.gz");
        let size = if is_compressed { table_size } else { size };
        assert!(
            peak_bytes <= 3 * size,
            "{name}: {peak_bytes} for {size} bytes"
        );
    }
}

proptest! {
    #[test]
    fn a_damaged_report_is_read_or_refused(
        damages in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        drop(keeps());
        let mut text = Vec::new();
        report().write_to(Format::Json, &mut text).unwrap();
        for (place, byte) in damages {
            let place = place.index(text.len());
            text[place] = byte;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        fs::write(&path, text).unwrap();
        if let Ok(report) = Report::read(&path) {
            for name in NAMES {
                report.write_to(name.parse::<Format>().unwrap(), io::sink()).unwrap();
            }
        }
    }
}

#[test]
fn comma_separated_values_have_a_row_for_each_line() {
    let mut program = Program::new(|| std::mem::forget(keeps()));
    let (_folder, path) = program.report_as("report.csv");
    let text = fs::read(path).unwrap();

    let mut rows = csv::Reader::from_reader(&text[..]);
    let headings = rows.headers().unwrap().clone();
    let rows: Vec<_> = rows.records().map(Result::unwrap).collect();
    let column = |words: &str, name: &str| {
        let row = rows.iter().find(|row| row[3].contains(words)).unwrap();
        row[headings.iter().position(|heading| heading == name).unwrap()].to_owned()
    };
    assert_eq!(column("// kept", "function"), "report::files::makes");
    assert_eq!(column("// kept", "hits"), "");
    assert_eq!(column("kept.push", "hits"), "4");
    assert_eq!(column("// kept", "live_bytes"), "100");
    assert_eq!(column("// kept", "resident_bytes"), "");
}

#[test]
fn folded_stacks_add_up_to_all_that_was_allocated() {
    let mut program = Program::new(|| {
        std::mem::forget(keeps());
        let report = report();
        println!(
            "total {}",
            report.total.allocated_bytes - report.untracked.allocated_bytes
        );
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.folded");
    let stdout = program.env("MEMPROF_OUTPUT", &path).stdout();
    let text = fs::read_to_string(path).unwrap();

    let tracked = text.lines().filter(|row| !row.starts_with("untracked "));
    let numbers = tracked.clone().map(|row| row.rsplit(' ').next().unwrap());
    let sum: u64 = numbers.map(|number| number.parse::<u64>().unwrap()).sum();
    assert_eq!(sum.to_string(), word_after("total ", &stdout));
    let mut nested = tracked.filter(|row| row.contains(";report::files::makes:"));
    assert!(nested.all(|row| row.starts_with("report::files::keeps:")));
}

#[test]
fn speedscopes_profiles_add_up() {
    let mut program = Program::new(|| std::mem::forget(keeps()));
    let (_folder, path) = program.report_as("report.speedscope.json");
    let text = fs::read(path).unwrap();

    let file: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let frames = file["shared"]["frames"].as_array().unwrap().len();
    for profile in file["profiles"].as_array().unwrap() {
        let samples = profile["samples"].as_array().unwrap();
        let weights = profile["weights"].as_array().unwrap();
        assert_eq!(samples.len(), weights.len());
        let sum: u64 = weights.iter().map(|weight| weight.as_u64().unwrap()).sum();
        assert_eq!(profile["endValue"], sum);
        let places = samples.iter().flat_map(|stack| stack.as_array().unwrap());
        assert!(
            places
                .clone()
                .all(|place| place.as_u64().unwrap() < frames as u64)
        );
    }
}

#[test]
fn markdown_begins_with_the_line_that_keeps_most() {
    let mut program = Program::new(|| std::mem::forget(keeps()));
    let (_folder, path) = program.report_as("report.md");
    let text = fs::read(path).unwrap();

    let text = String::from_utf8(text).unwrap();
    let rows: Vec<&str> = text.lines().filter(|row| row.starts_with("| ")).collect();
    assert!(rows[0].starts_with("| Alive | Blocks alive |"), "{text}");
    assert!(
        rows[1].contains("| 100 B | 4 |") || rows[2].contains("| 100 B | 4 |"),
        "{text}"
    );
}
