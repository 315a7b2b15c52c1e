//! The only module that generated code names. Not public API: it changes with every release.

pub use crate::check::budget::limit::{BudgetQuantity, Comparison, Limit, NO_ALLOC, NO_LEAK};
pub use crate::check::budget::test::BudgetTest;
pub use crate::check::budget::{Budgeted, Spent, check, within};
pub use crate::check::guard::call::{Guarded, GuardedTask, guard, guard_task};
pub use crate::check::guard::{Guard, OnExceed};
pub use crate::count::alloc::StaticAlloc;
pub use crate::model::column::Column;
pub use crate::model::options::{Options, Print, Rss, Stream};
pub use crate::model::site::Site;
pub use crate::runtime::probe::{
    AtExit, BackAtExit, Frame, TaskAtExit, TaskBackAtExit, enter, enter_closure, task_at,
    task_at_exit, task_back_at_exit,
};
pub use crate::runtime::task::{Task, block, never, task};
pub use core::any::type_name;
pub use core::cfg;
pub use core::future::Future;
pub use core::option::Option::{None, Some};
