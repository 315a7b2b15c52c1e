#[memprof::test(max_peak_bytes = "17179869184 GiB")]
fn test() {}

fn main() {}
