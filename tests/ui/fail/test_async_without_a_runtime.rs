#[memprof::test(max_net_bytes = 0)]
async fn test() {}

fn main() {}
