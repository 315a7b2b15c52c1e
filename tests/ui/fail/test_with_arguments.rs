#[memprof::test(max_net_bytes = 0)]
fn test(number: u32) {
    let _ = number;
}

fn main() {}
