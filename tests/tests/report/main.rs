//! Reports in files, for other programs, and on a socket.

mod clients;
mod errors;
mod files;
mod hits;
mod listening;
mod sampling;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
