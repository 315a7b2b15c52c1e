//! In edition 2024, the attribute doesn't change the order of drops.

include!("drop_order/claims.rs");

// Other editions don't have let chains.
#[path = "drop_order/let_chains.rs"]
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
