//! The tests of `ownership`, with the tags of blocks aside (in side tables).

#[path = "../ownership.rs"]
mod ownership;
