use memprof::memprofile;
use memprof::memprofile as prof;

#[memprofile(print = "exit")]
#[prof(precision = 4)]
fn answer() -> u32 {
    42
}

fn main() {
    answer();
}
