//! The tests of `allocator`, with the tags of blocks aside (in side tables).

#[path = "../counts.rs"]
mod allocator;
