//! The attributes of `memprof`, which re-exports them.
//!
//! Each file answers one question: `args` what may be written, `check` what is
//! refused, `items` which functions are in an item, `own_attribute` which attributes on them are
//! this one, `lines` which lines are a function's, `instrument` where in it they are opened,
//! `first_token` where statements begin, `reachability` which of them are reached, `source` what
//! stands in the files, `macro_fragments` what a `macro_rules!` has put in, `profiled` what comes
//! out of a function, `expand` of the whole. Where `syn` can't read the code, `function` and `outline` find what they can by the
//! shape of its tokens. `test` is the other attribute, for tests, and `budget` how much memory something
//! may take.

mod args;
mod budget;
mod check;
mod expand;
mod first_token;
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

/// Profiles a function line by line, or all the functions in an item.
///
/// Each time the function returns, a table is printed: its source, and beside
/// each line what the line did to memory.
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
/// # Where it goes
///
/// On any function with a body: free functions and methods, in traits and their
/// implementations, `async`, `unsafe`, generic. Not on a `const fn`, which may run
/// where there is nothing to measure. The function means what it meant: it has
/// the same signature, drops what it dropped in the same order, and is `Send`
/// where it was. Only the closure that an `async fn` returns as an `impl Fn(..)` has to
/// name the types of its arguments: `|text: &str| text.len()`. A `gen fn` is refused.
///
/// Syntax that the attribute can't read, such as `Box<Fn()>` without `dyn` or a `gen` block,
/// costs a function its lines: all of it is on the line of `fn`, and a note below its table
/// and in reports says so. Budgets hold as for any other function.
///
/// On an `impl` block, a trait or a module `{ … }` it is on all functions inside that
/// it can be on, those of `impl` blocks, traits and modules inside included. Its
/// options are defaults for theirs; `#[memprofile(skip)]` leaves one out. An attribute
/// inside may be in a `cfg_attr`, and has the name that the one around it has. Functions
/// that a call of a macro inside writes aren't seen. A module
/// with `mod file;` in it can't have any attribute of this kind: compilers refuse that.
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
/// # Lines
///
/// A line is a statement of the body or of a block in it: of `if`, `else`,
/// `match`, a loop, an `unsafe` block, a `let … else`. A statement over several
/// lines is the first of them; several on one line are one.
///
/// - What a loop's condition or iterator does is its header's, each time round.
/// - Locals die on the closing brace of their block, and so do the arguments of an
///   `async fn`; where other code is on the brace's line, that is a hit more. Those of
///   another function die after it, on the line of its caller.
/// - The pattern and the guard of a `match` arm are the `match`'s, but for a guard without
///   a `let` that begins on another line than its pattern: that has its own.
/// - Closures and `async` blocks have lines of their own, but for closures that only
///   compute, such as `|n| n + 1`, and for `async` closures, which are on the line that
///   polls them. Run by the function itself, their lines are in the table of the call; on
///   another thread, in a task or after the function has returned, they are in
///   `memprof::report` only.
/// - Lines that never ran have no numbers.
/// - A call of a macro is one line. In a function that a `macro_rules!` writes, the lines
///   are those of its text, or of the body that it was given, if that is most of it or its
///   end; what has no line there, such as a `$block` in that text, is on the line that
///   names it, or on the first.
/// - The text is what was compiled. In a doc test the numbers are those of the file that it
///   is in; where rustdoc doesn't know them they are the test's own, and a note says so.
/// - Other attributes may stand above or below, such as `#[tokio::main]`,
///   `#[async_trait]` and `#[tracing::instrument]`: what they put into the function is on
///   its first row, if it does anything to the heap.
///
/// # Columns
///
/// | name | heading | |
/// |---|---|---|
/// | `mem_usage` | `Mem usage` | resident memory when the line was last left, or the last reading before that, in MiB |
/// | `increment` | `Increment` | what the line changed in it, over all executions, in MiB |
/// | `hits` | `Hits` | how often the line was begun |
/// | `allocated` | `Allocated` | bytes allocated |
/// | `freed` | `Freed` | bytes freed |
/// | `net` | `Net` | bytes allocated less bytes freed |
/// | `peak` | `Peak` | how far the heap stood above the start of the line, at the most, in bytes |
/// | `count` | `Count` | blocks allocated |
/// | `time` | `Time` | how long the line ran, callees included; of an `async fn`, in its polls |
/// | `live` | `Live` | bytes that are alive of the blocks that the line made itself |
/// | `live_count` | `Live count` | blocks that are alive of those |
/// | `at_peak` | `At peak` | bytes of them that were alive when the heap of the process stood highest |
/// | `temporary` | `Temporary` | blocks of them that were freed at once, before their thread had made more than one other |
///
/// MiB are 2^20 bytes. The first row shows resident memory before the function
/// ran, in both columns that are about it. With `time`, the line below the table has
/// how long the calls took, in all and without the functions they called whose time
/// is shown, too.
///
/// ## What a line owns
///
/// `live`, `live_count`, `at_peak` and `temporary` are about the blocks that were made while
/// the line was the innermost line running: what a profiled function made that it called is
/// that function's. A block is the line's until it is freed, on any thread.
///
/// - With `print = "exit"`, they are about all calls since the process began, whatever was
///   `reset()`, and about closures and tasks that ran on other threads. The peak is the
///   highest since the process began or the last `reset()`.
/// - With `print = "call"`, they are about the one call, as it stands at its end, calls
///   of the same function from inside it included: what its lines made in it, less
///   what the call itself freed of their blocks. Where it frees blocks of earlier calls, a
///   number is what was added, and may be negative. What other calls do on other threads is
///   not in it. Where another thread frees some of the call's blocks before it ends,
///   while the line has blocks of other calls alive, those may still count as alive.
///
/// They need the allocator of the library, and are `n/a` without it. Asking for them
/// makes no line slower.
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
/// # The words below the table
///
/// ```text
/// cache::fill: heap net 19,660,800 B, allocated 19,968,000 B, freed 307,200 B, peak 19,660,800 B
/// Still alive: 19,660,800 B in 300 blocks, all made in line 6
/// Freed at once: 300 of 600 blocks, all made in line 5
/// ```
///
/// Resident memory stays with the line that first touched it, though its blocks are long
/// gone, so below the numbers two lines say who owns what, whichever columns there are:
///
/// - `Still alive`, if the function's lines have at least 65,536 bytes alive: the lines that
///   made nine tenths of it, three at the most.
/// - `Freed at once`, if at least 100 blocks were temporary, and they are at least a tenth of
///   all that the function's lines made: the lines that made nine tenths of these.
///
/// They are about the function as a whole: all its calls since the process began, those on
/// other threads and those that still run included. Below the table of one call of several,
/// they say so: `Still alive of what 3 calls made`. Without the library's allocator, there
/// are none.
///
/// # Options
///
/// ## `precision = N`
///
/// Decimals of the numbers in MiB, from 0 to 20; 1 by default. A page of 4 KiB
/// takes 4 to be seen.
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
/// The columns, in their order; `default` stands for `mem_usage, increment`,
/// `all` for all of them. What the [columns](#columns) show stands above.
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
/// ## `stream = "stdout" | "stderr"`
///
/// Where the table goes; `stdout` by default. It goes there past what `print!`
/// holds back and past `cargo test`'s capture, and tables don't mix. What the
/// program itself prints may come in the middle of a table that a pipe can't take
/// at once.
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
/// When: at the end of each `call`, the default; once for all calls at the `exit`
/// of the process, after a panic, too, and after `std::process::exit` (but on Windows), not
/// after a signal or an abort; or `never`, which is the default with a budget. In the table of all calls, what a call
/// inside another call of the same function did is counted once, in the outer one.
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
/// How often resident memory is read, which is a system call of half a microsecond.
/// `adaptive`, the default, reads it after the first 16 executions of a line on a
/// thread, and whenever the thread has run for twenty times as long as a reading takes
/// or has allocated and freed 64 KiB since the last one: in a loop of cheap statements
/// that is a twentieth of the time. What changed in between lands at the next
/// reading, and the line below the table says how many there were. `exact` reads
/// after each line, `off` never.
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
/// ## `max_peak_bytes = "…"`, `max_net_bytes = "…"`, `on_exceed = "warn" | "panic" | "callback"`
///
/// A budget for each call: how far the heap may stand above where the call began, and how
/// many bytes it may leave, callees included; of the thread, or of the task in its polls. A
/// size is a number of bytes, or has a unit, as in `"1 MiB"` and `"10 kB"`. On an item,
/// `on_exceed` is for those inside that have a budget.
///
/// One that exceeds it is a line on the standard error, at most one in a second for each
/// function, or a panic, or is given to what `memprof::budget::on_exceed` has set.
///
/// A call that ends in a panic is held to `max_peak_bytes`, with what the panic itself takes: a
/// backtrace is megabytes. It leaves its message, so that `max_net_bytes` is not for it. A future
/// that is dropped before its end is looked at then. About both there is a line, and never
/// another panic. Under `MEMPROF=off`, nothing is looked at, and neither is it where the
/// global allocator isn't a `CountingAlloc`, which is said once on the standard error.
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
/// Where the library is, if not at `::memprof`: renamed in `Cargo.toml`, or
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
#[proc_macro_attribute]
pub fn memprofile(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::memprofile(args.into(), item.into()).into()
}

/// A test that keeps to a budget.
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
/// It stands for `#[test]`. What counts is what counts for `memprof::assert_alloc!`: what the
/// test does itself, whatever runs beside it, and what joins its scope. A test that exceeds a
/// limit fails with what was measured, and the lines of profiled functions that took most.
///
/// An `async` test has the attribute of its runtime below. The runtime isn't counted, and
/// neither is what the test spawns, unless it is `.with_current_scope()`:
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
/// | `max_peak_bytes = "1 MiB"` | how far the heap may stand above where the test began |
/// | `max_net_bytes = 0` | bytes that may be left at its end |
/// | `max_allocated_bytes = "1 MB"` | bytes that it may allocate in all |
/// | `max_allocation_count = 100` | blocks that it may allocate |
/// | `warmup = 1` | runs of the body that come first and don't count: for what is made once, by `std` and by lazy values |
/// | `runs = 3` | runs that count, each for itself; 1 by default |
/// | `ignore = "app::log"` | profiled functions whose blocks don't count, nor those of what they call, by how their paths begin; may be given again. Then `max_net_bytes` is on what the others made and is alive, whoever freed the rest. Not with `max_peak_bytes`: nobody knows what the peak would be without them |
/// | `crate = tools::memprof` | where the library is, if not at `::memprof` |
///
/// Sizes are a number of bytes, or have a unit: `B`, `KiB`, `MiB` and `GiB`, of 1,024; `kB`, `MB`
/// and `GB`, of 1,000. A test returns `()` or a `Result`.
///
/// # What may surprise
///
/// - What a test prints is kept in memory by `cargo test`, which counts; with `--nocapture` it
///   isn't. Allow for it, or don't print.
/// - Nothing that makes a test of a function goes *above*: `#[test]` would register it twice,
///   and `#[tokio::test]` have the runtime counted. Neither can be seen from here.
/// - `use memprof::*` makes each `#[test]` below it ambiguous (E0659), since this is another
///   `test`: name what you use.
#[proc_macro_attribute]
pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    test::test(args.into(), &item.into()).into()
}
