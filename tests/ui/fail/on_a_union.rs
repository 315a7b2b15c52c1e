use memprof::memprofile;

#[memprofile]
union Answer {
    number: u32,
}

fn main() {
    let _ = Answer { number: 42 };
}
