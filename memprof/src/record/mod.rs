//! What calls and lines add up to, over all threads.
//!
//! A module here may take locks. It prints nothing.

pub(crate) mod collect;
pub(crate) mod function_profile;
pub(crate) mod owned;
pub(crate) mod samples;
