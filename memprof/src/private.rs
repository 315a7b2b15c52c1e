//! The only thing that generated code names. Not for people: it changes with
//! every release.

pub use crate::column::Column;
pub use crate::config::{Options, Print};
pub use crate::output::Stream;
pub use crate::probe::{
    AtExit, BackAtExit, Frame, at, at_exit, back_at_exit, enter, enter_closure,
};
pub use crate::resident::Rss;
pub use crate::site::Site;
pub use crate::task::{Task, block, never, task};
pub use core::any::type_name;
pub use core::future::Future;
