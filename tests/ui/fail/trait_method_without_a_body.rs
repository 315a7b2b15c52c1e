use memprof::memprofile;

trait Question {
    #[memprofile]
    fn answer(&self) -> u32;
}

impl Question for () {
    fn answer(&self) -> u32 {
        42
    }
}

fn main() {
    ().answer();
}
