//! Test support: [`Program`] runs code in a child process, [`Table`] parses the tables that it
//! prints, [`Strict`] is an allocator that checks its caller, and the functions of `c` create
//! threads and processes through the C library.
//!
//! The numbers of a table are parsed from the text that a user sees. [`run`] executes a closure in
//! a child process, which is the same test binary, and returns the tables that it printed.

mod allocator;
#[cfg(unix)]
mod c;
mod code;
pub mod doc_tests;
mod made;
mod program;
mod running;
mod strict;
mod table;

pub use allocator::{over, system};
#[cfg(unix)]
pub use c::{
    alone, is_root, limit_files, limit_files_by_signal, make_pipe, on_a_c_thread,
    with_no_new_memory,
};
pub use code::{block, pause};
pub use made::{assert_law_3, assert_made, line, made, numbers};
pub use program::{Program, run};
pub use running::{Running, keep, say};
pub use strict::{Fault, Strict};
pub use table::{Row, Table};

/// The programs of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
