//! The building blocks of state on the counting path: atomics, statics and thread-locals.
//!
//! They are those of `std`. With `cfg(memprof_loom)`, which `tests/protocols` sets, they are those
//! of `loom`, a model checker, which runs the same code in every order that threads can interleave
//! in and with every value that the memory orderings allow to be read. `loom`'s types can't be
//! created in constants, so macros create what is a constant here.

#[cfg(not(memprof_loom))]
mod imp {
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicI64, AtomicPtr, AtomicU64, AtomicUsize, fence,
    };
    pub(crate) use std::sync::{Mutex, MutexGuard};
    pub(crate) use std::thread::yield_now;

    /// Waits a little for another thread, for the `tries`th time.
    pub(crate) fn wait(tries: u32) {
        const SHORT_TRIES: u32 = 100;
        if tries <= SHORT_TRIES {
            std::hint::spin_loop();
        } else {
            // The other thread may have been preempted in the middle of an update. Sleeping lets it
            // run; with more threads than processors, a yield would mostly just continue this
            // thread.
            std::thread::sleep(std::time::Duration::from_micros(50));
        }
    }

    /// A static.
    macro_rules! shared {
        ($(#[$attr:meta])* $vis:vis static $name:ident: $type:ty = $value:expr;) => {
            $(#[$attr])*
            $vis static $name: $type = $value;
        };
    }

    /// Thread-locals, const-initialised.
    macro_rules! locals {
        ($($(#[$attr:meta])* static $name:ident: $type:ty = $value:expr;)*) => {
            thread_local! { $($(#[$attr])* static $name: $type = const { $value };)* }
        };
    }

    /// A function that is `const`, except under the model checker.
    macro_rules! const_fn {
        ($(#[$attr:meta])* $vis:vis fn $name:ident($($args:tt)*) -> $type:ty $body:block) => {
            $(#[$attr])*
            $vis const fn $name($($args)*) -> $type $body
        };
    }

    /// An array in which each element is a new value of the same expression.
    macro_rules! each {
        ($value:expr; $count:expr) => {
            [const { $value }; $count]
        };
    }

    pub(crate) use {const_fn, each, locals, shared};
}

#[cfg(memprof_loom)]
mod imp {
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicI64, AtomicPtr, AtomicU64, AtomicUsize, fence,
    };
    pub(crate) use loom::sync::{Mutex, MutexGuard};
    use loom::thread::LocalKey;
    pub(crate) use loom::thread::yield_now;
    use std::cell::Cell;

    pub(crate) fn wait(_: u32) {
        yield_now();
    }

    // One for each run of a model, created at its first use.
    macro_rules! shared {
        ($(#[$attr:meta])* $vis:vis static $name:ident: $type:ty = $value:expr;) => {
            #[allow(non_camel_case_types)]
            $vis struct $name;

            impl std::ops::Deref for $name {
                type Target = $type;

                fn deref(&self) -> &$type {
                    static LAZY: loom::lazy_static::Lazy<$type> = loom::lazy_static::Lazy {
                        init: || $value,
                        _p: std::marker::PhantomData,
                    };
                    LAZY.get()
                }
            }
        };
    }

    macro_rules! locals {
        ($($(#[$attr:meta])* static $name:ident: $type:ty = $value:expr;)*) => {
            loom::thread_local! { $($(#[$attr])* static $name: $type = $value;)* }
        };
    }

    macro_rules! const_fn {
        ($(#[$attr:meta])* $vis:vis fn $name:ident($($args:tt)*) -> $type:ty $body:block) => {
            $(#[$attr])*
            $vis fn $name($($args)*) -> $type $body
        };
    }

    macro_rules! each {
        ($value:expr; $count:expr) => {
            std::array::from_fn::<_, { $count }, _>(|_| $value)
        };
    }

    pub(crate) use {const_fn, each, locals, shared};

    /// The methods that `std` has for cells in thread-locals.
    pub(crate) trait InCell<T> {
        fn set(&'static self, value: T);
        fn get(&'static self) -> T
        where
            T: Copy;
        fn take(&'static self) -> T
        where
            T: Default;
    }

    impl<T: 'static> InCell<T> for LocalKey<Cell<T>> {
        fn set(&'static self, value: T) {
            self.with(|cell| cell.set(value));
        }

        fn get(&'static self) -> T
        where
            T: Copy,
        {
            self.with(Cell::get)
        }

        fn take(&'static self) -> T
        where
            T: Default,
        {
            self.with(Cell::take)
        }
    }
}

pub(crate) use imp::*;
pub(crate) use std::sync::atomic::Ordering;
