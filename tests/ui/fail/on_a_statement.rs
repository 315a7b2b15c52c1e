use memprof::memprofile;

fn main() {
    #[memprofile]
    let answer = 42;
    let _ = answer;
}
