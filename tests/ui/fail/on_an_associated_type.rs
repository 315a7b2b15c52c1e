use memprof::memprofile;

trait Question {
    #[memprofile]
    type Answer;
}

impl Question for () {
    type Answer = u32;
}

fn main() {
    let _: <() as Question>::Answer = 42;
}
