//! The attribute macros of `memprof`, which re-exports them.
//!
//! Each file answers one question.
//!
//! Input:
//!
//! - `args`: the options of `#[memprofile]`.
//! - `budget`: limits on memory, as both attributes take them.
//! - `check`: what is refused, and with which message.
//! - `items`: the functions inside an `impl` block, a trait or a module.
//! - `accessors`: which of these are left out, since they can't allocate.
//! - `own_attribute`: which attributes on those functions are this one.
//! - `function` and `outline`: functions and items that `syn` can't parse, found by the shape of
//!   their tokens.
//!
//! Lines:
//!
//! - `lines`: the lines of a function.
//! - `first_token`: where statements and expressions begin.
//! - `source`: spans, and the text of source files.
//! - `macro_fragments`: what a `macro_rules!` macro has substituted.
//!
//! Output:
//!
//! - `expand`: `#[memprofile]` as a whole.
//! - `profiled`: the code generated for a function.
//! - `instrument`: where probes are inserted in a body.
//! - `reachability`: which statements of a block can be reached.
//! - `forms`: what an expression does, by its form.
//! - `test`: `#[memprof::test]`.

mod accessors;
mod args;
mod budget;
mod check;
mod expand;
mod first_token;
mod forms;
mod function;
mod instrument;
mod items;
mod lines;
mod macro_fragments;
mod outline;
mod own_attribute;
mod profiled;
mod reachability;
mod source;
mod test;

use proc_macro::TokenStream;

/// Profiles a function line by line, or every function in an item.
///
/// Each time the function returns, memprof prints a table: the source of the function and, next to
/// each line, what the line did to memory.
///
/// ```
/// use memprof::memprofile;
///
/// #[global_allocator]
/// static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
///
/// #[memprofile]
/// fn shout(words: &[&str]) -> String {
///     let mut text = words.concat();
///     text.make_ascii_uppercase();
///     text
/// }
/// # fn main() { assert_eq!(shout(&["a", "b"]), "AB"); }
/// ```
///
/// # Where it can be used
///
/// On any function with a body: free functions and methods, in traits and their implementations,
/// `async`, `unsafe`, generic. The attribute doesn't change what the function means: signature,
/// drop order and auto traits such as `Send` stay the same. There is one exception: a closure that
/// an `async fn` returns as an `impl Fn(..)` has to name the types of its arguments, as in
/// `|text: &str| text.len()`.
///
/// On an `impl` block, a trait or a module `{ … }`, the attribute applies to every function inside
/// that it can profile, including those in nested `impl` blocks, traits and modules. Its options
/// are the defaults for these functions; an attribute on a function overrides them, and
/// `#[memprofile(skip)]` leaves the function out. An attribute on a function inside may be in a
/// `cfg_attr`, and must be written under the same name as the outer one.
///
/// ```
/// use memprof::memprofile;
///
/// struct Names(Vec<String>);
///
/// #[memprofile(columns = "hits, allocated", print = "exit")]
/// impl Names {
///     fn add(&mut self, name: &str) {
///         self.0.push(name.to_owned());
///     }
///
///     #[memprofile(skip)]
///     fn len(&self) -> usize {
///         self.0.len()
///     }
/// }
/// # fn main() { let mut names = Names(Vec::new()); names.add("a"); assert_eq!(names.len(), 1); }
/// ```
///
/// Functions that only return a field or a constant are left out as well, unless
/// [`accessors`](#accessors--true--false) asks for them.
///
/// Functions that a macro call inside the item generates are not profiled. The compiler accepts no
/// attribute macro on a module that contains `mod file;`.
///
/// If the attribute can't parse part of a function, for example `Box<Fn()>` without `dyn` or a
/// `gen` block, all numbers of the function are on the line of `fn`; a note below its table and in
/// reports says so. Budgets work as for any other function.
///
/// # Lines
///
/// A line is a statement of the body, or of a block in the body: of `if`, `else`, `match`, a loop,
/// an `unsafe` block or a `let … else`. A statement that spans several lines is reported on its
/// first line; several statements on one line are reported together. A line that never ran has no
/// numbers.
///
/// - **Loops.** The condition or the iterator is on the line of the loop's header, which has one
///   hit more than the body has iterations.
/// - **Drops.** Locals are dropped on the closing brace of their block, and so are the arguments of
///   an `async fn`. If there is other code on the line of that brace, the drop adds one hit to the
///   line. The arguments of a function that isn't `async` are dropped after its call, on the line
///   of its caller.
/// - **Match arms.** Patterns and guards are on the line of the `match`. A guard without `let` that
///   begins on a later line than its pattern has a line of its own.
/// - **Closures and `async` blocks** have lines of their own. Closures that only compute, such as
///   `|n| n + 1`, do not, and `async` closures are reported on the line that polls them. If the
///   function itself runs a closure or a block, its lines are in the table of the call. If it runs
///   on another thread, in a task or after the function has returned, its lines are in
///   `memprof::report` only.
/// - **Macros.** A macro call is one line. In a function that a `macro_rules!` macro generates, the
///   lines are those of the macro's own text; or those of the body that was passed to the macro, if
///   that makes up most of the function or its end. Code that has no line there, such as a `$block`
///   in the macro's text, is reported on the line that names it, or on the first line.
/// - **Doc tests.** The numbers are those of the file that contains the doc test. If rustdoc
///   doesn't provide them, they are those of the file that rustdoc generates, and a note says so.
/// - **Other attributes**, such as `#[tokio::main]`, `#[async_trait]` and `#[tracing::instrument]`,
///   may stand above or below. What the code they insert does to the heap is on the first row.
///
/// The source shown is the text that was compiled.
///
/// # Columns
///
/// Resident memory is in MiB (2^20 bytes), heap sizes are in bytes. Unless stated otherwise, a
/// number is the sum over the line's executions and includes the functions that the line called.
///
/// | name | heading | |
/// |---|---|---|
/// | `mem_usage` | `Mem usage` | resident memory of the process when the line was last left, or the last reading before that, in MiB |
/// | `increment` | `Increment` | by how much the line changed resident memory, in MiB |
/// | `hits` | `Hits` | executions of the line |
/// | `allocated` | `Allocated` | bytes allocated |
/// | `freed` | `Freed` | bytes freed |
/// | `net` | `Net` | bytes allocated minus bytes freed |
/// | `peak` | `Peak` | the highest that the heap rose above its size at the start of an execution, in bytes |
/// | `count` | `Count` | blocks allocated |
/// | `time` | `Time` | time the line ran; in an `async fn`, time it was polled |
/// | `live` | `Live` | bytes that are still alive of the blocks that the line itself allocated |
/// | `live_count` | `Live count` | number of those blocks |
/// | `at_peak` | `At peak` | bytes of the line's blocks that were alive when the heap of the process was largest |
/// | `temporary` | `Temporary` | blocks of the line that were freed before their thread had allocated more than one other block |
///
/// The first row shows resident memory on entry, before the first line ran, in both resident
/// columns. With `time`, the line below the table also shows how long the calls took: in total, and
/// without the profiled functions they called whose time is shown, too.
///
/// ## What a line owns
///
/// `live`, `live_count`, `at_peak` and `temporary` are about the blocks that were allocated while
/// the line was the innermost profiled line: a block allocated in a profiled function that the line
/// called belongs to a line of that function. A block stays attributed to its line until any thread
/// frees it.
///
/// - With `print = "exit"`, the numbers cover all calls since the process began, including closures
///   and tasks that ran on other threads; `reset()` doesn't change that. The peak is the highest
///   since the process began or since the last `reset()`.
/// - With `print = "call"`, the numbers cover this call at its end, including recursive calls: what
///   its lines allocated during the call, minus what the call itself freed of their blocks. If it
///   frees blocks of earlier calls, the number is the difference and can be negative. What other
///   calls do on other threads is not included. If another thread frees some of the call's blocks
///   before the call ends, while the line has blocks of other calls alive, the freed blocks can
///   still count as alive.
///
/// These columns need `CountingAlloc` and show `n/a` without it. They don't make lines slower.
///
/// ```
/// # use memprof::memprofile;
/// # #[global_allocator]
/// # static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
/// #[memprofile(columns = "hits, live, live_count, at_peak, temporary", print = "exit")]
/// fn fill(cache: &mut Vec<Vec<u8>>) {
///     for _ in 0..300 {
///         drop(vec![1_u8; 1 << 10]);
///         cache.push(vec![1_u8; 64 << 10]);
///     }
/// }
/// # fn main() {
/// # let mut cache = Vec::with_capacity(300);
/// fill(&mut cache);
/// # std::mem::forget(cache);
/// # }
/// ```
///
/// # Below the table
///
/// ```text
/// cache::fill: heap net 19,660,800 B, allocated 19,968,000 B, freed 307,200 B, peak 19,660,800 B
/// Still alive: 19,660,800 B in 300 blocks, all made in line 6
/// Freed at once: 300 of 600 blocks, all made in line 5
/// ```
///
/// The first line is about the call, or about all calls with `print = "exit"`. Resident memory
/// stays with the line that first touched it, even after its blocks are freed, so up to two more
/// lines say which lines own memory, whichever columns are shown:
///
/// - `Still alive`, if the function's lines have at least 65,536 bytes alive: the lines that
///   allocated nine tenths of it, at most three.
/// - `Freed at once`, if at least 100 blocks were temporary and these are at least a tenth of the
///   blocks that the function's lines allocated: the lines that allocated nine tenths of them.
///
/// Both cover all calls of the function since the process began, including calls on other threads
/// and calls that are still running. Below the table of one call out of several they say so, as in
/// `Still alive of what 3 calls made`. They are omitted without `CountingAlloc`.
///
/// # Options
///
/// ## `precision = N`
///
/// Decimals of the numbers in MiB, from 0 to 20. The default is 1; it takes 4 to see a page of 4
/// KiB.
///
/// ```
/// # use memprof::memprofile;
/// #[memprofile(precision = 4)]
/// fn page() -> Vec<u8> {
///     vec![1; 4096]
/// }
/// # fn main() { page(); }
/// ```
///
/// ## `columns = "…"`
///
/// The [columns](#columns) of the table, in this order. `default` stands for `mem_usage, increment`
/// and `all` for all columns.
///
/// ```
/// # use memprof::memprofile;
/// #[memprofile(columns = "default, hits, allocated, time")]
/// fn fill(count: usize) -> Vec<String> {
///     let mut names = Vec::with_capacity(count);
///     for number in 0..count {
///         names.push(number.to_string());
///     }
///     names
/// }
/// # fn main() { fill(3); }
/// ```
///
/// ## `stream = "stdout" | "stderr" | "tracing" | "log"`
///
/// Where the table goes. The default is the function that the program has set with
/// `memprof::set_sink`, or else `stdout`.
///
/// On `stdout` and `stderr`, the table bypasses the buffer of `print!` and the output capture of
/// `cargo test`. Two tables never mix, but the program's own output can appear in the middle of a
/// table that a pipe can't take at once.
///
/// With memprof's feature `tracing` or `log`, `tracing` sends an event to the program's subscriber,
/// and `log` a record to its logger: with the level `INFO`, the target `memprof`, and the table as
/// message.
///
/// ```
/// # use memprof::memprofile;
/// #[memprofile(stream = "stderr")]
/// fn quiet() -> Vec<u8> {
///     vec![0; 10]
/// }
/// # fn main() { quiet(); }
/// ```
///
/// ## `print = "call" | "exit" | "never"`
///
/// When the table is printed:
///
/// - `call`, the default: at the end of each call.
/// - `exit`: once for all calls, when the process exits; also after a panic and, except on Windows,
///   after `std::process::exit`, but not after a signal or an abort. What a recursive call did is
///   counted once, in the outermost call.
/// - `never`: not at all. This is the default with a budget. Reports still show what each line
///   allocated, but not how often it ran, unless [`hits`](#hits--true--false) asks for that.
///
/// ```
/// # use memprof::memprofile;
/// #[memprofile(print = "exit", columns = "hits, net")]
/// fn often(list: &mut Vec<u64>) {
///     list.push(7);
/// }
/// # fn main() { let mut list = Vec::new(); often(&mut list); often(&mut list); }
/// ```
///
/// ## `rss = "adaptive" | "exact" | "off"`
///
/// How often resident memory is read. A reading is a system call of half a microsecond.
///
/// - `adaptive`, the default: after the first 16 executions of a line on a thread; then whenever
///   the thread has run for twenty times as long as a reading takes, or has allocated and freed 64
///   KiB, since its last reading. In a loop of cheap statements, readings take a twentieth of the
///   time. A change is noticed at the next reading, and the line below the table says how many
///   readings there were.
/// - `exact`: after each line.
/// - `off`: never.
///
/// ```
/// # use memprof::memprofile;
/// #[memprofile(rss = "exact")]
/// fn touch(memory: &mut [u8]) {
///     for page in memory.chunks_mut(4096) {
///         page[0] = 1;
///     }
/// }
/// # fn main() { touch(&mut vec![0; 1 << 20]); }
/// ```
///
/// ## `hits = true | false`
///
/// Whether reports say how often the function was called and how often each line ran, although its
/// table is never printed. Counting costs time on each call and on each line, so a function with
/// `print = "never"` or a budget doesn't count unless the option is `true` or its `columns` contain
/// `hits`; reports leave these numbers out then. Functions whose tables are printed always count,
/// and a `memprof::Scope` counts all functions that are called in it.
///
/// ```
/// # use memprof::memprofile;
/// # #[global_allocator]
/// # static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
/// #[memprofile(print = "never", hits = true)]
/// fn greet(name: &str) -> String {
///     format!("hello {name}")
/// }
///
/// # fn main() {
/// greet("ada");
/// greet("grace");
/// assert_eq!(memprof::report().functions[0].call_count, Some(2));
/// # }
/// ```
///
/// ## `accessors = true | false`
///
/// Whether an attribute on an `impl` block, a trait or a module also profiles accessors: functions
/// that can't allocate, by their form, and for which profiling would be most of their time. The
/// default is `false`. A report says how many were left out in items of which it has another
/// function; of an item that contains only accessors, it says nothing.
///
/// An accessor's body is empty, or one expression of these parts:
///
/// - a literal, operators on literals, a constant, a variable, a variant or struct without fields;
/// - a field of `&self` or `&mut self`, but no field of a field, which may be reached by a `Deref`;
/// - `as` with a primitive type, parentheses, blocks, tuples, and struct literals with literals for
///   all fields.
///
/// A function that doesn't return a literal isn't an accessor if it returns a reference, because
/// `&self.name` may become a `&str` by a `Deref` that allocates, as that of a `LazyLock` does. The
/// name of an associated type may be a reference, too. Nor is a function an accessor if it takes
/// something by value that may be dropped at its end: anything but primitive types, references and
/// pointers. Functions that are `async`, have a budget, have the attribute themselves or have an
/// attribute that may change their body are always profiled.
///
/// The form doesn't show two things: `self.x` may be a field of what the type of `self`
/// dereferences to, and the name of a type may be an alias of a reference. If a `Deref` allocates
/// there, this is attributed to the caller's line.
///
/// ```
/// # use memprof::memprofile;
/// # #[global_allocator]
/// # static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
/// struct List(Vec<u8>, u8);
///
/// #[memprofile(print = "never", hits = true)]
/// impl List {
///     fn next(&self) -> u8 {
///         self.1
///     }
///
///     fn add(&mut self) {
///         self.0.push(self.next());
///     }
/// }
///
/// struct Number(u8);
///
/// #[memprofile(print = "never", hits = true, accessors = true)]
/// impl Number {
///     fn get(&self) -> u8 {
///         self.0
///     }
/// }
///
/// # fn main() {
/// List(Vec::new(), Number(1).get()).add();
///
/// let report = memprof::report();
/// let paths: Vec<&str> = report.functions.iter().map(|function| &*function.path).collect();
/// assert!(paths[0].ends_with("Number::get") && paths[1].ends_with("List::add"));
/// assert_eq!((paths.len(), report.accessors_left_out), (2, 1));
/// # }
/// ```
///
/// ## `max_peak_bytes = "…"`, `max_net_bytes = "…"`, `on_exceed = "warn" | "panic" | "callback"`
///
/// A budget for each call. `max_peak_bytes` limits how far the heap may rise above its size at the
/// start of the call, `max_net_bytes` how many bytes the call may leave allocated. Both include the
/// functions that the call calls, and cover what the thread does or, in an `async fn`, what the
/// task's polls do. A size is a number of bytes or a string with a unit, such as `"1 MiB"` or
/// `"10 kB"`. On an `impl` block, a trait or a module, `on_exceed` applies to the functions inside
/// that have a budget.
///
/// A call that exceeds its budget
///
/// - writes a line to the standard error, at most one per second and function (`warn`, the
///   default),
/// - panics (`panic`), or
/// - calls the function set with `memprof::budget::on_exceed`, or writes the line if none is set
///   (`callback`).
///
/// A call that ends in a panic is checked against `max_peak_bytes` only, because the panic message
/// is still allocated. Its peak includes the panic itself, whose backtrace can take megabytes. A
/// future that is dropped before it completes is checked when it is dropped. Neither case panics
/// again: with `panic`, a line is written instead.
///
/// Budgets are not checked under `MEMPROF=off`, nor if the global allocator isn't a
/// `CountingAlloc`; the latter is reported once on the standard error.
///
/// ```
/// # use memprof::memprofile;
/// # #[global_allocator]
/// # static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
/// #[memprofile(max_peak_bytes = "1 MiB", max_net_bytes = 0)]
/// fn count_words(text: &str) -> usize {
///     let words: Vec<&str> = text.split(' ').collect();
///     words.len()
/// }
/// # fn main() { count_words("a b"); }
/// ```
///
/// ## `crate = path`
///
/// The path of the library, if it isn't `::memprof`: because it is renamed in `Cargo.toml`, or
/// re-exported.
///
/// ```
/// mod tools {
///     pub use memprof;
/// }
///
/// #[tools::memprof::memprofile(crate = crate::tools::memprof)]
/// fn elsewhere() -> Vec<u8> {
///     vec![0; 10]
/// }
/// # fn main() { elsewhere(); }
/// ```
///
/// # Errors
///
/// The attribute is rejected at compile time on a `const fn` and on the functions of a `const`
/// trait or `impl`, which may run where there is no memory to measure; on a naked function; on a
/// `gen fn`; and on anything that isn't a function with a body, an `impl` block, a trait or a
/// module. Inside an `impl` block, a trait or a module, a function that can't be profiled is left
/// as it is unless it has the attribute itself; a `gen fn` needs `#[memprofile(skip)]`.
///
/// # Panics
///
/// Only with `on_exceed = "panic"`: when a call returns and has exceeded its budget.
#[proc_macro_attribute]
pub fn memprofile(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::memprofile(args.into(), item.into()).into()
}

/// A test with a memory budget.
///
/// The attribute takes the place of `#[test]`. A test that exceeds a limit fails, and its message
/// shows what was measured and the lines of profiled functions that took most.
///
/// ```
/// #[cfg(test)]
/// #[global_allocator]
/// static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
///
/// #[memprof::test(max_peak_bytes = "64 KiB", max_allocation_count = 12, max_net_bytes = 0, warmup = 1, runs = 3)]
/// fn names_are_joined_in_little_memory() {
///     let names: Vec<String> = (0..10).map(|n| n.to_string()).collect();
///     assert_eq!(names.join(",").len(), 19);
/// }
/// # fn main() {}
/// ```
///
/// What is counted is what `memprof::assert_alloc!` counts: what the test itself does and what
/// joins its scope, whatever other tests run at the same time.
///
/// A test returns `()` or a `Result`.
///
/// # Async tests
///
/// An `async` test needs the attribute of its runtime below this one. What the runtime allocates is
/// not counted; what the test spawns is counted only with `.with_current_scope()`.
///
/// ```
/// # #[cfg(test)]
/// # #[global_allocator]
/// # static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
/// #[memprof::test(max_allocation_count = 1)]
/// #[tokio::test]
/// async fn a_greeting_takes_one_block() {
///     let name = std::future::ready("world").await;
///     assert_eq!(format!("hello {name}"), "hello world");
/// }
/// # fn main() {}
/// ```
///
/// # Options
///
/// | option | |
/// |---|---|
/// | `max_peak_bytes = "1 MiB"` | how far the heap may rise above its size at the start of the test |
/// | `max_net_bytes = 0` | bytes that the test may leave allocated |
/// | `max_allocated_bytes = "1 MB"` | bytes that the test may allocate in total |
/// | `max_allocation_count = 100` | blocks that the test may allocate |
/// | `warmup = 1` | runs of the body that come first and aren't checked, for what `std` and lazy values allocate once; 0 by default |
/// | `runs = 3` | runs that are checked, each on its own; 1 by default |
/// | `ignore = "app::log"` | a path prefix: blocks that profiled functions with this prefix allocate, directly or in their callees, don't count. You can give it several times, but not with `max_peak_bytes`, since the peak without these blocks is unknown. `max_net_bytes` then limits what is alive of all other blocks, no matter which thread freed the rest |
/// | `crate = tools::memprof` | the path of the library, if it isn't `::memprof` |
///
/// A size is a number of bytes, or a string with a unit: `B`; `KiB`, `MiB` and `GiB`, powers of
/// 1,024; `kB`, `MB` and `GB`, powers of 1,000.
///
/// # Errors
///
/// The attribute is rejected at compile time on a function with parameters, and on an `async fn`
/// without the attribute of a runtime below.
///
/// # Panics
///
/// The test panics if a run exceeds a limit, or if the global allocator isn't a `CountingAlloc`.
///
/// # Pitfalls
///
/// - `cargo test` keeps what a test prints in memory, which counts; with `--nocapture` it doesn't.
///   Allow for it, or don't print.
/// - Don't put an attribute that makes the function a test *above* this one: `#[test]` would
///   register the test twice, and with `#[tokio::test]` the runtime would be counted. This
///   attribute can't detect either.
/// - `use memprof::*` makes every `#[test]` below it ambiguous (E0659), because it imports another
///   `test`: import items by name.
#[proc_macro_attribute]
pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    test::test(args.into(), &item.into()).into()
}
