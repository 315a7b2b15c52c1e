//! Inserts probes into the body of a function: the places where its lines are opened.
//!
//! The user's code isn't moved. Only calls and braces are inserted between: a call before each
//! statement that opens its line, and guards that open or resume a line when a block is left.
//!
//! # What may not change
//!
//! The meaning of the code, including the order of drops. The edition of a closing brace decides
//! when temporaries are dropped. So a brace that ends one of the user's expressions has the user's
//! span, and is always emitted here, never by `syn`.
//!
//! # The open line
//!
//! [`Walk`] keeps track of the line that is known to be open at each point, so that it doesn't
//! insert a probe for a line that is open already. After a branch or a loop, none is known.

use crate::first_token::{self, Start};
use crate::forms::computes_only;
use crate::lines::Lines;
use crate::reachability;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::token::{Brace, Paren};
use syn::visit::Visit;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Arm, Attribute, Block, Expr, ExprAsync, ExprBlock, ExprClosure, ExprIf, ExprMatch, ExprParen,
    ExprYield, GenericArgument, Item, Local, Macro, MacroDelimiter, Pat, PatGuard, Path, Stmt,
    Token, Type,
};

/// Where code runs, which decides how its probes find the call.
#[derive(Clone, Copy)]
pub(crate) enum Context {
    /// In a function or a closure, which has a frame.
    Frame,
    /// In the body of a future, which can't keep a frame across an `.await`.
    Task,
}

impl Context {
    /// A call of the probe `name` in this context. `private` is the path of the module with the
    /// items for generated code.
    pub(crate) fn probe(
        self,
        private: &TokenStream,
        name: &str,
        place: u32,
        span: Span,
    ) -> TokenStream {
        match self {
            Self::Frame => {
                let name = Ident::new(name, span);
                quote_spanned!(span=> _frame.#name(#place))
            }
            Self::Task => {
                let name = Ident::new(&format!("task_{name}"), span);
                quote_spanned!(span=> #private::#name(#place))
            }
        }
    }
}

/// Inserts the probes into the body of a function.
pub(crate) struct Walk<'a, 'b> {
    /// The path of the module whose items generated code may name.
    private: &'a TokenStream,
    lines: &'a mut Lines<'b>,
    /// Where the code at this point runs.
    context: Context,
    /// The place of the line that is known to be open at this point.
    open: Option<u32>,
    /// The place of the line on which the current statement begins.
    around: u32,
    /// The number of probes inserted so far.
    probe_count: usize,
}

impl<'a, 'b> Walk<'a, 'b> {
    pub(crate) fn new(
        private: &'a TokenStream,
        lines: &'a mut Lines<'b>,
        context: Context,
    ) -> Self {
        Self {
            private,
            lines,
            context,
            open: None,
            around: 0,
            probe_count: 0,
        }
    }

    /// Walks the body of a function.
    pub(crate) fn body(&mut self, block: &mut Block) {
        if block.stmts.is_empty() {
            // Only parameters are dropped here, but a table without any line would look as if the
            // function hadn't run.
            let braces = block.brace_token.span;
            if let Some(place) = self.lines.place_of_close(braces) {
                block.stmts.push(self.probe(place, braces.close(), &[]));
            }
        }
        self.block(block);
    }

    /// A statement that opens the line at `place`. `attrs` are the attributes of the statement
    /// after it: the probe is compiled under the same `#[cfg]`.
    fn probe(&mut self, place: u32, before: Span, attrs: &[Attribute]) -> Stmt {
        self.probe_count += 1;
        self.open = Some(place);
        let mut kept = TokenStream::new();
        let is_conditional = |attribute: &Attribute| {
            first_token::is_cfg(attribute) || attribute.path().is_ident("cfg_attr")
        };
        for attribute in attrs
            .iter()
            .filter(|attribute| first_token::is_cfg(attribute))
        {
            kept.extend(quote!(#attribute));
        }
        if attrs.iter().any(is_conditional) {
            self.open = None;
        }
        if attrs.iter().any(reachability::is_allowed_not_to_be) {
            kept.extend(quote!(#[allow(unreachable_code)]));
        }
        let span = Span::mixed_site().located_at(before);
        let at = self.call("at", place, span);
        verbatim(quote_spanned!(span=> #kept #at;))
    }

    /// A statement that declares a guard, which opens the line at `place` when its block is left.
    fn at_exit(&mut self, place: u32, located: Span, attr: Option<&TokenStream>) -> Stmt {
        self.probe_count += 1;
        let span = Span::mixed_site().located_at(located);
        let at_exit = self.call("at_exit", place, span);
        verbatim(quote_spanned!(span=> #attr let _at_exit = #at_exit;))
    }

    /// A statement that declares a guard, which resumes the line at `place` when its block is left.
    fn back_at_exit(&mut self, place: u32, located: Span) -> Stmt {
        let span = Span::mixed_site().located_at(located);
        let back_at_exit = self.call("back_at_exit", place, span);
        verbatim(quote_spanned!(span=> let _back_at_exit = #back_at_exit;))
    }

    /// A call of the probe `name` at this point.
    fn call(&self, name: &str, place: u32, span: Span) -> TokenStream {
        self.context.probe(self.private, name, place, span)
    }

    /// Walks a list of statements. `self.open` is the line that is open on entry.
    fn block(&mut self, block: &mut Block) {
        let braces = block.brace_token.span;
        let reached = reachability::count(&block.stmts);
        let guarded = self.last_lets(&block.stmts);
        let guarded: Vec<_> = guarded
            .into_iter()
            // A `#[cfg]` may remove the diverging statement, or all statements after it.
            .filter(|(index, _)| {
                index + 1 < reached && !reachability::diverges(&block.stmts[*index])
            })
            .map(|(index, kept)| {
                let next = block.stmts.get(index + 1);
                let next_attrs = next.map_or(&[][..], first_token::attrs_of_stmt);
                let is_silent = next_attrs.iter().any(reachability::is_allowed_not_to_be);
                let silenced = is_silent.then(|| quote!(#[allow(unreachable_code)]));
                (index, quote!(#kept #silenced))
            })
            .collect();

        let mut stmts = Vec::with_capacity(2 * block.stmts.len() + 1);
        for (index, mut stmt) in std::mem::take(&mut block.stmts).into_iter().enumerate() {
            let start = Start::of_stmt(&stmt);
            let place = start
                .as_ref()
                .and_then(|start| self.lines.place(start, self.around));
            if let (Some(start), Some(place)) = (start, place)
                && self.open != Some(place)
                && index < reached
            {
                stmts.push(self.probe(place, start.span, first_token::attrs_of_stmt(&stmt)));
            }
            let around = self.around;
            self.around = place.unwrap_or(around);
            self.stmt(&mut stmt);
            self.around = around;
            stmts.push(stmt);
            if let Some((_, attrs)) = guarded.iter().find(|(last, _)| *last == index)
                && let Some(close_place) = self.lines.place_of_close(braces)
                && place != Some(close_place)
            {
                stmts.push(self.at_exit(close_place, braces.close(), Some(attrs)));
            }
        }
        block.stmts = stmts;
    }

    /// The `let` statements that may be the last one of their block, depending on `#[cfg]`: their
    /// indices, each with the `#[cfg]` under which it is the last.
    ///
    /// A guard declared after the last `let` is dropped before all locals of the block, which are
    /// then dropped on the line of the closing brace.
    fn last_lets(&self, stmts: &[Stmt]) -> Vec<(usize, Option<TokenStream>)> {
        let mut lets = Vec::new();
        let mut later = Vec::new();
        for (index, stmt) in stmts.iter().enumerate().rev() {
            let Stmt::Local(local) = stmt else {
                continue;
            };
            if !Start::of_stmt(stmt).is_some_and(|start| self.lines.is_on_a_line(&start)) {
                continue;
            }
            let own = local.attrs.iter().filter_map(first_token::predicate);
            let own: Vec<TokenStream> = own.collect();
            let is_unconditional = own.is_empty() && later.is_empty();
            let kept = quote!(#[cfg(all(#(#own,)* not(any(#(#later),*))))]);
            lets.push((index, (!is_unconditional).then_some(kept)));
            if own.is_empty() {
                break;
            }
            later.push(quote!(all(#(#own),*)));
        }
        lets
    }

    fn stmt(&mut self, stmt: &mut Stmt) {
        match stmt {
            Stmt::Local(Local {
                init: Some(init), ..
            }) => {
                self.whole(&mut init.expr);
                if let Some((_, diverge)) = &mut init.diverge {
                    self.branches(|walk| {
                        if let Expr::Block(diverge) = &mut **diverge {
                            walk.branch(None, &mut diverge.block);
                        }
                    });
                }
            }
            Stmt::Expr(expr, _) => self.whole(expr),
            Stmt::Local(_) | Stmt::Item(_) | Stmt::Macro(_) => {}
        }
    }

    /// Walks an expression that makes up a whole statement, or its value: nothing more runs on the
    /// line it began on after a block inside it.
    fn whole(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Assign(assign) if is_place(&assign.left) => self.whole(&mut assign.right),
            Expr::Return(syn::ExprReturn {
                expr: Some(expr), ..
            })
            | Expr::Break(syn::ExprBreak {
                expr: Some(expr), ..
            }) => self.whole(expr),
            Expr::Paren(paren) => self.whole(&mut paren.expr),
            Expr::Group(group) => self.whole(&mut group.expr),
            _ => {
                if !self.control_flow(expr, None) {
                    self.visit_expr_mut(expr);
                }
            }
        }
    }

    /// Walks `expr` if it is control flow with blocks, and returns whether it is.
    ///
    /// Leaving one of the blocks resumes the line at `resume`.
    fn control_flow(&mut self, expr: &mut Expr, resume: Option<u32>) -> bool {
        match expr {
            Expr::If(expr) => self.branches(|walk| walk.if_expr(expr, resume)),
            Expr::Match(expr) => self.branches(|walk| walk.match_expr(expr, resume)),
            Expr::Block(expr) => self.branches(|walk| walk.branch(resume, &mut expr.block)),
            Expr::Unsafe(expr) => self.branches(|walk| walk.branch(resume, &mut expr.block)),
            Expr::Loop(expr) => {
                // The line open at the second iteration isn't the one open at the first.
                self.open = None;
                self.branches(|walk| walk.branch(None, &mut expr.body));
                // No line is resumed: a `break` may come from any line, and its value may be used.
            }
            Expr::While(expr) => {
                let keyword = Start::keyword(expr.while_token.span, "while");
                let header = Start::labelled(expr.label.as_ref(), keyword);
                self.visit_expr_mut(&mut expr.cond);
                self.branches(|walk| walk.loop_body(&header, &mut expr.body));
            }
            Expr::ForLoop(expr) => {
                let keyword = Start::keyword(expr.for_token.span, "for");
                let header = Start::labelled(expr.label.as_ref(), keyword);
                self.visit_expr_mut(&mut expr.expr);
                self.branches(|walk| walk.loop_body(&header, &mut expr.body));
            }
            _ => return false,
        }
        true
    }

    /// Walks blocks of which at most one runs. If they contain probes, it isn't known afterwards
    /// which line is open.
    fn branches(&mut self, walk: impl FnOnce(&mut Self)) {
        let probe_count = self.probe_count;
        walk(self);
        if self.probe_count != probe_count {
            self.open = None;
        }
    }

    /// Walks one of these blocks. `self.open` is the same afterwards.
    fn branch(&mut self, resume: Option<u32>, block: &mut Block) {
        let open = self.open;
        let probe_count = self.probe_count;
        self.block(block);
        if let Some(resume) = resume
            && self.probe_count != probe_count
        {
            // The first statement, so that it is dropped last.
            let back_at_exit = self.back_at_exit(resume, block.brace_token.span.open());
            block.stmts.insert(0, back_at_exit);
        }
        self.open = open;
    }

    /// Walks the body of a loop whose header runs again after each iteration.
    fn loop_body(&mut self, header: &Start, body: &mut Block) {
        let place = self.lines.place(header, self.around);
        self.open = place;
        self.branch(None, body);
        if let Some(place) = place {
            // The first statement, so that it is dropped last, also by a `continue`.
            let at_exit = self.at_exit(place, header.span, None);
            body.stmts.insert(0, at_exit);
        }
    }

    /// Walks a loop that is part of an expression.
    ///
    /// It may be left from any of its lines, so the line is resumed by a guard in a block around
    /// the loop. The closing brace of that block may end the user's expression.
    fn nested_loop(&mut self, expr: &mut Expr, resume: Option<u32>) {
        let span = Start::of_expr(expr).span;
        let probe_count = self.probe_count;
        self.control_flow(expr, None);
        if let Some(resume) = resume
            && self.probe_count != probe_count
        {
            let back_at_exit = self.back_at_exit(resume, span);
            let inner = std::mem::replace(expr, Expr::Verbatim(TokenStream::new()));
            *expr = braced(Block {
                brace_token: Brace(span),
                stmts: vec![back_at_exit, Stmt::Expr(inner, None)],
            });
            self.open = Some(resume);
        }
    }

    /// Walks the body of a closure, which may run at any time and on any thread.
    ///
    /// The braces around it have the user's span. With ours, the closure would capture by the rules
    /// of our edition.
    fn closure(&mut self, closure: &mut ExprClosure) {
        let start = Start::of_closure(closure);
        let runs_now = closure.asyncness.is_none() && closure.constness.is_none();
        if !runs_now || computes_only(&closure.body) || yields(&closure.body) {
            return;
        }
        let place = self.place_of_block(&start);
        let body = std::mem::replace(&mut *closure.body, Expr::Verbatim(TokenStream::new()));
        let (braces, body) = match body {
            Expr::Block(body) if body.label.is_none() && body.attrs.is_empty() => {
                let braces = body.block.brace_token;
                let mut block = body.block;
                self.at_another_time(place, Context::Frame, |walk| walk.block(&mut block));
                // In parentheses: a lint would call its braces unnecessary inside ours.
                let span = Span::mixed_site().located_at(start.span);
                (braces, parenthesised(braced(block), span))
            }
            body => {
                let span = Start::of_expr(&body).span;
                (Brace(span), self.expr_at_another_time(place, body))
            }
        };
        let private = self.private;
        let span = Span::mixed_site().located_at(start.span);
        let frame =
            quote_spanned!(span=> let _frame = #private::enter_closure(&__MEMPROF_SITE, #place););
        let ours = Block {
            brace_token: Brace(span),
            stmts: vec![Stmt::Expr(body, None)],
        };
        *closure.body = braced(Block {
            brace_token: braces,
            stmts: vec![verbatim(frame), Stmt::Expr(braced(ours), None)],
        });
    }

    /// Walks an `async` block, which may be polled at any time and on any thread. Returns the
    /// expression that replaces it.
    fn async_block(&mut self, block: &mut ExprAsync) -> Expr {
        let start = Start::keyword(block.async_token.span, "async");
        let place = self.place_of_block(&start);
        self.at_another_time(place, Context::Task, |walk| walk.block(&mut block.block));
        let private = self.private;
        let span = Span::mixed_site().located_at(start.span);
        Expr::Verbatim(quote_spanned!(span=> #private::block(&__MEMPROF_SITE, #place, #block)))
    }

    /// The place of the line that a closure or an `async` block begins on or, if an attribute or a
    /// macro has generated it, of the line that uses it.
    fn place_of_block(&mut self, start: &Start) -> u32 {
        let place = self.lines.place(start, self.around);
        place.or(self.open).unwrap_or(0)
    }

    /// Walks code that runs at another time than the code around it, and begins on the line at
    /// `place`.
    fn at_another_time<T>(
        &mut self,
        place: u32,
        context: Context,
        walk: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let open = self.open;
        let around = std::mem::replace(&mut self.context, context);
        // If it begins on the line of the statement, it isn't counted as another execution.
        self.open = open.filter(|open| *open == place);
        let answer = walk(self);
        self.open = open;
        self.context = around;
        answer
    }

    /// As [`at_another_time`](Self::at_another_time), for an expression. Returns it, in braces if a
    /// probe has to stand before it.
    fn expr_at_another_time(&mut self, place: u32, expr: Expr) -> Expr {
        let mut expr = expr;
        let span = Span::mixed_site().located_at(Start::of_expr(&expr).span);
        self.at_another_time(place, Context::Frame, |walk| {
            walk.in_braces(None, &mut expr, span);
        });
        expr
    }

    fn if_expr(&mut self, expr: &mut ExprIf, resume: Option<u32>) {
        self.visit_expr_mut(&mut expr.cond);
        self.branch(resume, &mut expr.then_branch);
        match expr.else_branch.as_mut().map(|(_, branch)| &mut **branch) {
            Some(Expr::Block(branch)) => self.branch(resume, &mut branch.block),
            // The brace ends the user's `if`, so it has the user's span and thereby edition.
            Some(branch @ Expr::If(_)) => {
                let span = Start::of_expr(branch).span;
                self.in_braces(resume, branch, span);
            }
            _ => {}
        }
    }

    fn match_expr(&mut self, expr: &mut ExprMatch, resume: Option<u32>) {
        self.visit_expr_mut(&mut expr.expr);
        for Arm { pat, body, .. } in &mut expr.arms {
            if let Pat::Guard(pattern) = pat {
                self.guard(pattern);
            }
            match &mut **body {
                Expr::Block(block) if block.label.is_none() && block.attrs.is_empty() => {
                    self.branch(resume, &mut block.block);
                }
                body => self.arm(resume, body),
            }
        }
    }

    /// Walks the guard of an arm, which has a line of its own if it begins on another line than its
    /// pattern. After the guard, the line of the `match` is resumed.
    fn guard(&mut self, pattern: &mut PatGuard) {
        let guard = &mut *pattern.guard;
        if computes_only(guard) {
            return;
        }
        let open = self.open;
        let start = Start::keyword(pattern.if_token.span, "if");
        let before = Start::of_pattern(&pattern.pat);
        let is_apart = !self.lines.are_on_one(&before, &start);
        let place = self.lines.place(&start, self.around);
        let opened = place.filter(|_| is_apart && !has_let(guard));
        if opened.is_some() {
            self.probe_count += 1;
            self.open = opened;
        }
        self.visit_expr_mut(guard);
        self.open = open;
        if let Some(place) = opened {
            let resume = open.unwrap_or(self.around);
            let span = Span::mixed_site().located_at(start.span);
            self.put_at_before(place, guard, span);
            self.put_back_at_exit_before(resume, guard, span);
        }
    }

    /// Walks an arm that is an expression.
    ///
    /// A probe before it goes into the scrutinee of a `match` around it, so that the expression
    /// stays an arm: as the tail of a block, its temporaries would be dropped in another order when
    /// it panics.
    fn arm(&mut self, resume: Option<u32>, body: &mut Expr) {
        let open = self.open;
        let probe_count = self.probe_count;
        let start = Start::of_expr(body);
        let place = self.lines.place(&start, self.around);
        let opened = place.filter(|_| place != open);
        if opened.is_some() {
            self.probe_count += 1;
            self.open = place;
        }
        let around = self.around;
        self.around = place.unwrap_or(around);
        self.whole(body);
        self.around = around;
        let span = Span::mixed_site().located_at(start.span);
        if let Some(place) = opened {
            self.put_at_before(place, body, span);
        }
        if let Some(resume) = resume
            && self.probe_count != probe_count
        {
            self.put_back_at_exit_before(resume, body, span);
        }
        self.open = open;
    }

    /// Opens the line at `place` before an arm or a guard.
    fn put_at_before(&self, place: u32, expr: &mut Expr, span: Span) {
        let at = self.call("at", place, span);
        put_after(at, quote_spanned!(span=> ()), expr, span);
    }

    /// Resumes the line at `resume` when an arm or a guard is left.
    fn put_back_at_exit_before(&self, resume: u32, expr: &mut Expr, span: Span) {
        let back_at_exit = self.call("back_at_exit", resume, span);
        put_after(
            back_at_exit,
            quote_spanned!(span=> _back_at_exit),
            expr,
            span,
        );
    }

    /// Walks an expression as a branch, and puts it into braces if a probe has to stand before it.
    fn in_braces(&mut self, resume: Option<u32>, branch: &mut Expr, brace_span: Span) {
        let span = Start::of_expr(branch).span;
        let probe_count = self.probe_count;
        let expr = std::mem::replace(branch, Expr::Verbatim(TokenStream::new()));
        let mut block = Block {
            brace_token: Brace(brace_span),
            stmts: vec![Stmt::Expr(expr, None)],
        };
        self.branch(resume, &mut block);
        *branch = match block.stmts.pop() {
            Some(Stmt::Expr(expr, None)) if self.probe_count == probe_count => expr,
            Some(Stmt::Expr(expr, None)) if is_macro_in_braces(&expr) => {
                // Without parentheses it would be a statement here, and expand to statements.
                let span = Span::mixed_site().located_at(span);
                let expr = parenthesised(expr, span);
                block.stmts.push(Stmt::Expr(expr, None));
                braced(block)
            }
            last => {
                block.stmts.extend(last);
                braced(block)
            }
        };
    }
}

/// Finds the blocks anywhere inside an expression. After each of them, the line that the expression
/// began on is resumed for the rest of it.
impl VisitMut for Walk<'_, '_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        let resume = self.open;
        match expr {
            Expr::Closure(closure) => self.closure(closure),
            Expr::Async(block) => *expr = self.async_block(block),
            // Their code runs at another time or isn't instrumented.
            Expr::Const(_) | Expr::TryBlock(_) | Expr::Macro(_) => {}
            // The length is evaluated at compile time.
            Expr::Repeat(repeat) => self.visit_expr_mut(&mut repeat.expr),
            Expr::If(_) | Expr::Match(_) | Expr::Block(_) | Expr::Unsafe(_) => {
                self.control_flow(expr, resume);
                self.open = resume;
            }
            Expr::Loop(_) | Expr::While(_) | Expr::ForLoop(_) => self.nested_loop(expr, resume),
            _ => visit_mut::visit_expr_mut(self, expr),
        }
    }

    // No code in these runs as part of a statement.
    fn visit_item_mut(&mut self, _: &mut Item) {}
    fn visit_macro_mut(&mut self, _: &mut Macro) {}
    fn visit_pat_mut(&mut self, _: &mut Pat) {}
    fn visit_path_mut(&mut self, _: &mut Path) {}
    fn visit_generic_argument_mut(&mut self, _: &mut GenericArgument) {}
    fn visit_type_mut(&mut self, _: &mut Type) {}
    fn visit_attribute_mut(&mut self, _: &mut Attribute) {}
}

fn verbatim(tokens: TokenStream) -> Stmt {
    Stmt::Expr(Expr::Verbatim(tokens), None)
}

fn braced(block: Block) -> Expr {
    Expr::Block(ExprBlock {
        attrs: Vec::new(),
        label: None,
        block,
    })
}

fn parenthesised(expr: Expr, span: Span) -> Expr {
    Expr::Paren(ExprParen {
        attrs: Vec::new(),
        paren_token: Paren(span),
        expr: Box::new(expr),
    })
}

/// Makes `expr` the only arm of a `match` on `before`, with that pattern.
fn put_after(before: TokenStream, pattern: TokenStream, expr: &mut Expr, span: Span) {
    let body = std::mem::replace(expr, Expr::Verbatim(TokenStream::new()));
    *expr = Expr::Match(ExprMatch {
        attrs: Vec::new(),
        match_token: Token![match](span),
        expr: Box::new(Expr::Verbatim(before)),
        brace_token: Brace(span),
        arms: vec![Arm {
            attrs: Vec::new(),
            pat: Pat::Verbatim(pattern),
            fat_arrow_token: Token![=>](span),
            body: Box::new(body),
            comma: None,
        }],
    });
}

/// Whether `expr` is a macro call in braces, `name! { .. }`.
fn is_macro_in_braces(expr: &Expr) -> bool {
    matches!(expr, Expr::Macro(expr) if matches!(expr.mac.delimiter, MacroDelimiter::Brace(_)))
}

/// Whether evaluating `expr` as the left side of an assignment runs no code.
fn is_place(expr: &Expr) -> bool {
    match expr {
        Expr::Path(_) | Expr::Infer(_) => true,
        Expr::Field(field) => is_place(&field.base),
        _ => false,
    }
}

/// Whether there is a `let` among the conditions in `expr`, which then can't be moved.
fn has_let(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(expr) => has_let(&expr.left) || has_let(&expr.right),
        _ => false,
    }
}

/// Whether a closure with this body is a coroutine, which can be suspended in the middle.
fn yields(body: &Expr) -> bool {
    struct Yields(bool);
    impl Visit<'_> for Yields {
        fn visit_expr_yield(&mut self, _: &ExprYield) {
            self.0 = true;
        }
        fn visit_expr_closure(&mut self, _: &ExprClosure) {}
        fn visit_item(&mut self, _: &Item) {}
    }
    let mut search = Yields(false);
    search.visit_expr(body);
    search.0
}
