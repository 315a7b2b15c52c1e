//! The claims of `threads`, with the owners of blocks aside.

#[path = "../threads.rs"]
mod threads;
