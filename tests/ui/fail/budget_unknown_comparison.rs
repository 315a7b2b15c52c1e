fn main() {
    memprof::assert_alloc!(net_bytes != 0, { String::new() });
}
