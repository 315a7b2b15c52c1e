//! The tests of `scopes`, with the tags of blocks aside (in side tables).

#[path = "../../scope/scopes.rs"]
mod scopes;
