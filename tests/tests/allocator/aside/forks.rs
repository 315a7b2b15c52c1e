//! The tests of `forks`, with the tags of blocks aside (in side tables).

#[path = "../../platform/forks.rs"]
mod forks;
