use memprof::memprofile;

#[memprofile(precision = "four")]
fn answer() -> u32 {
    42
}

fn main() {
    answer();
}
