use memprof::memprofile;

struct Answer(u32);

#[memprofile]
impl Answer {
    fn get(&self) -> u32 {
        self.0
    }
}

fn main() {
    Answer(42).get();
}
