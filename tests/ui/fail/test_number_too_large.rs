#[memprof::test(max_allocation_count = 18446744073709551616)]
fn test() {}

fn main() {}
