use memprof::memprofile;

#[memprofile]
pub(crate) static ANSWER: u32 = 42;

fn main() {
    let _ = ANSWER;
}
