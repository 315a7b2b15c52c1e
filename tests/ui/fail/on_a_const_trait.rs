//! A compiler that has them asks for a feature, too.

use memprof::memprofile;

#[memprofile]
const trait Named {
    fn name(&self) -> u8 {
        42
    }
}

fn main() {}
