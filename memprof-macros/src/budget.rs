//! Limits on memory in attributes, such as `max_peak_bytes = "1 MiB"`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::parse::ParseStream;
use syn::{Error, LitInt, LitStr, Result, Token};

/// The units of a size, in bytes.
const UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

/// The most that a quantity may be.
#[derive(Clone, Copy)]
pub(crate) struct Limit {
    /// A variant of `Quantity`.
    quantity: &'static str,
    most: u64,
}

impl Limit {
    pub(crate) fn new(quantity: &'static str, most: u64) -> Self {
        Self { quantity, most }
    }

    /// The limit as an expression of the library's type `Limit`.
    pub(crate) fn expression(self, private: &TokenStream) -> TokenStream {
        let quantity = Ident::new(self.quantity, Span::mixed_site());
        let most = self.most;
        quote!(#private::Limit::on(#private::BudgetQuantity::#quantity, #private::Comparison::AtMost, #most))
    }
}

/// Parses a number of bytes: `1024` or `"1 KiB"`.
pub(crate) fn bytes(name: &str, input: ParseStream<'_>) -> Result<u64> {
    let expected = || {
        let units = UNITS.map(|(unit, _)| unit).join(", ");
        format!(
            "`{name}` is a number of bytes, such as `{name} = 1024` or `{name} = \"1 KiB\"`; there are {units}"
        )
    };
    refuse_minus(name, input)?;
    if input.peek(LitInt) {
        return number(name, input, expected);
    }
    let literal: LitStr = input
        .parse()
        .map_err(|error| Error::new(error.span(), expected()))?;
    let error = |message: String| Error::new(literal.span(), message);
    let text = literal.value();
    let text = text.trim();
    if text.starts_with('-') {
        return Err(error(negative(name)));
    }
    let end = text
        .find(|sign: char| !sign.is_ascii_digit() && sign != '_')
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let digits = digits.replace('_', "");
    let Some((_, unit)) = UNITS.iter().find(|(name, _)| *name == unit.trim_start()) else {
        return Err(error(expected()));
    };
    if digits.is_empty() {
        return Err(error(expected()));
    }
    let number = digits.parse::<u64>().ok();
    number
        .and_then(|number| number.checked_mul(*unit))
        .ok_or_else(|| error(too_large(name)))
}

/// Parses a number, such as `3`.
pub(crate) fn count(name: &str, input: ParseStream<'_>) -> Result<u64> {
    let expected = || format!("`{name}` is a number, such as `{name} = 3`");
    refuse_minus(name, input)?;
    number(name, input, expected)
}

fn number(name: &str, input: ParseStream<'_>, expected: impl Fn() -> String) -> Result<u64> {
    let literal: LitInt = input
        .parse()
        .map_err(|error| Error::new(error.span(), expected()))?;
    if !literal.suffix().is_empty() {
        return Err(Error::new(literal.span(), expected()));
    }
    literal
        .base10_parse()
        .map_err(|_| Error::new(literal.span(), too_large(name)))
}

fn refuse_minus(name: &str, input: ParseStream<'_>) -> Result<()> {
    if input.peek(Token![-]) {
        return Err(Error::new(input.span(), negative(name)));
    }
    Ok(())
}

fn negative(name: &str) -> String {
    format!("`{name}` can't be negative")
}

fn too_large(name: &str) -> String {
    format!("`{name}` can be at most {}", u64::MAX)
}
