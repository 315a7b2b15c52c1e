//! The code generated for a profiled function.
//!
//! # Functions that aren't `async`
//!
//! The signature stays, and the body gets a frame:
//!
//! ```text
//! fn f(a: A) -> R {
//!     enum __MemprofSite {}
//!     static __MEMPROF_SITE: Site = Site::new(type_name::<__MemprofSite>, ..);
//!     let _frame = enter(&__MEMPROF_SITE);
//!     { { _frame.at(1); let x = ..; _frame.at(2); tail } }
//! }
//! ```
//!
//! # `async` functions
//!
//! An `async fn` becomes a function that returns the future of the same body, wrapped in a `Task`
//! that measures its polls:
//!
//! ```text
//! fn f(a: A, __arg1: B) -> impl Future<Output = R> {
//!     enum __MemprofSite {}
//!     static __MEMPROF_SITE: Site = Site::new(type_name::<__MemprofSite>, ..);
//!     task(&__MEMPROF_SITE, async move { let a = a; let (b, c) = __arg1; { body } })
//! }
//! ```
//!
//! Its probes are functions ([`Context`]).
//!
//! The compiler desugars an `async fn` in the same way, so callers see no difference. Awaiting the
//! task inside of an `async fn` would add a level of futures; that is done only if the keyword has
//! to stay, because another attribute looks for it or the return type is `!`.
//!
//! # Spans
//!
//! The outer braces have the user's span: otherwise the compiler takes the whole item for generated
//! code and suppresses its lints. The braces around the body have our span, and so edition 2024, in
//! which the body's last temporaries are dropped before the frame.

use crate::args::Args;
use crate::first_token::Start;
use crate::function::{self, Function, Head as UnreadHead, Unread};
use crate::instrument::{Context, Walk};
use crate::lines::{Head, Lines, Text};
use crate::macro_fragments::Fragments;
use crate::own_attribute::Conditional;
use crate::reachability;
use crate::source;
use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use std::env;
use std::sync::LazyLock;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, Block, Expr, FnArg, Generics, ItemFn, Meta, Pat, PatIdent, PatType, ReturnType,
    Signature, Stmt, Token, Type,
};

/// The context of a function.
pub(crate) struct Setting<'a> {
    /// The span of this attribute on the function, if it has one.
    pub(crate) attribute: Option<Span>,
    /// The fragments that a `macro_rules!` macro has substituted.
    pub(crate) fragments: &'a Fragments,
    /// Whether another attribute on an enclosing item will still read the function.
    pub(crate) is_read_on: bool,
    /// The call that tells the function's `Site` which accessors its item leaves out.
    pub(crate) left_out: Option<&'a TokenStream>,
}

/// Generates the profiled function.
pub(crate) fn profile(args: &Args, function: &Function, setting: &Setting<'_>) -> TokenStream {
    if cfg!(feature = "off") || is_for_clippy() {
        return function.into_token_stream();
    }
    let (inner, outer) = function.attrs();
    let ItemFn {
        vis,
        modifiers,
        mut sig,
        mut block,
        ..
    } = function.item.clone();

    let private = args.private();
    Ungroup.visit_block_mut(&mut block);
    let braces = block.brace_token.span;
    let head = head(&outer, &vis, &sig, setting.attribute);
    let starts: Vec<Start> = block.stmts.iter().filter_map(Start::of_stmt).collect();
    let mut lines = Lines::new(&head, &block, &starts, setting.fragments);
    let context = match &sig.asyncness {
        Some(_) => Context::Task,
        None => Context::Frame,
    };
    if let Some(unread) = &function.unread {
        let body = whole_body(&private, &mut lines, head.fn_token, unread, context);
        let text = lines.text(function, setting.attribute);
        let note = note(unread, &lines, &text, head.fn_token);
        let site = site(args, &lines, &text, Some(&note), setting.left_out);
        let is_read_on = setting.is_read_on || !outer.iter().all(is_builtin);
        let (head, body) = match &unread.head {
            Some(head) if sig.asyncness.is_some() => match unread_async(args, head, &body) {
                Some(both) => both,
                None => {
                    let error = function::unreadable(&unread.why).into_compile_error();
                    return quote!(#error #function);
                }
            },
            Some(head) => (head.to_token_stream(), framed(args, &body)),
            None => {
                let body = match &sig.asyncness {
                    Some(_) => async_body(args, is_read_on, &mut sig, &body),
                    None => framed(args, &body),
                };
                let defaultness = modifiers.defaultness;
                (quote!(#vis #defaultness #sig), body)
            }
        };
        let mut body = Group::new(Delimiter::Brace, quote!(#(#inner)* #site #body));
        body.set_span(braces.join());
        return quote!(#(#outer)* #head #body);
    }
    let boxed = boxed_async_block(&sig, &mut block);
    let is_boxed = boxed.is_some();
    if let Some(expr) = boxed {
        if let Expr::Async(boxed) = expr {
            Walk::new(&private, &mut lines, Context::Task).body(&mut boxed.block);
        }
        let task = guarded_task(args, &quote!(#private::task(&__MEMPROF_SITE, #expr)));
        *expr = Expr::Verbatim(task);
    } else {
        Walk::new(&private, &mut lines, context).body(&mut block);
    }
    let text = lines.text(function, setting.attribute);
    let is_replaced = !starts.is_empty() && !lines.have_code();
    let note = is_replaced.then_some(REPLACED);
    let site = site(args, &lines, &text, note, setting.left_out);

    let body = if is_boxed {
        quote!(#block)
    } else if sig.asyncness.is_some() {
        let is_read_on = setting.is_read_on || !outer.iter().all(is_builtin);
        async_body(args, is_read_on, &mut sig, &block.to_token_stream())
    } else {
        framed(args, &block.to_token_stream())
    };
    let mut body = Group::new(Delimiter::Brace, quote!(#(#inner)* #site #body));
    body.set_span(braces.join());
    let defaultness = modifiers.defaultness;
    quote!(#(#outer)* #vis #defaultness #sig #body)
}

/// The body of a function that isn't `async`, with its frame.
fn framed(args: &Args, block: &TokenStream) -> TokenStream {
    let private = args.private();
    // The guard comes first, so that it is dropped last.
    let guard = args.guard();
    let guard = guard.map(|_| quote!(let _guard = #private::guard(&__MEMPROF_GUARD);));
    // With the span of the probes, which name the frame.
    let span = Span::mixed_site();
    let frame = quote_spanned!(span=> let _frame = #private::enter(&__MEMPROF_SITE););
    quote! {
        #guard
        #frame
        { #block }
    }
}

/// A body that can't be parsed. All of it is on the line of `fn`.
fn whole_body(
    private: &TokenStream,
    lines: &mut Lines<'_>,
    fn_token: Span,
    unread: &Unread,
    context: Context,
) -> TokenStream {
    let place = lines.place_in_head(fn_token);
    let body = &unread.body;
    let span = Span::mixed_site().located_at(fn_token);
    let at = context.probe(private, "at", place, span);
    quote_spanned!(span=> { #at; #body })
}

/// The note below the table of such a function.
fn note(unread: &Unread, lines: &Lines<'_>, text: &Text, fn_token: Span) -> String {
    let why = unread.why.to_string().replace('\n', " ");
    let span = unread.why.span();
    let whole = text.number(lines.number_in_head(fn_token));
    let what = if span.unwrap().file() == lines.file() {
        format!("line {}", text.number(source::line(span)))
    } else {
        "its code".to_owned()
    };
    format!(
        "The attribute can't read {what} ({why}), so line {whole} has the numbers of the whole function."
    )
}

/// The head and the body of an `async fn` whose head can't be parsed. It stays `async`. Returns
/// `None` if the patterns of its parameters can't be parsed, either.
fn unread_async(
    args: &Args,
    head: &UnreadHead,
    body: &TokenStream,
) -> Option<(TokenStream, TokenStream)> {
    let private = &args.private();
    let mut inputs = head.inputs()?;
    let output = head.output.as_ref();
    let output = output.and_then(|output| match syn::parse2::<Type>(output.clone()) {
        Ok(ty) => Some(ty),
        // An `impl Trait` can be replaced in parsed types only.
        Err(_) if has_word(output, "impl") => None,
        Err(_) => Some(Type::Verbatim(output.clone())),
    });
    let output = output.map_or(ReturnType::Default, |ty| {
        ReturnType::Type(Token![->](Span::mixed_site()), Box::new(ty))
    });
    let edge = return_edge(private, &output);
    let arguments = own_arguments(&mut inputs);
    let task = quote! {
        #private::task(&__MEMPROF_SITE, async move {
            #edge
            #arguments
            #body
        })
    };
    let task = guarded_task(args, &task);
    let UnreadHead { before, after, .. } = head;
    Some((quote!(#before(#inputs) #after), quote!(#task.await)))
}

fn has_word(tokens: &TokenStream, word: &str) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(found) => found == word,
        TokenTree::Group(group) => has_word(&group.stream(), word),
        _ => false,
    })
}

/// Whether clippy is running.
///
/// The function is then left unchanged: clippy has to check what the user wrote. Generated code
/// causes other lints and hides some of the user's.
fn is_for_clippy() -> bool {
    static ANSWER: LazyLock<bool> = LazyLock::new(|| {
        let compiler = env::current_exe().unwrap_or_default();
        compiler.file_stem() == Some("clippy-driver".as_ref())
    });
    *ANSWER
}

/// The `async` block of a function that only boxes it, as `#[async_trait]` generates. Its lines are
/// those of the function.
fn boxed_async_block<'a>(sig: &Signature, block: &'a mut Block) -> Option<&'a mut Expr> {
    if sig.asyncness.is_some() {
        return None;
    }
    let [Stmt::Expr(Expr::Call(call), None)] = &mut block.stmts[..] else {
        return None;
    };
    let is_pin = match &*call.func {
        Expr::Path(function) => {
            let last = function.path.segments.last();
            last.is_some_and(|last| last.ident == "pin")
        }
        _ => false,
    };
    let boxed = call.args.first_mut()?;
    (is_pin && matches!(boxed, Expr::Async(_))).then_some(boxed)
}

/// The spans of a function's head, from the first attribute that isn't a doc comment.
fn head(
    outer: &[Attribute],
    vis: &syn::Visibility,
    sig: &Signature,
    attribute: Option<Span>,
) -> Head {
    let attributes = outer
        .iter()
        .filter(|attribute| !attribute.path().is_ident("doc"))
        .map(|attribute| attribute.pound_token.span);
    let vis = vis.to_token_stream().into_iter().map(|token| token.span());
    let all = attributes
        .chain(vis)
        .chain([sig.fn_token.span, sig.ident.span()])
        .filter(|span| !source::is_attribute(*span))
        .chain(attribute);
    Head {
        fn_token: sig.fn_token.span,
        all: all.collect(),
    }
}

/// The note for a function without any statement in the source, because another attribute has
/// replaced its body.
const REPLACED: &str = "The lines of this function can't be shown: an attribute above \
                        `#[memprofile]` has replaced its body. Put `#[memprofile]` above that \
                        attribute.";

/// The note for a function whose text isn't that of the file, unless it has another note.
const NOT_OF_THE_FILE: &str =
    "The source shown is the text that was compiled, which differs from the file.";

/// The statics of the function: its `Site`, and its `Guard` if it has a budget.
fn site(
    args: &Args,
    lines: &Lines<'_>,
    text: &Text,
    note: Option<&str>,
    left_out: Option<&TokenStream>,
) -> TokenStream {
    let private = args.private();
    let file = lines.file();
    let first_line = text.number(lines.first());
    let opened = lines.opened().iter().map(|number| text.number(*number));
    let note = note.or_else(|| (!text.is_of_the_file).then_some(NOT_OF_THE_FILE));
    let source = &text.source;
    let options = args.options().map(|options| quote!(.with(#options)));
    let note = note.map(|note| quote!(.noted(#note)));
    let guard = args.guard();
    let guard = guard.map(|guard| quote!(static __MEMPROF_GUARD: #private::Guard = #guard;));
    quote! {
        enum __MemprofSite {}
        static __MEMPROF_SITE: #private::Site = #private::Site::new(
            #private::type_name::<__MemprofSite>,
            #file,
            #first_line,
            #source,
            &[#(#opened),*],
        ) #options #note #left_out;
        #guard
    }
}

/// The future of a call, with the guard of the function's budget if it has one.
fn guarded_task(args: &Args, task: &TokenStream) -> TokenStream {
    let private = args.private();
    match args.guard() {
        Some(_) => quote!(#private::guard_task(&__MEMPROF_GUARD, #task)),
        None => task.clone(),
    }
}

/// The new body of an `async fn`. The signature is changed to match.
fn async_body(
    args: &Args,
    is_read_on: bool,
    sig: &mut Signature,
    block: &TokenStream,
) -> TokenStream {
    let private = &args.private();
    let arguments = own_arguments(&mut sig.inputs);
    let edge = return_edge(private, &sig.output);
    let task = quote! {
        #private::task(&__MEMPROF_SITE, async move {
            #edge
            #arguments
            #block
        })
    };
    let task = guarded_task(args, &task);

    let output = match &sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, ty) => quote!(#ty),
    };
    let stays_async = matches!(&sig.output, ReturnType::Type(_, ty) if matches!(**ty, Type::Never(_)))
        || is_read_on;
    if stays_async {
        return quote!(#task.await);
    }
    sig.asyncness = None;
    // With our span, and so of edition 2024: such an `impl` captures every lifetime, as does the
    // future of an `async fn`.
    sig.output = syn::parse_quote!(-> impl #private::Future<Output = #output>);
    task
}

/// Whether an attribute is the compiler's own, and works whether or not the function is `async`.
pub(crate) fn is_builtin(attribute: &Attribute) -> bool {
    const BUILTIN: [&str; 10] = [
        "allow",
        "cfg",
        "cold",
        "deny",
        "deprecated",
        "doc",
        "expect",
        "forbid",
        "inline",
        "warn",
    ];
    // This lint is about `async fn` in traits.
    let minds = reachability::names(attribute, "async_fn_in_trait");
    !minds && BUILTIN.iter().any(|name| attribute.path().is_ident(name))
}

/// Moves each argument into the body, in order, so that they are dropped there as in an
/// `async fn`: after the locals, the last one first.
///
/// Patterns are destructured in the body, too; the parameter gets a name for that.
fn own_arguments(inputs: &mut Punctuated<FnArg, Token![,]>) -> TokenStream {
    let mut moves = TokenStream::new();
    for (index, argument) in inputs.iter_mut().enumerate() {
        match argument {
            FnArg::Receiver(receiver) => {
                // Makes the body capture all of `self`, even if it only uses a field.
                let this = Ident::new("self", receiver.self_token.span);
                moves.extend(quote!(let _ = &#this;));
            }
            FnArg::Typed(PatType { attrs, pat, .. }) => {
                for attribute in &mut *attrs {
                    allow(&mut attribute.meta);
                }
                let attrs = attrs.iter().filter_map(of_a_let);
                let attrs = quote!(#(#attrs)*);
                if let Pat::Ident(PatIdent {
                    by_ref: None,
                    mutability,
                    ident,
                    subpat: None,
                    ..
                }) = &mut **pat
                    && !is_like_a_constant(ident)
                {
                    moves.extend(quote!(#attrs let #mutability #ident = #ident;));
                    *mutability = None;
                } else {
                    let name = format_ident!("__arg{index}", span = Span::mixed_site());
                    let whole = std::mem::replace(&mut **pat, syn::parse_quote!(#name));
                    // Two statements, so that what the pattern doesn't bind is dropped here, too.
                    moves.extend(quote!(#attrs let #name = #name; #attrs let #whole = #name;));
                }
            }
        }
    }
    moves
}

/// Replaces `expect` by `allow`: if an argument has two names, the expectation would be unfulfilled
/// for one of them.
fn allow(meta: &mut Meta) {
    if let Some(mut conditional) = Conditional::of(meta) {
        conditional.metas.iter_mut().for_each(allow);
        *meta = conditional.meta();
    } else if let Meta::List(list) = meta
        && list.path.is_ident("expect")
    {
        list.path = Ident::new("allow", list.path.span()).into();
    }
}

/// The attribute of a parameter as an attribute of its `let`. Returns `None` for one that is meant
/// for another macro.
fn of_a_let(attribute: &Attribute) -> Option<Attribute> {
    fn kept(meta: Meta) -> Option<Meta> {
        const KEPT: [&str; 5] = ["allow", "cfg", "deny", "forbid", "warn"];
        if let Some(mut conditional) = Conditional::of(&meta) {
            let metas = std::mem::take(&mut conditional.metas);
            conditional.metas = metas.into_iter().filter_map(kept).collect();
            return (!conditional.metas.is_empty()).then(|| conditional.meta());
        }
        KEPT.iter()
            .any(|name| meta.path().is_ident(name))
            .then_some(meta)
    }
    Some(Attribute {
        meta: kept(attribute.meta.clone())?,
        ..attribute.clone()
    })
}

/// Whether a pattern of this name may be a unit struct or a constant. It then binds nothing, and
/// `let Unit = Unit;` would create another value.
fn is_like_a_constant(name: &Ident) -> bool {
    name.to_string().starts_with(char::is_uppercase)
}

/// A `return` that never runs and gives the body the function's return type. An `async` block has
/// none, and without it wouldn't coerce the value it returns.
fn return_edge(private: &TokenStream, output: &ReturnType) -> TokenStream {
    let ReturnType::Type(_, ty) = output else {
        return TokenStream::new();
    };
    if matches!(**ty, Type::Never(_)) {
        return TokenStream::new();
    }
    let mut ty = ty.clone();
    WithoutImplTrait.visit_type_mut(&mut ty);
    quote! {
        if false {
            return #private::never::<#ty>();
        }
    }
}

/// Removes the invisible delimiters around expressions that a `macro_rules!` macro has substituted
/// for an `$e:expr`. The compiler ignores them in our output. Without them, `syn` prints the
/// parentheses that an operand needs.
struct Ungroup;

impl VisitMut for Ungroup {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        while let Expr::Group(group) = expr
            && group.attrs.is_empty()
        {
            let inner = std::mem::replace(&mut *group.expr, Expr::Verbatim(TokenStream::new()));
            *expr = inner;
        }
        visit_mut::visit_expr_mut(self, expr);
    }
}

/// Replaces each `impl Trait` by `_`, since it isn't allowed in a body.
struct WithoutImplTrait;

impl VisitMut for WithoutImplTrait {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if matches!(ty, Type::ImplTrait(_)) {
            *ty = syn::parse_quote!(_);
        } else {
            visit_mut::visit_type_mut(self, ty);
        }
    }

    fn visit_generics_mut(&mut self, _: &mut Generics) {}
}

#[cfg(test)]
mod tests {
    use super::own_arguments;
    use quote::{ToTokens, quote};
    use syn::{Signature, parse_quote};

    #[test]
    fn what_others_read_on_a_parameter_stays_there_alone() {
        let mut signature: Signature = parse_quote! {
            async fn f(
                #[description = "whose"] #[allow(unused)] user: u32,
                #[cfg_attr(a, rest, cfg(b))] (x, y): (u8, u8),
                #[cfg_attr(a, rest)] #[expect(unused)] last: u8,
            )
        };

        let moves = own_arguments(&mut signature.inputs);

        let of_lets = quote! {
            #[allow(unused)] let user = user;
            #[cfg_attr(a, cfg(b))] let __arg1 = __arg1;
            #[cfg_attr(a, cfg(b))] let (x, y) = __arg1;
            #[allow(unused)] let last = last;
        };
        assert_eq!(moves.to_string(), of_lets.to_string());
        let parameters = quote! {
            async fn f(
                #[description = "whose"] #[allow(unused)] user: u32,
                #[cfg_attr(a, rest, cfg(b))] __arg1: (u8, u8),
                #[cfg_attr(a, rest)] #[allow(unused)] last: u8,
            )
        };
        assert_eq!(
            signature.to_token_stream().to_string(),
            parameters.to_string()
        );
    }
}
