use memprof::memprofile;

#[memprofile(rss = "sometimes")]
fn profiled() {}

fn main() {
    profiled();
}
