//! Whole functions.

use crate::random::Random;
use crate::scope::{Kind, Type};
use crate::write::Writer;

/// A function, and how it is called.
pub(crate) struct Function {
    /// The source text; `$` marks where an attribute may be inserted.
    pub(crate) text: String,
    /// An expression that calls it.
    pub(crate) call: String,
}

/// What a function returns.
#[derive(Clone, Copy, PartialEq)]
enum Answer {
    Value,
    /// The value of an `async fn`.
    Awaited,
    Closure,
    Future,
    /// A boxed future, which is the function's whole body.
    Boxed,
}

/// A function's parameters, with their types and arguments.
#[derive(Default)]
struct Parameters {
    patterns: Vec<String>,
    types: Vec<String>,
    arguments: Vec<String>,
    /// Statements that must precede the call.
    before: String,
}

impl Function {
    pub(crate) fn new(name: &str, random: &mut Random, has_let_chains: bool) -> Self {
        use Answer::{Awaited, Boxed, Closure, Future, Value};
        let answer = match random.below(20) {
            0..=8 => Value,
            9..=16 => Awaited,
            17 => Closure,
            18 => Future,
            _ => Boxed,
        };
        let ty = match random.below(7) {
            0 | 1 => Type::Num,
            2 | 3 => Type::Own,
            _ if matches!(answer, Closure | Future | Boxed) => Type::Own,
            4 => Type::Unit,
            5 => Type::Opt,
            _ => Type::Res,
        };
        // The percentage of possible line breaks that are used; with 0, all is on one line.
        let breaks = random.pick(&[0, 10, 50, 90, 100]).unwrap();
        let returned = if matches!(answer, Value | Awaited) {
            Some(ty)
        } else {
            None
        };
        let writer = Writer::new(random, returned, answer == Awaited, has_let_chains);
        let mut function = writer.function(name, answer, ty);
        let mut text = String::new();
        for part in function.text.split('~') {
            let end = if random.chance(breaks) { "\n" } else { " " };
            text += part;
            text += end;
        }
        function.text = text;
        function
    }
}

impl Writer<'_> {
    fn function(mut self, name: &str, answer: Answer, ty: Type) -> Function {
        let has_references = matches!(answer, Answer::Value | Answer::Awaited);
        let mut parameters = Parameters::default();
        let has_self = has_references && self.random.chance(15);
        if has_self {
            self.receiver_parameter(answer, &mut parameters);
        }
        for _ in 0..self.random.below(4) {
            self.parameter(has_references, &mut parameters);
        }
        let fragment = if has_references && !has_self {
            self.random.below(12)
        } else {
            12
        };
        let body = match (answer, fragment) {
            (_, 0) => self.value(ty).text,
            (Answer::Value | Answer::Awaited, _) => self.block(ty),
            (Answer::Closure, _) => {
                let statement = self.statement();
                let closure = self.escaping(|writer| writer.move_closure(ty));
                format!("{{~{statement}~Box::new({closure})~}}")
            }
            (Answer::Future, _) => {
                let statement = self.statement();
                let future = self.escaping(|writer| writer.async_block_that(ty, true, true));
                format!("{{~{statement}~{future}~}}")
            }
            (Answer::Boxed, _) => {
                let future = self.escaping(|writer| writer.async_block_that(ty, true, true));
                format!("{{~Box::pin({future})~}}")
            }
        };

        let ty = ty.name();
        let output = match answer {
            Answer::Value | Answer::Awaited => ty.to_owned(),
            Answer::Closure => format!("Box<dyn FnOnce() -> {ty}>"),
            Answer::Future => format!("impl Future<Output = {ty}>"),
            Answer::Boxed => format!("Pin<Box<dyn Future<Output = {ty}>>>"),
        };
        let keyword = if answer == Answer::Awaited {
            "async fn"
        } else {
            "fn"
        };
        let head = |parameters: &[String]| {
            format!("{keyword} {name}({}) -> {output}", parameters.join(",~"))
        };
        let whole = head(&parameters.patterns);
        let text = match fragment {
            0 => format!("of_an_expression! {{ $ {whole} = {body} }}"),
            1 => format!("of_a_block! {{ $ {whole} = {body} }}"),
            _ if has_self => {
                let declared = head(&parameters.types);
                format!(
                    "trait Has_{name} {{ {declared}; }} impl Has_{name} for Duo {{~$~{whole} {body}~}}"
                )
            }
            _ => format!("$~{whole} {body}"),
        };

        let before = parameters.before;
        let arguments = parameters.arguments.join(", ");
        let function = if has_self {
            format!("Has_{name}::{name}")
        } else {
            name.to_owned()
        };
        let call = match answer {
            Answer::Value => format!("finish({function}({arguments}))"),
            Answer::Closure => format!("finish({function}({arguments})())"),
            _ => format!("every_way(|| {function}({arguments}))"),
        };
        Function {
            text,
            call: format!("{{ {before} {call}; }}"),
        }
    }

    /// Writes code whose value outlives the function, and therefore borrows nothing from it.
    fn escaping(&mut self, write: impl FnOnce(&mut Self) -> String) -> String {
        let borrows = |kind: Kind| !matches!(kind, Kind::Value(_));
        for var in self.scope.readable(borrows) {
            self.scope.hide(var, true);
        }
        write(self)
    }

    fn receiver_parameter(&mut self, answer: Answer, parameters: &mut Parameters) {
        let (declared, pattern) = match self.random.below(4) {
            0 => ("self", "self"),
            1 => ("self", "mut self"),
            2 if answer == Answer::Value => ("&mut self", "&mut self"),
            _ => ("&self", "&self"),
        };
        if declared == "self" {
            self.scope
                .declare("self", Kind::Value(Type::Duo), pattern == "mut self");
            parameters.arguments.push("duo(\"self\")".to_owned());
        } else {
            if declared == "&self" {
                self.scope.declare("self.left", Kind::Ref, false);
                self.scope.declare("self.right", Kind::Ref, false);
            }
            parameters.before += "let mut this = duo(\"self\");";
            parameters.arguments.push(declared.replace("self", "this"));
        }
        parameters.patterns.push(pattern.to_owned());
        parameters.types.push(declared.to_owned());
    }

    fn parameter(&mut self, has_references: bool, parameters: &mut Parameters) {
        let name = self.fresh_name();
        let own = Kind::Value(Type::Own);
        let noisy = |suffix: &str| format!("noisy(\"{name}{suffix}\")");
        let pair = format!("({}, {})", noisy(" left"), noisy(" right"));
        let (pattern, ty, argument) = match self.random.below(11) {
            0 => ("_".to_owned(), "Noisy", noisy("")),
            1 => (format!("_{name}"), "Noisy", noisy("")),
            2 if has_references => {
                self.scope.declare(&name, Kind::Ref, false);
                parameters.before = format!("{}let {name} = {};", parameters.before, noisy(""));
                (name.clone(), "&Noisy", format!("&{name}"))
            }
            3 => {
                self.scope.declare(&name, own, false);
                (format!("({name}, _)"), "(Noisy, Noisy)", pair)
            }
            4 => {
                self.scope.declare(&name, own, false);
                (
                    format!("Duo {{ right: {name}, .. }}"),
                    "Duo",
                    format!("duo(\"{name}\")"),
                )
            }
            5 => {
                self.scope.declare(&name, Kind::Value(Type::Opt), true);
                (
                    format!("mut {name}"),
                    "Option<Noisy>",
                    format!("Some({})", noisy("")),
                )
            }
            6 => {
                self.scope.declare(&name, Kind::Value(Type::Duo), true);
                (format!("mut {name}"), "Duo", format!("duo(\"{name}\")"))
            }
            7 => {
                self.scope.declare(&name, own, false);
                (
                    format!("[_, {name}]"),
                    "[Noisy; 2]",
                    format!("[{}, {}]", noisy(" 0"), noisy(" 1")),
                )
            }
            8 => {
                self.scope.declare(&name, own, true);
                (format!("mut {name}"), "Noisy", noisy(""))
            }
            _ => {
                self.scope.declare(&name, own, false);
                (name.clone(), "Noisy", noisy(""))
            }
        };
        parameters.patterns.push(format!("{pattern}: {ty}"));
        parameters.types.push(format!("_: {ty}"));
        parameters.arguments.push(argument);
    }
}
