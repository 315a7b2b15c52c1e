//! The random programs of `model_peaks`, with the tags of blocks aside (in side tables).

#[path = "../model_peaks.rs"]
mod model_peaks;
