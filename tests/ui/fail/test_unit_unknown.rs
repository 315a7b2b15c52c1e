#[memprof::test(max_peak = "1 MiBs")]
fn test() {}

fn main() {}
