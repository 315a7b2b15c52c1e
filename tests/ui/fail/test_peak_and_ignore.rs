#[memprof::test(max_peak = 0, ignore = "app::log")]
fn test() {}

fn main() {}
