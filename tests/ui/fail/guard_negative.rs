use memprof::memprofile;

#[memprofile(max_net_bytes = -1)]
fn answer() -> u32 {
    42
}

fn main() {
    answer();
}
