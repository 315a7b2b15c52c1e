//! See `tests/optimised_lines.rs`.
