//! `cargo memprof` on small projects: every line has its numbers, and the program does what it does
//! without us.

mod project;

use project::{Ended, Project, allocated};

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

fn assert_ran(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

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
    assert!(project.written("report.html").exists());
    assert_eq!(project.tree(), before);
}

/// A workspace with everything that a build can have.
fn workspace() -> Project {
    Project::new(&[
        (
            "Cargo.toml",
            "[workspace]\nmembers = [\"app\", \"shop\", \"macros\", \"old\"]\nresolver = \"3\"\n",
        ),
        ("README.md", "of the workspace\n"),
        (
            "shared/path_module.rs",
            "pub fn by_path() -> String { file!().repeat(100) } // by path\n",
        ),
        (
            "app/Cargo.toml",
            "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\n\
             shop = { path = \"../shop\" }\nmacros = { path = \"../macros\" }\nold = { path = \"../old\" }\n",
        ),
        (
            "app/build.rs",
            r#"fn main() {
    let out = std::env::var("OUT_DIR").unwrap();
    std::fs::write(format!("{out}/generated.rs"), "fn generated() -> u32 { line!() }").unwrap();
}
"#,
        ),
        (
            "app/src/main.rs",
            r##"#![forbid(unsafe_code)]
#![deny(warnings)]
//! The program.
#[path = "../../shared/path_module.rs"]
mod path_module;
mod inner;

#[global_allocator]
pub static ALLOC: shop::Counting = shop::Counting::new();

include!(concat!(env!("OUT_DIR"), "/generated.rs"));
include!("included.in");

#[derive(macros::Hello)]
struct Named;

macro_rules! make { ($name:ident) => { fn $name() -> Vec<u8> { vec![0; 10] } }; }
make!(made);

fn main() {
    println!("{} {} {} {}", file!(), line!(), column!(), module_path!());
    println!("{}", include_str!("../../README.md").trim());
    println!("{}", env!("CARGO_MANIFEST_DIR").ends_with("app"));
    println!("{} {} {}", generated(), included(), made().len());
    println!("{} {}", path_module::by_path(), inner::deep::here());
    println!("{} {}", Named.hello(), old::add(&|n| n + 1).len());
    println!("{}", shop::basket(3).len());
    let counted = ALLOC.count() > 0;
    println!("{counted}");
    std::panic::set_hook(Box::new(|info| println!("{}", info.location().unwrap())));
    let _ = std::panic::catch_unwind(|| { fails() });
    std::process::exit(7);
}
#[inline] fn fails() { let n: Option<u8> = None; n.unwrap(); }
"##,
        ),
        (
            "app/src/included.in",
            "fn included() -> &'static str { file!() }\n",
        ),
        ("app/src/inner.rs", "pub mod deep;\n"),
        (
            "app/src/inner/deep.rs",
            "pub fn here() -> String { [file!(), module_path!()].concat() } // deep\n",
        ),
        (
            "app/tests/integration.rs",
            "mod common;\n#[test]\nfn baskets_have_items() { assert_eq!(common::basket(), 2); }\n",
        ),
        (
            "app/tests/common/mod.rs",
            "pub fn basket() -> usize { shop::basket(2).len() }\n",
        ),
        (
            "shop/Cargo.toml",
            "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
        ),
        (
            "shop/src/lib.rs",
            r#"use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// ```
/// assert_eq!(shop::basket(1).len(), 1);
/// ```
pub fn basket(count: usize) -> Vec<String> {
    (0..count).map(|_| "item".repeat(25)).collect() // basket
}

pub struct Counting { count: AtomicUsize }
impl Counting {
    pub const fn new() -> Self { Self { count: AtomicUsize::new(0) } }
    pub fn count(&self) -> usize { self.count.load(Ordering::Relaxed) }
}
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.count.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) { unsafe { System.dealloc(block, layout) } }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_basket_has_its_items() { assert_eq!(super::basket(3).len(), 3); }
}
"#,
        ),
        (
            "macros/Cargo.toml",
            "[package]\nname = \"macros\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\nproc-macro = true\n",
        ),
        (
            "macros/src/lib.rs",
            r#"use proc_macro::TokenStream;
#[proc_macro_derive(Hello)]
pub fn hello(_: TokenStream) -> TokenStream {
    "impl Named { fn hello(&self) -> String { String::from(\"hello\") } }".parse().unwrap()
}
"#,
        ),
        (
            "old/Cargo.toml",
            "[package]\nname = \"old\"\nversion = \"0.1.0\"\nedition = \"2015\"\n",
        ),
        (
            "old/src/lib.rs",
            "pub fn add(f: &Fn(u8) -> u8) -> Vec<u8> {\n    let async = f(1);\n    vec![async; 700] // old\n}\n",
        ),
    ])
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
