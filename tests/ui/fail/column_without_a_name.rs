use memprof::memprofile;

#[memprofile(columns = "hits,,net")]
fn answer() -> u32 {
    42
}

fn main() {
    answer();
}
