//! The library's files of the counting path, compiled with `loom`'s atomics.

#[path = "../../../memprof/src/count/call_stack.rs"]
pub(crate) mod call_stack;
#[path = "../../../memprof/src/count/current_line.rs"]
pub(crate) mod current_line;
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

/// Stubs: the functions of a model have paths from the start.
pub(crate) mod call_paths {
    use crate::model::site::Site;

    pub(crate) fn mixed(_function: usize, _caller: u32) -> u64 {
        0
    }

    pub(crate) fn number_of(_site: &Site, _caller: u32) -> u32 {
        0
    }
}

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
