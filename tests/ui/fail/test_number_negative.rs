#[memprof::test(max_allocation_count = -1)]
fn test() {}

fn main() {}
