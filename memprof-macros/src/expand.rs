//! `#[memprofile]`, from its item to what comes out.

use crate::args::Args;
use crate::check::{self, Refusal};
use crate::items;
use crate::macro_fragments::Fragments;
use crate::own_attribute;
use crate::profiled::{Setting, profile};
use proc_macro2::{Span, TokenStream};
use quote::quote;

/// Writes the function in `item` with its lines measured.
///
/// Where it can't be, the answer is the error *and* the item as it was, so that
/// its callers don't draw errors of their own.
pub(crate) fn memprofile(args: TokenStream, item: TokenStream) -> TokenStream {
    let attribute = Span::call_site();
    let fragments = Fragments::of(&item);
    let function = check::function(item.clone(), &fragments);
    let is_function = function.is_ok();
    let refuse = |error: syn::Error| {
        // An attribute inside is for the one around it to read, which is gone.
        let item = if is_function {
            item.clone()
        } else {
            own_attribute::without(item.clone())
        };
        let error = error.into_compile_error();
        quote!(#error #item)
    };
    if let Ok(function) = &function
        && function.has_been_profiled()
    {
        return if args.is_empty() {
            item
        } else {
            refuse(check::on_it_already(attribute))
        };
    }
    let args = match syn::parse2::<Args>(args).and_then(Args::of_an_item) {
        Ok(args) => args,
        Err(error) => return refuse(error),
    };
    let setting = Setting {
        attribute: Some(attribute),
        fragments: &fragments,
        is_read_on: false,
    };
    let refusal = match function {
        Ok(function) => match args.check() {
            Ok(()) => return profile(&args, &function, &setting),
            Err(error) => return refuse(error),
        },
        Err(refusal) => refusal,
    };
    match (items::memprofile(&args, item.clone(), &fragments), refusal) {
        (Some(Ok(items)), _) => items,
        (Some(Err(error)), _) | (None, Refusal::Error(error)) => refuse(error),
        (None, Refusal::Expression(error)) => {
            let error = error.into_compile_error();
            quote!({ #error #item })
        }
        (None, Refusal::HalfTyped) => item,
    }
}
