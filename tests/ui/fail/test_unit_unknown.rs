#[memprof::test(max_peak_bytes = "1 MiBs")]
fn test() {}

fn main() {}
