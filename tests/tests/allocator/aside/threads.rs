//! The tests of `threads`, with the tags of blocks aside (in side tables).

#[path = "../threads.rs"]
mod threads;
