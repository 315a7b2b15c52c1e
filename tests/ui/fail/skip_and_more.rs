use memprof::memprofile;

struct Thing;

#[memprofile]
impl Thing {
    #[memprofile(skip, print = "exit")]
    fn first(&self) {}

    #[memprofile(precision = 4, skip)]
    fn second(&self) {}
}

fn main() {
    Thing.first();
    Thing.second();
}
