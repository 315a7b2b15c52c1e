use memprof::memprofile;

#[memprofile(print = always)]
fn answer() -> u32 {
    42
}

fn main() {
    answer();
}
