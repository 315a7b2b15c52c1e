//! A scope: what one request did, whatever runs beside it.

use memprof::{Scope, ScopeExt, memprofile};

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

#[memprofile(print = "never")]
async fn handle(path: &str, seen: &mut Vec<String>) -> usize {
    let page = "<p>hello</p>".repeat(100);
    // Other requests run here.
    tokio::task::yield_now().await;
    seen.push(path.to_owned());
    page.len()
}

#[tokio::main]
async fn main() {
    let mut seen = Vec::with_capacity(10);
    let request = Scope::new("GET /1/update");

    handle("/1/update", &mut seen).with_scope(&request).await;

    let usage = request.usage();
    let report = request.report();
    println!("{}: allocated {} B", request.name(), usage.allocated_bytes);
    for line in &report.functions[0].lines {
        println!("{:>6} B alive   {}", line.own.live_bytes(), line.source);
    }
}
