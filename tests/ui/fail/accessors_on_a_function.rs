use memprof::memprofile;

#[memprofile(accessors = true)]
fn profiled() {}

fn main() {
    profiled();
}
