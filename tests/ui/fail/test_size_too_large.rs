#[memprof::test(max_peak = "17179869184 GiB")]
fn test() {}

fn main() {}
