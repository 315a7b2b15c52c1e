//! Plain data and its arithmetic.
//!
//! A module here has no mutable statics and does no I/O.

pub(crate) mod amount;
pub(crate) mod call_stack;
pub(crate) mod change;
pub(crate) mod column;
pub(crate) mod options;
pub(crate) mod printable;
pub(crate) mod report;
pub(crate) mod sampled_time;
pub(crate) mod site;
pub(crate) mod source_line;
pub(crate) mod table;
pub mod units;
pub(crate) mod usage;
