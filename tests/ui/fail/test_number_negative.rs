#[memprof::test(max_allocations = -1)]
fn test() {}

fn main() {}
