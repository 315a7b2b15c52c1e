use memprof::memprofile;

#[memprofile(print = "exit" precision = 4)]
fn answer() -> u32 {
    42
}

fn main() {
    answer();
}
