use memprof::memprofile;

macro_rules! answer {
    () => {
        fn answer() {}
    };
}

#[memprofile]
answer!();

fn main() {
    answer();
}
