//! The text that is generated, and the state while it is written.

use crate::random::Random;
use crate::scope::{Moved, Scope, Type};
use std::fmt::{self, Display, Formatter};

/// An expression; `~` marks a possible line break.
pub(crate) struct Code {
    pub(crate) text: String,
    shape: Shape,
}

#[derive(PartialEq)]
enum Shape {
    /// A method can be called on it without parentheses.
    Postfix,
    /// It ends with a block. At the beginning of a statement, it needs parentheses before a method
    /// call.
    Block,
    Other,
}

impl Code {
    pub(crate) fn postfix(text: String) -> Self {
        Self {
            text,
            shape: Shape::Postfix,
        }
    }

    pub(crate) fn block(text: String) -> Self {
        Self {
            text,
            shape: Shape::Block,
        }
    }

    pub(crate) fn other(text: String) -> Self {
        Self {
            text,
            shape: Shape::Other,
        }
    }

    /// As an operand, a receiver or a condition.
    pub(crate) fn operand(self) -> String {
        if self.shape == Shape::Other {
            format!("({})", self.text)
        } else {
            self.text
        }
    }

    /// As the first of two operands.
    pub(crate) fn left_operand(self) -> String {
        if self.shape == Shape::Postfix {
            self.text
        } else {
            format!("({})", self.text)
        }
    }
}

impl Display for Code {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Writes a function.
pub(crate) struct Writer<'a> {
    pub(crate) random: &'a mut Random,
    pub(crate) scope: Scope,
    pub(crate) body: Body,
    pub(crate) depth: usize,
    /// How many more expressions may be nested.
    pub(crate) budget: usize,
    pub(crate) has_let_chains: bool,
    numbers: usize,
}

/// What `return`, `break`, `continue`, `?` and `.await` refer to.
pub(crate) struct Body {
    /// The type of `return`; `None` if it can't be named.
    pub(crate) answer: Option<Type>,
    /// The value of `Scope::fixed` at the beginning of the body.
    pub(crate) fixed: usize,
    pub(crate) labels: Vec<Label>,
    /// In the condition of a `while`, each `break` needs a label.
    pub(crate) needs_labels: bool,
    pub(crate) can_await: bool,
}

#[derive(Clone)]
pub(crate) struct Label {
    pub(crate) name: String,
    pub(crate) is_loop: bool,
    pub(crate) answer: Type,
    /// The value of `Scope::fixed` around the label.
    pub(crate) fixed: usize,
    /// What is moved where a `break` leaves it.
    pub(crate) moved: Option<Moved>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(
        random: &'a mut Random,
        answer: Option<Type>,
        can_await: bool,
        has_let_chains: bool,
    ) -> Self {
        let budget = 15 + random.below(40);
        Self {
            random,
            scope: Scope::default(),
            body: Body {
                answer,
                fixed: 0,
                labels: Vec::new(),
                needs_labels: false,
                can_await,
            },
            depth: 0,
            budget,
            has_let_chains,
            numbers: 0,
        }
    }

    /// Whether the next expression contains others.
    pub(crate) fn goes_deeper(&mut self) -> bool {
        let goes = self.budget > 0 && self.depth < 6 && self.random.chance(75);
        if goes {
            self.budget -= 1;
        }
        goes
    }

    /// A number that is unique in the function.
    pub(crate) fn number(&mut self) -> usize {
        self.numbers += 1;
        self.numbers
    }

    pub(crate) fn fresh_name(&mut self) -> String {
        format!("v{}", self.number())
    }
}
