use memprof::memprofile;

#[memprofile]
struct Answer(u32);

fn main() {
    let Answer(_) = Answer(42);
}
