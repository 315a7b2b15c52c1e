#[memprof::test(max_allocations = 18446744073709551616)]
fn test() {}

fn main() {}
