use memprof::memprofile;

#[memprofile]
mod answers {
    pub fn answer() -> u32 {
        42
    }
}

fn main() {
    answers::answer();
}
