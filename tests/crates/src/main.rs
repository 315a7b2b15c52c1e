//! Adds the attribute to every function of published crates, and checks that the results of their
//! own tests don't change.
//!
//! ```text
//! cargo run --release --manifest-path tests/crates/Cargo.toml --target-dir target/crates -- [crate…]
//! ```
//!
//! Without a name, all crates in `CRATES` are tested; with `--short`, those that take only seconds.
//! Each crate is copied to the target folder, as published and with the attribute, and both copies
//! are built and tested: the same number of tests must pass and fail, and there must be no new
//! warnings. A third copy builds only if every function with the attribute is profiled. With
//! `--time`, build time, code size and run time are compared, too. Crates are fetched only once.

mod annotate;
mod cargo;

use annotate::{Functions, annotate};
use cargo::{Package, Tested};
use std::collections::BTreeSet;
use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

type Failure = Box<dyn Error>;

/// A crate whose published archive includes its tests.
struct PublishedCrate {
    name: &'static str,
    version: &'static str,
    /// The crate's features, as arguments of cargo.
    features: &'static [&'static str],
    /// Selects which of the crate's tests are run, as arguments of `cargo test`.
    tests: &'static [&'static str],
    /// Whether the crate is part of `--short`.
    is_quick: bool,
    /// A program that uses the crate, and prints how long that takes.
    program: Option<&'static str>,
}

const fn published(
    name: &'static str,
    version: &'static str,
    features: &'static [&'static str],
) -> PublishedCrate {
    PublishedCrate {
        name,
        version,
        features,
        tests: &["--lib", "--tests"],
        is_quick: false,
        program: None,
    }
}

const fn quick(published: PublishedCrate) -> PublishedCrate {
    PublishedCrate {
        is_quick: true,
        ..published
    }
}

const CRATES: [PublishedCrate; 15] = [
    // Small, with few dependencies.
    quick(published("semver", "1.0.28", &[])),
    // Containers, with much `unsafe`.
    quick(published("slab", "0.4.12", &[])),
    published("bytes", "1.12.2", &[]),
    published("hashbrown", "0.16.1", &[]),
    published("indexmap", "2.14.2", &[]),
    published("smallvec", "1.16.6", &[]),
    // Without the standard library.
    published("heapless", "0.9.3", &[]),
    published("regex-syntax", "0.8.12", &[]),
    // Closures and iterators.
    published("itertools", "0.14.0", &[]),
    // One of the integration tests needs a crate that the published manifest doesn't list.
    PublishedCrate {
        tests: &["--lib"],
        ..published("nom", "8.0.0", &[])
    },
    published("petgraph", "0.8.3", &[]),
    // Visitors, and numbers.
    published("http", "1.5.0", &[]),
    published("num-bigint", "0.4.8", &[]),
    PublishedCrate {
        program: Some(include_str!("../in_use/serde_json.rs")),
        ..published("serde_json", "1.0.154", &[])
    },
    // Asynchronous code. The two skipped tests depend on the size of futures, and a profiled
    // `async` block is larger than a plain one.
    PublishedCrate {
        tests: &[
            "--lib",
            "--tests",
            "--",
            "--skip=test_different_futures",
            "--skip=test_different_sizes",
        ],
        ..published("tokio-util", "0.7.20", &["--features=full"])
    },
];

/// The least number of functions with the attribute, over all crates.
const FUNCTION_COUNT: usize = 11_000;

fn main() -> Result<ExitCode, Failure> {
    let (options, names): (Vec<String>, Vec<String>) =
        env::args().skip(1).partition(|word| word.starts_with("--"));
    let has = |option: &str| options.iter().any(|given| given == option);
    // The program is `target/crates/release/memprof-crates`, so this is `target/crates`.
    let target = env::current_exe()?.canonicalize()?;
    let target = target.ancestors().nth(2).ok_or("no target folder")?;
    let sources = cargo::sources(&target.join("fetch"), &CRATES)?;

    let mut annotated_count = 0;
    let mut differing = Vec::new();
    for (published, source) in CRATES.iter().zip(&sources) {
        let is_chosen = match &names[..] {
            [] => published.is_quick || !has("--short"),
            names => names.iter().any(|name| name == published.name),
        };
        if is_chosen {
            match compare(published, source, target, has("--time")) {
                Ok(outcome) => {
                    annotated_count += outcome.annotated_count;
                    if !outcome.is_same {
                        differing.push(published.name);
                    }
                }
                Err(error) => {
                    println!("  {error}");
                    differing.push(published.name);
                }
            }
        }
    }
    println!("{annotated_count} functions annotated in all");
    let is_all = names.is_empty() && !has("--short");
    if is_all && annotated_count < FUNCTION_COUNT {
        println!("that is less than {FUNCTION_COUNT}");
        return Ok(ExitCode::FAILURE);
    }
    if differing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("with a difference: {}", differing.join(", "));
    Ok(ExitCode::FAILURE)
}

/// The result for one crate.
struct Outcome {
    annotated_count: usize,
    is_same: bool,
}

/// Builds and tests a crate without and with the attribute, and prints the comparison.
fn compare(
    published: &PublishedCrate,
    source: &Path,
    target: &Path,
    is_timed: bool,
) -> Result<Outcome, Failure> {
    let PublishedCrate { name, version, .. } = published;
    println!("{name} {version}");
    let build = target.join("build");
    let folder = target.join("copies").join(format!("{name}-{version}"));
    let copied =
        |kind: &str| Package::copied(source, folder.join(kind), &build, published.features);
    let plain = copied("plain")?;
    let before = plain.test(published.tests)?;
    if !before.is_built {
        return Err(format!("as published, it does not build:\n{}", before.said).into());
    }

    let marked = copied("annotated")?;
    fs::copy(plain.path("Cargo.lock"), marked.path("Cargo.lock"))?;
    let functions = annotate_all(&plain, &marked, &before.files, false)?;
    let after = marked.test(published.tests)?;

    println!("  functions: {}", functions_text(&functions));
    println!(
        "  tests: {} passed and {} failed; with the attribute {} and {}",
        before.passed, before.failed, after.passed, after.failed
    );
    let new_warnings = new_warnings(&before, &after);
    for warning in &new_warnings {
        println!("  new warning: {warning}");
    }
    let proved = copied("proved")?;
    fs::copy(plain.path("Cargo.lock"), proved.path("Cargo.lock"))?;
    annotate_all(&plain, &proved, &before.files, true)?;
    let proof = proved.build_tests(published.tests)?;
    if !proof.is_built {
        return Err(format!("some functions aren't profiled:\n{}", proof.said).into());
    }
    let is_same = after.is_built
        && (before.passed, before.failed) == (after.passed, after.failed)
        && new_warnings.is_empty();
    if !is_same {
        println!("  before:\n{}\n  after:\n{}", before.said, after.said);
    } else if is_timed {
        for (profile, is_release) in [("dev", false), ("release", true)] {
            let (before, after) = build_times(&plain, &marked, is_release)?;
            println!(
                "  {profile} build: {:.2} s; with the attribute {:.2} s, x {:.2}",
                before.as_secs_f64(),
                after.as_secs_f64(),
                after.as_secs_f64() / before.as_secs_f64()
            );
        }
        let (before, after) = (plain.text_bytes()?, marked.text_bytes()?);
        println!(
            "  code: {} KiB; with the attribute {} KiB, x {:.2}",
            before >> 10,
            after >> 10,
            after as f64 / before as f64
        );
        if let Some(program) = published.program {
            print_times_in_use(&plain, &marked, name, program)?;
        }
    }
    Ok(Outcome {
        annotated_count: functions.annotated,
        is_same,
    })
}

/// How a program with the attribute is run for its times, and with which variables.
const WAYS_OF_USE: [(&str, &[(&str, &str)]); 3] = [
    ("", &[]),
    (" and hits", &[("MEMPROF_HITS", "on")]),
    (" and MEMPROF=off", &[("MEMPROF", "off")]),
];

/// Adds the attribute to `files`, which are the files of a crate that the compiler reads.
fn annotate_all(
    plain: &Package<'_>,
    marked: &Package<'_>,
    files: &BTreeSet<PathBuf>,
    is_proof: bool,
) -> Result<Functions, Failure> {
    let mut functions = Functions::default();
    for file in files {
        let source = fs::read_to_string(file)?;
        match annotate(&source, is_proof, &mut functions) {
            Ok(annotated) => fs::write(marked.path(file.strip_prefix(plain.path(""))?), annotated)?,
            Err(error) => println!("  left as it is: {}: {error}", file.display()),
        }
    }
    Ok(functions)
}

fn functions_text(functions: &Functions) -> String {
    let left_out = functions.left_out.iter();
    let left_out: Vec<String> = left_out
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    let annotated = functions.annotated;
    match &left_out[..] {
        [] => format!("{annotated} annotated"),
        left_out => format!("{annotated} annotated; left out: {}", left_out.join(", ")),
    }
}

/// The warnings that occurred more often `after` than `before`.
fn new_warnings(before: &Tested, after: &Tested) -> Vec<String> {
    let is_new = |(warning, count): &(&String, &usize)| {
        **count > before.warnings.get(*warning).copied().unwrap_or(0)
    };
    let new = after.warnings.iter().filter(is_new);
    new.map(|(warning, _)| warning.clone()).collect()
}

/// Prints how long a program that uses the library takes without and with the attribute: for each
/// of its times, the shortest of several runs that alternate.
fn print_times_in_use(
    plain: &Package<'_>,
    marked: &Package<'_>,
    name: &str,
    program: &str,
) -> Result<(), Failure> {
    const ROUNDS: usize = 5;
    let shorter = |shortest: &mut Vec<f64>, times: Vec<f64>| {
        shortest.resize(times.len(), f64::INFINITY);
        for (shortest, time) in shortest.iter_mut().zip(times) {
            *shortest = shortest.min(time);
        }
    };
    let (mut before, mut after) = (Vec::new(), WAYS_OF_USE.map(|_| Vec::new()));
    for _ in 0..ROUNDS {
        shorter(&mut before, plain.times_in_use(name, program, &[])?);
        for ((_, variables), after) in WAYS_OF_USE.iter().zip(&mut after) {
            shorter(after, marked.times_in_use(name, program, variables)?);
        }
    }
    for ((how, _), after) in WAYS_OF_USE.iter().zip(&after) {
        for (before, after) in before.iter().zip(after) {
            println!(
                "  in use: {:.2} ms; with the attribute{how} {:.2} ms, x {:.2}",
                before / 1e6,
                after / 1e6,
                after / before
            );
        }
    }
    Ok(())
}

/// The build times of the library without and with the attribute, each the shortest of three.
fn build_times(
    plain: &Package<'_>,
    marked: &Package<'_>,
    is_release: bool,
) -> Result<(Duration, Duration), Failure> {
    let mut shortest = (Duration::MAX, Duration::MAX);
    // The first round also builds dependencies and isn't counted.
    for round in 0..4 {
        let before = plain.build_again(is_release)?;
        let after = marked.build_again(is_release)?;
        if round > 0 {
            shortest = (shortest.0.min(before), shortest.1.min(after));
        }
    }
    Ok(shortest)
}
