//! The random programs of `model_peaks`, with the owners of blocks aside.

#[path = "../model_peaks.rs"]
mod model_peaks;
