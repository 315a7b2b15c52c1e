#[memprof::test(max_net_bytes = "-1 B")]
fn test() {}

fn main() {}
