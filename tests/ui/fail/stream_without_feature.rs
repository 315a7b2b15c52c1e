use memprof::memprofile;

#[memprofile(stream = "tracing")]
fn answer() -> u32 {
    42
}

#[memprofile(stream = "log")]
fn other() -> u32 {
    43
}

fn main() {
    answer();
    other();
}
