//! Flaskr, a small blog, in Rust: users register, log in, and write posts that only they can edit
//! or delete.
//!
//! The blog is an example of a profiled application. [`memprof::memprofile`] is on two functions
//! of `posts.rs`, `get_post` and `update`, so opening `/1/update` prints a table for each.
//! Everything else is a plain web application:
//!
//! - `posts`: the blog's pages; `auth`: registering, logging in and out;
//! - `session`: the current user; `forms`: parsing forms; `pages` and `assets`: templates and the
//!   style sheet; `error`: error pages;
//! - [`app`]: the routes; [`database`]: `SQLite` or `MySQL`; [`server`] and [`demo`]: the commands;
//! - [`profiling`], `toolbar` and `debug`: memprof's layers and endpoints.
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
