//! A compiler that has them asks for a feature, too.

use memprof::memprofile;

#[memprofile]
gen fn numbers() -> u8 {
    yield 1;
}

fn main() {}
