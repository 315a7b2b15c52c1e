use memprof::memprofile;

struct Answer {
    #[memprofile]
    number: u32,
}

fn main() {
    let answer = Answer { number: 42 };
    let _ = answer.number;
}
