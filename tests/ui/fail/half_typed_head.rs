use memprof::memprofile;

#[memprofile]
fn answer(number: u32, ) -> {
    number
}

fn main() {}
