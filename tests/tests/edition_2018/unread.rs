//! Functions that the attribute can't parse are profiled as one line, and their tables say so.
//! Here, these are functions with a trait object without `dyn`, which only edition 2018 allows.
#![allow(bare_trait_objects, unused_assignments, unused_mut, unused_variables)]
#![allow(
    clippy::multiple_bound_locations,
    clippy::needless_pass_by_value,
    clippy::no_effect_underscore_binding,
    clippy::unused_async,
    clippy::unused_self
)]

use memprof::{memprofile, report};
use memprof_tests::{block, run, Program, Table};
use std::cell::RefCell;
use std::fmt::Display;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

fn by_name<'a>(tables: &'a [Table], name: &str) -> &'a Table {
    let found: Vec<&Table> = tables
        .iter()
        .filter(|table| table.function() == name)
        .collect();
    assert_eq!(found.len(), 1, "{name} in {tables:#?}");
    found[0]
}

/// Asserts that one line has all numbers, and that a note says why.
#[track_caller]
fn assert_whole(table: &Table, line: &str, unread: &str, allocated: i64) {
    let row = table.row(line);
    assert_eq!(row.number("Hits"), Some(1), "{table:#?}");
    assert_eq!(row.number("Allocated"), Some(allocated), "{table:#?}");
    assert_eq!(table.sum("Allocated"), table.total("allocated"));
    let note = table.note().unwrap();
    let begin = format!(
        "The attribute can't read line {} (",
        table.row(unread).number
    );
    assert!(note.starts_with(&begin), "{}", note);
    let end = format!(
        "), so line {} has the numbers of the whole function.",
        row.number
    );
    assert!(note.ends_with(&end), "{}", note);
}

#[memprofile(columns = "hits, allocated", rss = "off")]
fn in_the_head<T: Fn(u8) -> u8>(call: &T, other: &Fn(u8) -> u8) -> Vec<u8>
where
    T: Clone,
{
    let count = usize::from(call(other(1)));
    block(count)
}

#[memprofile(columns = "hits, allocated", rss = "off")]
fn in_the_body(count: usize) -> usize {
    #![allow(unused_variables)]
    // A comment.
    let call: &Fn(usize) -> Vec<u8> = &|count| block(count);
    let (kept, unused) = (call(count), 1);
    kept.capacity()
}

#[test]
fn a_function_that_cannot_be_read_is_one_line_and_its_table_says_why() {
    let tables = run(|| {
        assert_eq!(in_the_head(&|n| n + 1, &|n| n + 2).capacity(), 4);
        assert_eq!(in_the_body(100), 100);
    });

    let table = by_name(&tables, "in_the_head");
    assert_whole(table, "fn in_the_head", "fn in_the_head", 4);
    let table = by_name(&tables, "in_the_body");
    assert_whole(table, "fn in_the_body", "let call", 100);
    assert!(table.row("// A comment.").cell("Hits").is_empty());
}

struct Shelf(Vec<u8>);

#[memprofile(columns = "hits, allocated", rss = "off")]
impl Shelf {
    const NAMES: [&'static str; 1] = ["a"];

    const fn empty() -> Self {
        Self(Vec::new())
    }

    fn ordinary(&mut self) {
        let made = block(10);
        self.0 = made; // kept
    }

    pub(crate) fn with_object(&self, call: &Fn(usize) -> Vec<u8>) -> usize {
        call(self.0.capacity()).capacity() + Self::NAMES.len()
    }

    #[memprofile(columns = "hits, allocated, freed")]
    unsafe fn has_its_own(&self, _: &Fn()) -> Vec<u8> {
        block(7)
    }

    #[memprofile(skip)]
    fn left_out(&self, _: &Fn()) -> Vec<u8> {
        block(1)
    }

    #[cfg_attr(all(), memprofile(skip))]
    fn left_out_if(&self, _: &Fn()) -> Vec<u8> {
        block(1)
    }
}

#[memprofile(columns = "hits, allocated", rss = "off")]
trait Calls {
    fn name(&self) -> &'static str;

    fn call(&self, call: &Fn(&str) -> Vec<u8>) -> Vec<u8> {
        call(self.name())
    }
}

impl Calls for Shelf {
    fn name(&self) -> &'static str {
        "shelf"
    }
}

#[memprofile(columns = "hits, allocated", rss = "off")]
mod inside {
    #![allow(unused_macros)]

    use super::{block, Shelf};

    pub(super) static LENGTHS: [usize; 2] = [3, { 4 }];

    macro_rules! unused {
        () => {};
    }

    impl Shelf {
        pub(super) fn inside(&self, call: &Fn()) -> Vec<u8> {
            call();
            block(LENGTHS[0])
        }

        pub(super) fn beside(&self) -> Vec<u8> {
            block(LENGTHS[1])
        }
    }
}

#[test]
fn in_an_item_only_the_function_concerned_is_one_line() {
    let tables = run(|| {
        let mut shelf = Shelf::empty();
        shelf.ordinary();
        assert_eq!(shelf.with_object(&block), 11);
        // SAFETY: the function is `unsafe` only in name.
        drop(unsafe { shelf.has_its_own(&|| {}) });
        drop((shelf.left_out(&|| {}), shelf.left_out_if(&|| {})));
        drop(shelf.call(&|name| block(name.len())));
        drop((shelf.inside(&|| {}), shelf.beside()));
    });

    assert_eq!(tables.len(), 6, "{tables:#?}");
    let table = by_name(&tables, "Shelf::ordinary");
    assert_eq!(table.note(), None);
    assert_eq!(table.row("let made").number("Allocated"), Some(10));
    let table = by_name(&tables, "Shelf::with_object");
    assert_whole(table, "fn with_object", "fn with_object", 10);
    let table = by_name(&tables, "Shelf::has_its_own");
    assert_whole(table, "fn has_its_own", "fn has_its_own", 7);
    assert_eq!(table.headings, ["Hits", "Allocated", "Freed"]);
    let table = by_name(&tables, "Calls::call");
    assert_whole(table, "fn call", "fn call", 5);
    let table = by_name(&tables, "inside::<impl unread::Shelf>::inside");
    assert_whole(table, "fn inside", "fn inside", 3);
    let table = by_name(&tables, "inside::<impl unread::Shelf>::beside");
    assert_eq!(table.note(), None);
}

#[memprofile(max_net_bytes = 0, on_exceed = "panic")]
fn leaves(call: Box<Fn() -> Vec<u8>>) -> Vec<u8> {
    call()
}

#[memprofile(max_peak_bytes = 10, on_exceed = "panic")]
async fn rises(call: Box<Fn() -> Vec<u8>>) {
    drop(call());
}

#[memprofile(max_peak_bytes = 10, on_exceed = "panic")]
async fn rises_inside(size: usize) {
    let call: Box<Fn() -> Vec<u8>> = Box::new(move || block(size));
    drop(call());
}

#[test]
#[should_panic(expected = "left 1,000 B, and max_net_bytes is 0 B")]
fn a_budget_holds() {
    leaves(Box::new(|| block(1000)));
}

#[test]
#[should_panic(expected = "and max_peak_bytes is 10 B")]
fn a_budget_of_an_async_fn_holds() {
    done(rises(Box::new(|| block(11))));
}

#[test]
#[should_panic(expected = "and max_peak_bytes is 10 B")]
fn a_budget_of_an_async_fn_whose_body_cannot_be_read_holds() {
    done(rises_inside(11));
}

#[memprof::test(max_allocated_bytes = 10)]
#[should_panic(expected = "! allocated_bytes <= 10")]
fn a_test_that_cannot_be_read_keeps_to_its_limits() {
    let call: &Fn() -> Vec<u8> = &|| block(11);
    drop(call());
}

#[memprof::test(max_allocated_bytes = 0)]
fn a_test_whose_head_cannot_be_read_returns_what_it_says() -> Result<(), PhantomData<Fn(u8)>> {
    #![allow(unused_variables)]
    let unused = 1;
    Ok(())
}

#[memprof::test(max_allocated_bytes = 10)]
#[tokio::test]
#[should_panic(expected = "! allocated_bytes <= 10")]
async fn an_async_test_that_cannot_be_read_keeps_to_its_limits() {
    let call: Box<Fn() -> Vec<u8> + Send> = Box::new(|| block(11));
    Twice::default().await;
    drop(call());
}

/// A future that is pending at the first poll.
#[derive(Default)]
struct Twice(bool);

impl Future for Twice {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            Poll::Ready(())
        } else {
            context.waker().wake_by_ref();
            Poll::Pending
        }
    }
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn done<F: Future>(future: F) -> F::Output {
    let mut future = Box::pin(future);
    loop {
        if let Poll::Ready(output) = poll(future.as_mut()) {
            return output;
        }
    }
}

#[memprofile(columns = "hits, allocated", rss = "off")]
async fn polled_by_its_head(first: usize, call: &(Fn(usize) -> Vec<u8> + Sync)) -> usize {
    let made = call(first);
    Twice::default().await;
    made.capacity() + call(1).capacity()
}

#[memprofile(columns = "hits, allocated", rss = "off")]
async fn polled_by_its_body(first: usize) -> usize {
    let call: &(Fn(usize) -> Vec<u8> + Sync) = &block;
    let made = call(first);
    Twice::default().await;
    made.capacity() + call(2).capacity()
}

#[test]
fn an_async_fn_is_charged_its_own_polls() {
    let tables = run(|| {
        let mut one = Box::pin(polled_by_its_head(100, &block));
        let mut other = Box::pin(polled_by_its_body(20));
        assert!(poll(one.as_mut()).is_pending());
        drop(block(1000));
        assert!(poll(other.as_mut()).is_pending());
        assert_eq!(poll(one.as_mut()), Poll::Ready(101));
        assert_eq!(poll(other.as_mut()), Poll::Ready(22));
    });

    let table = by_name(&tables, "polled_by_its_head");
    assert_whole(table, "async fn", "async fn", 101);
    let table = by_name(&tables, "polled_by_its_body");
    assert_whole(table, "async fn", "let call", 22);
}

thread_local! {
    static LOG: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

struct Says(&'static str);

impl Drop for Says {
    fn drop(&mut self) {
        LOG.with(|log| log.borrow_mut().push(self.0));
    }
}

impl Says {
    fn temporary(&self) -> usize {
        self.0.len()
    }
}

/// Defines the same function without and with the attribute.
macro_rules! both {
    ($plain:ident, $profiled:ident, ($($parameters:tt)*) -> $output:ty $body:block) => {
        async fn $plain($($parameters)*) -> $output $body

        #[memprofile(print = "never")]
        async fn $profiled($($parameters)*) -> $output $body
    };
}

both!(plain_head, profiled_head, (first: Says, (left, _): (Says, Says), _: Says, mut unused: Says, _call: &Fn()) -> Box<Fn() -> usize> {
    let local = Says("local");
    Twice::default().await;
    let call: Box<Fn() -> usize> = {
        drop(left);
        let length = Says("temporary").temporary() + first.0.len();
        Box::new(move || length)
    };
    unused = Says("assigned");
    let _ = (&local, &unused);
    call
});

both!(plain_body, profiled_body, (first: Says, (left, _): (Says, Says), _: Says, unused: Says) -> usize {
    let local = Says("local");
    let _call: Option<&Fn()> = None;
    Twice::default().await;
    drop(left);
    local.0.len() + Says("temporary").temporary() + first.0.len()
});

fn logged(act: impl FnOnce()) -> Vec<&'static str> {
    act();
    LOG.with(|log| std::mem::take(&mut *log.borrow_mut()))
}

#[test]
fn an_async_fn_drops_what_it_dropped_in_the_same_order() {
    let pair = || (Says("left"), Says("right"));
    let [first, third, unused] = ["first", "third", "unused"];
    for polls in 0..3 {
        // The future is dropped before its first poll, in the middle, or at its end.
        macro_rules! log {
            ($call:expr) => {
                logged(|| {
                    let mut future = Box::pin($call);
                    for _ in 0..polls {
                        let _ = poll(future.as_mut()).is_ready();
                    }
                })
            };
        }
        let plain = log!(plain_head(
            Says(first),
            pair(),
            Says(third),
            Says(unused),
            &|| {}
        ));
        let profiled = log!(profiled_head(
            Says(first),
            pair(),
            Says(third),
            Says(unused),
            &|| {}
        ));
        assert_eq!(profiled, plain, "head, {polls} polls");
        let plain = log!(plain_body(Says(first), pair(), Says(third), Says(unused)));
        let profiled = log!(profiled_body(
            Says(first),
            pair(),
            Says(third),
            Says(unused)
        ));
        assert_eq!(profiled, plain, "body, {polls} polls");
    }
}

macro_rules! profiled {
    ($item:item) => {
        #[memprofile(print = "never")]
        $item
    };
}

profiled! {
    fn as_one_piece(_: &Fn()) -> Vec<u8> {
        block(3)
    }
}

/// In a body that can't be parsed, an expression from the macro's caller isn't regrouped.
macro_rules! doubled {
    ($name:ident, $value:expr) => {
        #[memprofile(print = "never", hits = true)]
        fn $name(_: &Fn()) -> u32 {
            $value * 2
        }
    };
}

doubled!(doubled, 1 + 2);

#[memprofile(print = "never")]
unsafe fn shown<'a>(values: &'a [u8], _: &Fn(u8) -> Option<Box<Fn()>>) -> impl Display + 'a {
    values.iter().map(|value| value + 1).sum::<u8>()
}

#[test]
fn what_cannot_be_read_does_what_it_did() {
    assert_eq!(doubled(&|| {}), 6);
    assert_eq!(as_one_piece(&|| {}).capacity(), 3);
    // SAFETY: the function is `unsafe` only in name.
    assert_eq!(unsafe { shown(&[1, 2], &|_| None) }.to_string(), "5");
    let report = report();
    let function = report
        .functions
        .iter()
        .find(|function| function.path == "unread::doubled");
    let note = function.and_then(|function| function.notes.first());
    assert!(note.unwrap().contains("can't read"), "{:?}", note);
}

#[test]
fn a_report_in_a_file_says_why_too() {
    let mut program = Program::new(|| assert_eq!(in_the_body(1), 1));
    let (_folder, path) = program.report_as("report.json");

    let report = memprof::report::Report::read(&path).unwrap();
    let [function] = &report.functions[..] else {
        panic!("{:?}", report);
    };
    let note = function.notes.first().unwrap();
    assert!(
        note.starts_with("The attribute can't read line "),
        "{}",
        note
    );
}
