use memprof::memprofile;

struct Thing(u8);

#[memprofile]
impl Thing {
    #[memprofile(accessors = true)]
    fn number(&self) -> u8 {
        self.0
    }
}

fn main() {
    Thing(1).number();
}
