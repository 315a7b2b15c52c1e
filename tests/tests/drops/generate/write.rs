//! What is written, and what has to be known on the way.

use crate::random::Random;
use crate::scope::{Moved, Scope, Type};
use std::fmt::{self, Display, Formatter};

/// An expression; `~` in it is where a line may end.
pub(crate) struct Code {
    pub(crate) text: String,
    shape: Shape,
}

#[derive(PartialEq)]
enum Shape {
    /// A method can be called on it.
    Postfix,
    /// It ends with a block, and has no value to call a method on at the
    /// beginning of a statement, unless it is in parentheses.
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
    /// How many expressions may still have others in them.
    pub(crate) budget: usize,
    pub(crate) has_let_chains: bool,
    numbers: usize,
}

/// What `return`, `break`, `continue`, `?` and `.await` mean.
pub(crate) struct Body {
    /// None if it can't be written down.
    pub(crate) answer: Option<Type>,
    /// The `fixed` of its scope.
    pub(crate) fixed: usize,
    pub(crate) labels: Vec<Label>,
    /// In the condition of a `while` each `break` needs one.
    pub(crate) needs_labels: bool,
    pub(crate) can_await: bool,
}

#[derive(Clone)]
pub(crate) struct Label {
    pub(crate) name: String,
    pub(crate) is_loop: bool,
    pub(crate) answer: Type,
    /// The `fixed` of the scope around it.
    pub(crate) fixed: usize,
    /// What is moved where it has been left.
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

    /// Whether the next expression has others in it.
    pub(crate) fn goes_deeper(&mut self) -> bool {
        let goes = self.budget > 0 && self.depth < 6 && self.random.chance(75);
        if goes {
            self.budget -= 1;
        }
        goes
    }

    /// One that is nowhere else in the function.
    pub(crate) fn number(&mut self) -> usize {
        self.numbers += 1;
        self.numbers
    }

    pub(crate) fn fresh_name(&mut self) -> String {
        format!("v{}", self.number())
    }
}
