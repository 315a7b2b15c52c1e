//! What `memprof show`, `diff`, `convert`, `top` and `dump` print, and their exit codes.

use memprof::memprofile;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use tempfile::TempDir;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

#[memprofile(print = "never", hits = true)]
fn keeps(count: usize) -> Vec<Vec<u8>> {
    let mut kept = Vec::with_capacity(10);
    for _ in 0..count {
        kept.push(vec![1_u8; 1000]);
    }
    kept
}

/// Two reports: two blocks are alive in the first, five in the second.
struct Reports {
    _folder: TempDir,
    before: PathBuf,
    after: PathBuf,
}

/// A report covers the process, so tests that take one run one at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn reports() -> Reports {
    let folder = tempfile::tempdir().unwrap();
    let [before, after] = ["before.json", "after.json"].map(|name| folder.path().join(name));
    let _one = ONE_AT_A_TIME.lock().unwrap();
    memprof::reset();
    let two = keeps(2);
    memprof::report().write(&before).unwrap();
    let three = keeps(3);
    memprof::report().write(&after).unwrap();
    drop((two, three));
    Reports {
        _folder: folder,
        before,
        after,
    }
}

fn memprof(arguments: &[&Path]) -> Output {
    let command = env!("CARGO_BIN_EXE_memprof");
    Command::new(command).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn words(row: &str) -> Vec<&str> {
    row.split_whitespace().collect()
}

#[test]
fn show_has_the_line_that_keeps_most_first() {
    let reports = reports();
    let shown = stdout(&memprof(&["show".as_ref(), &reports.after]));

    let mut rows = shown.lines();
    let headings = rows.next().unwrap();
    assert!(
        words(headings).starts_with(&["Alive", "Blocks", "alive"]),
        "{shown}"
    );
    let first = words(rows.next().unwrap());
    assert_eq!(first[..5], ["5,000", "B", "5", "5,000", "B"], "{shown}");
    assert!(
        first.ends_with(&["kept.push(vec![1_u8;", "1000]);"]),
        "{shown}"
    );
    assert!(shown.contains("\nprocess: "), "{shown}");
}

/// Two reports with almost nothing alive, as when a program has ended.
fn reports_of_one_that_ended() -> Reports {
    let folder = tempfile::tempdir().unwrap();
    let [before, after] = ["before.json", "after.json"].map(|name| folder.path().join(name));
    let _one = ONE_AT_A_TIME.lock().unwrap();
    memprof::reset();
    let left = keeps(1);
    memprof::report().write(&before).unwrap();
    (0..50).for_each(|_| drop(keeps(10)));
    memprof::report().write(&after).unwrap();
    drop(left);
    Reports {
        _folder: folder,
        before,
        after,
    }
}

#[test]
fn a_report_with_next_to_nothing_alive_opens_on_what_was_allocated() {
    let reports = reports_of_one_that_ended();
    let shown = stdout(&memprof(&["show".as_ref(), &reports.after]));
    let mut rows = shown.lines().map(words);
    let headings = rows.next().unwrap();
    assert_eq!(headings[..3], ["Allocated", "Blocks", "Alive"], "{shown}");
    let first = rows.next().unwrap();
    assert_eq!(first[..3], ["501,000", "B", "501"], "{shown}");

    // `--sort` and `--columns` override the defaults.
    let sorted = memprof(&[
        "show".as_ref(),
        &reports.after,
        "--sort=live_bytes".as_ref(),
        "--columns=live_bytes".as_ref(),
    ]);
    let shown = stdout(&sorted);
    assert_eq!(words(shown.lines().next().unwrap())[0], "Alive", "{shown}");
    assert_eq!(words(shown.lines().nth(1).unwrap())[..2], ["1,000", "B"]);

    let changed = stdout(&memprof(&[
        "diff".as_ref(),
        &reports.before,
        &reports.after,
    ]));
    let first = words(changed.lines().nth(1).unwrap());
    assert_eq!(first[..5], ["0", "B", "0", "+500,000", "B"], "{changed}");

    let markdown = reports.after.with_extension("md");
    let arguments = ["convert".as_ref(), &*reports.after, "-o".as_ref()];
    stdout(&memprof(&[&arguments[..], &[&markdown]].concat()));
    let text = fs::read_to_string(markdown).unwrap();
    let first = text.lines().find(|row| row.contains(" B |")).unwrap();
    assert!(first.contains("| 501,000 B | 501 |"), "{text}");
    let speedscope = reports.after.with_extension("speedscope.json");
    stdout(&memprof(&[&arguments[..], &[&speedscope]].concat()));
    let file: serde_json::Value = serde_json::from_slice(&fs::read(speedscope).unwrap()).unwrap();
    let opened = file["activeProfileIndex"].as_u64().unwrap();
    assert_eq!(
        file["profiles"][usize::try_from(opened).unwrap()]["name"],
        "allocated"
    );
}

#[test]
fn show_takes_columns_an_order_and_a_number_of_lines() {
    let reports = reports();
    let arguments = ["--sort=hits", "--columns=hits,allocated_bytes", "--top=1"];
    let mut all: Vec<&Path> = arguments.iter().map(Path::new).collect();
    all.extend([Path::new("show"), &reports.after]);
    all.swap(0, 3);
    let shown = stdout(&memprof(&all));

    let rows: Vec<_> = shown.lines().map(words).collect();
    assert_eq!(rows[0], ["Hits", "Allocated", "Where", "Line"]);
    assert_eq!(rows[1][..3], ["5", "5,000", "B"]);
    assert_eq!(rows[2], ["and", "1", "more"]);
}

/// Makes a report one of functions whose calls and lines weren't counted.
fn without_hits(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    let mut report: serde_json::Value = serde_json::from_str(&text).unwrap();
    for list in ["functions", "calls"] {
        for counted in report[list].as_array_mut().unwrap() {
            counted["call_count"] = serde_json::Value::Null;
            for line in counted["lines"].as_array_mut().unwrap() {
                line["hits"] = serde_json::Value::Null;
            }
        }
    }
    fs::write(path, report.to_string()).unwrap();
}

#[test]
fn hits_that_were_not_counted_are_not_shown() {
    let reports = reports();
    without_hits(&reports.after);
    let why = "calls and executions of lines weren't counted: to count them, put `hits = true`";

    let shown = stdout(&memprof(&["show".as_ref(), &reports.after]));
    assert!(!shown.contains("Hits"), "{shown}");
    assert!(!shown.contains("not known"), "{shown}");
    for asked in ["--sort=hits", "--columns=hits,live_bytes"] {
        let shown = stdout(&memprof(&["show".as_ref(), &reports.after, asked.as_ref()]));
        assert!(!shown.contains("Hits"), "{shown}");
        assert!(shown.contains(&format!("\nnot known: {why}")), "{shown}");
    }

    let diff = |option: &str| {
        let [before, after] = [&*reports.before, &*reports.after];
        memprof(&["diff".as_ref(), before, after, option.as_ref()])
    };
    let shown = stdout(&diff("--sort=hits"));
    assert!(shown.contains("+3,000 B"), "{shown}");
    assert!(!shown.contains("Hits"), "{shown}");
    let refused = diff("--fail-on=hits>0");
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains(&format!("hits can't have a limit: {why}")),
        "{said}"
    );

    let calls = reports.after.with_extension("prof");
    let refused = memprof(&["convert".as_ref(), &reports.after, "-o".as_ref(), &calls]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains(why), "{said}");
    assert!(!calls.exists());
}

#[test]
fn accessors_that_were_left_out_are_a_sentence() {
    let reports = reports();
    let text = fs::read_to_string(&reports.after).unwrap();
    let shown = || stdout(&memprof(&["show".as_ref(), &reports.after]));
    assert!(!shown().contains("accessor"));

    let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
    document["process"]["accessors_left_out"] = 3.into();
    fs::write(&reports.after, document.to_string()).unwrap();
    assert!(shown().ends_with(
        "\n3 accessors, which only return a field or a constant, were left out: `accessors = true` \
         profiles them, too\n"
    ));
}

#[test]
fn diff_shows_what_came_and_limits_are_kept() {
    let reports = reports();
    let diff = |limit: &str| {
        let limit = format!("--fail-on={limit}");
        memprof(&[
            "diff".as_ref(),
            &reports.before,
            &reports.after,
            limit.as_ref(),
        ])
    };

    let shown = stdout(&diff("hits>1000"));
    let first = words(shown.lines().nth(1).unwrap());
    assert_eq!(first[..4], ["+3,000", "B", "+3", "+3,000"], "{shown}");

    for passed in ["live_count>+3", "live_bytes>+5%", "live_bytes>1 KiB"] {
        let output = diff(passed);
        assert_eq!(output.status.code(), Some(1), "{passed}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            stderr.contains(&format!("{passed} exceeded: was ")),
            "{stderr}"
        );
    }
    for kept in [
        "live_bytes>+1 MiB",
        "live_bytes>+100000%",
        "allocation_count>100000",
    ] {
        assert_eq!(diff(kept).status.code(), Some(0), "{kept}");
    }
}

#[test]
fn numbers_may_be_as_large_as_can_be() {
    let reports = reports();
    let text = fs::read_to_string(&reports.after).unwrap();
    let hits = text.matches("\"hits\":").count();
    assert!(hits > 2, "{text}");
    let mut large: serde_json::Value = serde_json::from_str(&text).unwrap();
    let lines = large["functions"][0]["lines"].as_array_mut().unwrap();
    for line in lines {
        line["hits"] = u64::MAX.into();
        line["freed_bytes"] = u64::MAX.into();
        line["allocated_bytes"] = u64::MAX.into();
    }
    fs::write(&reports.after, large.to_string()).unwrap();

    stdout(&memprof(&["show".as_ref(), &reports.after]));
    let limit = "--fail-on=hits>3".as_ref();
    let output = memprof(&["diff".as_ref(), &reports.before, &reports.after, limit]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("hits>3 exceeded: was "), "{stderr}");
}

#[test]
fn a_limit_is_a_number_with_a_unit() {
    let reports = reports();
    let diff = |limit: &str| {
        let limit = format!("--fail-on=live_bytes>{limit}");
        let arguments = ["diff".as_ref(), &*reports.before, &reports.after];
        let output = memprof(&[&arguments[..], &[limit.as_ref()]].concat());
        output.status.code()
    };
    for kept in ["1.5MiB", "1.5 GiB", "+0.5MiB", "18446744073709551615GiB"] {
        assert_eq!(diff(kept), Some(0), "{kept}");
    }
    for passed in ["0.5KiB", "+0.5 KiB", "2.5 KiB", "100", "1.5"] {
        assert_eq!(diff(passed), Some(1), "{passed}");
    }
    for other in [
        "-1", "1e3", ".", "1.5.2KiB", "NaN", "inf", "1 MB", "MiB", "+",
    ] {
        assert_eq!(diff(other), Some(2), "{other}");
    }
}

#[test]
fn diff_knows_a_line_by_its_text_when_it_has_moved() {
    let reports = reports();
    let text = fs::read_to_string(&reports.after).unwrap();
    let mut moved: serde_json::Value = serde_json::from_str(&text).unwrap();
    for function in moved["functions"].as_array_mut().unwrap() {
        for line in function["lines"].as_array_mut().unwrap() {
            line["line"] = (line["line"].as_u64().unwrap() + 1000).into();
        }
    }
    moved["calls"] = serde_json::json!([]);
    fs::write(&reports.after, moved.to_string()).unwrap();

    let shown = stdout(&memprof(&[
        "diff".as_ref(),
        &reports.before,
        &reports.after,
    ]));
    let first = words(shown.lines().nth(1).unwrap());
    assert_eq!(first[..4], ["+3,000", "B", "+3", "+3,000"], "{shown}");
    assert!(!shown.contains("(gone)"), "{shown}");
}

#[test]
fn diff_writes_a_page_and_nothing_else() {
    let reports = reports();
    let to = |name: &str| {
        let output = reports.after.with_file_name(name);
        let arguments = [
            Path::new("diff"),
            &reports.before,
            &reports.after,
            Path::new("-o"),
        ];
        let said = memprof(&[&arguments[..], &[&output]].concat());
        (said, output)
    };
    let (said, output) = to("change.html");
    assert_eq!(stdout(&said), "");
    let page = fs::read_to_string(output).unwrap();
    assert!(page.contains("id=\"before.rows.live_bytes\""));

    let (said, output) = to("change.json");
    assert_eq!(said.status.code(), Some(2));
    let stderr = String::from_utf8(said.stderr).unwrap();
    assert!(
        stderr.contains("whose name should end in `.html`"),
        "{stderr}"
    );
    assert!(!output.exists());
}

#[test]
fn diff_takes_baselines_and_leaves_out_what_they_have_not() {
    let reports = reports();
    let folder = reports.before.parent().unwrap();
    // In the form of `Baseline::check`, which itself writes none in CI.
    let [before, after] = [
        ("before-baseline.json", 1, 2),
        ("after-baseline.json", 2, 5),
    ]
    .map(|(name, lists, pushed)| {
        let row = |line, count, bytes| {
            format!(
                r#"{{"function": "command::keeps", "line": "{line}",
                    "allocated_bytes": {bytes}, "allocation_count": {count},
                    "live_bytes": {bytes}, "live_count": {count}}}"#
            )
        };
        let list = row("let mut kept = Vec::with_capacity(10);", lists, lists * 240);
        let push = row("kept.push(vec![1_u8; 1000]);", pushed, pushed * 1000);
        let text =
            format!(r#"{{"format": "memprof baseline", "version": 1, "lines": [{list}, {push}]}}"#);
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    });
    for (before, after) in [
        (&before, &after),
        (&before, &reports.after),
        (&reports.before, &after),
    ] {
        let shown = stdout(&memprof(&["diff".as_ref(), before, after]));
        let first = words(shown.lines().nth(1).unwrap());
        assert_eq!(first[..4], ["+3,000", "B", "+3", "+3,000"], "{shown}");
        assert!(!shown.contains("(gone)"), "{shown}");
        // Three blocks of 1,000 B, and one more list of 240 B.
        assert!(
            shown.contains("\nlines: +3,240 B alive, +3,240 B allocated"),
            "{shown}"
        );
    }
    let nothing = stdout(&memprof(&["diff".as_ref(), &before, &reports.before]));
    assert!(nothing.starts_with("no line has changed\n"), "{nothing}");

    let page = folder.join("change.html");
    let arguments = [
        "diff".as_ref(),
        &*before,
        &reports.after,
        "-o".as_ref(),
        &page,
    ];
    assert_eq!(stdout(&memprof(&arguments)), "");
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("id=\"before.lines.own.live_bytes\""));

    let with = |option: &str| memprof(&["diff".as_ref(), &before, &reports.after, option.as_ref()]);
    assert_eq!(with("--fail-on=allocated_bytes>3").status.code(), Some(1));
    for lacking in ["bytes_at_peak", "hits", "temporary_count", "moved_bytes"] {
        for option in [
            format!("--fail-on={lacking}>0"),
            format!("--sort={lacking}"),
        ] {
            let output = with(&option);
            assert_eq!(output.status.code(), Some(2), "{option}");
            let stderr = String::from_utf8(output.stderr).unwrap();
            let said = format!("memprof: a baseline has no {lacking}");
            assert!(stderr.starts_with(&said), "{stderr}");
        }
    }
}

#[test]
fn convert_writes_the_format_of_the_ending() {
    let reports = reports();
    let folder = reports.after.parent().unwrap();
    for name in [
        "a.csv",
        "a.html",
        "a.md",
        "a.folded",
        "a.speedscope.json",
        "a.pb.gz",
        "a.prof",
    ] {
        let output = folder.join(name);
        let arguments = [
            Path::new("convert"),
            &reports.after,
            Path::new("-o"),
            &output,
        ];
        assert_eq!(stdout(&memprof(&arguments)), "");
        assert!(fs::metadata(&output).unwrap().len() > 40, "{name}");
    }
    let output = folder.join("secret.json");
    let arguments = ["convert".as_ref(), &*reports.after, "-o".as_ref(), &output];
    stdout(&memprof(
        &[&arguments[..], &["--confidential".as_ref()]].concat(),
    ));
    assert!(!fs::read_to_string(&output).unwrap().contains("kept"));
}

#[test]
fn source_is_left_out_wherever_that_is_asked_for() {
    let reports = reports();
    let output = reports.after.with_file_name("out.html");
    let [before, after, to] = [&reports.before, &reports.after, &output].map(PathBuf::as_path);
    let o = Path::new("-o");
    let csv = to.with_extension("csv");
    let ways = [
        &["show".as_ref(), after][..],
        &["convert".as_ref(), after, o, &csv],
        &["diff".as_ref(), before, after],
        &["diff".as_ref(), before, after, o, to],
    ];
    for arguments in ways {
        let command = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_memprof"));
            command.args(arguments).env_remove("MEMPROF_CONFIDENTIAL");
            command
        };
        let all = |command: &mut Command| {
            let shown = stdout(&command.output().unwrap());
            let written = arguments.get(3..).and_then(|to| to.last());
            shown + &written.map_or_else(String::new, |to| fs::read_to_string(to).unwrap())
        };
        // A page has the source text in compressed form.
        let is_page = arguments.last() == Some(&to);
        let plain = all(&mut command());
        assert_eq!(plain.contains("kept.push("), !is_page, "{plain}");
        let flag = all(command().arg("--confidential"));
        assert!(!flag.contains("kept.push("), "{flag}");
        assert_ne!(flag, plain);
        let variable = all(command().env("MEMPROF_CONFIDENTIAL", "on"));
        assert_eq!(variable, flag);
        assert_eq!(all(command().env("MEMPROF_CONFIDENTIAL", "off")), plain);
    }

    let shown = stdout(&memprof(&[
        "diff".as_ref(),
        before,
        after,
        "--confidential".as_ref(),
    ]));
    let first = words(shown.lines().nth(1).unwrap());
    assert_eq!(first[..4], ["+3,000", "B", "+3", "+3,000"], "{shown}");
}

#[test]
fn a_socket_that_is_not_there_is_explained() {
    let output = memprof(&["show".as_ref(), "/nowhere/1.memprof".as_ref()]);
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    let why = "; a program listens there from its first call of a profiled function to its end\n";
    assert!(stderr.ends_with(why), "{stderr}");
}

#[test]
#[cfg(unix)]
fn convert_writes_behind_what_is_in_a_log() {
    let reports = reports();
    let path = reports.after.with_file_name("log");
    fs::write(&path, "keep\n").unwrap();
    let log = fs::File::options().append(true).open(&path).unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_memprof"))
        .arg("convert")
        .arg(&reports.after)
        .args(["--format", "csv", "-o", "/dev/stdout"])
        .stdout(log)
        .status();
    assert!(status.unwrap().success());

    let text = fs::read_to_string(path).unwrap();
    assert!(text.starts_with("keep\nfunction,file,line,"), "{text}");
}

#[test]
fn what_is_no_report_is_a_sentence_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let found: [(&[u8], &str); 3] = [
        (b"", "it is empty"),
        (b"\x00\xff\x00", "it is not a memprof report"),
        (b"{\"format\": \"memprof", "it ends in the middle"),
    ];
    for (text, said) in found {
        fs::write(&path, text).unwrap();
        let output = memprof(&["show".as_ref(), &path]);
        assert_eq!(output.status.code(), Some(2));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(said), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[test]
fn nothing_in_a_report_is_obeyed_by_the_terminal() {
    let reports = reports();
    let text = fs::read_to_string(&reports.after).unwrap();
    let hostile = text.replace(
        "kept.push(vec",
        "\\u001b]0;title\\u0007\\u009b31m\\r\\nkept(vec",
    );
    let hostile = hostile.replace("::keeps", "::\\u001b[2Jkeeps");
    fs::write(&reports.after, hostile).unwrap();

    for arguments in [
        &[Path::new("show"), &reports.after][..],
        &[Path::new("diff"), &reports.before, &reports.after],
    ] {
        let shown = stdout(&memprof(arguments));
        assert!(shown.contains("kept(vec"), "{shown}");
        let mut rows = shown.lines();
        assert!(rows.all(|row| !row.contains(char::is_control)), "{shown:?}");
    }
}

#[test]
fn a_cell_is_as_wide_as_can_be_read() {
    let reports = reports();
    let text = fs::read_to_string(&reports.after).unwrap();
    let wide = text.replace(
        "kept.push(vec",
        &format!("kept.push({}vec", "字".repeat(70_000)),
    );
    fs::write(&reports.after, wide).unwrap();

    for arguments in [
        &[Path::new("show"), &reports.after][..],
        &[Path::new("diff"), &reports.before, &reports.after],
    ] {
        let shown = stdout(&memprof(arguments));
        let wide: Vec<_> = shown.lines().filter(|row| row.contains('字')).collect();
        assert!(!wide.is_empty(), "{shown}");
        assert!(wide.iter().all(|row| row.ends_with("字字…")), "{shown}");
        assert!(wide.iter().all(|row| row.chars().count() < 700), "{shown}");
        // The other rows are still there.
        let others = ["with_capacity(10);\n", "kept.push(vec![1_u8; 1000]);\n"];
        assert!(others.iter().any(|row| shown.contains(row)), "{shown}");
    }
}

#[test]
fn there_is_colour_where_it_is_wanted() {
    let reports = reports();
    let plain = stdout(&memprof(&["show".as_ref(), &reports.after]));
    assert!(!plain.contains('\u{1b}'), "{plain}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_memprof"));
    let command = command.arg("show").arg(&reports.after);
    let coloured = stdout(&command.env("CLICOLOR_FORCE", "1").output().unwrap());
    let first = coloured.lines().nth(1).unwrap();
    assert!(first.starts_with("\u{1b}[31m"), "{coloured:?}");
    assert!(first.ends_with("1000]);\u{1b}[0m"), "{coloured:?}");
}

#[test]
fn top_says_that_it_needs_a_terminal() {
    let output = memprof(&["top".as_ref(), "1".as_ref()]);
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("`memprof show` prints one report"),
        "{stderr}"
    );
}

/// Set in the environment of a child process, which then is a program that waits.
const WAITS: &str = "MEMPROF_COMMAND_TESTS_WAITS";

#[test]
fn is_a_program_that_waits_if_it_is_told_to() {
    if std::env::var_os(WAITS).is_some() {
        let kept = keeps(2);
        println!("ready");
        std::io::stdin().lines().next().transpose().unwrap();
        drop(kept);
    }
}

/// A program that runs until this is dropped.
#[cfg(target_os = "linux")]
struct Waiting(std::process::Child);

#[cfg(target_os = "linux")]
impl Waiting {
    fn new(variable: &str, value: &Path) -> Self {
        use std::io::{BufRead as _, BufReader};

        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "is_a_program_that_waits_if_it_is_told_to"])
            .arg("--nocapture")
            .env_remove("MEMPROF_LISTEN")
            .env_remove("MEMPROF_OUTPUT")
            .env(WAITS, "")
            .env(variable, value)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with("ready")));
        Self(child)
    }
}

#[cfg(target_os = "linux")]
impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_running_program_is_dumped_and_its_report_says_that_it_went_on() {
    let folder = tempfile::tempdir().unwrap();
    let program = Waiting::new("MEMPROF_LISTEN", &folder.path().join("%p.socket"));
    let process = program.0.id().to_string();
    let dump = |arguments: &[&str]| {
        let command = Command::new(env!("CARGO_BIN_EXE_memprof"))
            .current_dir(&folder)
            .arg("dump")
            .args(arguments)
            .output();
        stdout(&command.unwrap())
    };

    let name = format!("memprof.{process}.dump.json");
    assert_eq!(dump(&[&process]), format!("report written to \"{name}\"\n"));
    assert_eq!(
        dump(&[&format!("{process}.socket"), "-o", "report.md"]),
        "report written to \"report.md\"\n"
    );

    let path = folder.path().join(name);
    let report = memprof::report::Report::read(&path).unwrap();
    let after = report.interim_after.unwrap().as_secs_f64();
    let said = |which: &str, after: f64| {
        format!(
            "{which} was written {after:.1} s after the first call of a profiled function, and \
             the program went on.\n"
        )
    };
    let shown = stdout(&memprof(&["show".as_ref(), &path]));
    assert!(shown.ends_with(&said("This report", after)), "{shown}");
    let diff = stdout(&memprof(&["diff".as_ref(), &path, &path]));
    assert!(
        diff.ends_with(&(said("The earlier report", after) + &said("The later report", after))),
        "{diff}"
    );
    let markdown = fs::read_to_string(folder.path().join("report.md")).unwrap();
    let (first, _) = markdown.split_once('\n').unwrap();
    assert!(first.starts_with("This report was written "), "{markdown}");
    assert!(first.ends_with(" and the program went on."), "{markdown}");
}

#[cfg(target_os = "linux")]
#[test]
fn who_cannot_be_asked_for_a_dump_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("report.json");
    let program = Waiting::new("MEMPROF_OUTPUT", &output);
    let process = program.0.id().to_string();

    let refused = memprof(&["dump".as_ref(), process.as_ref()]);

    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(refused.stderr).unwrap(),
        format!(
            "memprof: process {process} was started without `MEMPROF_LISTEN`; start it with \
             `MEMPROF_LISTEN=/tmp/%p.memprof`, where `%p` stands for its process ID; it writes its \
             report to {:?} when it exits, also by Ctrl-C or `kill`, and at intervals if it was \
             started with `MEMPROF_EVERY`\n",
            output.to_str().unwrap()
        )
    );
}
