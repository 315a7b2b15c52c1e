//! A name in a text, and the place of its value.

use super::names::Kind;
use std::ops::Range;

/// How much of a value is read to decide whether it is a secret, in bytes.
pub(super) const MOST: usize = 512;

/// The name of a secret in a text.
#[derive(Debug)]
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) kind: Kind,
    pub(super) start: usize,
    /// After the name and its closing quote.
    pub(super) end: usize,
    pub(super) is_quoted: bool,
    /// Whether the name is in the query of an address or in a form.
    pub(super) is_in_form: bool,
    /// Whether the whole text is an address.
    pub(super) is_in_address: bool,
}

/// The part of a value that is hidden, and where the value with its quotes or brackets ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) hidden: Range<usize>,
    pub(super) end: usize,
}

impl Value {
    pub(super) fn of(hidden: Range<usize>, end: usize) -> Option<Self> {
        (!hidden.is_empty()).then_some(Self { hidden, end })
    }
}

pub(super) fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}
