use memprof::memprofile;

#[memprofile(precision)]
fn answer() -> u32 {
    42
}

fn main() {
    answer();
}
