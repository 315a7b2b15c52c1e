//! The assertions: what is written of a budget.

/// Runs a block, which has to keep to limits on what it does to the heap; its value.
///
/// A limit is a number of [`Usage`](crate::Usage), a comparison and a value:
/// `allocated_bytes`, `freed_bytes`, `net_bytes`, `peak_bytes`, `allocation_count`,
/// `deallocation_count` or `reallocation_count`; `==`, `<=`, `<`, `>=` or `>`; a `u64`,
/// or of `net_bytes` an `i64`.
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
/// What the calling thread does, exactly, and nothing that others do beside it: tests
/// that run at the same time don't see each other. Besides, what is done on other
/// threads and in tasks that join the [`Scope`](crate::Scope) that the block runs in,
/// which is [`Scope::current`](crate::Scope::current) there, and have left it when the
/// block ends. `peak_bytes` is the thread's own, to which those of the others are added as
/// if all had been at the same moment, as far as they were in the scope at once. So it is
/// exact as long as there are no others, and else the most that it can have been, never too
/// low: with `n` of them that free what they have made, up to `n + 1` times too high, and
/// higher where one makes what another frees. A message says "at most" then.
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
/// The block is a closure: a `return` leaves the block, and an `.await` is a mistake that
/// the compiler finds: there is [`assert_alloc_async!`](crate::assert_alloc_async).
/// Assertions may stand in each other and in profiled functions.
///
/// Around code that does nothing it takes less than a tenth of a microsecond, around code that
/// allocates half a microsecond, and tens of microseconds in an unoptimised build.
///
/// # Panics
///
/// If a limit is exceeded, with all of them, what was measured, and the lines of
/// profiled functions that have most of it, and who called them:
///
/// ```should_panic
/// # #[global_allocator]
/// # static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
/// # fn main() {
/// memprof::assert_alloc!(allocation_count <= 1, { vec![String::from("a"), String::from("b")] });
/// # }
/// ```
///
/// And where the global allocator isn't a [`CountingAlloc`](crate::CountingAlloc): then
/// there is nothing to compare. With the feature `off`, no limit is looked at.
#[macro_export]
macro_rules! assert_alloc {
    ($($budget:tt)*) => {
        $crate::__budget!(check [] $($budget)*)
    };
}

/// As [`assert_alloc!`](crate::assert_alloc), of a future: a future of the same value.
///
/// Counts the expression that makes the future, at once, each poll, on whichever thread, and
/// the future's end; nothing that happens in between. So it can be awaited, spawned and
/// joined. It holds the limits when the future has given its value; one that is dropped
/// before has none to keep to.
///
/// The expression is a closure: what needs a `?` or an `.await` of the function around it goes
/// before the assertion, or into an `async` block.
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
/// As [`assert_alloc!`](crate::assert_alloc), when it is awaited.
#[macro_export]
macro_rules! assert_alloc_async {
    ($($budget:tt)*) => {
        $crate::__budget!(within [] $($budget)*)
    };
}

/// Runs code, which may not allocate; its value. It may free.
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
/// As [`assert_alloc!`](crate::assert_alloc): a block that is made or grows is one too many.
#[macro_export]
macro_rules! assert_no_alloc {
    ($code:expr $(,)?) => {
        $crate::__private::check(&$crate::__private::NO_ALLOC, || $code)
    };
}

/// As [`assert_no_alloc!`](crate::assert_no_alloc), of a future: a future of the same value.
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
/// As [`assert_alloc!`](crate::assert_alloc), when it is awaited.
#[macro_export]
macro_rules! assert_no_alloc_async {
    ($future:expr $(,)?) => {
        $crate::__within!($crate::__private::NO_ALLOC, $future)
    };
}

/// Runs code, of whose blocks none may be alive at its end; its value.
///
/// Blocks are the code's that it made, or let grow. Who frees them, and where, doesn't
/// matter, and freeing what others have made doesn't make up for one that is kept. What
/// the value holds is alive: give back what holds nothing. Of blocks made in a
/// [`Scope`](crate::Scope) that was made outside of the code and is entered in it, only the
/// difference of made and freed is known.
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
/// As [`assert_alloc!`](crate::assert_alloc), if a block is still alive.
#[macro_export]
macro_rules! assert_no_leak {
    ($code:expr $(,)?) => {
        $crate::__private::check(&$crate::__private::NO_LEAK, || $code)
    };
}

/// As [`assert_no_leak!`](crate::assert_no_leak), of a future: a future of the same value.
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
/// As [`assert_alloc!`](crate::assert_alloc), when it is awaited.
#[macro_export]
macro_rules! assert_no_leak_async {
    ($future:expr $(,)?) => {
        $crate::__within!($crate::__private::NO_LEAK, $future)
    };
}

/// Reads the limits one by one.
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
            "`assert_alloc!` takes limits, with `==`, `<=`, `<`, `>=` or `>`, and then the code in braces, \
             as in `assert_alloc!(net_bytes == 0, allocation_count <= 3, { work() })`"
        )
    };
    (within $($other:tt)*) => {
        ::core::compile_error!(
            "`assert_alloc_async!` takes limits, with `==`, `<=`, `<`, `>=` or `>`, and then a future, \
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
            $crate::__private::Quantity::$quantity,
            $crate::__private::Comparison::$comparison,
            $bound,
        )
    };
    ($other:ident $($rest:tt)+) => {
        ::core::compile_error!(::core::concat!(
            "there can be no limit on `", ::core::stringify!($other), "`, but on `allocated_bytes`, \
             `freed_bytes`, `net_bytes`, `peak_bytes`, `allocation_count`, `deallocation_count` and \
             `reallocation_count`"
        ))
    };
}

// The check is made here, so that a panic is at the user's line. The future is made in a
// closure, as the code of the others is run in one: what that takes is the budget's.
#[doc(hidden)]
#[macro_export]
macro_rules! __within {
    ($limits:expr, $future:expr) => {{
        let limits = $limits;
        let future = $crate::__private::within(|| $future);
        async move { future.await.check(&limits) }
    }};
}
