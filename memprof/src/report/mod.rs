//! How a profile looks, and a report.
//!
//! Each file is a face: it reads what was recorded, and what was recorded doesn't know
//! it.

#[cfg(feature = "files")]
mod at_exit;
#[cfg(feature = "files")]
mod csv;
#[cfg(feature = "files")]
mod file;
#[cfg(feature = "files")]
mod folded;
#[cfg(feature = "files")]
mod format;
#[cfg(feature = "files")]
mod json;
#[cfg(all(feature = "files", unix))]
mod listen;
#[cfg(feature = "files")]
mod markdown;
#[cfg(feature = "files")]
pub(crate) mod page;
#[cfg(feature = "files")]
mod pprof;
#[cfg(feature = "files")]
mod pstats;
#[cfg(feature = "files")]
mod speedscope;
#[cfg(feature = "files")]
mod stacks;
mod table;
pub(crate) mod units;
mod words;
#[cfg(feature = "files")]
mod writer;

#[cfg(feature = "tower")]
pub(crate) use at_exit::has_source;
#[cfg(feature = "files")]
pub(crate) use at_exit::{prepare_output, write_output};
#[cfg(feature = "files")]
pub use file::FileError;
#[cfg(feature = "files")]
pub use format::{Format, Quantity};
#[cfg(all(feature = "files", unix))]
pub(crate) use listen::{prepare_socket, remove_socket};
#[cfg(feature = "files")]
pub(crate) use markdown::code;
#[cfg(feature = "tower")]
pub(crate) use pprof::{Sheet, write_on as write_pprof};
#[cfg(feature = "files")]
pub(crate) use writer::start_writer;

use crate::config::Settings;
use crate::heap::{self, HeapSource};
use crate::output;
use crate::owned::{OfFunction, Owned};
use crate::profile::FunctionProfile;
use crate::rss;

/// Prints the table of `profile`, in one piece, with what its lines own, and the function's
/// over all its calls, where that is known.
pub(crate) fn print(
    settings: &Settings,
    profile: &FunctionProfile,
    owned: Option<&[Owned]>,
    of_function: Option<&OfFunction>,
) {
    if profile.heap_source == HeapSource::Nobody {
        heap::say_nobody_counts();
    }
    output::write(
        settings.stream,
        &table::table(settings, profile, owned, of_function, rss::is_exact()),
    );
}
