//! Tasks on several runtimes, and coroutines.

mod coroutines;
mod runtimes;
mod tasks;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
