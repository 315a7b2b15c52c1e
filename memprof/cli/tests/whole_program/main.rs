//! `cargo memprof` on small projects: every line has its numbers, and the program does what it does
//! without us.

mod build;
mod process;
mod project;

use project::{Project, allocated, assert_ran};

/// A program that prints what `words` say, and keeps one block.
const KEEPS: &str = r#"
struct Cart {
    items: Vec<Vec<u8>>,
}

impl Cart {
    /// Adds a block.
    fn add(&mut self) {
        self.items.push(vec![1; 5000]); // added
    }
}

fn main() {
    let mut cart = Cart { items: Vec::with_capacity(1) };
    cart.add();
    println!("{} {:?}", cart.items.len(), std::env::args().skip(1).collect::<Vec<_>>());
    std::mem::forget(cart);
}
"#;

#[test]
fn a_program_that_nobody_edited_has_its_lines() {
    let project = Project::program("keeps", KEEPS);
    let before = project.tree();

    let ended = project.memprof(&["run", "--", "a", "--top"]);

    assert_ran(&ended);
    assert_eq!(ended.stdout, "1 [\"a\", \"--top\"]\n");
    let report = project.report();
    let expected = ("src/main.rs".to_owned(), 5000);
    assert_eq!(allocated(&report, "// added"), [expected]);
    // The source is the user's, and so are the lines.
    let function = report
        .functions
        .iter()
        .find(|function| function.path.ends_with("add"));
    let function = function.unwrap();
    assert_eq!(function.lines[0].source, "    fn add(&mut self) {");
    let line = &function.lines[1];
    assert_eq!(
        (line.number, &*line.source),
        (9, "        self.items.push(vec![1; 5000]); // added")
    );
    let row = ended.stderr.lines().find(|row| row.contains("// added"));
    assert!(
        row.is_some_and(|row| row.contains("5,000 B") && row.contains("src/main.rs:9")),
        "{}",
        ended.stderr
    );
    assert!(Project::written("report.html").exists());
    assert_eq!(project.tree(), before);
}

/// A workspace with everything that a build can have.
const WORKSPACE: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("workspace/Cargo.toml")),
    ("README.md", include_str!("workspace/README.md")),
    (
        "shared/path_module.rs",
        include_str!("workspace/shared/path_module.rs"),
    ),
    ("app/Cargo.toml", include_str!("workspace/app/Cargo.toml")),
    ("app/build.rs", include_str!("workspace/app/build.rs")),
    ("app/src/main.rs", include_str!("workspace/app/src/main.rs")),
    (
        "app/src/included.in",
        include_str!("workspace/app/src/included.in"),
    ),
    (
        "app/src/inner.rs",
        include_str!("workspace/app/src/inner.rs"),
    ),
    (
        "app/src/inner/deep.rs",
        include_str!("workspace/app/src/inner/deep.rs"),
    ),
    (
        "app/tests/integration.rs",
        include_str!("workspace/app/tests/integration.rs"),
    ),
    (
        "app/tests/common/mod.rs",
        include_str!("workspace/app/tests/common/mod.rs"),
    ),
    ("shop/Cargo.toml", include_str!("workspace/shop/Cargo.toml")),
    ("shop/src/lib.rs", include_str!("workspace/shop/src/lib.rs")),
    (
        "macros/Cargo.toml",
        include_str!("workspace/macros/Cargo.toml"),
    ),
    (
        "macros/src/lib.rs",
        include_str!("workspace/macros/src/lib.rs"),
    ),
    ("old/Cargo.toml", include_str!("workspace/old/Cargo.toml")),
    ("old/src/lib.rs", include_str!("workspace/old/src/lib.rs")),
];

fn workspace() -> Project {
    Project::new(WORKSPACE)
}

#[test]
fn tests_pass_as_they_do_without_us() {
    let project = workspace();

    let ended = project.memprof(&["test", "--workspace"]);

    assert_ran(&ended);
    let passed = ended.stdout.matches("test result: ok. 1 passed").count();
    assert_eq!(
        passed, 3,
        "a unit test, an integration test, a doc test: {}",
        ended.stdout
    );
    let row = ended.stderr.lines().find(|row| row.contains("// basket"));
    // Three items in the one test and two in the other.
    assert!(
        row.is_some_and(|row| row.contains("620 B")),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_workspace_does_what_it_does_without_us() {
    let project = workspace();
    let before = project.tree();
    let plain = project.cargo(&["run", "--release", "--quiet"]);

    let profiled = project.memprof(&["run"]);

    assert_eq!(profiled.code, Some(7), "{}", profiled.stderr);
    assert_eq!((profiled.code, profiled.stdout), (plain.code, plain.stdout));
    let report = project.report();
    for (end, file, bytes) in [
        ("// basket", "shop/src/lib.rs", 3 * 100 + 72),
        ("// by path", "app/src/../../shared/path_module.rs", 3500),
    ] {
        assert_eq!(
            allocated(&report, end),
            [(file.to_owned(), bytes)],
            "{}",
            profiled.stderr
        );
    }
    // The attribute can't read `async` as a name, so the function is one line.
    let old = ("old/src/lib.rs".to_owned(), 700);
    assert_eq!(
        allocated(&report, "-> Vec<u8> {"),
        [old],
        "{}",
        profiled.stderr
    );
    assert_eq!(allocated(&report, "// deep").len(), 1);
    assert_eq!(project.tree(), before);
}
