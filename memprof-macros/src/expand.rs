//! The expansion of `#[memprofile]`.

use crate::args::Args;
use crate::check::{self, Refusal};
use crate::items;
use crate::macro_fragments::Fragments;
use crate::own_attribute;
use crate::profiled::{Setting, profile};
use proc_macro2::{Span, TokenStream};
use quote::quote;

/// Expands the attribute on `item`, a function or an item with functions inside.
///
/// If it can't be profiled, the output is the error *and* the unchanged item, so that code which
/// uses the item doesn't cause further errors.
pub(crate) fn memprofile(args: TokenStream, item: TokenStream) -> TokenStream {
    let attribute = Span::call_site();
    let fragments = Fragments::of(&item);
    let function = check::function(item.clone(), &fragments);
    let is_function = function.is_ok();
    let refuse = |error: syn::Error| {
        // Attributes inside are read by the outer one, which is gone in the output.
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
        let is_inserted = || syn::parse2::<Args>(args.clone()).is_ok_and(|args| args.is_inserted());
        return if args.is_empty() || is_inserted() {
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
        attribute: (!args.is_inserted()).then_some(attribute),
        fragments: &fragments,
        is_read_on: false,
        left_out: None,
    };
    let refusal = match function {
        Ok(function) => match args.check_of_a_function() {
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
