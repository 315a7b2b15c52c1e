#[memprof::test(max_peek = 0)]
fn test() {}

fn main() {}
