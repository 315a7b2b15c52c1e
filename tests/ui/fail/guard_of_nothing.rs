use memprof::memprofile;

#[memprofile(on_exceed = "panic")]
fn answer() -> u32 {
    42
}

fn main() {
    answer();
}
