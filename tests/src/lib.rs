//! What the tests share: a program to profile, and the tables it printed; an
//! allocator that watches the one around it; threads and processes as C makes them.
//!
//! The numbers of a table are read back from the text that a user would see. A
//! test that wants to see them runs its program in a process of its own, by
//! [`run`], which is the same test binary once more.

mod allocator;
#[cfg(unix)]
mod c;
mod code;
pub mod doc_tests;
mod made;
mod program;
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
pub use strict::{Fault, Strict};
pub use table::{Row, Table};
