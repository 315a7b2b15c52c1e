//! Has the files of the counting path take what threads share from `loom`.

fn main() {
    println!("cargo::rustc-cfg=memprof_loom");
    println!("cargo::rerun-if-changed=build.rs");
}
