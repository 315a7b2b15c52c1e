//! Blocks and branches, and the names in them.

use crate::scope::{Kind, Moved, Type};
use crate::write::{Code, Writer};

/// Branches, exactly one of which runs.
pub(crate) struct Fork {
    before: Moved,
    after: Option<Moved>,
}

impl Writer<'_> {
    /// An expression of a type with a block in it.
    pub(crate) fn control(&mut self, ty: Type) -> Code {
        match self.random.below(14) {
            0 => Code::block(self.block(ty)),
            1 => Code::block(format!("unsafe {}", self.block(ty))),
            2..=4 => Code::block(self.if_else(ty)),
            5..=7 => Code::block(self.matched(ty)),
            8 => Code::block(self.labelled_block(ty)),
            9 if ty == Type::Unit => Code::block(self.bounded_loop()),
            9 => Code::block(self.valued_loop(ty)),
            10 => self.called(ty),
            11 => {
                let value = self.value(ty);
                match self.random.below(3) {
                    0 => Code::block(format!("keep! {{ {value} }}")),
                    _ => Code::postfix(format!("keep!({value})")),
                }
            }
            12 => self.awaited(ty),
            _ => Code::postfix(format!("({})", self.value(ty))),
        }
    }

    /// A block with a value.
    pub(crate) fn block(&mut self, ty: Type) -> String {
        self.scoped(|writer| {
            let mut text = "{~".to_owned();
            for _ in 0..writer.random.below(3) {
                text += &writer.statement();
                text += "~";
            }
            text += &writer.tail(ty);
            text + "~}"
        })
    }

    /// The last expression of a block.
    pub(crate) fn tail(&mut self, ty: Type) -> String {
        if ty == Type::Unit && self.random.chance(50) {
            return String::new();
        }
        let is_outermost = self.depth == 0 && self.body.answer == Some(ty);
        if is_outermost && self.random.chance(10) {
            return format!("return {}", self.value(ty));
        }
        self.value(ty).text
    }

    /// Writes code with its own names and borrows.
    pub(crate) fn scoped<T>(&mut self, write: impl FnOnce(&mut Self) -> T) -> T {
        let [len, borrows] = [self.scope.len(), self.scope.borrows()];
        let text = write(self);
        self.scope.truncate(len);
        self.scope.end_borrows(borrows);
        text
    }

    /// Declares a name in a pattern. It may shadow another one.
    pub(crate) fn declared(&mut self, kind: Kind) -> String {
        let names = self.scope.names();
        let name = match self.random.pick(&names) {
            Some(name) if self.random.chance(20) => name,
            _ => self.fresh_name(),
        };
        self.scope.declare(&name, kind, false);
        name
    }

    pub(crate) fn fork(&mut self) -> Fork {
        Fork {
            before: self.scope.moved(),
            after: None,
        }
    }

    /// Ends a branch.
    pub(crate) fn next_branch(&mut self, fork: &mut Fork, diverges: bool) {
        if !diverges {
            if let Some(after) = &fork.after {
                self.scope.add_moved(after);
            }
            fork.after = Some(self.scope.moved());
        }
        self.scope.set_moved(&fork.before);
    }

    pub(crate) fn join(&mut self, fork: Fork) {
        self.scope.set_moved(&fork.after.unwrap_or(fork.before));
    }

    pub(crate) fn if_else(&mut self, ty: Type) -> String {
        let len = self.scope.len();
        let condition = self.condition();
        let mut fork = self.fork();
        let then = self.block(ty);
        self.scope.truncate(len);
        self.next_branch(&mut fork, false);
        let mut text = format!("if {condition} {then}");
        match self.random.below(6) {
            0 | 1 if self.goes_deeper() => {
                text = format!("{text} else {}", self.if_else(ty));
                self.next_branch(&mut fork, false);
            }
            2 => {
                text = format!("{text} else {{~{}~}}", self.diverging());
                self.next_branch(&mut fork, true);
            }
            3 if ty == Type::Unit => self.next_branch(&mut fork, false),
            _ => {
                text = format!("{text} else {}", self.block(ty));
                self.next_branch(&mut fork, false);
            }
        }
        self.join(fork);
        text
    }

    /// The condition of an `if`. Its names are in scope in the block.
    fn condition(&mut self) -> String {
        let mut text = self.one_condition();
        while self.has_let_chains && self.random.chance(30) {
            text = format!("{text}~&& {}", self.one_condition());
        }
        text
    }

    fn one_condition(&mut self) -> String {
        match self.random.below(9) {
            0 | 1 => {
                let receiver = self.receiver();
                let name = self.declared(Kind::Ref);
                format!("let Some({name}) = {receiver}.maybe()")
            }
            2 => {
                let opt = self.value(Type::Opt).operand();
                let name = self.declared(Kind::Value(Type::Own));
                format!("let Some({name}) = {opt}")
            }
            3 => {
                let opt = self.value(Type::Opt).operand();
                let name = self.declared(Kind::Ref);
                format!("let Some(ref {name}) = {opt}")
            }
            4 => {
                let opt = self.value(Type::Opt).operand();
                let name = self.declared(Kind::Ref);
                format!("let Some({name}) = &{opt}")
            }
            5 => {
                let receiver = self.receiver();
                let num = self.value(Type::Num);
                let name = self.fresh_name();
                self.scope.declare(&name, Kind::Ref, false);
                let number = self.fresh_name();
                self.scope.declare(&number, Kind::Value(Type::Num), false);
                format!("let (Some({name}), {number}) = ({receiver}.maybe(), {num})")
            }
            _ => self.value(Type::Bool).operand(),
        }
    }
}
