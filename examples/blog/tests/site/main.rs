//! What visitors of the blog see, over real sockets, on each database at hand.
//!
//! `SQLite` always is; `MySQL` is when `BLOG_TEST_MYSQL` holds the URL of a
//! server, such as `mysql://root@localhost/?socket=/run/mysqld.sock`, on which
//! databases may be created and dropped.

mod auth;
mod blog;
mod protocol;
mod support;
