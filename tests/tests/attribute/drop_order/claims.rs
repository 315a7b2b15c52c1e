// The tests of each `drops_*.rs`. The file is included there, so that the corpus is compiled in
// that crate's edition, without and with the attribute.

#[path = "harness.rs"]
mod harness;

#[macro_use]
#[path = "chance.rs"]
mod chance;

#[macro_use]
#[path = "corpus.rs"]
mod corpus;

#[allow(warnings)]
mod plain {
    corpus!();
}

#[allow(warnings)]
mod profiled {
    corpus!(#[memprof::memprofile(print = "never")]);
}

#[allow(warnings, clippy::all)]
mod plain_by_chance {
    use crate::chance::*;
    use crate::harness::*;
    use std::future::Future;
    use std::pin::Pin;
    include!(concat!(env!("OUT_DIR"), "/plain.rs"));
}

#[allow(warnings, clippy::all)]
mod profiled_by_chance {
    use crate::chance::*;
    use crate::harness::*;
    use std::future::Future;
    use std::pin::Pin;
    include!(concat!(env!("OUT_DIR"), "/profiled.rs"));
}

#[test]
fn whatever_is_composed_drops_what_it_did() {
    chance::assert_same(plain_by_chance::CASES, profiled_by_chance::CASES);
}

#[test]
fn temporaries_die_where_they_did() {
    harness::assert_same(plain::TEMPORARIES, profiled::TEMPORARIES);
}

#[test]
fn branches_keep_and_drop_what_they_did() {
    harness::assert_same(plain::BRANCHES, profiled::BRANCHES);
}

#[test]
fn loops_drop_what_they_did_each_time_round() {
    harness::assert_same(plain::LOOPS, profiled::LOOPS);
}

#[test]
fn locals_die_in_the_same_order() {
    harness::assert_same(plain::LOCALS, profiled::LOCALS);
}

#[test]
fn a_function_drops_its_parameters_as_ever() {
    harness::assert_same(plain::PARAMETERS, profiled::PARAMETERS);
}

#[test]
fn closures_capture_what_they_did() {
    harness::assert_same(plain::CLOSURES, profiled::CLOSURES);
}

#[test]
fn a_panic_unwinds_in_the_same_order() {
    harness::assert_same(plain::PANICS, profiled::PANICS);
}

#[test]
fn an_async_fn_drops_its_arguments_and_locals_as_ever() {
    harness::assert_same(plain::FUTURES, profiled::FUTURES);
}
