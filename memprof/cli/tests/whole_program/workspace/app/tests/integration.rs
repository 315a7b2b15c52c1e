mod common;
#[test]
fn baskets_have_items() { assert_eq!(common::basket(), 2); }
