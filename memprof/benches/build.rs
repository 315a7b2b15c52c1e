//! Passes the compiler's version to the benchmark.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let version = env::var_os("RUSTC")
        .and_then(|rustc| Command::new(rustc).arg("--version").output().ok())
        .and_then(|output| String::from_utf8(output.stdout).ok());
    let version = version.as_deref().map_or("", str::trim);
    println!("cargo::rustc-env=RUSTC_VERSION={version}");
}
