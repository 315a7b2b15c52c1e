use memprof::memprofile;

#[memprofile]
type Answer = u32;

fn main() {
    let _: Answer = 42;
}
