async fn greet() -> String {
    String::from("hello")
}

async fn test() {
    memprof::assert_alloc!(net_bytes == 0, { greet().await });
}

fn main() {
    drop(test());
}
