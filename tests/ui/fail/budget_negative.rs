fn main() {
    memprof::assert_alloc!(peak_bytes <= -1, { String::new() });
}
