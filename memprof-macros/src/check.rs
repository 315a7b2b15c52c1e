//! Items that can't be profiled, and the error messages for them.

use crate::function::{self, Function, NotRead};
use crate::macro_fragments::Fragments;
use crate::own_attribute;
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Attribute, Error, Expr, ItemFn, LitStr, Path, Token, Visibility, token};

const ON_IT_ALREADY: &str =
    "`#[memprofile]` is on this function already: put the options of both into one";

/// Why an item is not profiled.
pub(crate) enum Refusal {
    /// It can't be.
    Error(Error),
    /// It can't be, and is an expression: the macro's output has to be an expression, too.
    Expression(Error),
    /// It is incomplete, as while it is being typed. The compiler reports that.
    HalfTyped,
}

/// Parses the function to profile.
pub(crate) fn function(item: TokenStream, fragments: &Fragments) -> Result<Function, Refusal> {
    let function = Function::read(&item, fragments).map_err(|reason| match reason {
        NotRead::Other => other_item(item),
        NotRead::HalfTyped => Refusal::HalfTyped,
        NotRead::Refused(_, error) => Refusal::Error(error),
    })?;
    can_be_profiled(&function.item)
        .map(|()| function)
        .map_err(Refusal::Error)
}

/// Checks that a function can be profiled.
pub(crate) fn can_be_profiled(function: &ItemFn) -> Result<(), Error> {
    if let Some(const_token) = &function.sig.constness {
        return Err(Error::new(
            const_token.span,
            "`#[memprofile]` can't profile a `const fn`: it may run at compile time, where there is no \
             memory to measure; profile a function that calls it",
        ));
    }
    if let Some(naked) = function.attrs.iter().find(|attribute| is_naked(attribute)) {
        return Err(Error::new_spanned(
            naked,
            "`#[memprofile]` can't profile a naked function: its body is one piece of assembly, with no \
             lines to measure; profile a function that calls it",
        ));
    }
    let again = function
        .attrs
        .iter()
        .find(|attribute| own_attribute::is_ours(attribute.path()));
    if let Some(again) = again {
        return Err(Error::new_spanned(
            again.path().segments.last(),
            ON_IT_ALREADY,
        ));
    }
    Ok(())
}

/// The error for an attribute on a function that another `#[memprofile]` has already expanded.
pub(crate) fn on_it_already(attribute: Span) -> Error {
    Error::new(
        attribute,
        "`#[memprofile]` is on this function already, or on what it stands in, which can't know that this \
         is another: write `memprofile` here, too, or put the options of both into one",
    )
}

fn is_naked(attribute: &Attribute) -> bool {
    attribute.path().is_ident("naked")
        || attribute.path().is_ident("unsafe")
            && attribute
                .parse_args::<syn::Ident>()
                .is_ok_and(|name| name == "naked")
}

/// The refusal of an item that isn't a function, or not a whole one.
fn other_item(item: TokenStream) -> Refusal {
    let tokens = || item.clone().into_iter();
    let is_open = !matches!(tokens().last(), Some(TokenTree::Punct(last)) if last.as_char() == ';');
    let keyword = keyword.parse2(item.clone()).ok();
    let word = keyword.as_ref().map(ToString::to_string);
    let (kind, place) = match word.as_deref().unwrap_or_default() {
        "fn" | "impl" | "mod" | "trait" if is_open => {
            let error = syn::parse2::<ItemFn>(item.clone()).err();
            let error = error.unwrap_or_else(|| Error::new_spanned(keyword, "no body in braces"));
            return Refusal::Error(function::unreadable(&error));
        }
        "fn" => {
            let message = "`#[memprofile]` needs a function with a body: this one is only declared; put the \
                           attribute where it is implemented, or on a function that calls it";
            return Refusal::Error(Error::new_spanned(keyword, message));
        }
        "const" => ("a constant", "the functions"),
        "crate" => ("an `extern crate`", "the functions"),
        "enum" => ("an enum", "the functions"),
        "extern" => (
            "an `extern` block, whose functions are elsewhere",
            "functions that call them",
        ),
        "macro_rules" => ("a macro", "the functions that it writes"),
        "mod" => ("a module in a file of its own", "the functions"),
        "static" => ("a static", "the functions"),
        "struct" => ("a struct", "the functions"),
        "trait" => ("a trait alias", "the functions"),
        "type" => ("a type alias", "the functions"),
        "union" => ("a union", "the functions"),
        "use" => ("a `use`", "the functions"),
        _ if is_macro_call.parse2(item.clone()).is_ok() => {
            ("a call of a macro", "the functions that it writes")
        }
        _ => ("a part of a function", "the whole of it"),
    };
    let message = format!(
        "`#[memprofile]` goes on a function with a body, or on an `impl` block, a trait or a module \
         `{{ .. }}` with some, and this is {kind}; put it on {place}"
    );
    let span = keyword.map(|keyword| keyword.span());
    let span = span.or_else(|| tokens().next().map(|first| first.span()));
    let error = Error::new(span.unwrap_or_else(Span::call_site), message);
    if kind == "a part of a function" && syn::parse2::<Expr>(item).is_ok() {
        Refusal::Expression(error)
    } else {
        Refusal::Error(error)
    }
}

/// Parses an item up to the keyword that tells its kind, such as `fn` or `struct`.
fn keyword(input: ParseStream<'_>) -> syn::Result<Ident> {
    input.call(Attribute::parse_outer)?;
    input.parse::<Visibility>()?;
    let mut keyword = input.call(Ident::parse_any)?;
    loop {
        let is_before_another = match keyword.to_string().as_str() {
            "async" | "auto" | "default" | "safe" | "unsafe" => true,
            "const" => {
                input.peek(Token![async])
                    || input.peek(Token![extern])
                    || input.peek(Token![fn])
                    || input.peek(Token![unsafe])
            }
            "extern" => {
                input.parse::<Option<LitStr>>()?;
                !input.peek(token::Brace)
            }
            _ => false,
        };
        if !is_before_another {
            break;
        }
        keyword = input.call(Ident::parse_any)?;
    }
    input.parse::<TokenStream>()?;
    Ok(keyword)
}

/// Parses `name!` followed by anything.
fn is_macro_call(input: ParseStream<'_>) -> syn::Result<()> {
    input.call(Attribute::parse_outer)?;
    input.call(Path::parse_mod_style)?;
    input.parse::<Token![!]>()?;
    input.parse::<TokenStream>().map(drop)
}
