use memprof::memprofile;

unsafe extern "C" {
    #[memprofile]
    safe fn abs(number: i32) -> i32;
}

fn main() {
    abs(-1);
}
