//! Numbers compared with what was expected of them.
//!
//! A module here may panic: an assertion that fails is what its caller asked for.

#[cfg(feature = "export")]
pub(crate) mod baseline;
pub(crate) mod budget;
#[cfg(feature = "criterion")]
pub(crate) mod criterion;
pub(crate) mod epochs;
pub(crate) mod growth;
pub(crate) mod guard;
pub(crate) mod leaks;
mod macros;
pub(crate) mod requirements;
