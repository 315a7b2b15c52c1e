//! The manual of memprof, in chapters.
//!
// Of a link that is defined twice, the first definition holds: rustdoc takes those of `links.md`,
// and a chapter that is read as a file has its own at its end.
#![doc = include_str!("links.md")]
#![doc = include_str!("contents.md")]
// The chapters' programs run as doc tests. Several need features, so the module exists only with
// all of these.

#[doc = include_str!("links.md")]
#[doc = include_str!("whole_program.md")]
pub mod whole_program {}

#[doc = include_str!("links.md")]
#[doc = include_str!("tables.md")]
pub mod tables {}

#[doc = include_str!("links.md")]
#[doc = include_str!("asynchronous.md")]
pub mod asynchronous {}

#[doc = include_str!("links.md")]
#[doc = include_str!("scopes.md")]
pub mod scopes {}

#[doc = include_str!("links.md")]
#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("links.md")]
#[doc = include_str!("leaks.md")]
pub mod leaks {}

#[doc = include_str!("links.md")]
#[doc = include_str!("reports.md")]
pub mod reports {}

#[doc = include_str!("links.md")]
#[doc = include_str!("command.md")]
pub mod command {}

#[doc = include_str!("links.md")]
#[doc = include_str!("timeline.md")]
pub mod timeline {}

#[doc = include_str!("links.md")]
#[doc = include_str!("web.md")]
pub mod web {}

#[doc = include_str!("links.md")]
#[doc = include_str!("toolbar.md")]
pub mod toolbar {}

#[doc = include_str!("links.md")]
#[doc = include_str!("endpoints.md")]
pub mod endpoints {}

#[doc = include_str!("links.md")]
#[doc = include_str!("what_is_counted.md")]
pub mod what_is_counted {}

#[doc = include_str!("links.md")]
#[doc = include_str!("overhead.md")]
pub mod overhead {}

#[doc = include_str!("links.md")]
#[doc = include_str!("environment.md")]
pub mod environment {}
