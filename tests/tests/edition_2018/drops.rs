//! In edition 2018, a profiled function drops everything in the order it did.

include!("../drops/claims.rs");
