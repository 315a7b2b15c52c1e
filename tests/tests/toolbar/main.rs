//! The debug toolbar: every request has its panels, nobody's answer suffers, and nothing
//! gets out that shouldn't.

mod answers;
mod harm;
mod panels;
mod secrets;
mod site;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
