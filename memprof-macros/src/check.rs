//! What can't be profiled, and how it is said.

use proc_macro2::{Span, TokenStream};
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Error, ForeignItem, Item, ItemFn, Signature, Token, Visibility};

/// Why an item is not profiled.
pub(crate) enum Refusal {
    /// It can't be, and its author should know.
    Error(Error),
    /// It has a function's head, and a body that is half typed or in a syntax of
    /// the future: the compiler has the word.
    NotUnderstood,
}

/// The function to profile.
pub(crate) fn function(item: TokenStream) -> Result<ItemFn, Refusal> {
    let Ok(function) = syn::parse2::<ItemFn>(item.clone()) else {
        return Err(other_item(item));
    };
    can_be_profiled(&function)
        .map(|()| function)
        .map_err(Refusal::Error)
}

/// Whether a function can be.
pub(crate) fn can_be_profiled(function: &ItemFn) -> Result<(), Error> {
    if let Some(const_token) = &function.sig.constness {
        return Err(Error::new(
            const_token.span,
            "`#[memprofile]` can't profile a `const fn`: it may run at compile time, where there is no \
             memory to measure; profile a function that calls it",
        ));
    }
    if let Some(naked) = function.attrs.iter().find(|attribute| is_naked(attribute)) {
        return Err(Error::new(
            naked.pound_token.span,
            "`#[memprofile]` can't profile a naked function: its body is one piece of assembly, with no \
             lines to measure; profile a function that calls it",
        ));
    }
    Ok(())
}

fn is_naked(attribute: &Attribute) -> bool {
    attribute.path().is_ident("naked")
        || attribute.path().is_ident("unsafe")
            && attribute
                .parse_args::<syn::Ident>()
                .is_ok_and(|name| name == "naked")
}

fn other_item(item: TokenStream) -> Refusal {
    if has_function_head.parse2(item.clone()).is_ok() {
        return Refusal::NotUnderstood;
    }
    let declared = match syn::parse2::<ForeignItem>(item.clone()) {
        Ok(ForeignItem::Fn(function)) => Some(function.sig.fn_token.span),
        _ => None,
    };
    if let Some(span) = declared {
        return Refusal::Error(Error::new(
            span,
            "`#[memprofile]` needs a function with a body: this one is only declared; put the \
             attribute where it is implemented, or on a function that calls it",
        ));
    }
    let (span, kind) = match syn::parse2::<Item>(item) {
        Ok(Item::Struct(item)) => (item.struct_token.span, "a struct"),
        Ok(Item::Enum(item)) => (item.enum_token.span, "an enum"),
        Ok(Item::Union(item)) => (item.union_token.span, "a union"),
        Ok(Item::Mod(item)) => (item.mod_token.span, "a module in a file of its own"),
        Ok(Item::Const(item)) => (item.const_token.span, "a constant"),
        Ok(Item::Static(item)) => (item.static_token.span, "a static"),
        Ok(Item::Type(item)) => (item.type_token.span, "a type alias"),
        Ok(Item::Use(item)) => (item.use_token.span, "a `use`"),
        _ => (Span::call_site(), "something else"),
    };
    let message = format!(
        "`#[memprofile]` goes on a function with a body, or on an `impl` block, a trait or a module \
         `{{ .. }}` with some, and this is {kind}; put it on the functions"
    );
    Refusal::Error(Error::new(span, message))
}

/// Reads a function up to its body, and the body as nothing but braces.
fn has_function_head(input: ParseStream<'_>) -> syn::Result<()> {
    input.call(Attribute::parse_outer)?;
    input.parse::<Visibility>()?;
    input.parse::<Option<Token![default]>>()?;
    input.parse::<Signature>()?;
    input.parse::<proc_macro2::Group>().map(drop)
}
