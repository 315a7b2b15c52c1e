//! `#[memprofile]` on items with functions inside: `impl` blocks, traits and modules.

use crate::accessors::{self, LeftOut};
use crate::args::{self, Args};
use crate::check;
use crate::function::{Function, NotRead};
use crate::macro_fragments::Fragments;
use crate::outline::{Kind, Outline};
use crate::own_attribute::{self, Own};
use crate::profiled::{self, Setting};
use crate::reachability;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{
    Attribute, ImplItem, Item, ItemFn, ItemImpl, ItemMod, ItemTrait, ItemUse, Result, TraitItem,
    TraitItemFn, Visibility, parse_quote,
};

/// Profiles every function in an item that can be profiled, with `args` as defaults for the options
/// of the functions' own attributes. Returns `None` if the item isn't an `impl` block, a trait or a
/// module with a body.
pub(crate) fn memprofile(
    args: &Args,
    item: TokenStream,
    fragments: &Fragments,
) -> Option<Result<TokenStream>> {
    // Each function's `Site` says how many others are left out, so these are counted first.
    let mut left_out = LeftOut::of(&item);
    let mut count = Functions::new(args, fragments, Task::Count(&mut left_out));
    count.inside_of(item.clone());
    let told = left_out.told(&args.private());
    let mut functions = Functions::new(args, fragments, Task::Profile(told));
    let item = match functions.inside_of(item)? {
        Ok(item) => item,
        Err(error) => return Some(Err(error)),
    };
    if !functions.has_budget
        && let Err(error) = args.check()
    {
        functions.add(error);
    }
    Some(match functions.error {
        None => Ok(item),
        Some(error) => Err(error),
    })
}

/// What a walk over the functions in an item is for.
enum Task<'a> {
    /// To find those that are left out. The functions stay as they are.
    Count(&'a mut LeftOut),
    /// To profile them, each with the call that tells its `Site` what is left out.
    Profile(Option<TokenStream>),
}

/// The state of a walk over the functions in an item.
struct Functions<'a> {
    task: Task<'a>,
    /// The default options at this point.
    args: Args,
    /// The fragments that a `macro_rules!` macro has substituted.
    fragments: &'a Fragments,
    /// Whether another attribute on an enclosing item will still read the functions.
    is_read_on: bool,
    /// Whether `self.x` can be a field of `self` itself at this point.
    has_fields: bool,
    /// The conditions of the `#[cfg(..)]` on the items around.
    conditions: Vec<TokenStream>,
    /// Whether a function so far has a budget.
    has_budget: bool,
    /// The errors found so far.
    error: Option<syn::Error>,
}

impl<'a> Functions<'a> {
    fn new(args: &Args, fragments: &'a Fragments, task: Task<'a>) -> Self {
        Self {
            task,
            args: args.clone(),
            fragments,
            is_read_on: false,
            has_fields: false,
            conditions: Vec::new(),
            has_budget: false,
            error: None,
        }
    }

    /// Walks an item. Returns `None` if it has no functions inside.
    fn inside_of(&mut self, item: TokenStream) -> Option<Result<TokenStream>> {
        match self.fragments.parse::<Item>(item.clone()) {
            Ok(mut item @ (Item::Impl(_) | Item::Trait(_))) => Some(Ok(self.whole(&mut item))),
            Ok(Item::Mod(item)) if item.content.is_some() => {
                Some(Ok(self.whole(&mut Item::Mod(item))))
            }
            Ok(Item::Verbatim(_)) | Err(_) => {
                let outline = Outline::of(item)?;
                Some(outline.can_be_profiled().map(|()| self.outlined(outline)))
            }
            Ok(_) => None,
        }
    }

    fn whole(&mut self, item: &mut Item) -> TokenStream {
        self.of_item(item);
        item.to_token_stream()
    }

    fn of_impl(&mut self, item: &mut ItemImpl) {
        self.has_fields = accessors::has_fields(item);
        for item in &mut item.items {
            self.of_impl_item(item);
        }
        self.has_fields = false;
    }

    fn of_impl_item(&mut self, item: &mut ImplItem) {
        *item = match std::mem::replace(item, ImplItem::Verbatim(TokenStream::new())) {
            ImplItem::Fn(function) => ImplItem::Verbatim(self.profile(Function::from(function))),
            ImplItem::Verbatim(tokens) => ImplItem::Verbatim(self.unread(tokens)),
            other => other,
        };
    }

    fn of_trait(&mut self, item: &mut ItemTrait) {
        for item in &mut item.items {
            self.of_trait_item(item);
        }
    }

    fn of_trait_item(&mut self, item: &mut TraitItem) {
        *item = match std::mem::replace(item, TraitItem::Verbatim(TokenStream::new())) {
            TraitItem::Fn(TraitItemFn {
                attrs,
                modifiers,
                sig,
                default: Some(block),
                ..
            }) => TraitItem::Verbatim(self.profile(Function::from(ItemFn {
                attrs,
                vis: Visibility::Inherited,
                modifiers,
                sig,
                block: Box::new(block),
            }))),
            TraitItem::Verbatim(tokens) => TraitItem::Verbatim(self.unread(tokens)),
            other => other,
        };
    }

    fn of_mod(&mut self, item: &mut ItemMod) {
        for item in item.content.iter_mut().flat_map(|(_, items)| items) {
            self.of_item(item);
        }
    }

    fn of_item(&mut self, item: &mut Item) {
        if let Some(both) = attrs_of(item).and_then(|attrs| own_attribute::both_ways(attrs)) {
            let outer = self.args.clone();
            // The function has the attribute itself, whether or not the condition holds.
            if matches!(item, Item::Fn(_)) {
                self.args.keep_accessors();
            }
            let [holds, holds_not] = both.map(|attrs| {
                let mut item = item.clone();
                if let Some(all) = attrs_of(&mut item) {
                    *all = attrs;
                }
                self.of_item(&mut item);
                item
            });
            self.args = outer;
            *item = Item::Verbatim(quote!(#holds #holds_not));
            return;
        }
        match item {
            Item::Fn(_) => {
                let function = std::mem::replace(item, Item::Verbatim(TokenStream::new()));
                if let Item::Fn(function) = function {
                    *item = Item::Verbatim(self.profile(function.into()));
                }
            }
            Item::Verbatim(tokens) => *tokens = self.unread(std::mem::take(tokens)),
            Item::Impl(item) => self.inside(|item| &mut item.attrs, item, Self::of_impl),
            Item::Trait(item) => self.inside(|item| &mut item.attrs, item, Self::of_trait),
            Item::Mod(item) => self.inside(|item| &mut item.attrs, item, Self::of_mod),
            // The attributes that use this import are removed.
            Item::Use(item) if own_attribute::is_used_by(&item.tree) && may_be_unused(item) => {
                item.attrs.push(parse_quote!(#[allow(unused_imports)]));
            }
            _ => {}
        }
    }

    /// Profiles tokens that `syn` can't parse as an item, if by their shape they are a function or
    /// an item with functions inside. Other tokens are returned unchanged.
    fn unread(&mut self, tokens: TokenStream) -> TokenStream {
        match Function::read(&tokens, self.fragments) {
            Ok(function) => return self.profile(function),
            Err(NotRead::Refused(mut attrs, error)) => {
                if !matches!(Own::take(&mut attrs, &self.args), Ok(None)) {
                    self.add(error);
                }
                return own_attribute::without(tokens);
            }
            Err(NotRead::HalfTyped) => return own_attribute::without(tokens),
            Err(NotRead::Other) => {}
        }
        match Outline::of(tokens.clone()) {
            Some(outline) => self.outlined(outline),
            None => tokens,
        }
    }

    /// Profiles the functions of an item that was recognized by its shape.
    fn outlined(&mut self, mut outline: Outline) -> TokenStream {
        if let Some(both) = own_attribute::both_ways(&outline.attrs) {
            let both = both.map(|attrs| {
                let mut outline = outline.clone();
                outline.attrs = attrs;
                self.outlined(outline)
            });
            return both.into_iter().collect();
        }
        // Like a `const fn`, it is left as it is, unless it has the attribute itself.
        if let Err(error) = outline.can_be_profiled() {
            if let Ok(Some(own)) = Own::take(&mut outline.attrs, &self.args)
                && own.attribute.is_some()
            {
                self.add(error);
            }
            return outline.into_token_stream();
        }
        self.inside(|outline| &mut outline.attrs, &mut outline, Self::of_outline);
        outline.into_token_stream()
    }

    fn of_outline(&mut self, outline: &mut Outline) {
        for tokens in &mut outline.items {
            let item = std::mem::take(tokens);
            let fragments = self.fragments;
            let read = match outline.kind {
                Kind::Impl => fragments.parse(item.clone()).map(|mut item| {
                    self.of_impl_item(&mut item);
                    item.into_token_stream()
                }),
                Kind::Trait => fragments.parse(item.clone()).map(|mut item| {
                    self.of_trait_item(&mut item);
                    item.into_token_stream()
                }),
                Kind::Mod => fragments
                    .parse(item.clone())
                    .map(|mut item| self.whole(&mut item)),
            };
            *tokens = read.unwrap_or_else(|_| self.unread(item));
        }
    }

    /// Walks a nested item, whose own attribute overrides the default options.
    fn inside<T>(
        &mut self,
        attrs: fn(&mut T) -> &mut Vec<Attribute>,
        item: &mut T,
        go_on: fn(&mut Self, &mut T),
    ) {
        match Own::take(attrs(item), &self.args) {
            Ok(None) => {}
            Ok(Some(own)) => {
                let outer = std::mem::replace(&mut self.args, own.args);
                let is_read_on = self.is_read_on;
                let has_budget = std::mem::replace(&mut self.has_budget, false);
                self.is_read_on |= !attrs(item).iter().all(profiled::is_builtin);
                let condition_count = self.conditions.len();
                self.conditions.extend(accessors::conditions(attrs(item)));
                go_on(self, item);
                self.conditions.truncate(condition_count);
                let args = std::mem::replace(&mut self.args, outer);
                if own.says_on_exceed
                    && !self.has_budget
                    && let Err(error) = args.check()
                {
                    self.add(error);
                }
                self.is_read_on = is_read_on;
                self.has_budget |= has_budget;
            }
            Err(error) => self.add(error),
        }
    }

    /// Profiles a function if it can be profiled. It is an error if it can't only if the function
    /// has the attribute itself.
    fn profile(&mut self, mut function: Function) -> TokenStream {
        if let Some(both) = own_attribute::both_ways(&function.item.attrs) {
            let outer = self.args.clone();
            self.args.keep_accessors();
            let both = both.map(|attrs| self.profile(function.with(attrs)));
            self.args = outer;
            return both.into_iter().collect();
        }
        let own = match Own::take(&mut function.item.attrs, &self.args) {
            Ok(Some(own)) => own,
            Ok(None) => return function.into_token_stream(),
            Err(error) => {
                self.add(error);
                return function.into_token_stream();
            }
        };
        if let Err(error) = check::can_be_profiled(&function.item) {
            if own.attribute.is_some() {
                self.add(error);
            }
            return function.into_token_stream();
        }
        if let Some(span) = own.says_accessors {
            self.add(args::accessors_of_a_function(span));
        }
        if self.leaves_out(&own, &function) {
            if let Task::Count(left_out) = &mut self.task {
                let own = accessors::conditions(&function.item.attrs);
                let all: Vec<_> = self.conditions.iter().cloned().chain(own).collect();
                left_out.add(&all);
            }
            return function.into_token_stream();
        }
        self.has_budget |= own.args.guard().is_some();
        // An `on_exceed` of the enclosing item may be for other functions.
        if own.says_on_exceed
            && let Err(error) = own.args.check()
        {
            self.add(error);
        }
        let Task::Profile(left_out) = &self.task else {
            return function.into_token_stream();
        };
        // The function as parsed: parsed once more, its braces would have one span.
        let setting = Setting {
            attribute: own.attribute,
            fragments: self.fragments,
            is_read_on: self.is_read_on,
            left_out: left_out.as_ref(),
        };
        profiled::profile(&own.args, &function, &setting)
    }

    /// Whether a function is left out by itself: an accessor that nothing else was said of.
    fn leaves_out(&self, own: &Own, function: &Function) -> bool {
        own.attribute.is_none()
            && !self.is_read_on
            && !own.args.keeps_accessors()
            && own.args.guard().is_none()
            && accessors::is_accessor(function, self.has_fields)
    }

    fn add(&mut self, error: syn::Error) {
        match &mut self.error {
            Some(all) => all.combine(error),
            None => self.error = Some(error),
        }
    }
}

/// Whether a `use` can cause an `unused_imports` warning and has no lint attribute of its own: an
/// `#[expect]` would be unfulfilled, and `#[forbid]` rejects an `#[allow]`.
fn may_be_unused(item: &ItemUse) -> bool {
    matches!(item.vis, Visibility::Inherited)
        && !item.attrs.iter().any(reachability::may_be_about_lints)
}

/// The attributes of an item that is or contains functions.
fn attrs_of(item: &mut Item) -> Option<&mut Vec<Attribute>> {
    match item {
        Item::Fn(item) => Some(&mut item.attrs),
        Item::Impl(item) => Some(&mut item.attrs),
        Item::Trait(item) => Some(&mut item.attrs),
        Item::Mod(item) => Some(&mut item.attrs),
        _ => None,
    }
}
