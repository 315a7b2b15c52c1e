use memprof::memprofile;

struct Numbers;

#[memprofile]
impl Numbers {
    gen fn all(&self) -> u8 {
        yield 1;
    }

    #[memprofile(skip)]
    async gen fn left_out(&self) -> u8 {
        yield 1;
    }

    fn none(&self) {}
}

fn main() {
    Numbers.none();
}
