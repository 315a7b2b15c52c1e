//! `match` and its arms.

use crate::scope::{Kind, Type};
use crate::write::Writer;

impl Writer<'_> {
    pub(crate) fn matched(&mut self, ty: Type) -> String {
        let len = self.scope.len();
        match self.random.below(8) {
            0 | 1 => {
                let scrutinee = format!("{}.maybe()", self.receiver());
                let pattern = |writer: &mut Self| format!("Some({})", writer.declared(Kind::Ref));
                self.arms(ty, len, &scrutinee, &[&pattern, &|_| "None".to_owned()])
            }
            2 => {
                let scrutinee = self.value(Type::Opt).operand();
                let guarded = |writer: &mut Self| {
                    let name = writer.declared(Kind::Ref);
                    format!("Some(ref {name}){}", writer.guard())
                };
                let owned = |writer: &mut Self| {
                    format!("Some({})", writer.declared(Kind::Value(Type::Own)))
                };
                self.arms(
                    ty,
                    len,
                    &scrutinee,
                    &[&guarded, &owned, &|_| "None".to_owned()],
                )
            }
            3 => {
                let scrutinee = format!("&{}", self.value(Type::Opt).operand());
                let guarded = |writer: &mut Self| {
                    format!("Some({}){}", writer.declared(Kind::Ref), writer.guard())
                };
                self.arms(
                    ty,
                    len,
                    &scrutinee,
                    &[&guarded, &|_| "None | Some(_)".to_owned()],
                )
            }
            4 => {
                let scrutinee = self.value(Type::Own).operand();
                let guarded = |writer: &mut Self| {
                    // Bound by move only after the guard, which can just borrow it.
                    let name = writer.fresh_name();
                    let borrows = writer.scope.borrows();
                    let var = writer.scope.declare(&name, Kind::Value(Type::Own), false);
                    writer.scope.borrow(var);
                    let guard = writer.guard();
                    writer.scope.end_borrows(borrows);
                    format!("{name}{guard}")
                };
                let by_ref = |writer: &mut Self| {
                    let name = writer.declared(Kind::Ref);
                    format!("ref {name}{}", writer.guard())
                };
                let owned = |writer: &mut Self| writer.declared(Kind::Value(Type::Own));
                let ignored = |_: &mut Self| "_".to_owned();
                match self.random.below(4) {
                    0 => self.arms(ty, len, &scrutinee, &[&guarded, &ignored]),
                    1 => self.arms(ty, len, &scrutinee, &[&by_ref, &guarded, &owned]),
                    2 => self.arms(ty, len, &scrutinee, &[&by_ref, &ignored]),
                    _ => self.arms(ty, len, &scrutinee, &[&owned]),
                }
            }
            5 => {
                let scrutinee = self.value(Type::Num).operand();
                let guarded = |writer: &mut Self| {
                    let name = writer.declared(Kind::Value(Type::Num));
                    format!("{name}{}", writer.guard())
                };
                let literal = |_: &mut Self| "0 | 2..=3".to_owned();
                self.arms(
                    ty,
                    len,
                    &scrutinee,
                    &[&literal, &guarded, &|_| "_".to_owned()],
                )
            }
            6 => {
                let own = self.value(Type::Own);
                let scrutinee = format!("({own},~{})", self.value(Type::Num));
                let first =
                    |writer: &mut Self| format!("({}, 1)", writer.declared(Kind::Value(Type::Own)));
                let second = |writer: &mut Self| {
                    let name = writer.declared(Kind::Ref);
                    format!("(ref {name}, _){}", writer.guard())
                };
                let third =
                    |writer: &mut Self| format!("(_, {})", writer.declared(Kind::Value(Type::Num)));
                self.arms(ty, len, &scrutinee, &[&first, &second, &third])
            }
            _ => {
                let scrutinee = self.value(Type::Duo).operand();
                let first = |writer: &mut Self| {
                    let name = writer.declared(Kind::Ref);
                    format!("Duo {{ left: ref {name}, .. }}{}", writer.guard())
                };
                let second = |writer: &mut Self| {
                    let name = writer.declared(Kind::Value(Type::Own));
                    format!("Duo {{ right: {name}, .. }}")
                };
                self.arms(ty, len, &scrutinee, &[&first, &second])
            }
        }
    }

    /// The arms of a `match`. The names of a pattern are in scope in its arm.
    fn arms(
        &mut self,
        ty: Type,
        len: usize,
        scrutinee: &str,
        patterns: &[&dyn Fn(&mut Self) -> String],
    ) -> String {
        let mut fork = self.fork();
        let mut text = format!("match {scrutinee} {{~");
        for (index, pattern) in patterns.iter().enumerate() {
            let pattern = pattern(self);
            let diverges = index > 0 && self.random.chance(12);
            let body = if diverges {
                self.diverging()
            } else if self.random.chance(40) {
                self.block(ty)
            } else {
                self.value(ty).text
            };
            self.scope.truncate(len);
            self.next_branch(&mut fork, diverges);
            text = format!("{text}{pattern} => {body},~");
        }
        self.join(fork);
        text + "}"
    }

    fn guard(&mut self) -> String {
        // A guard may run more than once, so it must not move anything.
        let fixed = self.scope.fixed;
        self.scope.fixed = self.scope.len();
        let asked = self.value(Type::Bool);
        self.scope.fixed = fixed;
        format!("~if {asked}")
    }
}
