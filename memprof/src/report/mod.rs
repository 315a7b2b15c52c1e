//! Reports: which line allocated what, and what of that is still alive; and the formats that
//! they are written in.
//!
//! [`report`](crate::report()) and [`Scope::report`](crate::Scope::report) make one.
// A report becomes bytes here, in a file for each format. No state of threads is read.

#[cfg(feature = "export")]
mod csv;
#[cfg(feature = "export")]
mod file;
#[cfg(feature = "export")]
mod folded;
#[cfg(feature = "export")]
mod format;
#[cfg(feature = "export")]
mod json;
#[cfg(feature = "export")]
mod markdown;
#[cfg(feature = "export")]
pub(crate) mod page;
#[cfg(feature = "export")]
mod pprof;
#[cfg(feature = "export")]
mod pstats;
#[cfg(feature = "export")]
mod quantity;
#[cfg(feature = "export")]
mod speedscope;
#[cfg(feature = "export")]
mod stacks;

#[cfg(feature = "export")]
pub use file::FileError;
#[cfg(feature = "export")]
pub use format::{Format, UnknownFormat};
#[cfg(feature = "export")]
pub(crate) use markdown::code;
#[cfg(feature = "web")]
pub(crate) use pprof::{Sheet, write_on as write_pprof};
#[cfg(feature = "export")]
pub use quantity::Quantity;

pub use crate::model::report::{
    Allocations, CallNode, CallNodeLine, CallSite, FunctionReport, LineExecution, LineReport,
    Report,
};
