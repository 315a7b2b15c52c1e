#[memprof::test(runs = 0)]
fn test() {}

fn main() {}
