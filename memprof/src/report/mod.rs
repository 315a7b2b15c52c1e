//! Reports: what each line allocated, and what of that is still alive, and the file formats of
//! reports.
//!
//! [`report()`](crate::report()) takes a report of the process,
//! [`Scope::report`](crate::Scope::report) one of a scope.
// There is one file for each format. The code here only reads a `Report`, and no state of threads.

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
mod times;

#[cfg(feature = "export")]
pub use file::FileError;
#[cfg(feature = "export")]
pub use format::{Format, FormatError};
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
pub use crate::model::sampled_time::{SampledTime, Sampling};
pub use crate::model::source_line::SourceLine;
pub use crate::model::table::{CutShort, OwnedBlocks, Table, TableRow};
pub use times::Times;
