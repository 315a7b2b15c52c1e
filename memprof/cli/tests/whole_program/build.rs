//! What is built, and when: allocators, options, incremental builds, and what doesn't compile.

use crate::project::{Project, allocated, assert_ran};

/// Keeps one block in each of two functions.
const TWO: &str = r"
fn first() -> Vec<u8> {
    vec![1; 1000] // first
}

mod inner {
    pub fn second() -> Vec<u8> {
        vec![1; 2000] // second
    }
}

fn main() {
    std::mem::forget((first(), inner::second()));
}
";

#[test]
fn functions_are_chosen_by_their_paths() {
    let project = Project::program("chosen", TWO);

    assert_ran(&project.memprof(&[
        "run",
        "--functions",
        "^chosen::(first|inner)",
        "--exclude=first$",
    ]));
    let report = project.report();
    assert_eq!(allocated(&report, "// second").len(), 1);
    assert_eq!(report.functions.len(), 1);

    // Another choice is another build.
    let ended = project.memprof(&["run", "--print", "inner::second"]);
    assert_ran(&ended);
    assert!(ended.stdout.contains("Mem usage"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("        vec![1; 2000] // second"),
        "{}",
        ended.stdout
    );
    assert_eq!(allocated(&project.report(), "// first").len(), 1);
}

#[test]
fn only_what_has_changed_is_built_again() {
    let project = Project::program("changing", TWO);
    assert_ran(&project.memprof(&["run"]));

    let again = project.memprof(&["run"]);
    assert!(!again.stderr.contains("Compiling"), "{}", again.stderr);

    project.write("src/main.rs", &TWO.replace("1000", "1001"));
    let changed = project.memprof(&["run"]);
    assert!(
        changed.stderr.contains("Compiling changing"),
        "{}",
        changed.stderr
    );
    let expected = ("src/main.rs".to_owned(), 1001);
    assert_eq!(allocated(&project.report(), "// first"), [expected]);
}

#[test]
fn the_programs_own_allocator_is_counted_wherever_it_is() {
    const LIBRARY: &str = r"
use std::alloc::{GlobalAlloc, Layout, System};
pub struct Own;
unsafe impl GlobalAlloc for Own {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 { unsafe { System.alloc(layout) } }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) { unsafe { System.dealloc(block, layout) } }
}
";
    const STATIC: &str = "\n#[global_allocator] static ALLOC: PATH = PATH;\n";
    const PROGRAM: &str = "\nuse in_lib as _;\nfn main() { std::mem::forget(std::hint::black_box(vec![1_u8; 3000])); } // kept\n";
    let of = |path: &str| STATIC.replace("PATH", path);
    for (library, program) in [
        // In the library, which the program only links.
        (of("Own"), String::new()),
        // Under a condition that holds, and under one that doesn't.
        (
            String::new(),
            "#[cfg(not(miri))]".to_owned() + &of("in_lib::Own"),
        ),
        (
            String::new(),
            "#[cfg(miri)]".to_owned() + &of("in_lib::Own"),
        ),
        (String::new(), of("std::alloc::System")),
    ] {
        let project = Project::program("in_lib", &(PROGRAM.to_owned() + &program));
        project.write("src/lib.rs", &(LIBRARY.to_owned() + &library));

        assert_ran(&project.memprof(&["run"]));

        let expected = ("src/main.rs".to_owned(), 3000);
        assert_eq!(
            allocated(&project.report(), "// kept"),
            [expected],
            "{library} {program}"
        );
    }
}

#[test]
fn a_function_that_does_not_compile_with_lines_is_left_out_alone() {
    // The attribute's one exception: the type of the argument isn't named.
    let source = TWO.replace(
        "fn main() {",
        "#[allow(unused)]\nasync fn counts() -> impl Fn(&str) -> usize {\n    |text| text.len()\n}\n\nfn main() {",
    );
    let project = Project::program("partly", &source);

    let ended = project.memprof(&["run"]);

    assert_ran(&ended);
    assert_eq!(allocated(&project.report(), "// first").len(), 1);
    let warning = "warning: memprof: partly::counts in src/main.rs is compiled without line numbers of memory";
    assert_eq!(ended.stderr.matches(warning).count(), 1, "{}", ended.stderr);
}

#[test]
fn a_program_that_does_not_compile_gets_the_compilers_message() {
    let project = Project::program("broken", "fn main() {\n    let n: u8 = \"\";\n}\n");
    let plain = project.cargo(&["build", "--release"]);

    let ended = project.memprof(&["run"]);

    assert_eq!(ended.code, Some(101));
    let message = |text: &str| {
        let start = text.find("error[E0308]").unwrap();
        text[start..].to_owned()
    };
    assert_eq!(message(&ended.stderr), message(&plain.stderr));
}

#[test]
fn a_dependency_has_lines_if_it_is_chosen() {
    let manifest = "[package]\nname = \"distance\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n\
                    [dependencies]\nstrsim = \"0.11\"\n";
    let source = "fn main() { println!(\"{}\", strsim::levenshtein(\"abc\", \"abd\")); }\n";
    let project = Project::new(&[("Cargo.toml", manifest), ("src/main.rs", source)]);
    let is_of_strsim =
        |function: &memprof::report::FunctionReport| function.path.starts_with("strsim::");

    assert_ran(&project.memprof(&["run"]));
    assert!(!project.report().functions.iter().any(is_of_strsim));

    assert_ran(&project.memprof(&["run", "--deps", "strsim"]));
    let report = project.report();
    let functions = || {
        report
            .functions
            .iter()
            .filter(|function| is_of_strsim(function))
    };
    assert!(functions().any(|function| function.own().allocated_bytes > 0));
    assert!(functions().all(|function| function.file.contains("strsim-0.11")));
}
