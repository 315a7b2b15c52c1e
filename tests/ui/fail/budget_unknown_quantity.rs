fn main() {
    memprof::assert_alloc!(net_byte == 0, { String::new() });
}
