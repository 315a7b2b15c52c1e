//! The only thing that generated code names. Not for people: it changes with
//! every release.

pub use crate::budget::{
    Budgeted, Comparison, Limit, NO_ALLOC, NO_LEAK, Quantity, Spent, check, within,
};
pub use crate::column::Column;
pub use crate::config::{Options, Print};
pub use crate::guard::{Guard, OnExceed};
pub use crate::guarded::{Guarded, GuardedTask, guard, guard_task};
pub use crate::output::Stream;
pub use crate::probe::{
    AtExit, BackAtExit, Frame, at, at_exit, back_at_exit, enter, enter_closure,
};
pub use crate::resident::Rss;
pub use crate::site::Site;
pub use crate::task::{Task, block, never, task};
pub use crate::trial::Trial;
pub use core::any::type_name;
pub use core::future::Future;
pub use core::option::Option::{None, Some};
