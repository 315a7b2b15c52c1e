#[memprof::test(max_net = 0)]
fn test(number: u32) {
    let _ = number;
}

fn main() {}
