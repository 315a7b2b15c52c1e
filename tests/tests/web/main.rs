//! The layers around a web service.

mod profiler;
mod query_profiler;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
