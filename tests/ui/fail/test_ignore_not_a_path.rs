#[memprof::test(ignore = "app/log")]
fn test() {}

fn main() {}
