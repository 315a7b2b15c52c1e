//! Expressions of each type.

use crate::scope::{Kind, Type};
use crate::write::{Code, Writer};

impl Writer<'_> {
    /// An expression of a type.
    pub(crate) fn value(&mut self, ty: Type) -> Code {
        if !self.goes_deeper() {
            return self.leaf(ty);
        }
        self.depth += 1;
        let code = if self.random.chance(35) {
            self.control(ty)
        } else {
            match ty {
                Type::Unit => self.unit(),
                Type::Bool => self.bool(),
                Type::Num => self.num(),
                Type::Own => self.own(),
                Type::Opt => self.opt(),
                Type::Res => self.res(),
                Type::Duo => self.duo(),
            }
        };
        self.depth -= 1;
        code
    }

    /// An expression that contains no others.
    fn leaf(&mut self, ty: Type) -> Code {
        let variable = if self.random.chance(60) {
            self.variable(ty)
        } else {
            None
        };
        if let Some(code) = variable {
            return code;
        }
        match ty {
            Type::Unit => Code::postfix(format!("{}.look()", self.looked_at())),
            Type::Bool => Code::postfix(format!("{}.ask()", self.looked_at())),
            Type::Num => Code::postfix(format!("{}.number()", self.looked_at())),
            Type::Own => self.noisy(),
            Type::Opt => Code::postfix(format!("{}.or_none()", self.noisy())),
            Type::Res => Code::postfix(format!("{}.or_err()", self.noisy())),
            Type::Duo => {
                let [left, right] = [self.noisy(), self.noisy()];
                Code::other(format!("Duo {{ left: {left}, right: {right} }}"))
            }
        }
    }

    pub(crate) fn noisy(&mut self) -> Code {
        let name = self.number();
        Code::postfix(format!("noisy(\"{name}\")"))
    }

    /// A variable, or a value from one.
    fn variable(&mut self, ty: Type) -> Option<Code> {
        let has_type = |kind| match kind {
            Kind::Value(own) | Kind::Closure { answer: own, .. } | Kind::Future(own) => own == ty,
            Kind::Ref => false,
        };
        let mut vars = self.scope.movable(has_type);
        vars.extend(self.scope.readable(|kind| has_type(kind) && kind.stays()));
        let var = self.random.pick(&vars)?;
        Some(Code::postfix(match self.scope.kind(var) {
            Kind::Closure { is_once: false, .. } => format!("{}()", self.scope.copy(var)),
            Kind::Closure { .. } => format!("{}()", self.scope.take(var)),
            Kind::Future(_) if self.body.can_await => format!("{}.await", self.scope.take(var)),
            Kind::Future(_) => format!("block_on({})", self.scope.take(var)),
            Kind::Value(_) | Kind::Ref => self.scope.take(var),
        }))
    }

    /// A receiver of type `Noisy` or `&Noisy`, borrowed to the end of the statement.
    pub(crate) fn receiver(&mut self) -> String {
        let place = if self.random.chance(50) {
            self.place()
        } else {
            None
        };
        if let Some(place) = place {
            return place;
        }
        if !self.goes_deeper() {
            return self.noisy().text;
        }
        match self.random.below(7) {
            0 => format!("{}.same()", self.receiver()),
            1 => format!("{}.guard()", self.temporary()),
            2 => format!("{}.{}", self.value(Type::Duo).operand(), self.field()),
            3 => format!("({}, {}).0", self.value(Type::Own), self.value(Type::Num)),
            4 => format!("(&{})", self.value(Type::Own).operand()),
            5 => format!("[{}, {}][0]", self.value(Type::Own), self.value(Type::Own)),
            _ => self.value(Type::Own).operand(),
        }
    }

    /// A value that isn't a variable, so that its guard may outlive the block.
    fn temporary(&mut self) -> String {
        let own = self.value(Type::Own).operand();
        format!("{own}.next(\"{}\")", self.number())
    }

    /// A variable or a field of one.
    fn place(&mut self) -> Option<String> {
        let fields = self.scope.fields(false);
        if !fields.is_empty() && self.random.chance(25) {
            let (var, field) = self.random.pick(&fields)?;
            return Some(format!("{}.{}", self.scope.borrow(var), FIELDS[field]));
        }
        let is_noisy = |kind| matches!(kind, Kind::Ref | Kind::Value(Type::Own));
        let var = self.random.pick(&self.scope.readable(is_noisy))?;
        Some(self.scope.borrow(var))
    }

    /// A receiver of type `Noisy` or `&Noisy`, borrowed only for the call.
    pub(crate) fn looked_at(&mut self) -> String {
        let borrows = self.scope.borrows();
        let receiver = self.receiver();
        self.scope.end_borrows(borrows);
        receiver
    }

    /// A `&Noisy`, borrowed to the end of the statement.
    fn reference(&mut self) -> String {
        match self.random.below(3) {
            0 => format!("{}.same()", self.receiver()),
            _ => format!("&{}", self.receiver()),
        }
    }

    pub(crate) fn field(&mut self) -> &'static str {
        FIELDS[self.random.below(2)]
    }

    fn unit(&mut self) -> Code {
        match self.random.below(6) {
            0 => Code::postfix("()".to_owned()),
            1 | 2 => Code::postfix(format!("drop({})", self.value(Type::Own))),
            3 => match self.assignment() {
                // In macros, `_` can't begin an expression.
                Some(text) if text.starts_with('_') => Code::postfix(format!("({text})")),
                Some(text) => Code::other(text),
                None => self.leaf(Type::Unit),
            },
            _ => self.leaf(Type::Unit),
        }
    }

    fn bool(&mut self) -> Code {
        match self.random.below(10) {
            0 => Code::postfix(format!("{}.yes()", self.looked_at())),
            1 => Code::postfix(format!("{}.no()", self.looked_at())),
            operator @ (2 | 3) => {
                let operator = if operator == 2 { "&&" } else { "||" };
                let left = self.value(Type::Bool).left_operand();
                let mut fork = self.fork();
                self.next_branch(&mut fork, false);
                let right = self.value(Type::Bool).operand();
                self.next_branch(&mut fork, false);
                self.join(fork);
                Code::other(format!("{left} {operator}~{right}"))
            }
            4 => Code::other(format!("!{}", self.value(Type::Bool).operand())),
            5 => Code::other(format!("{} > 1", self.value(Type::Num).left_operand())),
            6 => Code::postfix(format!("matches!({}.maybe(), Some(_))", self.looked_at())),
            _ => Code::postfix(format!("{}.ask()", self.looked_at())),
        }
    }

    fn num(&mut self) -> Code {
        match self.random.below(12) {
            0 | 1 => {
                let left = self.value(Type::Num).left_operand();
                Code::other(format!("{left} +~{}", self.value(Type::Num).operand()))
            }
            2 => {
                let [a, b] = [self.reference(), self.value(Type::Num).text];
                Code::postfix(format!("count({a},~{b},~{})", self.value(Type::Own)))
            }
            3 => {
                let [a, b] = [self.value(Type::Own).text, self.reference()];
                Code::postfix(format!("weigh(~{a},~{b})"))
            }
            4 => {
                let receiver = self.receiver();
                Code::postfix(format!("{receiver}~.plus({})", self.value(Type::Num)))
            }
            5 => {
                let [a, b] = [self.value(Type::Own), self.value(Type::Own)];
                Code::postfix(format!("vec![{a},~{b}].len()"))
            }
            6 => {
                let own = self.value(Type::Own);
                Code::postfix(format!("({own},~{}).1", self.value(Type::Num)))
            }
            7 => Code::other(format!(
                "{} as u8 as usize",
                self.value(Type::Num).left_operand()
            )),
            8 => {
                let [a, b] = [self.value(Type::Num), self.value(Type::Num)];
                // Not `[a, b][1]`: the compiler generates wrong code for a `match` on it that has
                // an `.await` in a guard.
                Code::other(format!("*[{a},~{b}].last().unwrap()"))
            }
            9 => {
                let start = self.value(Type::Num).left_operand();
                Code::postfix(format!(
                    "({start}..{}).len()",
                    self.value(Type::Num).operand()
                ))
            }
            _ => Code::postfix(format!("{}.number()", self.looked_at())),
        }
    }

    fn own(&mut self) -> Code {
        match self.random.below(16) {
            0 | 1 => {
                let own = self.value(Type::Own).operand();
                Code::postfix(format!("{own}~.next(\"{}\")", self.number()))
            }
            2 => {
                let own = self.value(Type::Own).operand();
                Code::postfix(format!("{own}~.with(~{})", self.value(Type::Num)))
            }
            3 => Code::postfix(format!(
                "{}.{}",
                self.value(Type::Duo).operand(),
                self.field()
            )),
            4 => Code::other(format!("*Box::new({})", self.value(Type::Own))),
            5 => Code::postfix(format!("{}.fresh()", self.looked_at())),
            6 => {
                let opt = self.value(Type::Opt).operand();
                let other = self.closure(Type::Own, &[], true, false);
                Code::postfix(format!("{opt}.unwrap_or_else({other})"))
            }
            7 | 8 => match self.body.answer {
                Some(Type::Opt) => Code::postfix(format!("{}?", self.value(Type::Opt).operand())),
                Some(Type::Res) => Code::postfix(format!("{}?", self.value(Type::Res).operand())),
                _ => self.leaf(Type::Own),
            },
            9 => self.replaced().unwrap_or_else(|| self.leaf(Type::Own)),
            10 if self.body.can_await => {
                Code::postfix(format!("{}.later().await", self.value(Type::Own).operand()))
            }
            11 => {
                let [a, b] = [self.value(Type::Own), self.value(Type::Own)];
                Code::postfix(format!("vec![{a},~{b}].remove(0)"))
            }
            12 => {
                let [a, b] = [self.value(Type::Own), self.value(Type::Own)];
                Code::postfix(format!("({a},~{b}).1"))
            }
            13 => match self.random.pick(&self.scope.fields(true)) {
                Some((var, field)) => {
                    self.scope.take_field(var, field);
                    Code::postfix(format!("{}.{}", self.scope.name(var), FIELDS[field]))
                }
                None => self.leaf(Type::Own),
            },
            _ => self.leaf(Type::Own),
        }
    }

    /// The old value of a variable, which is replaced.
    fn replaced(&mut self) -> Option<Code> {
        let mut vars = self.scope.assignable(Type::Own);
        vars.retain(|var| self.scope.is_whole(*var));
        let var = self.random.pick(&vars)?;
        let name = self.scope.assign(var);
        self.scope.hide(var, true);
        let own = self.value(Type::Own);
        self.scope.hide(var, false);
        Some(Code::postfix(format!(
            "std::mem::replace(&mut {name}, {own})"
        )))
    }

    fn opt(&mut self) -> Code {
        match self.random.below(8) {
            0 => Code::postfix(format!("Some({})", self.value(Type::Own))),
            1 => {
                let asked = self.value(Type::Bool).operand();
                let own = self.closure(Type::Own, &[], true, false);
                Code::postfix(format!("{asked}~.then({own})"))
            }
            2 => {
                let opt = self.value(Type::Opt).operand();
                let name = self.fresh_name();
                let change =
                    self.closure(Type::Own, &[(&name, Kind::Value(Type::Own))], true, false);
                Code::postfix(format!("{opt}~.map({change})"))
            }
            3 => {
                let opt = self.value(Type::Opt).operand();
                let other = self.closure(Type::Opt, &[], true, false);
                Code::postfix(format!("{opt}~.or_else({other})"))
            }
            4 => {
                let opt = self.value(Type::Opt).operand();
                let name = self.fresh_name();
                let asked = self.closure(Type::Bool, &[(&name, Kind::Ref)], true, false);
                Code::postfix(format!("{opt}~.filter({asked})"))
            }
            5 => {
                let [a, b] = [self.value(Type::Own), self.value(Type::Own)];
                Code::postfix(format!("vec![{a},~{b}].pop()"))
            }
            _ => Code::postfix(format!("{}.or_none()", self.value(Type::Own).operand())),
        }
    }

    fn res(&mut self) -> Code {
        match self.random.below(4) {
            0 => Code::postfix(format!("Ok({})", self.value(Type::Own))),
            1 => {
                let opt = self.value(Type::Opt).operand();
                let error = self.closure(Type::Own, &[], true, false);
                Code::postfix(format!("{opt}~.ok_or_else({error})"))
            }
            _ => Code::postfix(format!("{}.or_err()", self.value(Type::Own).operand())),
        }
    }

    fn duo(&mut self) -> Code {
        match self.random.below(4) {
            0 => {
                let [field, own] = [self.field().to_owned(), self.value(Type::Own).text];
                let rest = self.value(Type::Duo);
                Code::other(format!("Duo {{ {field}: {own},~..{rest} }}"))
            }
            1 => Code::postfix(format!("{}.swapped()", self.value(Type::Duo).operand())),
            _ => {
                let [right, left] = [self.value(Type::Own), self.value(Type::Own)];
                Code::other(format!("Duo {{ right: {right},~left: {left} }}"))
            }
        }
    }
}

pub(crate) const FIELDS: [&str; 2] = ["left", "right"];
