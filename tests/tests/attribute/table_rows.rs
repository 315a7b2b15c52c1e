//! Which lines of a function have a row, and the hits of each.

use memprof::memprofile;
use memprof_tests::{Table, run};

fn buffer(length: usize) -> Vec<u8> {
    vec![0; length]
}

fn hits(table: &Table, words: &str) -> Option<i64> {
    table.row(words).number("Hits")
}

#[memprofile(columns = "all")]
fn calls(run: impl Fn(usize) -> Vec<u8>) {
    run(100); // called
}

#[memprofile(columns = "all")]
fn makes_a_closure() {
    let run = |length| {
        if length > 10 {
            buffer(length) // in the closure
        } else {
            Vec::new()
        }
    };
    run(200); // here
    calls(run); // elsewhere
}

#[test]
fn what_a_closure_does_is_on_its_own_lines() {
    let tables = run(|| {
        makes_a_closure();
    });

    assert_eq!(tables[0].row("// called").number("Allocated"), Some(100));
    assert_eq!(hits(&tables[0], "// called"), Some(1));
    // The function ran the closure once; the other time, another function did.
    let inside = tables[1].row("// in the closure");
    assert_eq!(inside.number("Hits"), Some(1));
    assert_eq!(inside.number("Allocated"), Some(200));
    assert_eq!(tables[1].row("// here").number("Allocated"), Some(0));
    assert_eq!(tables[1].row("// elsewhere").number("Allocated"), Some(100));
}

fn join(left: usize, right: &[u8]) -> usize {
    left + right.len()
}

#[memprofile(columns = "all")]
fn blocks_in_arguments() -> usize {
    let first = buffer(1000); // first
    join(
        {
            let inner = buffer(50); // inner
            inner.len()
        }, // inner's end
        &buffer(7),
    ) + first.len()
}

#[test]
fn after_a_block_in_an_argument_its_call_goes_on() {
    let tables = run(|| {
        blocks_in_arguments();
    });

    assert_eq!(tables[0].row("// first").number("Allocated"), Some(1000));
    assert_eq!(tables[0].row("// inner's end").number("Freed"), Some(50));
    let call = tables[0].row("    join(");
    assert_eq!(call.number("Allocated"), Some(7));
    assert_eq!(call.number("Hits"), Some(1));
}

#[memprofile(columns = "all")]
#[rustfmt::skip]
fn branches(which: usize) -> Vec<u8> {
    match which {
        0 => buffer(10), // zero
        1 | 2 => buffer(
            20, // over lines
        ),
        _ => {
            if buffer(30).is_empty() { // thirty
                Vec::new()
            } else if buffer(40).len() == which { // forty
                buffer(50)
            } else {
                buffer(60)
            }
        }
    }
}

#[test]
fn a_branch_is_its_own_line() {
    let tables = run(|| (0..4).for_each(|which| drop(branches(which))));

    assert_eq!(tables[0].row("// zero").number("Allocated"), Some(10));
    assert_eq!(
        tables[1].row("1 | 2 => buffer(").number("Allocated"),
        Some(20)
    );
    assert_eq!(tables[1].row("over lines").number("Allocated"), None);
    assert_eq!(tables[3].row("// thirty").number("Allocated"), Some(30));
    assert_eq!(tables[3].row("// forty").number("Allocated"), Some(40));
    assert_eq!(tables[3].row("buffer(60)").number("Allocated"), Some(60));
    assert_eq!(hits(&tables[3], "buffer(50)"), None);
}

#[memprofile(columns = "all")]
#[rustfmt::skip]
fn loops() {
    for length in 0..3 { // header
        buffer(length + 10); // each
    }
    for length in 1..3 { buffer(length); } // one line
    'outer: for length in 0..3 { // labelled
        loop {
            buffer(length); // inner
            if length == 1 {
                continue 'outer; // continue
            }
            if length != 1 {
                break; // break
            }
        }
    }
}

#[test]
fn a_loops_header_runs_once_more_than_its_body() {
    let tables = run(|| {
        loops();
    });

    assert_eq!(hits(&tables[0], "// header"), Some(4));
    assert_eq!(hits(&tables[0], "// each"), Some(3));
    assert_eq!(tables[0].row("// each").number("Allocated"), Some(33));
    assert_eq!(tables[0].row("// one line").number("Allocated"), Some(3));
    assert_eq!(hits(&tables[0], "// labelled"), Some(4));
    assert_eq!(hits(&tables[0], "// inner"), Some(3));
    assert_eq!(hits(&tables[0], "// continue"), Some(1));
    assert_eq!(hits(&tables[0], "// break"), Some(2));
}

fn add(first: usize, (): (), third: usize) -> usize {
    first + third
}

#[memprofile(columns = "all")]
#[expect(clippy::unit_arg, reason = "a loop has no other value")]
fn a_loop_in_an_argument() -> usize {
    add(
        1,
        for _ in 0..2 {
            drop(buffer(50)); // in the loop
        },
        buffer(6000).len(),
    )
}

#[test]
fn after_a_loop_in_an_argument_its_call_goes_on() {
    let tables = run(|| {
        a_loop_in_an_argument();
    });

    let table = &tables[0];
    assert_eq!(table.row("// in the loop").number("Allocated"), Some(100));
    assert_eq!(table.row("    add(").number("Allocated"), Some(6000));
    assert_eq!(table.row("    add(").number("Hits"), Some(1));
    assert_eq!(hits(table, "for _ in"), Some(2));
}

#[memprofile(columns = "all")]
#[rustfmt::skip]
fn guards(number: usize) -> usize {
    match number {
        0 if buffer(10).is_empty() => 0,
        0 | 1
            if buffer(20).len() == 20 // apart
                && number == 0 => 1,
        2
            if [1, 2].iter().any(|bytes| {
                buffer(*bytes).len() == 2 // in a guard's closure
            }) =>
        {
            buffer(30).len() // after a guard
        }
        _ => number,
    }
}

#[test]
fn a_guard_that_is_not_on_its_patterns_line_has_its_own() {
    let tables = run(|| {
        assert_eq!(guards(0), 1);
        assert_eq!(guards(1), 1);
        assert_eq!(guards(2), 30);
        assert_eq!(guards(3), 3);
    });

    let numbers = |table: &Table, words: &str| {
        let row = table.row(words);
        (row.number("Hits"), row.number("Allocated"))
    };
    assert_eq!(numbers(&tables[0], "match number"), (Some(1), Some(10)));
    assert_eq!(numbers(&tables[0], "// apart"), (Some(1), Some(20)));
    assert_eq!(numbers(&tables[1], "match number"), (Some(1), Some(0)));
    assert_eq!(numbers(&tables[1], "// apart"), (Some(1), Some(20)));
    assert_eq!(numbers(&tables[2], "// in a guard's"), (Some(2), Some(3)));
    assert_eq!(numbers(&tables[2], "// after a guard"), (Some(1), Some(30)));
    assert_eq!(numbers(&tables[2], "if [1, 2]"), (Some(1), Some(0)));
    assert_eq!(numbers(&tables[3], "// apart"), (None, None));
    assert_eq!(numbers(&tables[3], "_ => number"), (Some(1), Some(0)));
}

#[memprofile(columns = "all")]
#[expect(clippy::unit_arg, reason = "such arms have no other value")]
#[rustfmt::skip]
fn guards_in_an_argument(number: usize) -> usize {
    add(
        number,
        match number {
            0
                if buffer(10).is_empty() => {} // apart
            _ => {}
        },
        buffer(6000).len(),
    )
}

#[test]
fn after_a_guard_in_an_argument_its_call_goes_on() {
    let tables = run(|| {
        assert_eq!(guards_in_an_argument(0), 6000);
        assert_eq!(guards_in_an_argument(1), 6001);
    });

    for (table, apart) in tables.iter().zip([Some(10), None]) {
        assert_eq!(table.row("// apart").number("Allocated"), apart);
        assert_eq!(table.row("    add(").number("Allocated"), Some(6000));
        assert_eq!(table.row("    add(").number("Hits"), Some(1));
    }
}

#[memprofile(columns = "all")]
#[rustfmt::skip]
fn guards_of_both_kinds(number: usize) -> usize {
    match buffer(number).len() {
        length
            if buffer(10).len() == length => 1, // apart
        length if buffer(200).len() == length => 2,
        length
            if let Some(more) = length.checked_sub(buffer(3000).len()) => more, // with a `let`
        length
            if let Some(&[_, second]) = [1, 2].chunks(2).find_map(|both: &[usize]| {
                drop(buffer(40_000)); // in its closure
                <&[usize; 2]>::try_from(both).ok()
            }) && second == length => 4,
        _ => 5,
    }
}

#[test]
fn a_guard_that_is_on_its_patterns_line_or_has_a_let_is_the_matchs() {
    let tables = run(|| {
        for (number, found) in [(10, 1), (200, 2), (3007, 7), (2, 4), (1, 5)] {
            assert_eq!(guards_of_both_kinds(number), found);
        }
    });

    let expected = [10, 400, 6207, 3202, 3201];
    for (table, bytes) in tables.iter().zip(expected) {
        assert_eq!(table.row("// apart").number("Allocated"), Some(10));
        assert_eq!(table.row("match buffer").number("Allocated"), Some(bytes));
        assert_eq!(table.row("match buffer").number("Hits"), Some(1));
    }
    let closure = tables[4].row("// in its closure");
    assert_eq!(closure.number("Hits"), Some(1));
    assert_eq!(closure.number("Allocated"), Some(40_000));
    assert_eq!(hits(&tables[2], "// with a `let`"), Some(1));
    assert_eq!(hits(&tables[3], "// with a `let`"), None);
}

#[memprofile(columns = "all")]
fn conditional_locals() -> usize {
    let first = buffer(100);
    #[cfg(test)]
    let second = buffer(20);
    #[cfg(any())]
    let third = buffer(3);
    #[cfg(test)]
    let fourth = second.len();
    #[cfg(not(test))]
    let fourth = third.len();
    first.len() + fourth // tail
}

#[memprofile(columns = "all")]
fn unconditional_locals() -> usize {
    let first = buffer(100);
    #[cfg(any())]
    let first = buffer(20);
    first.len() // tail
}

#[test]
fn locals_under_a_condition_die_on_the_closing_brace() {
    let tables = run(|| {
        assert_eq!(conditional_locals(), 120);
        assert_eq!(unconditional_locals(), 100);
    });

    for (table, bytes) in tables.iter().zip([120, 100]) {
        let close = table.rows.last().expect("a last row");
        assert_eq!(close.number("Freed"), Some(bytes));
        assert_eq!(close.number("Hits"), Some(1));
        assert_eq!(table.row("// tail").number("Freed"), Some(0));
    }
}
