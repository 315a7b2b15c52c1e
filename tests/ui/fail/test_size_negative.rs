#[memprof::test(max_net = "-1 B")]
fn test() {}

fn main() {}
