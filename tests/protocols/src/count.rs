//! The library's files of the counting path, compiled with `loom`'s atomics.

#[path = "../../../memprof/src/count/line_counters.rs"]
pub(crate) mod line_counters;
#[path = "../../../memprof/src/count/peak.rs"]
pub(crate) mod peak;
#[path = "../../../memprof/src/count/registry.rs"]
pub(crate) mod registry;
#[path = "../../../memprof/src/count/tag.rs"]
pub(crate) mod tag;
#[path = "../../../memprof/src/count/this_thread.rs"]
pub(crate) mod this_thread;
#[path = "../../../memprof/src/count/thread_counters.rs"]
pub(crate) mod thread_counters;

/// A stub: a model has no exit at which something would be printed.
pub(crate) mod environment {
    pub(crate) fn notice_end() {}
}

/// A stub: no thread of a model is in a scope.
pub(crate) mod scope_counters {
    use crate::model::change::Change;

    pub(crate) fn add(_id: u32, _line: u32, _change: &Change) {}

    pub(crate) fn hit(_id: u32, _line: u32) {}
}
