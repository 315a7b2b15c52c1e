use memprof::memprofile;

#[memprofile]
const ANSWER: u32 = 42;

fn main() {
    let _ = ANSWER;
}
