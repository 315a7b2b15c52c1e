//! Where statements and expressions begin: their first tokens, and the attributes before them.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::spanned::Spanned as _;
use syn::{Attribute, Expr, ExprClosure, Label, Meta, Pat, Path, Stmt};

/// The first token of code that may have a line, without its attributes.
#[derive(Clone)]
pub(crate) struct Start {
    pub(crate) span: Span,
    word: Word,
    /// The semicolon, if the code is a statement that ends in one.
    pub(crate) semicolon: Option<Span>,
}

/// The text of the first token.
#[derive(Clone)]
enum Word {
    Keyword(&'static str),
    Name(Ident),
    Other,
}

impl Start {
    pub(crate) fn keyword(span: Span, word: &'static str) -> Self {
        Self {
            word: Word::Keyword(word),
            ..Self::other(span)
        }
    }

    fn name(name: &Ident) -> Self {
        Self {
            word: Word::Name(name.clone()),
            ..Self::other(name.span())
        }
    }

    fn other(span: Span) -> Self {
        Self {
            span,
            word: Word::Other,
            semicolon: None,
        }
    }

    /// The start of a loop or a block: its label or, if there is none, `start`.
    pub(crate) fn labelled(label: Option<&Label>, start: Self) -> Self {
        label.map_or(start, |label| Self::other(label.name.apostrophe))
    }

    pub(crate) fn of_closure(closure: &ExprClosure) -> Self {
        let first = |span, word| Some(Self::keyword(span, word));
        let before = [
            closure
                .lifetimes
                .as_ref()
                .and_then(|lifetimes| first(lifetimes.for_token.span, "for")),
            closure
                .constness
                .and_then(|token| first(token.span, "const")),
            closure
                .asyncness
                .and_then(|token| first(token.span, "async")),
            closure.capture.and_then(|token| first(token.span, "move")),
        ];
        let inputs = Self::keyword(closure.inputs_begin.spans[0], "|");
        before.into_iter().flatten().next().unwrap_or(inputs)
    }

    pub(crate) fn of_pattern(pattern: &Pat) -> Self {
        Self::other(pattern.span())
    }

    /// Returns `None` for an item.
    pub(crate) fn of_stmt(stmt: &Stmt) -> Option<Self> {
        let (start, semicolon) = match stmt {
            Stmt::Local(stmt) => {
                let start = Self::keyword(stmt.let_token.span, "let");
                (start, Some(stmt.semi_token))
            }
            Stmt::Expr(Expr::Verbatim(tokens), _) if tokens.is_empty() => return None,
            Stmt::Expr(expr, semicolon) => (Self::of_expr(expr), *semicolon),
            Stmt::Macro(stmt) => (Self::of_path(&stmt.mac.path), stmt.semi_token),
            Stmt::Item(_) => return None,
        };
        Some(Self {
            semicolon: semicolon.map(|token| token.span),
            ..start
        })
    }

    fn of_path(path: &Path) -> Self {
        match (&path.leading_colon, path.segments.first()) {
            (Some(colons), _) => Self::keyword(colons.spans[0], ":"),
            (None, Some(segment)) => Self::name(&segment.ident),
            (None, None) => Self::other(path.span()),
        }
    }

    pub(crate) fn of_expr(expr: &Expr) -> Self {
        match expr {
            Expr::Assign(expr) => Self::of_expr(&expr.left),
            Expr::Await(expr) => Self::of_expr(&expr.base),
            Expr::Binary(expr) => Self::of_expr(&expr.left),
            Expr::Call(expr) => Self::of_expr(&expr.func),
            Expr::Cast(expr) => Self::of_expr(&expr.expr),
            Expr::Field(expr) => Self::of_expr(&expr.base),
            Expr::Group(expr) => Self::of_expr(&expr.expr),
            Expr::Index(expr) => Self::of_expr(&expr.expr),
            Expr::MethodCall(expr) => Self::of_expr(&expr.receiver),
            Expr::Try(expr) => Self::of_expr(&expr.expr),
            Expr::Range(syn::ExprRange {
                start: Some(start), ..
            }) => Self::of_expr(start),

            Expr::Array(expr) => Self::keyword(expr.bracket_token.span.open(), "["),
            Expr::Async(expr) => Self::keyword(expr.async_token.span, "async"),
            Expr::Block(expr) => {
                let brace = Self::keyword(expr.block.brace_token.span.open(), "{");
                Self::labelled(expr.label.as_ref(), brace)
            }
            Expr::Break(expr) => Self::keyword(expr.break_token.span, "break"),
            Expr::Closure(expr) => Self::of_closure(expr),
            Expr::Const(expr) => Self::keyword(expr.const_token.span, "const"),
            Expr::Continue(expr) => Self::keyword(expr.continue_token.span, "continue"),
            Expr::ForLoop(expr) => {
                let keyword = Self::keyword(expr.for_token.span, "for");
                Self::labelled(expr.label.as_ref(), keyword)
            }
            Expr::If(expr) => Self::keyword(expr.if_token.span, "if"),
            Expr::Lit(expr) => Self::other(expr.lit.span()),
            Expr::Loop(expr) => {
                let keyword = Self::keyword(expr.loop_token.span, "loop");
                Self::labelled(expr.label.as_ref(), keyword)
            }
            Expr::Macro(expr) => Self::of_path(&expr.mac.path),
            Expr::Match(expr) => Self::keyword(expr.match_token.span, "match"),
            Expr::Paren(expr) => Self::keyword(expr.paren_token.span.open(), "("),
            Expr::Reference(expr) => Self::keyword(expr.and_token.span, "&"),
            Expr::Return(expr) => Self::keyword(expr.return_token.span, "return"),
            Expr::Path(syn::ExprPath {
                qself: None, path, ..
            })
            | Expr::Struct(syn::ExprStruct {
                qself: None, path, ..
            }) => Self::of_path(path),
            Expr::Tuple(expr) => Self::keyword(expr.paren_token.span.open(), "("),
            Expr::Unsafe(expr) => Self::keyword(expr.unsafe_token.span, "unsafe"),
            Expr::While(expr) => {
                let keyword = Self::keyword(expr.while_token.span, "while");
                Self::labelled(expr.label.as_ref(), keyword)
            }
            _ => Self::other(expr.span()),
        }
    }

    /// Whether another attribute has inserted this code, under the span of something else. Names
    /// don't tell, since attributes rename, too.
    pub(crate) fn is_put_in(&self) -> bool {
        matches!(self.word, Word::Keyword(_)) && self.is_written() == Some(false)
    }

    /// Whether the source has this token at its span. `None` if that isn't known.
    pub(crate) fn is_written(&self) -> Option<bool> {
        let text = self.span.source_text()?;
        match &self.word {
            Word::Keyword(word) => Some(text == *word),
            Word::Name(name) => Some(*name == text),
            Word::Other => None,
        }
    }
}

pub(crate) fn is_cfg(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
}

/// The predicate of a `#[cfg]` attribute.
pub(crate) fn predicate(attribute: &Attribute) -> Option<TokenStream> {
    match &attribute.meta {
        Meta::List(list) if is_cfg(attribute) => {
            // Inside `all(..)`, since it may end in a comma.
            let tokens = &list.tokens;
            Some(quote!(all(#tokens)))
        }
        _ => None,
    }
}

pub(crate) fn attrs_of_stmt(stmt: &Stmt) -> &[Attribute] {
    match stmt {
        Stmt::Local(local) => &local.attrs,
        Stmt::Macro(stmt) => &stmt.attrs,
        Stmt::Expr(expr, _) => attrs_of_expr(expr),
        Stmt::Item(_) => &[],
    }
}

/// The attributes at the beginning of an expression. `syn` attaches those of a statement to its
/// first operand.
fn attrs_of_expr(expr: &Expr) -> &[Attribute] {
    match expr {
        Expr::Assign(expr) => attrs_of_expr(&expr.left),
        Expr::Binary(expr) => attrs_of_expr(&expr.left),
        Expr::Cast(expr) => attrs_of_expr(&expr.expr),
        Expr::Array(syn::ExprArray { attrs, .. })
        | Expr::Async(syn::ExprAsync { attrs, .. })
        | Expr::Await(syn::ExprAwait { attrs, .. })
        | Expr::Block(syn::ExprBlock { attrs, .. })
        | Expr::Break(syn::ExprBreak { attrs, .. })
        | Expr::Call(syn::ExprCall { attrs, .. })
        | Expr::Closure(syn::ExprClosure { attrs, .. })
        | Expr::Const(syn::ExprConst { attrs, .. })
        | Expr::Continue(syn::ExprContinue { attrs, .. })
        | Expr::Field(syn::ExprField { attrs, .. })
        | Expr::ForLoop(syn::ExprForLoop { attrs, .. })
        | Expr::If(syn::ExprIf { attrs, .. })
        | Expr::Index(syn::ExprIndex { attrs, .. })
        | Expr::Lit(syn::ExprLit { attrs, .. })
        | Expr::Loop(syn::ExprLoop { attrs, .. })
        | Expr::Macro(syn::ExprMacro { attrs, .. })
        | Expr::Match(syn::ExprMatch { attrs, .. })
        | Expr::MethodCall(syn::ExprMethodCall { attrs, .. })
        | Expr::Paren(syn::ExprParen { attrs, .. })
        | Expr::Path(syn::ExprPath { attrs, .. })
        | Expr::Range(syn::ExprRange { attrs, .. })
        | Expr::Reference(syn::ExprReference { attrs, .. })
        | Expr::Repeat(syn::ExprRepeat { attrs, .. })
        | Expr::Return(syn::ExprReturn { attrs, .. })
        | Expr::Struct(syn::ExprStruct { attrs, .. })
        | Expr::Try(syn::ExprTry { attrs, .. })
        | Expr::Tuple(syn::ExprTuple { attrs, .. })
        | Expr::Unary(syn::ExprUnary { attrs, .. })
        | Expr::Unsafe(syn::ExprUnsafe { attrs, .. })
        | Expr::While(syn::ExprWhile { attrs, .. }) => attrs,
        _ => &[],
    }
}
