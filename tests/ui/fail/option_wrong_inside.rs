use memprof::memprofile;

struct Thing;

#[memprofile(precision = 4)]
impl Thing {
    #[memprofile(colums = "hits")]
    fn profiled(&self) {}

    #[memprofile(precision = "many")]
    fn also(&self) {}
}

fn main() {
    Thing.profiled();
    Thing.also();
}
