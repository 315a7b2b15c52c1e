//! Items with functions in them: `impl` blocks, traits and modules.

use crate::args::Args;
use crate::check;
use crate::expand::{self, Setting};
use crate::fragments::Fragments;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{
    Attribute, ImplItem, Item, ItemFn, ItemImpl, ItemMod, ItemTrait, Meta, Result, TraitItem,
    TraitItemFn, Visibility,
};

/// Profiles every function in an item that can be, as far as their own attributes
/// don't say otherwise; `args` are defaults for them. Nothing if it is none of the
/// items that have functions in them.
pub(crate) fn memprofile(
    args: &Args,
    item: TokenStream,
    fragments: &Fragments,
) -> Option<Result<TokenStream>> {
    let mut item = fragments.parse::<Item>(item).ok()?;
    let mut functions = Functions {
        args: args.clone(),
        fragments,
        is_read_on: false,
        error: None,
    };
    match &mut item {
        Item::Impl(_) | Item::Trait(_) => functions.of_item(&mut item),
        Item::Mod(item_mod) if item_mod.content.is_some() => functions.of_item(&mut item),
        _ => return None,
    }
    Some(match functions.error {
        None => Ok(item.into_token_stream()),
        Some(error) => Err(error),
    })
}

/// The functions in an item, one after the other.
struct Functions<'a> {
    args: Args,
    /// What a `macro_rules!` has put in as one piece.
    fragments: &'a Fragments,
    /// Whether another attribute is still to read them, on what they stand in.
    is_read_on: bool,
    /// What is wrong with the options of some.
    error: Option<syn::Error>,
}

impl Functions<'_> {
    fn of_impl(&mut self, item: &mut ItemImpl) {
        for item in &mut item.items {
            *item = match std::mem::replace(item, ImplItem::Verbatim(TokenStream::new())) {
                ImplItem::Fn(function) => ImplItem::Verbatim(self.profile(ItemFn {
                    attrs: function.attrs,
                    vis: function.vis,
                    modifiers: function.modifiers,
                    sig: function.sig,
                    block: Box::new(function.block),
                })),
                other => other,
            };
        }
    }

    fn of_trait(&mut self, item: &mut ItemTrait) {
        for item in &mut item.items {
            *item = match std::mem::replace(item, TraitItem::Verbatim(TokenStream::new())) {
                TraitItem::Fn(TraitItemFn {
                    attrs,
                    modifiers,
                    sig,
                    default: Some(block),
                    ..
                }) => TraitItem::Verbatim(self.profile(ItemFn {
                    attrs,
                    vis: Visibility::Inherited,
                    modifiers,
                    sig,
                    block: Box::new(block),
                })),
                other => other,
            };
        }
    }

    fn of_mod(&mut self, item: &mut ItemMod) {
        for item in item.content.iter_mut().flat_map(|(_, items)| items) {
            self.of_item(item);
        }
    }

    fn of_item(&mut self, item: &mut Item) {
        match item {
            Item::Fn(_) => {
                let function = std::mem::replace(item, Item::Verbatim(TokenStream::new()));
                if let Item::Fn(function) = function {
                    *item = Item::Verbatim(self.profile(function));
                }
            }
            Item::Impl(item) => self.inside(|item| &mut item.attrs, item, Self::of_impl),
            Item::Trait(item) => self.inside(|item| &mut item.attrs, item, Self::of_trait),
            Item::Mod(item) => self.inside(|item| &mut item.attrs, item, Self::of_mod),
            _ => {}
        }
    }

    /// Goes on inside an item, with the options of its own attribute over the others.
    fn inside<T>(
        &mut self,
        attrs: fn(&mut T) -> &mut Vec<Attribute>,
        item: &mut T,
        go_on: fn(&mut Self, &mut T),
    ) {
        match own(attrs(item), &self.args) {
            Ok(None) => {}
            Ok(Some((args, _))) => {
                let outer = std::mem::replace(&mut self.args, args);
                let is_read_on = self.is_read_on;
                self.is_read_on |= !attrs(item).iter().all(expand::is_builtin);
                go_on(self, item);
                self.args = outer;
                self.is_read_on = is_read_on;
            }
            Err(error) => self.add(error),
        }
    }

    /// A function, profiled if it can be. It is no mistake that it can't, unless it was
    /// asked for by its own attribute.
    fn profile(&mut self, mut function: ItemFn) -> TokenStream {
        match own(&mut function.attrs, &self.args) {
            Ok(Some((args, attribute))) => {
                if let Err(error) = check::can_be_profiled(&function) {
                    if attribute.is_some() {
                        self.add(error);
                    }
                    return function.into_token_stream();
                }
                // As it was read: read once more, its braces would be in one place.
                let setting = Setting {
                    attribute,
                    fragments: self.fragments,
                    is_read_on: self.is_read_on,
                };
                expand::profile(&args, function, &setting)
            }
            Ok(None) => function.into_token_stream(),
            Err(error) => {
                self.add(error);
                function.into_token_stream()
            }
        }
    }

    fn add(&mut self, error: syn::Error) {
        match &mut self.error {
            Some(all) => all.combine(error),
            None => self.error = Some(error),
        }
    }
}

/// Takes an item's own `#[memprofile(..)]` from its attributes: its options over
/// `outer`'s, and where it is. Nothing if it says `skip`.
fn own(attrs: &mut Vec<Attribute>, outer: &Args) -> Result<Option<(Args, Option<Span>)>> {
    let mut args = outer.clone();
    let mut span = None;
    let mut skips = false;
    let mut error: Option<syn::Error> = None;
    attrs.retain(|attribute| {
        let name = attribute.path().segments.last();
        if name.is_none_or(|name| name.ident != "memprofile") {
            return true;
        }
        span.get_or_insert(attribute.pound_token.span);
        let tokens = match &attribute.meta {
            Meta::List(list) => list.tokens.clone(),
            Meta::Path(_) | Meta::NameValue(_) => quote!(),
        };
        if tokens.to_string() == "skip" {
            skips = true;
        } else {
            match syn::parse2::<Args>(tokens) {
                Ok(own) => args = own.over(&args),
                Err(wrong) => match &mut error {
                    Some(all) => all.combine(wrong),
                    None => error = Some(wrong),
                },
            }
        }
        false
    });
    match error {
        Some(error) => Err(error),
        None => Ok((!skips).then_some((args, span))),
    }
}
