//! What a profiled function executes, and what happens when the process ends.
//!
//! Code that the attribute writes names this layer, through `__private`, and no other.

pub(crate) mod call;
pub(crate) mod entry;
pub(crate) mod exit;
pub(crate) mod frame;
#[cfg(all(feature = "export", unix))]
pub(crate) mod listen;
#[cfg(feature = "export")]
pub(crate) mod output_file;
pub(crate) mod probe;
#[cfg(feature = "export")]
pub(crate) mod report_writer;
pub(crate) mod rss_sampler;
pub(crate) mod settings;
pub(crate) mod summary;
pub(crate) mod table;
pub(crate) mod task;
