//! In edition 2018, the attribute doesn't change the order of drops.

include!("../attribute/drop_order/claims.rs");
