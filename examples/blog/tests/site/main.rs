//! Visits the blog over real sockets, with each available database.
//!
//! `SQLite` is always available. `MySQL` is if `BLOG_TEST_MYSQL` is the URL of a server, such as
//! `mysql://root@localhost/?socket=/run/mysqld.sock`, on which the tests may create and drop
//! databases.

mod auth;
mod blog;
mod protocol;
mod support;
