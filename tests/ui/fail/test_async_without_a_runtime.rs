#[memprof::test(max_net = 0)]
async fn test() {}

fn main() {}
