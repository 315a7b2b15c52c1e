use memprof::memprofile;

#[memprofile(max_net_bytes = 0, on_exceed = "abort")]
fn answer() -> u32 {
    42
}

fn main() {
    answer();
}
