//! Budgets of tests and of functions, and baselines.

mod assertions;
mod baselines;
mod function_budgets;
mod parallel;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
