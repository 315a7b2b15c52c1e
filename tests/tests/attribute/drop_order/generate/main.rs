//! Generates random functions, which `claims.rs` includes.
//!
//! This is the build script of each edition's package. It writes each function twice, without and
//! with the attribute; the test runs both and compares their logs. The functions are the same in
//! each build, unless others are requested:
//!
//! ```sh
//! DROPS_SEED=7 DROPS_COUNT=2000 cargo test -p memprof-tests-2021 -- whatever
//! ```
//!
//! The other editions are `-p memprof-tests-2018`, and `-p memprof-tests --test drops_2024`. A
//! failure names the function, which is in `plain.rs` in the package's `OUT_DIR`. A function
//! depends only on the seed and on its number, so a larger count adds functions.

mod closures;
mod control;
mod function;
mod loops;
mod matches;
mod random;
mod scope;
mod statements;
mod values;
mod write;

use function::Function;
use random::Random;
use std::path::Path;
use std::{env, fs};

const SEED: u64 = 1;

// Both copies of this many functions compile in about ten seconds.
const COUNT: u64 = 300;

fn main() {
    let chosen = |name: &str| {
        println!("cargo::rerun-if-env-changed={name}");
        let text = env::var(name).ok()?;
        Some(text.parse::<u64>().expect(name))
    };
    let seed = chosen("DROPS_SEED").unwrap_or(SEED);
    let count = chosen("DROPS_COUNT").unwrap_or(COUNT);
    let package = env::var("CARGO_PKG_NAME").unwrap();
    let has_let_chains = !package.ends_with("2018") && !package.ends_with("2021");

    let [mut functions, mut cases] = [String::new(), String::new()];
    for index in 0..count {
        let name = format!("f{index}");
        let mut random = Random::new(Random::new(seed << 32 | index).number());
        let Function { text, call } = Function::new(&name, &mut random, has_let_chains);
        functions = functions + &text + "\n\n";
        cases = cases + "    (\"" + &name + "\", || " + &call + "),\n";
    }
    let text = format!("{functions}pub(crate) const CASES: &[Case] = &[\n{cases}];\n");

    let directory = env::var("OUT_DIR").unwrap();
    let write = |file: &str, attribute: &str| {
        let path = Path::new(&directory).join(file);
        fs::write(path, text.replace('$', attribute)).unwrap();
    };
    write("plain.rs", "");
    write("profiled.rs", "#[memprof::memprofile(print = \"never\")]");
}
