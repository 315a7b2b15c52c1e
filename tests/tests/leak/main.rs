//! Lines whose blocks stay alive.

mod epochs;
mod growth;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
