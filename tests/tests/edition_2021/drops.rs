//! In edition 2021, a profiled function drops everything in the order it did.

include!("../drops/claims.rs");
