#[memprof::test(max_peak_bytes = 0, ignore = "app::log")]
fn test() {}

fn main() {}
