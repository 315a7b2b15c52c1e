//! Macros: a call of one is a line, and what a `macro_rules!` writes has its lines where
//! they were written. What can't have any is on the line that put it there.
#![allow(clippy::let_and_return, clippy::useless_vec, redundant_semicolons)]

use memprof::memprofile;
use memprof_tests::{Table, block, pause, run};
use std::future::{self, Future};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

fn finish<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// The numbers and the texts of the rows with hits, and what they allocated and freed.
fn rows(table: &Table) -> Vec<(&str, [i64; 3])> {
    let rows = table.rows.iter().filter(|row| row.number("Hits").is_some());
    let headings = ["Hits", "Allocated", "Freed"];
    let numbers = rows.map(|row| {
        let numbers = headings.map(|heading| row.number(heading).unwrap_or_default());
        (row.source.trim(), numbers)
    });
    numbers.collect()
}

/// Takes blocks, and formats as nothing.
struct Silent<const BYTES: usize>;

impl<const BYTES: usize> std::fmt::Display for Silent<BYTES> {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        drop(block(BYTES));
        Ok(())
    }
}

#[memprofile(columns = "hits, allocated, freed")]
fn prints() {
    print!(
        "{}{}",
        Silent::<20>, // in print!
        Silent::<30>,
    );
    tracing::info!(
        bytes = block(40).capacity(), // in info!
    );
    assert_eq!(
        block(50).len(),
        block(60).len(), // in assert!
        "they are as long",
    );
}

#[memprofile(columns = "hits, allocated, freed")]
fn bails(bytes: usize) -> anyhow::Result<usize> {
    let blocks = vec![
        block(bytes), // in vec!
        block(bytes),
    ];
    anyhow::ensure!(
        block(1).is_empty(), // in ensure!
        "it is"
    );
    if blocks[0].capacity() == 1000 {
        drop(block(7));
        anyhow::bail!("{}", Silent::<90>);
    }
    Ok(blocks.len())
}

#[memprofile(columns = "hits, allocated, freed")]
async fn selects() -> usize {
    let first = tokio::select! {
        biased;
        () = future::pending() => 0,
        made = async { block(100) } => {
            drop(block(200)); // in select!
            made.capacity()
        }
    };
    let (left, right) = tokio::join!(
        async {
            pause().await;
            block(5) // in join!
        },
        async { block(6) },
    );
    first + left.capacity() + right.capacity()
}

#[test]
fn a_statement_macro_is_one_line() {
    let tables = run(|| {
        prints();
        assert_eq!(bails(10).ok(), Some(2));
        assert!(bails(1000).is_err());
        assert_eq!(finish(selects()), 111);
    });

    let [printed, fine, bailed, selected] = &tables[..] else {
        panic!("{tables:#?}")
    };
    let standard_output = printed.row("print!(").number("Allocated").unwrap() - 50;
    assert_eq!(
        rows(printed),
        [
            ("print!(", [1, 50 + standard_output, 50]),
            // Nobody listens.
            ("tracing::info!(", [1, 0, 0]),
            ("assert_eq!(", [1, 110, 110]),
        ]
    );
    let list = 2 * i64::try_from(size_of::<Vec<u8>>()).unwrap();
    assert_eq!(
        rows(fine),
        [
            ("let blocks = vec![", [1, list + 20, 0]),
            ("anyhow::ensure!(", [1, 1, 1]),
            ("if blocks[0].capacity() == 1000 {", [1, 0, 0]),
            ("Ok(blocks.len())", [1, 0, 0]),
            ("}", [1, 0, list + 20]),
        ]
    );
    let bail = bailed.row("anyhow::bail!");
    assert_eq!(bail.number("Hits"), Some(1));
    assert!(bail.number("Allocated") > Some(90));
    assert_eq!(rows(bailed)[3], ("drop(block(7));", [1, 7, 7]));
    assert_eq!(rows(bailed)[5], ("}", [1, 0, list + 2000]));
    let [.., joined, sum, close] = &rows(selected)[..] else {
        panic!("{selected:#?}")
    };
    assert_eq!(
        rows(selected)[0],
        ("let first = tokio::select! {", [1, 300, 300])
    );
    assert_eq!(*joined, ("let (left, right) = tokio::join!(", [1, 11, 0]));
    assert_eq!(sum.1, [1, 0, 0]);
    assert_eq!(close.1, [1, 0, 11]);
}

#[memprofile(columns = "hits, allocated, freed")]
fn is_one_macro() -> Vec<Vec<u8>> {
    vec![block(10), block(20)]
}

#[memprofile(columns = "hits, allocated, freed")]
fn is_one_macro_in_braces() {
    drop_all! {
        block(10),
        block(20)
    }
}

#[memprofile(columns = "hits, allocated, freed")]
fn is_one_macro_and_a_semicolon() {
    drop_all!(block(10), block(20));
}

macro_rules! drop_all {
    ($($block:expr),*) => {
        let blocks = ($($block,)*);
        drop(blocks);
    };
}
use drop_all;

#[test]
fn a_body_of_one_macro_is_one_row() {
    let tables = run(|| {
        drop(is_one_macro());
        is_one_macro_in_braces();
        is_one_macro_and_a_semicolon();
    });

    let list = 2 * i64::try_from(size_of::<Vec<u8>>()).unwrap();
    assert_eq!(
        rows(&tables[0]),
        [("vec![block(10), block(20)]", [1, list + 30, 0])]
    );
    assert_eq!(rows(&tables[1]), [("drop_all! {", [1, 30, 30])]);
    assert_eq!(
        rows(&tables[2]),
        [("drop_all!(block(10), block(20));", [1, 30, 30])]
    );
}

macro_rules! from_a_block {
    ($name:ident, $body:block) => {
        #[memprofile(columns = "hits, allocated, freed")]
        fn $name() -> usize $body
    };
}

macro_rules! from_a_token {
    ($name:ident -> $output:ty, $body:tt) => {
        #[memprofile(columns = "hits, allocated, freed")]
        async fn $name() -> $output $body
    };
}

macro_rules! from_tokens {
    ($(#[$attribute:meta])* fn $name:ident() { $($body:tt)* }) => {
        $(#[$attribute])*
        fn $name() -> usize { $($body)* }
    };
}

from_a_block!(of_a_block, {
    let made = block(10);
    made.capacity()
});

from_a_token!(of_a_token -> usize, {
    let made = block(10);
    made.capacity()
});

from_tokens! {
    /// Comments are no rows.
    #[memprofile(columns = "hits, allocated, freed")]
    fn of_tokens() {
        let made = block(10);
        made.capacity()
    }
}

mod before {
    pub(super) fn calls() -> usize {
        of_a_later_macro() + of_a_later_macro_with_braces()
    }

    crate::later!(of_a_later_macro {
        let made = crate::block(10);
        made.capacity()
    });

    crate::later_with_braces! {
        of_a_later_macro_with_braces {
            let made = crate::block(10);
            made.capacity()
        }
    }
}

macro_rules! later {
    ($name:ident $body:block) => {
        #[memprof::memprofile(columns = "hits, allocated, freed")]
        fn $name() -> usize $body
    };
}
use later;

macro_rules! later_with_braces {
    ($name:ident { $($body:tt)* }) => {
        #[memprof::memprofile(columns = "hits, allocated, freed")]
        fn $name() -> usize { $($body)* }
    };
}
use later_with_braces;

#[test]
fn a_body_that_a_macro_is_given_has_its_lines() {
    let tables = run(|| {
        assert_eq!(of_a_block(), 10);
        assert_eq!(finish(of_a_token()), 10);
        assert_eq!(of_tokens(), 10);
        assert_eq!(before::calls(), 20);
    });

    assert_eq!(tables.len(), 5);
    let ends = ["});", "});", "}", "});", "}"];
    for (table, end) in tables.iter().zip(ends) {
        let [made, capacity, close] = rows(table)[..] else {
            panic!("{table:#?}")
        };
        assert!(made.0.ends_with("block(10);"));
        assert_eq!(made.1, [1, 10, 0]);
        assert_eq!(capacity, ("made.capacity()", [1, 0, 0]));
        assert_eq!(close, (end, [1, 0, 10]));
    }
    let first_rows: Vec<_> = tables
        .iter()
        .map(|table| table.rows[0].source.trim())
        .collect();
    assert_eq!(
        first_rows,
        [
            "from_a_block!(of_a_block, {",
            "from_a_token!(of_a_token -> usize, {",
            "fn of_tokens() {",
            "crate::later!(of_a_later_macro {",
            "of_a_later_macro_with_braces {",
        ]
    );
}

macro_rules! with_pieces {
    ($name:ident, $before:expr, $body:block, $value:block, $($step:stmt;)*) => {
        #[memprofile(columns = "hits, allocated, freed")]
        fn $name() -> usize {
            let own = block(1000);
            $before;
            $(
                $step;
            )*
            $before;
            $body
            own.capacity() + $value
        }
    };
}

with_pieces!(
    of_pieces,
    drop(block(10)),
    {
        let a = block(20);
        let b = block(30);
        drop((a, b));
    },
    {
        let made = block(60);
        made.capacity()
    },
    let kept = block(40);
    drop(block(50));
    drop(kept);
);

macro_rules! with_a_tail {
    ($name:ident, $tail:block) => {
        #[memprofile(columns = "hits, allocated, freed")]
        async fn $name() -> usize {
            drop(block(70));
            $tail
        }
    };
}

with_a_tail!(of_a_tail, {
    let made = block(80);
    pause().await;
    made.capacity()
});

macro_rules! with_tokens {
    ($name:ident, $($body:tt)*) => {
        #[memprofile(columns = "hits, allocated, freed")]
        fn $name() -> usize {
            let own = block(1000);
            for _ in 0..2 {
                $($body)*
            }
            $($body)*
            own.capacity()
        }
    };
}

with_tokens!(
    of_more_tokens,
    let a = block(1);
    let b = block(2);
    drop((a, b));
);

#[test]
fn a_piece_of_a_body_is_on_the_line_that_names_it() {
    let tables = run(|| {
        assert_eq!(of_pieces(), 1060);
        assert_eq!(finish(of_a_tail()), 80);
        assert_eq!(of_more_tokens(), 1000);
    });

    assert_eq!(
        rows(&tables[0]),
        [
            ("let own = block(1000);", [1, 1000, 0]),
            ("$before;", [1, 10, 10]),
            ("$step;", [1, 90, 90]),
            ("$before;", [1, 10, 10]),
            ("$body", [1, 50, 50]),
            ("own.capacity() + $value", [1, 60, 60]),
            ("}", [1, 0, 1000]),
        ]
    );
    assert_eq!(
        rows(&tables[1]),
        [("drop(block(70));", [1, 70, 70]), ("$tail", [1, 80, 80])]
    );
    // Tokens have no name: they are on the line of what they stand in.
    assert_eq!(
        rows(&tables[2]),
        [
            (
                "#[memprofile(columns = \"hits, allocated, freed\")]",
                [1, 3, 3]
            ),
            ("let own = block(1000);", [1, 1000, 0]),
            ("for _ in 0..2 {", [3, 6, 6]),
            ("}", [2, 0, 0]),
            ("own.capacity()", [1, 0, 0]),
            ("}", [1, 0, 1000]),
        ]
    );
    for table in &tables {
        assert_eq!(table.sum("Allocated"), table.total("allocated"));
        assert_eq!(table.sum("Freed"), table.total("freed"));
    }
}

macro_rules! prepared {
    ($name:ident { $($body:tt)* }) => {
        #[memprofile(columns = "hits, allocated, freed")]
        fn $name() -> usize {
            let _prepared = block(1000);
            $($body)*
        }
    };
}

prepared! {
    of_a_prepared_body {
        let made = block(10);
        made.capacity()
    }
}

prepared! { of_one_expression { block(10).capacity() } }

macro_rules! cleaned_up {
    ($name:ident, $counter:ident, $($body:tt)*) => {
        #[memprofile(columns = "hits, allocated, freed")]
        fn $name() -> usize {
            let mut $counter = 0;
            $($body)*
            $counter += 1;
            $counter
        }
    };
}

cleaned_up!(
    of_a_body_with_an_end,
    counter,
    let first = block(10);
    let second = block(20);
    drop((first, second));
    counter += 1;
);

cleaned_up!(of_a_name, counter, counter += 1;);

#[test]
fn a_body_that_is_given_to_a_macro_with_statements_has_its_lines() {
    let tables = run(|| {
        assert_eq!(of_a_prepared_body(), 10);
        assert_eq!(of_one_expression(), 10);
        assert_eq!(of_a_body_with_an_end(), 2);
        assert_eq!(of_a_name(), 2);
    });

    assert_eq!(
        rows(&tables[0]),
        [
            // What the macro does itself.
            ("of_a_prepared_body {", [1, 1000, 0]),
            ("let made = block(10);", [1, 10, 0]),
            ("made.capacity()", [1, 0, 0]),
            ("}", [1, 0, 1010]),
        ]
    );
    // Of both, it is one row.
    assert_eq!(tables[1].rows.len(), 1);
    assert_eq!(tables[1].sum("Allocated"), 1010);
    assert_eq!(
        rows(&tables[2]),
        [
            ("of_a_body_with_an_end,", [2, 0, 0]),
            ("let first = block(10);", [1, 10, 0]),
            ("let second = block(20);", [1, 20, 0]),
            ("drop((first, second));", [1, 0, 30]),
            ("counter += 1;", [1, 0, 0]),
        ]
    );
    // Most of it is the macro's.
    assert_eq!(tables[3].row("let mut $counter").number("Hits"), Some(1));
}

macro_rules! all_in_the_macro {
    ($($name:ident)*) => {
        $(
            #[memprofile(columns = "hits, allocated, freed")]
            fn $name(bytes: usize) -> usize {
                let made = block(bytes);
                made.capacity()
            }
        )*
    };
}

all_in_the_macro!(the_first the_second);

macro_rules! as_an_item {
    ($item:item) => {
        $item
    };
}

as_an_item! {
    #[memprofile(columns = "hits, allocated, freed")]
    fn an_item(bytes: usize) -> usize {
        let made = block(bytes);
        made.capacity()
    }
}

macro_rules! methods {
    ($type:ident { $($item:item)* }) => {
        #[memprofile(columns = "hits, allocated, freed")]
        impl $type {
            $($item)*
        }
    };
}

struct Thing;

methods! {
    Thing {
        fn of_macros() -> usize {
            let made = block(9);
            made.capacity()
        }
    }
}

#[test]
fn a_function_that_a_macro_writes_has_the_lines_of_its_text() {
    let tables = run(|| {
        assert_eq!(the_first(9) + the_second(9) + an_item(9), 27);
        assert_eq!(Thing::of_macros(), 9);
    });

    let functions: Vec<_> = tables.iter().map(Table::function).collect();
    assert_eq!(
        functions,
        ["the_first", "the_second", "an_item", "Thing::of_macros"]
    );
    for table in &tables {
        let [made, capacity, close] = rows(table)[..] else {
            panic!("{table:#?}")
        };
        assert_eq!(made.1, [1, 9, 0]);
        assert_eq!(capacity, ("made.capacity()", [1, 0, 0]));
        assert_eq!(close, ("}", [1, 0, 9]));
    }
    assert_eq!(tables[0].rows, tables[1].rows);
}

macro_rules! declares {
    ($name:ident, $bytes:expr) => {
        let $name = block($bytes);
        let _hidden = block($bytes);
    };
}

macro_rules! value {
    ($block:expr) => {{
        let block = $block;
        block.capacity()
    }};
}

#[memprofile(columns = "hits, allocated, freed")]
fn calls_macros() -> usize {
    declares!(first, 10);
    let second = value!({
        let inner = block(20);
        inner
    });
    let last = block(5);
    first.capacity() + second + last.capacity()
}

#[test]
fn what_a_macro_declares_is_made_on_the_line_of_its_call() {
    let tables = run(|| {
        assert_eq!(calls_macros(), 35);
    });

    assert_eq!(
        rows(&tables[0]),
        [
            ("declares!(first, 10);", [1, 20, 0]),
            ("let second = value!({", [1, 20, 20]),
            ("let last = block(5);", [1, 5, 0]),
            ("first.capacity() + second + last.capacity()", [1, 0, 0]),
            ("}", [1, 0, 25]),
        ]
    );
}
