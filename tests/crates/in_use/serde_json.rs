//! How long a document takes to parse and to print, in nanoseconds, each the shortest of
//! many times.

use std::hint::black_box;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

fn main() -> Result<(), serde_json::Error> {
    let text = document();
    let value: serde_json::Value = serde_json::from_str(&text)?;
    let parse = shortest(|| serde_json::from_str::<serde_json::Value>(&text));
    let print = shortest(|| serde_json::to_string(&value));
    println!("{} {}", parse.as_nanos(), print.as_nanos());
    Ok(())
}

fn document() -> String {
    let record = |id: usize| {
        format!(
            r#"{{"id":{id},"name":"user number {id}","tags":["a","bb","ccc\n"],"score":{id}.5,
                "nested":{{"x":[1,2,3,4,5,{id}],"y":null,"z":true}}}}"#
        )
    };
    let records: Vec<String> = (0..2000).map(record).collect();
    format!("[{}]", records.join(","))
}

fn shortest<T>(act: impl Fn() -> T) -> Duration {
    let times = (0..40).map(|_| {
        let start = Instant::now();
        black_box(act());
        start.elapsed()
    });
    times.min().unwrap_or_default()
}
