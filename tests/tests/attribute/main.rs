//! The attribute on functions and items: its options, its lines and its tables.

mod accessors;
mod cut_short;
mod items;
mod line_attribution;
mod options;
mod resident_reads;
mod sinks;
mod table_output;
mod table_rows;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
