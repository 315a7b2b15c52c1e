//! What stands inside is right, and says so.

use memprof::memprofile;

struct Thing;

#[memprofile(precison = 4)]
impl Thing {
    #[memprofile(skip)]
    fn is_left_out(&self) {}

    #[cfg_attr(all(), inline, memprofile(skip,))]
    fn is_left_out_here(&self) {}

    #[memprofile(print = "never")]
    fn profiled(&self) {}
}

fn main() {
    Thing.is_left_out();
    Thing.is_left_out_here();
    Thing.profiled();
}
