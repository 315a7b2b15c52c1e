use memprof::memprofile;

#[memprofile(stream = "stdin")]
fn answer() -> u32 {
    42
}

fn main() {
    answer();
}
