//! Finds `#[memprofile]` attributes inside an item that has the attribute: by their name, and
//! inside of `cfg_attr`.
//!
//! The outer attribute is expanded first. It reads the options of those inside and removes them.

use crate::args::Args;
use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::quote;
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Path, Result, Token, UseTree, parse_quote};

/// What the attributes of an inner item say.
pub(crate) struct Own {
    /// Its options, with those of the enclosing item as defaults.
    pub(crate) args: Args,
    /// The span of its attribute, if it has one.
    pub(crate) attribute: Option<Span>,
    /// Whether its own options include `on_exceed`.
    pub(crate) says_on_exceed: bool,
    /// Where `accessors` is among its own options.
    pub(crate) says_accessors: Option<Span>,
}

impl Own {
    /// Removes this attribute from `attrs` and reads its options. Returns `None` for `skip`.
    pub(crate) fn take(attrs: &mut Vec<Attribute>, outer: &Args) -> Result<Option<Self>> {
        let mut own = Self {
            args: outer.clone(),
            attribute: None,
            says_on_exceed: false,
            says_accessors: None,
        };
        let mut skips = false;
        let mut error: Option<syn::Error> = None;
        attrs.retain(|attribute| {
            if !is_ours(attribute.path()) {
                return true;
            }
            let args = args(&attribute.meta);
            // An attribute that `cargo memprof` has inserted is as one on the item around.
            if !args.as_ref().is_ok_and(Args::is_inserted) {
                own.attribute.get_or_insert(attribute.pound_token.span);
            }
            match args.and_then(Args::of_an_inner_item) {
                Ok(None) => skips = true,
                Ok(Some(args)) => {
                    own.says_on_exceed |= args.says_on_exceed();
                    own.says_accessors = own.says_accessors.or(args.says_accessors());
                    own.args = args.over(&own.args);
                }
                Err(wrong) => match &mut error {
                    Some(all) => all.combine(wrong),
                    None => error = Some(wrong),
                },
            }
            false
        });
        match error {
            Some(error) => Err(error),
            None => Ok((!skips).then_some(own)),
        }
    }
}

fn args(meta: &Meta) -> Result<Args> {
    syn::parse2(match meta {
        Meta::List(list) => list.tokens.clone(),
        Meta::Path(_) | Meta::NameValue(_) => quote!(),
    })
}

/// Whether `path` names this attribute: it ends in `memprofile`, equals the path of the attribute
/// that is being expanded, or is the last segment of that path alone.
///
/// In other paths, the last segment may be the name of another attribute.
pub(crate) fn is_ours(path: &Path) -> bool {
    let Some(last) = path.segments.last() else {
        return false;
    };
    if last.ident == "memprofile" {
        return true;
    }
    path_here().is_some_and(|here| {
        let is_alone = path.get_ident().is_some();
        (is_alone && is_last(&here, &last.ident)) || are_same(&here, path)
    })
}

/// Whether a `use` imports this attribute. If only items next to the `use` need it, the import is
/// unused after the outer attribute has removed theirs.
pub(crate) fn is_used_by(tree: &UseTree) -> bool {
    match tree {
        UseTree::Path(path) => is_used_by(&path.tree),
        UseTree::Name(name) => is_name(&name.ident),
        UseTree::Rename(rename) => is_name(&rename.ident) || is_name(&rename.rename),
        UseTree::Group(group) => group.items.iter().any(is_used_by),
        UseTree::Glob(_) => false,
    }
}

fn is_name(name: &Ident) -> bool {
    name == "memprofile" || path_here().is_some_and(|here| is_last(&here, name))
}

/// The path of the attribute that is being expanded, as written: a `use` may have renamed it.
fn path_here() -> Option<Path> {
    let text = Span::call_site().source_text()?;
    // Inside of a `cfg_attr`, the text has no brackets.
    let text = text.strip_prefix("#[").unwrap_or(&text);
    let path = text.split(['(', '[', '{', ']']).next()?;
    syn::parse_str(path).ok()
}

fn is_last(path: &Path, name: &Ident) -> bool {
    path.segments.last().is_some_and(|last| last.ident == *name)
}

fn are_same(left: &Path, right: &Path) -> bool {
    let names = |path: &Path| -> Vec<Ident> {
        let segments = path.segments.iter();
        segments.map(|segment| segment.ident.clone()).collect()
    };
    left.leading_colon.is_some() == right.leading_colon.is_some() && names(left) == names(right)
}

/// A parsed `cfg_attr`.
pub(crate) struct Conditional {
    predicate: TokenStream,
    pub(crate) metas: Vec<Meta>,
}

impl Conditional {
    pub(crate) fn of(meta: &Meta) -> Option<Self> {
        let Meta::List(list) = meta else {
            return None;
        };
        if !list.path.is_ident("cfg_attr") {
            return None;
        }
        let parse = |input: ParseStream<'_>| {
            let mut predicate = TokenStream::new();
            while !input.peek(Token![,]) {
                predicate.extend([input.parse::<TokenTree>()?]);
            }
            input.parse::<Token![,]>()?;
            let metas = Punctuated::<Meta, Token![,]>::parse_terminated(input)?;
            Ok(Self {
                predicate,
                metas: metas.into_iter().collect(),
            })
        };
        parse.parse2(list.tokens.clone()).ok()
    }

    pub(crate) fn meta(&self) -> Meta {
        let Self { predicate, metas } = self;
        parse_quote!(cfg_attr(#predicate, #(#metas),*))
    }
}

/// For an item with this attribute in a `cfg_attr`: its attributes if the predicate holds, and its
/// attributes if it doesn't. Returns `None` for other items.
pub(crate) fn both_ways(attrs: &[Attribute]) -> Option<[Vec<Attribute>; 2]> {
    let (index, conditional) = attrs.iter().enumerate().find_map(|(index, attribute)| {
        let conditional = Conditional::of(&attribute.meta)?;
        has(&attribute.meta, |_| true).then_some((index, conditional))
    })?;
    let Conditional { predicate, metas } = conditional;
    let mut holds = attrs.to_vec();
    let put_in = metas.iter().map(|meta| parse_quote!(#[#meta]));
    holds.splice(index..=index, put_in);
    holds.insert(0, parse_quote!(#[cfg(#predicate)]));
    let mut holds_not = attrs.to_vec();
    holds_not.remove(index);
    holds_not.insert(0, parse_quote!(#[cfg(not(#predicate))]));
    Some([holds, holds_not])
}

/// Removes the attributes inside an item that the outer attribute would have read.
pub(crate) fn without(item: TokenStream) -> TokenStream {
    changed(&item, |_| true).unwrap_or(item)
}

/// `tokens` without the attributes that are this one and satisfy `which`. Returns `None` if there
/// are none.
fn changed(tokens: &TokenStream, which: fn(&Meta) -> bool) -> Option<TokenStream> {
    let mut is_changed = false;
    let mut all = TokenStream::new();
    let mut tokens = tokens.clone().into_iter().peekable();
    while let Some(token) = tokens.next() {
        let is_pound = matches!(&token, TokenTree::Punct(pound) if pound.as_char() == '#');
        if is_pound
            && let Some(TokenTree::Group(group)) = tokens.peek()
            && group.delimiter() == Delimiter::Bracket
            && let Ok(meta) = syn::parse2::<Meta>(group.stream())
            && has(&meta, which)
        {
            is_changed = true;
            tokens.next();
            all.extend(rest(meta, which).map(|rest| quote!(#[#rest])));
            continue;
        }
        let TokenTree::Group(group) = &token else {
            all.extend([token]);
            continue;
        };
        // Other groups are kept unchanged, including invisible delimiters.
        match changed(&group.stream(), which) {
            None => all.extend([token]),
            Some(inside) => {
                is_changed = true;
                let mut inside = Group::new(group.delimiter(), inside);
                inside.set_span(group.span());
                all.extend([TokenTree::Group(inside)]);
            }
        }
    }
    is_changed.then_some(all)
}

/// Whether an attribute is this one and satisfies `which`, or is a `cfg_attr` with such a one.
fn has(meta: &Meta, which: fn(&Meta) -> bool) -> bool {
    if is_ours(meta.path()) {
        return which(meta);
    }
    Conditional::of(meta).is_some_and(|inside| inside.metas.iter().any(|meta| has(meta, which)))
}

/// The rest of an attribute after such attributes are removed from it, if there is any.
fn rest(meta: Meta, which: fn(&Meta) -> bool) -> Option<Meta> {
    if !has(&meta, which) {
        return Some(meta);
    }
    let mut conditional = Conditional::of(&meta)?;
    let metas = std::mem::take(&mut conditional.metas);
    conditional.metas = metas
        .into_iter()
        .filter_map(|meta| rest(meta, which))
        .collect();
    (!conditional.metas.is_empty()).then(|| conditional.meta())
}
