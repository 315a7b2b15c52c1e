use memprof::memprofile;

#[memprofile(columns = "hits, size")]
fn answer() -> u32 {
    42
}

fn main() {
    answer();
}
