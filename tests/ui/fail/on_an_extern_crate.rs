use memprof::memprofile;

#[memprofile]
extern crate std as library;

fn main() {
    let _: library::vec::Vec<u8> = Vec::new();
}
