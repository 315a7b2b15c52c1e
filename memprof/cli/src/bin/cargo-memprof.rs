//! The program `cargo-memprof`, which cargo calls for `cargo memprof`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cargo_memprof::cargo_memprof()
}
