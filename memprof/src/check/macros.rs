//! The assertion macros for memory budgets.

/// Runs a block, checks what it did to the heap against limits, and returns the block's value.
///
/// A limit is a number of [`Usage`](crate::Usage), a comparison and a bound:
///
/// - `allocated_bytes`, `freed_bytes`, `net_bytes`, `peak_bytes`, `allocation_count`,
///   `deallocation_count` or `reallocation_count`;
/// - `==`, `<=`, `<`, `>=` or `>`;
/// - a `u64`, or an `i64` for `net_bytes`.
///
/// ```
/// #[global_allocator]
/// static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
///
/// # fn main() {
/// let sum: u64 = memprof::assert_alloc!(net_bytes == 0, peak_bytes <= 1 << 13, allocation_count <= 1, {
///     let squares: Vec<u64> = (0..1000).map(|n| n * n).collect();
///     squares.iter().sum()
/// });
///
/// assert_eq!(sum, 332_833_500);
/// # }
/// ```
///
/// # What is counted
///
/// Everything the calling thread does, exactly, and nothing that other threads do: tests that run
/// in parallel don't affect each other. Work that you hand to other threads or tasks counts if they
/// join the block's [`Scope`](crate::Scope), which is [`Scope::current`](crate::Scope::current)
/// inside the block, and leave it before the block ends.
///
/// `peak_bytes` is exact as long as no other thread joins. With other threads, it is an upper
/// bound, which messages mark "at most": their peak is added to the calling thread's, and the peaks
/// of threads that were in the scope at the same time are added up. With `n` threads that free what
/// they allocate, it is up to `n + 1` times too high, and more if one thread frees what another
/// allocated. It is never too low.
///
/// ```
/// # #[global_allocator]
/// # static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
/// # fn main() {
/// use memprof::Scope;
///
/// let kept = memprof::assert_alloc!(allocated_bytes >= 5000, {
///     let scope = Scope::current().expect("an assertion has one");
///     let thread = std::thread::spawn(move || scope.run(|| vec![1_u8; 5000]));
///     thread.join().expect("the thread doesn't panic")
/// });
/// # assert_eq!(kept.len(), 5000);
/// # }
/// ```
///
/// The block becomes a closure: `return` leaves the block only, and `.await` is a compile error;
/// use [`assert_alloc_async!`](crate::assert_alloc_async) for async code. Assertions can be nested
/// and used in profiled functions.
///
/// # Cost
///
/// Less than 0.1 µs around code that does nothing, 0.5 µs around code that allocates, and tens of
/// microseconds in an unoptimised build.
///
/// # Panics
///
/// If a limit is exceeded. The message has all limits, the measured numbers, and the lines of
/// profiled functions with the largest share, with their callers:
///
/// ```should_panic
/// # #[global_allocator]
/// # static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
/// # fn main() {
/// memprof::assert_alloc!(allocation_count <= 1, { vec![String::from("a"), String::from("b")] });
/// # }
/// ```
///
/// Also if the global allocator isn't a [`CountingAlloc`](crate::CountingAlloc), since there is
/// nothing to compare then. With the feature `off`, limits aren't checked.
#[macro_export]
macro_rules! assert_alloc {
    ($($budget:tt)*) => {
        $crate::__budget!(check [] $($budget)*)
    };
}

/// Like [`assert_alloc!`](crate::assert_alloc), for a future: evaluates to a future with the same
/// value.
///
/// Counts the evaluation of the future's expression, which happens at once, each poll on whichever
/// thread, and the drop of the future; nothing in between. So the future can be awaited, spawned
/// and joined. The limits are checked when the future completes. If it is dropped before, they
/// aren't checked.
///
/// The expression becomes a closure: evaluate what needs a `?` or `.await` of the surrounding
/// function before the assertion, or in an `async` block.
///
/// ```
/// # #[global_allocator]
/// # static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// async fn greet(name: &str) -> String {
///     std::future::ready(()).await;
///     format!("hello {name}")
/// }
///
/// let greeting = memprof::assert_alloc_async!(allocation_count <= 1, greet("world")).await;
///
/// assert_eq!(greeting, "hello world");
/// # }
/// ```
///
/// # Panics
///
/// Like [`assert_alloc!`](crate::assert_alloc), when the future is awaited.
#[macro_export]
macro_rules! assert_alloc_async {
    ($($budget:tt)*) => {
        $crate::__budget!(within [] $($budget)*)
    };
}

/// Runs code that must not allocate and returns its value. The code may free.
///
/// ```
/// # #[global_allocator]
/// # static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
/// # fn main() {
/// let mut numbers = Vec::with_capacity(3);
///
/// memprof::assert_no_alloc!({
///     numbers.extend([3, 1, 2]);
///     numbers.sort_unstable();
/// });
/// # }
/// ```
///
/// # Panics
///
/// If a block is allocated or grows. Otherwise like [`assert_alloc!`](crate::assert_alloc).
#[macro_export]
macro_rules! assert_no_alloc {
    ($code:expr $(,)?) => {
        $crate::__private::check(&$crate::__private::NO_ALLOC, || $code)
    };
}

/// Like [`assert_no_alloc!`](crate::assert_no_alloc), for a future: evaluates to a future with the
/// same value.
///
/// ```
/// # #[global_allocator]
/// # static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let one = memprof::assert_no_alloc_async!(async { 1 }).await;
/// # assert_eq!(one, 1);
/// # }
/// ```
///
/// # Panics
///
/// Like [`assert_alloc!`](crate::assert_alloc), when the future is awaited.
#[macro_export]
macro_rules! assert_no_alloc_async {
    ($future:expr $(,)?) => {
        $crate::__within!($crate::__private::NO_ALLOC, $future)
    };
}

/// Runs code, checks that none of its blocks outlives it, and returns its value.
///
/// The code's blocks are those that it allocates or grows. Any thread may free them, and freeing
/// other blocks doesn't make up for one that is kept. Blocks that the returned value owns are
/// alive, so return a value that owns none. If the code enters a [`Scope`](crate::Scope) that was
/// created outside of it, only the difference between allocated and freed bytes is known for blocks
/// allocated there.
///
/// ```
/// # #[global_allocator]
/// # static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
/// # fn main() {
/// let longest = memprof::assert_no_leak!({
///     let words = vec![String::from("one"), String::from("three")];
///     words.iter().map(String::len).max()
/// });
/// # assert_eq!(longest, Some(5));
/// # }
/// ```
///
/// # Panics
///
/// If a block is still alive. Otherwise like [`assert_alloc!`](crate::assert_alloc).
#[macro_export]
macro_rules! assert_no_leak {
    ($code:expr $(,)?) => {
        $crate::__private::check(&$crate::__private::NO_LEAK, || $code)
    };
}

/// Like [`assert_no_leak!`](crate::assert_no_leak), for a future: evaluates to a future with the
/// same value.
///
/// ```
/// # #[global_allocator]
/// # static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let length = memprof::assert_no_leak_async!(async { vec![0_u8; 10].len() }).await;
/// # assert_eq!(length, 10);
/// # }
/// ```
///
/// # Panics
///
/// Like [`assert_alloc!`](crate::assert_alloc), when the future is awaited.
#[macro_export]
macro_rules! assert_no_leak_async {
    ($future:expr $(,)?) => {
        $crate::__within!($crate::__private::NO_LEAK, $future)
    };
}

/// Parses the limits one by one.
#[doc(hidden)]
#[macro_export]
macro_rules! __budget {
    ($what:ident [$($limits:tt)*] $name:ident == $bound:expr, $($rest:tt)+) => {
        $crate::__budget!($what [$($limits)* $crate::__limit!($name Equal $bound),] $($rest)+)
    };
    ($what:ident [$($limits:tt)*] $name:ident <= $bound:expr, $($rest:tt)+) => {
        $crate::__budget!($what [$($limits)* $crate::__limit!($name AtMost $bound),] $($rest)+)
    };
    ($what:ident [$($limits:tt)*] $name:ident < $bound:expr, $($rest:tt)+) => {
        $crate::__budget!($what [$($limits)* $crate::__limit!($name Below $bound),] $($rest)+)
    };
    ($what:ident [$($limits:tt)*] $name:ident >= $bound:expr, $($rest:tt)+) => {
        $crate::__budget!($what [$($limits)* $crate::__limit!($name AtLeast $bound),] $($rest)+)
    };
    ($what:ident [$($limits:tt)*] $name:ident > $bound:expr, $($rest:tt)+) => {
        $crate::__budget!($what [$($limits)* $crate::__limit!($name Above $bound),] $($rest)+)
    };
    (check [$($limits:tt)+] $code:block $(,)?) => {
        $crate::__private::check(&[$($limits)+], || $code)
    };
    (within [$($limits:tt)+] $future:expr $(,)?) => {
        $crate::__within!([$($limits)+], $future)
    };
    (check $($other:tt)*) => {
        ::core::compile_error!(
            "`assert_alloc!` takes limits with `==`, `<=`, `<`, `>=` or `>`, followed by the code in braces, \
             as in `assert_alloc!(net_bytes == 0, allocation_count <= 3, { work() })`"
        )
    };
    (within $($other:tt)*) => {
        ::core::compile_error!(
            "`assert_alloc_async!` takes limits with `==`, `<=`, `<`, `>=` or `>`, followed by a future, \
             as in `assert_alloc_async!(net_bytes == 0, allocation_count <= 3, work()).await`"
        )
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __limit {
    (net_bytes $comparison:ident $bound:expr) => {
        $crate::__private::Limit::on_net($crate::__private::Comparison::$comparison, $bound)
    };
    (allocated_bytes $($rest:tt)+) => { $crate::__limit!(on AllocatedBytes $($rest)+) };
    (freed_bytes $($rest:tt)+) => { $crate::__limit!(on FreedBytes $($rest)+) };
    (peak_bytes $($rest:tt)+) => { $crate::__limit!(on PeakBytes $($rest)+) };
    (allocation_count $($rest:tt)+) => { $crate::__limit!(on AllocationCount $($rest)+) };
    (deallocation_count $($rest:tt)+) => { $crate::__limit!(on DeallocationCount $($rest)+) };
    (reallocation_count $($rest:tt)+) => { $crate::__limit!(on ReallocationCount $($rest)+) };
    (on $quantity:ident $comparison:ident $bound:expr) => {
        $crate::__private::Limit::on(
            $crate::__private::BudgetQuantity::$quantity,
            $crate::__private::Comparison::$comparison,
            $bound,
        )
    };
    ($other:ident $($rest:tt)+) => {
        ::core::compile_error!(::core::concat!(
            "`", ::core::stringify!($other), "` can't have a limit; use `allocated_bytes`, `freed_bytes`, \
             `net_bytes`, `peak_bytes`, `allocation_count`, `deallocation_count` or `reallocation_count`"
        ))
    };
}

// The check is expanded in the caller, so that a panic has the user's line. A closure creates the
// future, so that what this allocates counts towards the budget.
#[doc(hidden)]
#[macro_export]
macro_rules! __within {
    ($limits:expr, $future:expr) => {{
        let limits = $limits;
        let future = $crate::__private::within(|| $future);
        async move { future.await.check(&limits) }
    }};
}
