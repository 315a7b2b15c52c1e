use memprof::memprofile;

#[memprofile(precision = 4, stream = "stderr", precision = 2)]
fn answer() -> u32 {
    42
}

fn main() {
    answer();
}
