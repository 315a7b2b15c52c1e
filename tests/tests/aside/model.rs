//! The random programs of `model`, with the owners of blocks aside.

#[path = "../model.rs"]
mod model;
