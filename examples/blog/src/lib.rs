//! Flaskr, a small blog, in Rust: users register, log in, and write posts that
//! they alone may edit or delete.
//!
//! It is here to be profiled. [`memprof::memprofile`] stands on two functions
//! of `posts.rs`, `get_post` and `update`, so that opening `/1/update` prints a
//! table for each. Everything else is a plain web application:
//!
//! - `posts`: the blog's pages; `auth`: registering and logging in and out;
//! - `session`: who is asking; `forms`: what they sent; `pages` and `assets`:
//!   what they get; `error`: what they get instead;
//! - [`app`]: the routes; [`database`]: `SQLite` or `MySQL`; [`server`] and
//!   [`demo`]: the commands; [`profiling`] and `debug`: what is shown of memory.
#![forbid(unsafe_code)]

pub mod app;
mod assets;
mod auth;
pub mod database;
mod debug;
pub mod demo;
mod error;
mod failure;
mod forms;
mod pages;
mod posts;
pub mod profiling;
pub mod server;
mod session;
mod toolbar;

pub use crate::failure::Failure;
