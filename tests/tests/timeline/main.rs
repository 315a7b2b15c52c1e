//! Resident memory over time.

mod files;
mod sampling;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
