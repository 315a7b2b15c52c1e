use memprof::memprofile;

fn main() {
    let answer = #[memprofile]
    || 42;
    let _ = answer();
}
