use memprof::memprofile;

#[memprofile(hits = "on")]
fn profiled() {}

fn main() {
    profiled();
}
