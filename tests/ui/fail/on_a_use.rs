use memprof::memprofile;

#[memprofile]
use std::vec::Vec as List;

fn main() {
    let _: List<u8> = List::new();
}
