use memprof::memprofile;

#[memprofile("never")]
fn answer() -> u32 {
    42
}

fn main() {
    answer();
}
