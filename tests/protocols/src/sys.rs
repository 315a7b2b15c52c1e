//! The library's files that ask the system.

#[path = "../../../memprof/src/sys/fork_lock.rs"]
pub(crate) mod fork_lock;
#[path = "../../../memprof/src/sys/leak.rs"]
pub(crate) mod leak;
#[path = "../../../memprof/src/sys/sync.rs"]
pub(crate) mod sync;

/// Stubs: a model calls the fork handlers itself, and has no side tables.
pub(crate) mod os {
    use std::ptr::NonNull;

    pub(crate) fn map_zeroes(_size: usize) -> Option<NonNull<u8>> {
        None
    }

    pub(crate) fn thread_id() -> usize {
        0
    }

    pub(crate) fn around_forks(
        _before: unsafe extern "C" fn(),
        _in_parent: unsafe extern "C" fn(),
        _in_child: unsafe extern "C" fn(),
    ) {
    }
}
