//! A function, parsed as far as possible.
//!
//! `syn` doesn't know the syntax of every edition and compiler, such as `Box<Fn()>` without `dyn`,
//! `gen { .. }`, or later additions. If it can't parse a body or a head, the function is recognized
//! by the shape of its tokens: attributes, keywords, `fn`, a name, parameters in parentheses and a
//! body in braces. The unparsed tokens are emitted unchanged.

use crate::macro_fragments::Fragments;
use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt as _, quote};
use std::slice;
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::token::Brace;
use syn::{
    AttrStyle, Attribute, Block, Error, FnArg, ImplItemFn, Item, ItemFn, Pat, PatType, Result,
    Stmt, Token, Type,
};

/// A function with a body.
#[derive(Clone)]
pub(crate) struct Function {
    /// The parsed part. If `unread` is set, the block is empty; if it has a head, the signature
    /// consists of the keywords and the name only.
    pub(crate) item: ItemFn,
    pub(crate) unread: Option<Unread>,
}

/// The part of a function that couldn't be parsed.
#[derive(Clone)]
pub(crate) struct Unread {
    /// The body in its braces, without its inner attributes.
    pub(crate) body: Group,
    /// The head, if that couldn't be parsed either.
    pub(crate) head: Option<Head>,
    pub(crate) why: Error,
}

/// The head of a function, from its visibility on.
#[derive(Clone)]
pub(crate) struct Head {
    /// The tokens before the parameters.
    pub(crate) before: TokenStream,
    /// The parameters in their parentheses.
    pub(crate) parameters: Group,
    /// The return type and the `where` clause.
    pub(crate) after: TokenStream,
    /// The return type alone, if there is one.
    pub(crate) output: Option<TokenStream>,
}

impl Head {
    /// Parses the parameters; types that can't be parsed stay tokens. Returns `None` if a pattern
    /// can't be parsed.
    pub(crate) fn inputs(&self) -> Option<Punctuated<FnArg, Token![,]>> {
        let mut inputs = Punctuated::new();
        let mut angles = Angles::default();
        let mut parameter = TokenStream::new();
        for token in self.parameters.stream() {
            angles.pass(&token);
            match &token {
                TokenTree::Punct(sign) if sign.as_char() == ',' && angles.are_closed() => {
                    inputs.push(input(std::mem::take(&mut parameter))?);
                }
                _ => parameter.extend([token]),
            }
        }
        if !parameter.is_empty() {
            inputs.push(input(parameter)?);
        }
        Some(inputs)
    }
}

/// Parses a parameter; a type that can't be parsed stays tokens.
fn input(tokens: TokenStream) -> Option<FnArg> {
    let by_pattern = |input: ParseStream<'_>| {
        if input.peek(Token![self]) || input.peek2(Token![self]) {
            return Err(input.error("expected a pattern"));
        }
        Ok(FnArg::Typed(PatType {
            attrs: input.call(Attribute::parse_outer)?,
            pat: Box::new(Pat::parse_single(input)?),
            colon_token: input.parse()?,
            ty: Box::new(Type::Verbatim(input.parse()?)),
        }))
    };
    let read = syn::parse2(tokens.clone());
    read.or_else(|_| by_pattern.parse2(tokens)).ok()
}

impl ToTokens for Head {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.before.to_tokens(tokens);
        self.parameters.to_tokens(tokens);
        self.after.to_tokens(tokens);
    }
}

/// Why an item isn't a function that can be profiled.
pub(crate) enum NotRead {
    /// Another item, or a function without a body.
    Other,
    /// A head that ends in `->`: the code is incomplete, and the compiler reports that.
    HalfTyped,
    /// A function that can't be profiled at all, with its attributes and the error.
    Refused(Vec<Attribute>, Error),
}

impl Function {
    pub(crate) fn read(
        item: &TokenStream,
        fragments: &Fragments,
    ) -> std::result::Result<Self, NotRead> {
        let why = match fragments.parse::<ItemFn>(item.clone()) {
            Ok(item) => return Ok(Self { item, unread: None }),
            Err(why) => why,
        };
        // `ImplItemFn` accepts `default fn`, too.
        match fragments.parse::<ImplItemFn>(item.clone()) {
            Ok(item) => Ok(Self {
                item: of_impl(item),
                unread: None,
            }),
            Err(_) => Self::by_shape(item, fragments, why),
        }
    }

    fn by_shape(
        item: &TokenStream,
        fragments: &Fragments,
        why: Error,
    ) -> std::result::Result<Self, NotRead> {
        let shape = Shape::read.parse2(item.clone());
        let shape = shape.map_err(|_| NotRead::Other)?;
        if let Some(word) = &shape.gen_word {
            let error = Error::new(
                word.span(),
                "`#[memprofile]` can't profile a `gen fn`: its body runs piece by piece, in each `next()` of \
                 what it returns; profile the function that goes through the values; in an item with the \
                 attribute, leave this one out by `#[memprofile(skip)]`",
            );
            return Err(NotRead::Refused(shape.outer, error));
        }
        if shape.is_half_typed {
            return Err(NotRead::HalfTyped);
        }
        let refuse = |error| NotRead::Refused(shape.outer.clone(), unreadable(&error));
        let (inner, body) = without_inner(shape.body.clone()).map_err(refuse)?;
        let empty = Group::new(Delimiter::Brace, TokenStream::new());
        let Shape { outer, head, .. } = &shape;
        let read = fragments.parse::<ImplItemFn>(quote!(#(#outer)* #head #empty));
        let (read, head) = match read {
            Ok(read) => (read, None),
            Err(_) => {
                let Shape {
                    words,
                    fn_word,
                    name,
                    ..
                } = &shape;
                let stub = quote!(#(#outer)* #(#words)* #fn_word #name() {});
                let stub: ImplItemFn = syn::parse2(stub).map_err(refuse)?;
                (stub, Some(head.clone()))
            }
        };
        let mut item = of_impl(read);
        item.attrs.extend(inner);
        item.block = Box::new(Block {
            brace_token: Brace {
                span: body.delim_span(),
            },
            stmts: Vec::new(),
        });
        let unread = Unread { body, head, why };
        Ok(Self {
            item,
            unread: Some(unread),
        })
    }

    /// The function with `attrs` in place of its attributes.
    pub(crate) fn with(&self, attrs: Vec<Attribute>) -> Self {
        let mut function = self.clone();
        function.item.attrs = attrs;
        function
    }

    /// Whether `#[memprofile]` has already expanded this function.
    pub(crate) fn has_been_profiled(&self) -> bool {
        const NAME: &str = "__MemprofSite";
        if let Some(unread) = &self.unread {
            let mut tokens = unread.body.stream().into_iter();
            let is = |token: Option<TokenTree>, word: &str| matches!(token, Some(TokenTree::Ident(found)) if found == word);
            return is(tokens.next(), "enum") && is(tokens.next(), NAME);
        }
        matches!(self.item.block.stmts.first(), Some(Stmt::Item(Item::Enum(first))) if first.ident == NAME)
    }

    /// The inner attributes of the body and the outer attributes.
    pub(crate) fn attrs(&self) -> (Vec<Attribute>, Vec<Attribute>) {
        let is_inner = |attribute: &Attribute| matches!(attribute.style, AttrStyle::Inner(_));
        self.item.attrs.iter().cloned().partition(is_inner)
    }
}

impl From<ItemFn> for Function {
    fn from(item: ItemFn) -> Self {
        Self { item, unread: None }
    }
}

impl From<ImplItemFn> for Function {
    fn from(item: ImplItemFn) -> Self {
        Self::from(of_impl(item))
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let (inner, outer) = self.attrs();
        let ItemFn {
            vis,
            modifiers,
            sig,
            block,
            ..
        } = &self.item;
        tokens.append_all(outer);
        match &self.unread {
            Some(Unread {
                head: Some(head), ..
            }) => head.to_tokens(tokens),
            _ => {
                let defaultness = &modifiers.defaultness;
                tokens.extend(quote!(#vis #defaultness #sig));
            }
        }
        match &self.unread {
            Some(unread) if inner.is_empty() => unread.body.to_tokens(tokens),
            Some(unread) => {
                let inside = unread.body.stream();
                let mut body = Group::new(Delimiter::Brace, quote!(#(#inner)* #inside));
                body.set_span(unread.body.span());
                body.to_tokens(tokens);
            }
            None => block.brace_token.surround(tokens, |tokens| {
                tokens.append_all(inner);
                tokens.append_all(&block.stmts);
            }),
        }
    }
}

fn of_impl(item: ImplItemFn) -> ItemFn {
    ItemFn {
        attrs: item.attrs,
        vis: item.vis,
        modifiers: item.modifiers,
        sig: item.sig,
        block: Box::new(item.block),
    }
}

/// The error for an item that can't be parsed at all.
pub(crate) fn unreadable(error: &Error) -> Error {
    Error::new(
        error.span(),
        format!(
            "`#[memprofile]` can't read this ({error}): write it in another way, or take the attribute \
             away, in an item with the attribute by `#[memprofile(skip)]`"
        ),
    )
}

/// A function, recognized by the shape of its tokens.
struct Shape {
    outer: Vec<Attribute>,
    head: Head,
    /// `async`, `const`, `unsafe` and `extern "C"`, in front of `fn`.
    words: Vec<TokenTree>,
    gen_word: Option<Ident>,
    fn_word: Ident,
    name: Ident,
    is_half_typed: bool,
    body: Group,
}

impl Shape {
    fn read(input: ParseStream<'_>) -> Result<Self> {
        let outer = input.call(Attribute::parse_outer)?;
        let tokens: Vec<TokenTree> = input.parse::<TokenStream>()?.into_iter().collect();
        if let [TokenTree::Group(group)] = &tokens[..]
            && group.delimiter() == Delimiter::None
        {
            let mut inside = Self::read.parse2(group.stream())?;
            inside.outer.splice(0..0, outer);
            return Ok(inside);
        }
        let Some((TokenTree::Group(body), head)) = tokens.split_last() else {
            return Err(no_function());
        };
        let body = braces(body.clone()).ok_or_else(no_function)?;
        let mut rest = head.iter();
        let mut words = Vec::new();
        let mut gen_word = None;
        let fn_word = words_before_fn(&mut rest, &mut words, &mut gen_word)?;
        let Some(TokenTree::Ident(name)) = rest.next() else {
            return Err(no_function());
        };
        let parameters = parameters(&mut rest).ok_or_else(no_function)?;
        let before = head.iter().take(head.len() - rest.len() - 1);
        let output = output(rest.clone());
        Ok(Self {
            outer,
            head: Head {
                before: before.cloned().collect(),
                parameters,
                after: rest.cloned().collect(),
                output: output
                    .as_ref()
                    .map(|output| output.iter().cloned().collect()),
            },
            words,
            gen_word,
            fn_word,
            name: name.clone(),
            is_half_typed: output.is_some_and(|output| output.is_empty()),
            body,
        })
    }
}

fn no_function() -> Error {
    Error::new(proc_macro2::Span::call_site(), "no function")
}

/// Reads up to `fn`, which is returned. `gen` is not among the words.
fn words_before_fn(
    rest: &mut slice::Iter<'_, TokenTree>,
    words: &mut Vec<TokenTree>,
    gen_word: &mut Option<Ident>,
) -> Result<Ident> {
    const KNOWN: [&str; 4] = ["async", "const", "extern", "unsafe"];
    loop {
        match rest.next() {
            Some(TokenTree::Ident(word)) if word == "fn" => return Ok(word.clone()),
            Some(TokenTree::Ident(word)) if word == "gen" => *gen_word = Some(word.clone()),
            Some(TokenTree::Ident(word)) => {
                if KNOWN.iter().any(|known| word == known) {
                    words.push(TokenTree::Ident(word.clone()));
                } else if is_another_item(word) {
                    return Err(no_function());
                }
            }
            Some(TokenTree::Literal(abi)) => words.push(TokenTree::Literal(abi.clone())),
            // `pub(crate)`, or a visibility that a `macro_rules!` macro has substituted.
            Some(TokenTree::Group(_)) => {}
            Some(TokenTree::Punct(_)) | None => return Err(no_function()),
        }
    }
}

/// Reads up to the parameters, past generics that may have parentheses of their own.
fn parameters(rest: &mut slice::Iter<'_, TokenTree>) -> Option<Group> {
    let mut angles = Angles::default();
    rest.find_map(|token| match token {
        TokenTree::Group(group)
            if group.delimiter() == Delimiter::Parenthesis && angles.are_closed() =>
        {
            Some(group.clone())
        }
        token => {
            angles.pass(token);
            None
        }
    })
}

/// The tokens of the return type, up to a `where`. Nothing if there is no arrow.
fn output(rest: slice::Iter<'_, TokenTree>) -> Option<Vec<TokenTree>> {
    let mut output: Option<Vec<TokenTree>> = None;
    let mut angles = Angles::default();
    for token in rest {
        match (token, &mut output) {
            (TokenTree::Ident(word), _) if word == "where" && angles.are_closed() => break,
            (token, Some(output)) => output.push(token.clone()),
            (TokenTree::Punct(arrow), None) if arrow.as_char() == '>' => {
                output = Some(Vec::new());
                continue;
            }
            _ => {}
        }
        angles.pass(token);
    }
    output
}

/// The group if it is in braces, or the braces inside the invisible group that a `macro_rules!`
/// macro has substituted.
pub(crate) fn braces(mut group: Group) -> Option<Group> {
    while group.delimiter() == Delimiter::None {
        let mut inside = group.stream().into_iter();
        group = match (inside.next(), inside.next()) {
            (Some(TokenTree::Group(inside)), None) => inside,
            _ => return None,
        };
    }
    (group.delimiter() == Delimiter::Brace).then_some(group)
}

/// Whether `word` is a keyword of an item that isn't a function.
fn is_another_item(word: &Ident) -> bool {
    const WORDS: [&str; 9] = [
        "enum", "impl", "let", "macro", "mod", "static", "struct", "trait", "type",
    ];
    WORDS.iter().any(|other| word == other)
}

/// The inner attributes of a body, and the body without them.
fn without_inner(body: Group) -> Result<(Vec<Attribute>, Group)> {
    let split = |input: ParseStream<'_>| {
        let inner = input.call(Attribute::parse_inner)?;
        Ok((inner, input.parse::<TokenStream>()?))
    };
    let (inner, rest) = split.parse2(body.stream())?;
    if inner.is_empty() {
        // Unchanged, so that a substituted group keeps its invisible delimiters.
        return Ok((inner, body));
    }
    let mut without = Group::new(Delimiter::Brace, rest);
    without.set_span(body.span());
    Ok((inner, without))
}

/// Counts open `<` in a list of tokens outside of expressions.
#[derive(Default)]
pub(crate) struct Angles {
    depth: usize,
    /// Whether the token before is the first half of `->` or `=>`.
    is_arrow: bool,
}

impl Angles {
    pub(crate) fn pass(&mut self, token: &TokenTree) {
        let TokenTree::Punct(punct) = token else {
            self.is_arrow = false;
            return;
        };
        match punct.as_char() {
            '<' => self.depth += 1,
            '>' if !self.is_arrow => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.is_arrow = matches!(punct.as_char(), '-' | '=');
    }

    pub(crate) fn are_closed(&self) -> bool {
        self.depth == 0
    }
}
