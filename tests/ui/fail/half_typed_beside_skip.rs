use memprof::memprofile;

struct Thing;

#[memprofile]
impl Thing {
    fn has_a_dot(&self) -> &Self {
        self.
    }

    #[memprofile(skip)]
    fn is_left_out(&self) {}

    #[memprofile(print = "never")]
    fn profiled(&self) {}
}

fn main() {
    Thing.is_left_out();
    Thing.profiled();
}
