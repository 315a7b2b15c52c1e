//! Statements.

use crate::scope::{Kind, Type};
use crate::values::FIELDS;
use crate::write::Writer;

/// The types of `let` statements.
const VALUES: [Type; 6] = [
    Type::Own,
    Type::Own,
    Type::Own,
    Type::Num,
    Type::Opt,
    Type::Duo,
];

impl Writer<'_> {
    /// A statement. Its names are in scope afterwards.
    pub(crate) fn statement(&mut self) -> String {
        if self.budget == 0 {
            return format!("{};", self.value(Type::Own));
        }
        self.budget -= 1;
        let borrows = self.scope.borrows();
        let keeps = match self.random.below(25) {
            0 | 1 => Some(self.extended()),
            2 => self.closure_or_future(),
            3 => self.guarded(),
            4 => self.found_or_else(),
            _ => None,
        };
        if let Some(text) = keeps {
            // Its borrows last to the end of the block.
            return text;
        }
        let text = self.passing();
        self.scope.end_borrows(borrows);
        text
    }

    /// A statement whose borrows end with it.
    fn passing(&mut self) -> String {
        match self.random.below(26) {
            0..=5 => self.bound(),
            6 => format!("let _ = {};", self.value(Type::Own)),
            7 => self.taken_apart(),
            8 => self.some_or_else(),
            9 => self.declared_first(),
            10 | 11 => match self.assignment() {
                Some(assignment) => assignment + ";",
                None => self.bound(),
            },
            12 => match self.random.pick(&self.scope.assignable(Type::Num)) {
                Some(var) => {
                    let num = self.value(Type::Num);
                    format!("{} += {num};", self.scope.copy(var))
                }
                None => self.bound(),
            },
            13 | 14 => {
                let ty = self.random.pick(&VALUES).unwrap();
                format!("{};", self.value(ty))
            }
            15 => format!("{};", self.value(Type::Bool)),
            16 | 17 => self.bounded_loop(),
            18 | 19 => self.if_else(Type::Unit),
            20 => {
                let condition = self.value(Type::Bool).operand();
                format!("if {condition} {{~{};~}}", self.diverging())
            }
            21 => self.with_an_attribute(),
            22 => self.of_a_macro(),
            23 if self.body.can_await => "pause().await;".to_owned(),
            23 => format!("poll_once({});", self.async_block(Type::Own, false)),
            24 if self.random.chance(10) => format!("{};", self.diverging()),
            _ => format!("{};", self.control(Type::Unit)),
        }
    }

    /// A `let` of one name.
    fn bound(&mut self) -> String {
        let ty = self.random.pick(&VALUES).unwrap();
        let value = self.value(ty);
        let name = self.declared(Kind::Value(ty));
        let is_mut = self.random.chance(50);
        self.scope.set_mut(is_mut);
        format!("let {}{name} =~{value};", if is_mut { "mut " } else { "" })
    }

    /// A reference to a temporary with an extended lifetime.
    fn extended(&mut self) -> String {
        let value = match self.random.below(6) {
            0 | 1 => format!("&{}", self.value(Type::Own).operand()),
            2 => format!("&{}.{}", self.value(Type::Duo).operand(), self.field()),
            3 => {
                let own = self.value(Type::Own);
                let num = self.value(Type::Num);
                return format!(
                    "let ({}, _) = (&({own},~{num}).0, 1);",
                    self.declared(Kind::Ref)
                );
            }
            4 => {
                let condition = self.value(Type::Bool).operand();
                let [a, b] = self.two_branches();
                format!("if {condition} {{~{a}~}} else {{~{b}~}}")
            }
            _ => {
                let num = self.value(Type::Num).operand();
                let [a, b] = self.two_branches();
                format!("match {num} {{~1 => {a},~_ => {{~{b}~}}~}}")
            }
        };
        if self.random.chance(15) {
            let own = self.value(Type::Own);
            return format!("let ref {} = {own};", self.declared(Kind::Ref));
        }
        let name = self.declared(Kind::Ref);
        format!("let {name} =~{value};")
    }

    /// Two branches, each a reference to a temporary.
    fn two_branches(&mut self) -> [String; 2] {
        let mut fork = self.fork();
        let a = format!("&{}", self.value(Type::Own).operand());
        self.next_branch(&mut fork, false);
        let b = format!("&{}", self.value(Type::Own).operand());
        self.next_branch(&mut fork, false);
        self.join(fork);
        [a, b]
    }

    /// A variable with a closure or a future, which runs later or never.
    fn closure_or_future(&mut self) -> Option<String> {
        let answer = self.random.pick(&[Type::Own, Type::Num])?;
        let (kind, value) = if self.random.chance(40) {
            (Kind::Future(answer), self.async_block(answer, true))
        } else {
            let is_once = self.random.chance(50);
            let closure = self.closure(answer, &[], is_once, true);
            (Kind::Closure { answer, is_once }, closure)
        };
        let name = self.declared(kind);
        Some(format!("let {name} =~{value};"))
    }

    /// A guard of a variable.
    fn guarded(&mut self) -> Option<String> {
        let vars = self.scope.readable(|kind| kind == Kind::Value(Type::Own));
        let var = self.random.pick(&vars)?;
        let guarded = self.scope.borrow(var);
        Some(format!("let {} = {guarded}.guard();", self.fresh_name()))
    }

    /// A `let`-`else` with a part of a variable.
    fn found_or_else(&mut self) -> Option<String> {
        let is_noisy = |kind| matches!(kind, Kind::Ref | Kind::Value(Type::Own));
        let var = self.random.pick(&self.scope.readable(is_noisy))?;
        let looked_at = self.scope.borrow(var);
        let away = self.diverging();
        let name = self.declared(Kind::Ref);
        Some(format!(
            "let Some({name}) = {looked_at}.maybe() else {{~{away}~}};"
        ))
    }

    fn some_or_else(&mut self) -> String {
        if self.random.chance(30) {
            let own = self.value(Type::Own);
            let value = self.value(Type::Opt);
            let away = self.diverging();
            let name = self.declared(Kind::Value(Type::Own));
            return format!("let (_, Some({name})) = ({own}, {value}) else {{~{away};~}};");
        }
        let value = self.value(Type::Opt).left_operand();
        // A brace before `else` isn't allowed.
        let value = if value.ends_with('}') {
            format!("({value})")
        } else {
            value
        };
        let away = self.diverging();
        let name = self.declared(Kind::Value(Type::Own));
        format!("let Some({name}) =~{value} else {{~{away}~}};")
    }

    fn taken_apart(&mut self) -> String {
        let own = Kind::Value(Type::Own);
        match self.random.below(5) {
            0 => {
                let [a, b] = [self.value(Type::Own), self.value(Type::Own)];
                format!("let ({}, _) = ({a},~{b});", self.declared(own))
            }
            1 => {
                let [a, b] = [self.value(Type::Own), self.value(Type::Own)];
                let name = self.fresh_name();
                self.scope.declare(&name, own, false);
                format!("let [{name}, ref {}] =~[{a}, {b}];", self.fresh_name())
            }
            2 => {
                let duo = self.value(Type::Duo);
                let names = [self.fresh_name(), self.fresh_name()];
                for name in &names {
                    self.scope.declare(name, own, false);
                }
                format!(
                    "let Duo {{ left: {}, right: {} }} = {duo};",
                    names[0], names[1]
                )
            }
            3 => {
                let duo = self.value(Type::Duo);
                format!("let Duo {{ right: {}, .. }} = {duo};", self.declared(own))
            }
            _ => {
                let duo = self.value(Type::Duo);
                format!(
                    "let Duo {{ {}: ref {}, .. }} = {duo};",
                    self.field(),
                    self.fresh_name()
                )
            }
        }
    }

    fn declared_first(&mut self) -> String {
        let condition = self.value(Type::Bool).operand();
        let name = self.fresh_name();
        let mut fork = self.fork();
        let a = self.value(Type::Own);
        self.next_branch(&mut fork, false);
        let is_assigned = self.random.chance(80);
        let b = if is_assigned {
            format!("{name} = {}", self.value(Type::Own))
        } else {
            self.diverging()
        };
        self.next_branch(&mut fork, !is_assigned);
        self.join(fork);
        self.scope.declare(&name, Kind::Value(Type::Own), false);
        format!("let {name};~if {condition} {{~{name} = {a};~}} else {{~{b};~}}")
    }

    /// An assignment to a variable or a field.
    pub(crate) fn assignment(&mut self) -> Option<String> {
        let ty = self
            .random
            .pick(&[Type::Own, Type::Own, Type::Opt, Type::Duo])?;
        match self.random.below(5) {
            0 => {
                let var = self.random.pick(&self.scope.assignable(Type::Duo))?;
                if !self.scope.is_whole(var) {
                    return None;
                }
                let name = self.scope.copy(var);
                let field = FIELDS[self.random.below(2)];
                self.scope.hide(var, true);
                let own = self.value(Type::Own);
                self.scope.hide(var, false);
                Some(format!("{name}.{field} =~{own}"))
            }
            1 => {
                let var = self.random.pick(&self.scope.assignable(Type::Own))?;
                let [a, b] = [self.value(Type::Own), self.value(Type::Own)];
                Some(format!("({}, _) = ({a},~{b})", self.scope.assign(var)))
            }
            2 => {
                // This may also be in a loop.
                let var = self.random.pick(&self.scope.assignable(Type::Own))?;
                if !self.scope.is_whole(var) || self.scope.is_captured(var) {
                    return None;
                }
                let name = self.scope.assign(var);
                Some(format!("{name} =~{name}.next(\"{}\")", self.number()))
            }
            3 => Some(format!("_ = {}", self.value(Type::Own))),
            _ => {
                let var = self.random.pick(&self.scope.assignable(ty))?;
                let value = self.value(ty);
                Some(format!("{} =~{value}", self.scope.assign(var)))
            }
        }
    }

    fn with_an_attribute(&mut self) -> String {
        match self.random.below(6) {
            0 => format!("#[allow(unused)]~{}", self.bound()),
            5 => format!("#[cfg(all())]~{}", self.bound()),
            1 => format!("#[cfg(any())]~let absent = {};", self.noisy()),
            2 => format!("#[cfg(any())]~{}.look();", self.noisy()),
            3 => format!("#[cfg(all())]~{}", self.block(Type::Unit)),
            _ => format!("#[allow(unused)]~{}", self.matched(Type::Unit)),
        }
    }

    fn of_a_macro(&mut self) -> String {
        match self.random.below(4) {
            0 => {
                let own = self.value(Type::Own);
                format!("bind!({} = {own});", self.declared(Kind::Value(Type::Own)))
            }
            1 => {
                let own = self.value(Type::Own);
                format!(
                    "bind! {{ {} =~{own} }}",
                    self.declared(Kind::Value(Type::Own))
                )
            }
            2 => format!("keep! {{ {} }}", self.value(Type::Unit)),
            _ => format!("keep!({});", self.value(Type::Own)),
        }
    }
}
