#[memprof::test(max_allocation_count = "1 MiB")]
fn test() {}

fn main() {}
