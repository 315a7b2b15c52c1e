//! The random programs of `model`, with the tags of blocks aside (in side tables).

#[path = "../model.rs"]
mod model;
