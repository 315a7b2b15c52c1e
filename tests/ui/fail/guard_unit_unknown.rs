use memprof::memprofile;

#[memprofile(max_peak = "1 MiBs")]
fn answer() -> u32 {
    42
}

fn main() {
    answer();
}
