#[memprof::test(runs = 1, runs = 2)]
fn test() {}

fn main() {}
