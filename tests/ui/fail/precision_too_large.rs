use memprof::memprofile;

#[memprofile(precision = 21)]
fn answer() -> u32 {
    42
}

fn main() {
    answer();
}
