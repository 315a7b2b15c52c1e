//! The operating system and the machine.
//!
//! A module here knows no type of a layer above. Its callers exclude what it allocates from the
//! program's numbers.

pub(crate) mod clock;
pub(crate) mod fork_lock;
#[cfg(feature = "export")]
pub(crate) mod identity;
pub(crate) mod leak;
#[cfg(feature = "export")]
pub(crate) mod library_copies;
pub(crate) mod os;
pub(crate) mod output;
#[cfg(feature = "export")]
pub(crate) mod process_number;
#[cfg(any(feature = "export", feature = "timeline"))]
pub(crate) mod read_file;
#[cfg(any(feature = "export", feature = "timeline"))]
pub(crate) mod replace_file;
pub(crate) mod rss;
#[cfg(all(feature = "export", target_os = "linux"))]
pub(crate) mod signals;
pub(crate) mod stack_switch;
pub(crate) mod sync;
