//! In edition 2024, a profiled function drops everything in the order it did.

include!("drops/claims.rs");

// Let chains, which the other editions don't have.
#[path = "drops/let_chains.rs"]
#[macro_use]
mod let_chains;

#[allow(warnings)]
mod plain_chains {
    let_chains!();
}

#[allow(warnings)]
mod profiled_chains {
    let_chains!(#[memprof::memprofile(print = "never")]);
}

#[test]
fn let_chains_keep_and_drop_what_they_did() {
    harness::assert_same(plain_chains::ALL, profiled_chains::ALL);
}
