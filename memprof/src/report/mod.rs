//! How a profile looks, and a report.
//!
//! Each file is a face: it reads what was recorded, and what was recorded doesn't know
//! it.

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
pub use format::Format;
#[cfg(feature = "export")]
pub(crate) use markdown::code;
#[cfg(feature = "web")]
pub(crate) use pprof::{Sheet, write_on as write_pprof};
#[cfg(feature = "export")]
pub use quantity::Quantity;
