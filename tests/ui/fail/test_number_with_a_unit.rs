#[memprof::test(max_allocations = "1 MiB")]
fn test() {}

fn main() {}
