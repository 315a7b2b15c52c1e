//! Which statements of a block can be reached, as far as its text tells.
//!
//! The compiler warns about the first unreachable statement. This has to be one of the user's: a
//! probe would need an `#[allow]`, which some crates forbid. A call of a user's function that never
//! returns can't be recognized, so that the warning after it is about a probe.

use crate::first_token;
use quote::ToTokens as _;
use syn::visit::Visit;
use syn::{Attribute, Block, Expr, ExprBreak, Local, Macro, Path, Stmt};

/// The number of positions that are reached, out of those before each statement and after the last.
pub(crate) fn count(stmts: &[Stmt]) -> usize {
    let is_last =
        |stmt| diverges(stmt) && !first_token::attrs_of_stmt(stmt).iter().any(is_conditional);
    let is_beyond = |stmt| {
        let attrs = first_token::attrs_of_stmt(stmt);
        attrs.iter().any(is_said_not_to_be)
    };
    let last = stmts.iter().position(is_last).map(|index| index + 1);
    let beyond = stmts.iter().position(is_beyond);
    let count = last.into_iter().chain(beyond).min();
    count.unwrap_or(stmts.len() + 1)
}

/// Whether an attribute may suppress the warning that a statement is unreachable.
pub(crate) fn is_allowed_not_to_be(attribute: &Attribute) -> bool {
    let path = attribute.path();
    let is_about_lints = ["allow", "expect", "cfg_attr"]
        .iter()
        .any(|name| path.is_ident(name));
    let lints = ["unreachable_code", "unused", "warnings"];
    is_about_lints && lints.iter().any(|lint| names(attribute, lint))
}

/// Whether an attribute sets the level of a lint, or is a `cfg_attr` that may do so.
pub(crate) fn may_be_about_lints(attribute: &Attribute) -> bool {
    const NAMES: [&str; 6] = ["allow", "cfg_attr", "deny", "expect", "forbid", "warn"];
    NAMES.iter().any(|name| attribute.path().is_ident(name))
}

/// Whether an attribute says that a statement is unreachable.
fn is_said_not_to_be(attribute: &Attribute) -> bool {
    attribute.path().is_ident("expect") && names(attribute, "unreachable_code")
}

/// Whether an attribute contains the name of a lint.
pub(crate) fn names(attribute: &Attribute, lint: &str) -> bool {
    let text = attribute.meta.to_token_stream().to_string();
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.split(|letter| !is_part(letter))
        .any(|word| word == lint)
}

fn is_conditional(attribute: &Attribute) -> bool {
    first_token::is_cfg(attribute) || attribute.path().is_ident("cfg_attr")
}

/// Whether the code after a statement is never reached, unless a `#[cfg]` removes the statement.
pub(crate) fn diverges(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Local(Local {
            init: Some(init), ..
        }) => never_ends(&init.expr),
        Stmt::Expr(expr, _) => never_ends(expr),
        Stmt::Macro(stmt) => is_panic(&stmt.mac),
        Stmt::Local(_) | Stmt::Item(_) => false,
    }
}

fn never_ends(expr: &Expr) -> bool {
    match expr {
        Expr::Break(_) | Expr::Continue(_) | Expr::Return(_) => true,
        Expr::Macro(expr) => is_panic(&expr.mac),
        Expr::Call(expr) => match &*expr.func {
            Expr::Path(function) => never_returns(&function.path),
            _ => false,
        },
        Expr::Loop(expr) => {
            let mut search = Breaks { is_found: false };
            search.visit_block(&expr.body);
            !search.is_found
        }
        Expr::Group(expr) => never_ends(&expr.expr),
        Expr::Paren(expr) => never_ends(&expr.expr),
        Expr::Block(expr) => expr.label.is_none() && block_never_ends(&expr.block),
        Expr::Unsafe(expr) => block_never_ends(&expr.block),
        Expr::If(expr) => {
            let otherwise = expr.else_branch.as_ref();
            block_never_ends(&expr.then_branch)
                && otherwise.is_some_and(|(_, branch)| never_ends(branch))
        }
        Expr::Match(expr) => {
            !expr.arms.is_empty() && expr.arms.iter().all(|arm| never_ends(&arm.body))
        }
        _ => false,
    }
}

fn block_never_ends(block: &Block) -> bool {
    count(&block.stmts) <= block.stmts.len()
}

/// Whether the macro is one of `std`'s that only panic.
fn is_panic(call: &Macro) -> bool {
    const NAMES: [&str; 4] = ["panic", "todo", "unimplemented", "unreachable"];
    let last = call.path.segments.last();
    last.is_some_and(|last| NAMES.iter().any(|name| last.ident == name))
}

/// Whether the function is one of `std`'s that never return, named with its module.
fn never_returns(function: &Path) -> bool {
    const NAMES: [[&str; 2]; 4] = [
        ["panic", "panic_any"],
        ["panic", "resume_unwind"],
        ["process", "abort"],
        ["process", "exit"],
    ];
    let mut last = function.segments.iter().rev().map(|segment| &segment.ident);
    let (Some(name), Some(module)) = (last.next(), last.next()) else {
        return false;
    };
    NAMES
        .iter()
        .any(|names| module == names[0] && name == names[1])
}

/// Looks for a `break`. Any macro call counts as one, since its arguments may contain one.
struct Breaks {
    is_found: bool,
}

impl Visit<'_> for Breaks {
    fn visit_expr_break(&mut self, _: &ExprBreak) {
        self.is_found = true;
    }

    fn visit_macro(&mut self, _: &Macro) {
        self.is_found = true;
    }
}
