//! The claims of `allocator`, with the owners of blocks aside.

#[path = "../allocator.rs"]
mod allocator;
