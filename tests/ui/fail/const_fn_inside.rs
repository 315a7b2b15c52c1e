use memprof::memprofile;

struct Thing;

#[memprofile]
impl Thing {
    const fn is_left_alone() {}

    #[memprofile(print = "exit")]
    const fn is_asked_for() {}
}

const _: () = Thing::is_asked_for();

fn main() {
    Thing::is_left_alone();
}
