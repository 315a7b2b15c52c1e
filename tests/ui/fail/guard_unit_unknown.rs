use memprof::memprofile;

#[memprofile(max_peak_bytes = "1 MiBs")]
fn answer() -> u32 {
    42
}

fn main() {
    answer();
}
