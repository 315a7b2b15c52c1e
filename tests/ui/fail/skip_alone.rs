use memprof::memprofile;

#[memprofile(skip)]
fn profiled() {}

fn main() {
    profiled();
}
