//! The claims of `ownership`, with the owners of blocks aside.

#[path = "../ownership.rs"]
mod ownership;
