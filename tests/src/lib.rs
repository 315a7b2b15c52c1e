//! What the tests share: a program to profile, and the tables it printed.
//!
//! The numbers of a table are read back from the text that a user would see. A
//! test that wants to see them runs its program in a process of its own, by
//! [`run`], which is the same test binary once more.

mod program;
mod table;

pub use program::{Program, run};
pub use table::{Row, Table};
