use memprof::memprofile;

#[memprofile(precison = 4)]
fn answer() -> u32 {
    42
}

fn main() {
    answer();
}
