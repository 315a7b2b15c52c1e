use memprof::memprofile;

#[memprofile(crate = "memprof")]
fn answer() -> u32 {
    42
}

fn main() {
    answer();
}
