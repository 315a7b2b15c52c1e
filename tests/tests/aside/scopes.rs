//! The claims of `scopes`, with the owners of blocks aside.

#[path = "../scopes.rs"]
mod scopes;
