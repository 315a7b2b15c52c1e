//! Checks: budgets, leak checks and baselines, which compare measured numbers with expectations.
//!
//! Unlike in the other modules, code here may panic: a failed assertion panics on the caller's
//! behalf.

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
