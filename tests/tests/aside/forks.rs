//! The claims of `forks`, with the owners of blocks aside.

#[path = "../forks.rs"]
mod forks;
