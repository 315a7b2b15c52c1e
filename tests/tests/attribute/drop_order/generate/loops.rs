//! Loops, labelled blocks, and `break`, `continue` and `return`.

use crate::scope::{Kind, Type};
use crate::write::{Code, Label, Writer};

impl Writer<'_> {
    /// A block that may be left by `break`.
    pub(crate) fn labelled_block(&mut self, ty: Type) -> String {
        let label = self.label();
        self.body.labels.push(Label {
            name: label.clone(),
            is_loop: false,
            answer: ty,
            fixed: self.scope.fixed,
            moved: None,
        });
        let text = self.scoped(|writer| {
            let mut text = format!("{label}: {{~");
            text += &writer.statement();
            let condition = writer.value(Type::Bool).operand();
            let leave = writer.leave(writer.body.labels.len() - 1);
            text = format!("{text}~if {condition} {{ {leave}; }}~");
            text += &writer.statement();
            text += "~";
            text += &writer.tail(ty);
            text + "~}"
        });
        self.forget_label();
        text
    }

    /// A loop with a value.
    pub(crate) fn valued_loop(&mut self, ty: Type) -> String {
        self.looped("loop", ty, |writer| {
            format!("{}.turn()", writer.looked_at())
        })
    }

    /// A loop without a value.
    pub(crate) fn bounded_loop(&mut self) -> String {
        if self.random.chance(20) {
            return self.valued_loop(Type::Unit);
        }
        match self.random.below(7) {
            0 => {
                let [a, b] = [self.value(Type::Own), self.value(Type::Own)];
                let iterated = self
                    .random
                    .pick(&[format!("[{a},~{b}]"), format!("vec![{a}, {b}]")]);
                self.for_each(Kind::Value(Type::Own), &iterated.unwrap())
            }
            1 => {
                let [a, b] = [self.value(Type::Own), self.value(Type::Own)];
                self.for_each(Kind::Ref, &format!("&[{a},~{b}]"))
            }
            2 => {
                let iterated = format!("{}.maybe()", self.receiver());
                self.for_each(Kind::Ref, &iterated)
            }
            3 => {
                let iterated = self.value(Type::Opt).operand();
                self.for_each(Kind::Value(Type::Own), &iterated)
            }
            4 => {
                let end = self.value(Type::Num).left_operand();
                self.for_each(Kind::Value(Type::Num), &format!("0..({end}.min(2))"))
            }
            5 => self.looped("while", Type::Unit, |writer| {
                let turn = format!("{}.turn()", writer.looked_at());
                format!("{turn} && {}", writer.value(Type::Bool).operand())
            }),
            _ => self.looped("while", Type::Unit, |writer| {
                let receiver = writer.receiver();
                let opt = writer.value(Type::Opt);
                let name = writer.declared(Kind::Value(Type::Own));
                format!("let (true, Some({name})) = ({receiver}.turn(), {opt})")
            }),
        }
    }

    fn for_each(&mut self, kind: Kind, iterated: &str) -> String {
        self.looped("for", Type::Unit, |writer| {
            let is_ignored = writer.random.chance(15);
            let name = if is_ignored {
                "_".to_owned()
            } else {
                writer.declared(kind)
            };
            format!("{name} in {iterated}")
        })
    }

    /// A loop. `head` writes what is between its keyword and its block; for `loop`, it writes the
    /// condition on which the loop continues.
    fn looped(
        &mut self,
        keyword: &str,
        ty: Type,
        head: impl FnOnce(&mut Self) -> String,
    ) -> String {
        let before = self.scope.moved();
        let fixed = self.scope.fixed;
        self.scope.fixed = self.scope.len();
        let [len, borrows] = [self.scope.len(), self.scope.borrows()];
        let name = self.label();

        // In the head, a `continue` without a label would refer to this loop and never end, or be
        // an error.
        let needs_labels = std::mem::replace(&mut self.body.needs_labels, true);
        let head = head(self);
        self.body.needs_labels = needs_labels;
        self.body.labels.push(Label {
            name: name.clone(),
            is_loop: true,
            answer: ty,
            fixed,
            moved: None,
        });
        let mut text = if keyword == "loop" {
            let leave = self.leave(self.body.labels.len() - 1);
            match self.random.below(3) {
                0 => format!("{name}: loop {{~if !{head} {{ {leave}; }}~"),
                1 => format!("{name}: loop {{~if !{head} {{~{leave}~}}~"),
                _ => format!("{name}: loop {{~match {head} {{~true => {{}}~false => {leave},~}}~"),
            }
        } else {
            format!("{name}: {keyword} {head} {{~")
        };
        for _ in 0..self.random.below(3) {
            text += &self.statement();
            text += "~";
        }
        if self.random.chance(40) {
            text += &self.tail(Type::Unit);
        }
        text += "~}";

        self.scope.truncate(len);
        self.scope.end_borrows(borrows);
        self.scope.fixed = fixed;
        if keyword == "loop" {
            self.scope.set_moved(&before);
        } else {
            self.scope.add_moved(&before);
        }
        self.forget_label();
        text
    }

    /// Ends the block of the last label. What is moved where a `break` leaves it stays moved.
    fn forget_label(&mut self) {
        let label = self.body.labels.pop();
        if let Some(moved) = label.and_then(|label| label.moved) {
            self.scope.add_moved(&moved);
        }
    }

    fn label(&mut self) -> String {
        format!("'l{}", self.number())
    }

    /// An expression that never has a value.
    pub(crate) fn diverging(&mut self) -> String {
        let labels = self.body.labels.len();
        match self.random.below(8) {
            0 => "stop()".to_owned(),
            1..=4 if labels > 0 => {
                let index = labels - 1 - self.random.below(labels.min(2));
                if self.body.labels[index].is_loop && self.random.chance(40) {
                    let name = self.body.labels[index].name.clone();
                    let is_innermost = index == labels - 1;
                    if is_innermost && !self.body.needs_labels && self.random.chance(50) {
                        return "continue".to_owned();
                    }
                    return format!("continue {name}");
                }
                self.leave(index)
            }
            _ => match self.body.answer {
                Some(Type::Unit) => "return".to_owned(),
                Some(answer) => {
                    let moved = self.scope.moved();
                    let value = self.last_value(answer, self.body.fixed);
                    self.scope.set_moved(&moved);
                    format!("return {value}")
                }
                None => "stop()".to_owned(),
            },
        }
    }

    /// A `break` out of the block or loop with a label.
    fn leave(&mut self, index: usize) -> String {
        let moved = self.scope.moved();
        let Label {
            name,
            is_loop,
            answer,
            fixed,
            ..
        } = self.body.labels[index].clone();
        let is_innermost = index == self.body.labels.len() - 1;
        let name = if is_loop && is_innermost && !self.body.needs_labels && self.random.chance(50) {
            String::new()
        } else {
            name
        };
        let text = if answer == Type::Unit {
            format!("break {name}")
        } else {
            let value = self.last_value(answer, fixed).left_operand();
            // A label at the beginning would be parsed as the target of `break`.
            let has_label = value.starts_with('\'');
            let value = if has_label {
                format!("({value})")
            } else {
                value
            };
            format!("break {name} {value}")
        };
        let mut after = self.scope.moved();
        let label = &mut self.body.labels[index];
        if let Some(others) = label.moved.take() {
            self.scope.add_moved(&others);
            after = self.scope.moved();
        }
        self.body.labels[index].moved = Some(after);
        self.scope.set_moved(&moved);
        text
    }

    /// The value of a `break` or `return`: variables after `fixed` may be moved, since the code
    /// isn't repeated afterwards.
    fn last_value(&mut self, ty: Type, fixed: usize) -> Code {
        let fixed = std::mem::replace(&mut self.scope.fixed, fixed);
        let labels = std::mem::take(&mut self.body.labels);
        let value = self.value(ty);
        self.body.labels = labels;
        self.scope.fixed = fixed;
        value
    }
}
