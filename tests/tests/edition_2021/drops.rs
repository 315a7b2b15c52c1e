//! In edition 2021, the attribute doesn't change the order of drops.

include!("../attribute/drop_order/claims.rs");
