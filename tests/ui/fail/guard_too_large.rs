use memprof::memprofile;

#[memprofile(max_peak_bytes = "18446744073709551616 B")]
fn answer() -> u32 {
    42
}

fn main() {
    answer();
}
