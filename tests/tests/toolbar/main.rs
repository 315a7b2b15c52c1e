//! The debug toolbar: every request has its panels, responses don't change, and no secrets are
//! shown.

mod answers;
mod harm;
mod panels;
mod secrets;
mod site;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
