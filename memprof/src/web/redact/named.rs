//! A name that is said in a text, and where its value is.

use super::names::Kind;
use std::ops::Range;

/// How much is looked at to tell what a value is not.
pub(super) const MOST: usize = 512;

/// A name in a text, that of a secret.
#[derive(Debug)]
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) kind: Kind,
    pub(super) start: usize,
    /// After it, and after its quote.
    pub(super) end: usize,
    pub(super) is_quoted: bool,
    /// Whether it is one of an address or of a form.
    pub(super) is_in_form: bool,
    /// Whether all of the text is an address.
    pub(super) is_in_address: bool,
}

/// Where a value is, and where what is said of it ends.
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
