//! The program `memprof`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cargo_memprof::memprof()
}
