//! Other programs read memprof's files, and show the same numbers.
//!
//! The test of a program that isn't installed is skipped with a message. Python programs are also
//! looked for in `target/clients`, an environment that `.ci/run` creates.

use http::{Request, Response};
use http_body_util::Empty;
use memprof::memprofile;
use memprof::report::Report;
use memprof::web::ProfilerLayer;
use memprof_tests::{Program, block, line};
use std::convert::Infallible;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tower::{Layer as _, ServiceExt as _, service_fn};

#[memprofile(columns = "all", print = "exit")]
fn keeps(count: usize) -> Vec<Vec<u8>> {
    let mut kept = Vec::with_capacity(4);
    for size in 1..=count {
        kept.push(makes(size));
    }
    kept
}

#[memprofile(print = "never", hits = true)]
fn makes(size: usize) -> Vec<u8> {
    drop(block(1000 * size)); // at once
    block(10 * size) // kept
}

/// The command for a program, if it is installed.
fn client(name: &str, version: &str) -> Option<Command> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/clients/bin");
    let places = [target.join(name), PathBuf::from(name)];
    let there = places.iter().find(|place| {
        let answer = Command::new(place).arg(version).output();
        answer.is_ok_and(|answer| answer.status.success())
    });
    if there.is_none() {
        eprintln!("skipped: {name} is not installed");
    }
    there.map(Command::new)
}

/// The output of a command, which must succeed.
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {stderr}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn pythons_pstats_has_the_same_calls_and_times() {
    let Some(mut python) = client("python3", "--version") else {
        return;
    };
    let mut program = Program::new(|| std::mem::forget(keeps(4)));
    let (_folder, path) = program.report_as("report.prof");

    let script = "import pstats, sys\n\
        for (file, line, name), (cc, nc, tt, ct, callers) in pstats.Stats(sys.argv[1]).stats.items():\n\
        \x20   print(name, cc, nc, tt <= ct, [(c[2], v[:2]) for c, v in callers.items()])";
    let stdout = said(python.args(["-c", script]).arg(path));
    assert!(
        stdout.contains("report::clients::keeps 1 1 True []"),
        "{stdout}"
    );
    let makes = "report::clients::makes 4 4 True [('report::clients::keeps', (4, 4))]";
    assert!(stdout.contains(makes), "{stdout}");
}

#[test]
fn pythons_pstats_opens_a_report_in_which_nothing_ran() {
    let Some(mut python) = client("python3", "--version") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.prof");
    memprof::Scope::new("empty").report().write(&path).unwrap();

    let script = "import pstats, sys; pstats.Stats(sys.argv[1]).print_stats()";
    let stdout = said(python.args(["-c", script]).arg(path));
    assert!(stdout.contains("0 function calls"), "{stdout}");
}

/// The rows and the calls that `SnakeViz` shows for a file.
fn snakeviz(path: &Path) -> Option<(String, String)> {
    let mut snakeviz = client("snakeviz", "--version")?;
    // A port that is free now, and probably still is when the program starts.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let address = free.unwrap();
    let command = snakeviz.args(["-s", "-p", &address.port().to_string()]);
    let mut server = command.arg(path).stdout(Stdio::piped()).spawn().unwrap();
    let stdout = BufReader::new(server.stdout.take().unwrap());
    let mut started = stdout.lines().map_while(Result::ok);
    let url = started.nth(1).unwrap();
    let (_, path) = url.split_once(&address.to_string()).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    server.kill().unwrap();
    server.wait().unwrap();

    let data = |name: &str| {
        let mut rows = page.lines().map(str::trim);
        let found = rows.find_map(|row| row.strip_prefix(name));
        found.unwrap_or_else(|| panic!("{page}")).to_owned()
    };
    Some((data("var table_data = "), data("var stats = ")))
}

#[test]
fn snakeviz_shows_the_same_calls() {
    let mut program = Program::new(|| std::mem::forget(keeps(4)));
    let (_folder, path) = program.report_as("report.prof");
    let Some((rows, calls)) = snakeviz(&path) else {
        return;
    };

    let mut makes = rows.split("], [[");
    let makes = makes.find(|row| row.contains("(report::clients::makes)"));
    assert!(makes.unwrap().starts_with("'4', 4],"), "{rows}");
    let mut keeps = rows.split("], [[");
    let keeps = keeps.find(|row| row.contains("(report::clients::keeps)"));
    assert!(keeps.unwrap().contains("'1', 1],"), "{rows}");
    let (_, callees) = calls
        .split_once("(report::clients::keeps)': {'children': {")
        .unwrap();
    let (callees, _) = callees.split_once('}').unwrap();
    assert!(
        callees.contains("(report::clients::makes)': [4, 4, "),
        "{calls}"
    );
}

#[tokio::test]
async fn snakeviz_opens_the_profile_of_a_request() {
    let folder = tempfile::tempdir().unwrap();
    let layer = ProfilerLayer::new().silent().profile_dir(folder.path());
    let service = service_fn(|_: Request<()>| async {
        drop(keeps(3));
        Ok::<_, Infallible>(Response::new(Empty::<&[u8]>::new()))
    });
    let request = Request::get("/1/update").body(()).unwrap();
    layer.layer(service).oneshot(request).await.unwrap();
    layer.flush();
    let file = fs::read_dir(folder.path()).unwrap().next().unwrap();
    let Some((rows, _)) = snakeviz(&file.unwrap().path()) else {
        return;
    };

    let mut makes = rows.split("], [[");
    let makes = makes.find(|row| row.contains("(report::clients::makes)"));
    assert!(makes.unwrap().starts_with("'3', 3],"), "{rows}");
}

#[test]
fn gprof2dot_draws_who_called_whom() {
    let Some(mut gprof2dot) = client("gprof2dot", "--help") else {
        return;
    };
    let mut program = Program::new(|| std::mem::forget(keeps(4)));
    let (_folder, path) = program.report_as("report.prof");

    // Show all functions, however little time they took.
    let arguments = ["--format=pstats", "--node-thres=0", "--edge-thres=0"];
    let stdout = said(gprof2dot.args(arguments).arg(path));
    assert!(stdout.contains("report::clients::makes\\n"), "{stdout}");
    let mut edges = stdout.lines().filter(|row| row.contains(" -> "));
    assert!(edges.any(|edge| edge.contains("4×")), "{stdout}");
}

/// The output of `go tool pprof` for a file; `None` if Go isn't installed.
fn pprof(arguments: &[&str], path: &Path) -> Option<String> {
    let mut go = client("go", "version")?;
    let pprof = go.args(["tool", "pprof", "-unit=B"]).args(arguments);
    Some(said(pprof.arg(path)))
}

/// The first number in the first row that contains `words`.
fn number<'a>(words: &str, text: &'a str) -> &'a str {
    let mut rows = text.lines().filter(|row| row.contains(words));
    let row = rows.next().unwrap_or_else(|| panic!("{text}"));
    row.split_whitespace().next().unwrap()
}

#[test]
fn gos_pprof_has_the_same_lines() {
    let mut program = Program::new(|| std::mem::forget(keeps(4)));
    let (folder, json) = program.report_as("report.json");
    let path = folder.path().join("report.pb.gz");
    let report = Report::read(json).unwrap();
    report.write(&path).unwrap();
    let [kept, at_once] = ["// kept", "// at once"].map(|source| line(&report, "makes", source));

    let top = |index: &str| {
        let index = format!("-sample_index={index}");
        pprof(&["-top", "-lines", &index], &path)
    };
    let Some(in_use) = top("inuse_space") else {
        return;
    };
    let place = format!("clients.rs:{}", kept.number);
    assert_eq!(number(&place, &in_use), "100B");
    let allocated = top("alloc_space").unwrap();
    let place = format!("clients.rs:{}", at_once.number);
    assert_eq!(number(&place, &allocated), "10000B");
    let time = pprof(&["-top", "-unit=ns", "-sample_index=time"], &path).unwrap();
    let keeps = report
        .functions
        .iter()
        .find(|function| function.path == "report::clients::keeps");
    let own = keeps.unwrap().own_elapsed.as_nanos();
    assert_eq!(number("report::clients::keeps", &time), format!("{own}ns"));
    // pprof uses the requested unit for objects, too.
    assert_eq!(number(&place, &top("temporary_objects").unwrap()), "4B");
}

#[test]
fn gos_pprof_lists_the_source() {
    let mut program = Program::new(|| std::mem::forget(keeps(4)));
    let (_folder, path) = program.report_as("report.pb.gz");

    let source = concat!("-source_path=", env!("CARGO_MANIFEST_DIR"), "/..");
    let arguments = [
        "-list=report::clients::makes",
        "-sample_index=inuse_space",
        source,
    ];
    let Some(listed) = pprof(&arguments, &path) else {
        return;
    };
    assert_eq!(number("block(10 * size) // kept", &listed), "100B");
    assert_eq!(number("drop(block(1000 * size));", &listed), ".");
}

#[test]
fn gos_pprof_takes_one_report_from_another() {
    let mut program = Program::new(|| {
        std::mem::forget(keeps(1));
        let folder = std::env::var("FOLDER").unwrap();
        let before = Path::new(&folder).join("before.pb.gz");
        memprof::report().write(before).unwrap();
        std::mem::forget(keeps(4));
    });
    let folder = tempfile::tempdir().unwrap();
    let after = folder.path().join("after.pb.gz");
    program
        .env("FOLDER", folder.path())
        .env("MEMPROF_OUTPUT", &after)
        .stdout();

    let base = format!("-base={}", folder.path().join("before.pb.gz").display());
    let arguments = ["-top", "-sample_index=inuse_space", &base];
    let Some(grown) = pprof(&arguments, &after) else {
        return;
    };
    assert_eq!(number("report::clients::makes", &grown), "100B");
}

#[test]
fn gos_pprof_shows_what_was_freed_in_a_difference() {
    let mut program = Program::new(|| {
        let kept = keeps(4);
        let before = memprof::report();
        drop(kept);
        let path = std::env::var("DIFFERENCE").unwrap();
        memprof::report().since(&before).write(path).unwrap();
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("difference.pb.gz");
    program.env("DIFFERENCE", &path).stdout();

    let Some(freed) = pprof(&["-top", "-sample_index=inuse_space"], &path) else {
        return;
    };
    assert_eq!(number("report::clients::makes", &freed), "-100B");
}

#[test]
fn inferno_draws_the_stacks_with_their_bytes() {
    let mut program = Program::new(|| std::mem::forget(keeps(4)));
    let (_folder, path) = program.report_as("report.folded");

    let text = fs::read_to_string(path).unwrap();
    let mut options = inferno::flamegraph::Options::default();
    options.count_name = "bytes".to_owned();
    let mut drawn = Vec::new();
    inferno::flamegraph::from_lines(&mut options, text.lines(), &mut drawn).unwrap();
    let drawn = String::from_utf8(drawn).unwrap();
    let titles = drawn
        .split("<title>")
        .filter(|title| title.starts_with("report::clients::makes"));
    let bytes: Vec<_> = titles
        .map(|title| title.split(['(', ' ', ',']).nth(2).unwrap())
        .collect();
    assert_eq!(bytes, ["10", "100"], "{drawn}");
}
