use memprof::memprofile;

struct Thing(u8);

#[memprofile(accessors = "all")]
impl Thing {
    fn number(&self) -> u8 {
        self.0
    }
}

fn main() {
    Thing(1).number();
}
