//! Closures and futures.

use crate::scope::{Kind, Type};
use crate::write::{Body, Code, Writer};

impl Writer<'_> {
    /// A closure that is called at once.
    pub(crate) fn called(&mut self, ty: Type) -> Code {
        let name = self.fresh_name();
        let parameter = (&name[..], Kind::Value(Type::Own));
        match self.random.below(4) {
            0 => Code::postfix(format!("({})()", self.closure(ty, &[], true, false))),
            1 => {
                // Captured variables are borrowed while the argument is evaluated.
                let closure = self.closure(ty, &[parameter], true, true);
                Code::postfix(format!("(~{closure})({})", self.value(Type::Own)))
            }
            2 => {
                let own = self.value(Type::Own);
                let closure = self.closure(ty, &[parameter], true, false);
                Code::postfix(format!("call_with({own},~{closure})"))
            }
            _ => Code::postfix(format!("call({})", self.closure(ty, &[], true, false))),
        }
    }

    /// A closure. `is_later` if it is called after the expression.
    pub(crate) fn closure(
        &mut self,
        ty: Type,
        parameters: &[(&str, Kind)],
        is_once: bool,
        is_later: bool,
    ) -> String {
        let is_move = self.random.chance(30);
        self.closure_that(ty, parameters, is_move, is_once, is_later)
    }

    /// A `move` closure that is called once.
    pub(crate) fn move_closure(&mut self, ty: Type) -> String {
        self.closure_that(ty, &[], true, true, true)
    }

    fn closure_that(
        &mut self,
        ty: Type,
        parameters: &[(&str, Kind)],
        is_move: bool,
        is_once: bool,
        is_later: bool,
    ) -> String {
        let capture = self.scope.open(is_move, is_once, is_later);
        let mut text = if is_move { "move |" } else { "|" }.to_owned();
        for (name, kind) in parameters {
            let ty = match kind {
                Kind::Ref => "&Noisy",
                _ => "Noisy",
            };
            if self.random.chance(10) {
                text = format!("{text}_: {ty}");
            } else {
                text = format!("{text}{name}: {ty}");
                self.scope.declare(name, *kind, false);
            }
        }
        text += "| ";
        text += &self.inside(ty, false, |writer| {
            if writer.random.chance(25) {
                format!("-> {} {}", ty.name(), writer.block(ty))
            } else if writer.random.chance(50) {
                writer.block(ty)
            } else {
                writer.value(ty).text
            }
        });
        self.scope.close(capture);
        text
    }

    /// A future that is awaited at once.
    pub(crate) fn awaited(&mut self, ty: Type) -> Code {
        let block = self.async_block(ty, false);
        Code::postfix(if self.body.can_await {
            format!("{block}.await")
        } else {
            format!("block_on({block})")
        })
    }

    pub(crate) fn async_block(&mut self, ty: Type, is_later: bool) -> String {
        let is_move = self.random.chance(40);
        self.async_block_that(ty, is_move, is_later)
    }

    pub(crate) fn async_block_that(&mut self, ty: Type, is_move: bool, is_later: bool) -> String {
        let capture = self.scope.open(is_move, true, is_later);
        let block = self.inside(ty, true, |writer| writer.block(ty));
        self.scope.close(capture);
        format!("async {}{block}", if is_move { "move " } else { "" })
    }

    /// Writes the body of a closure or of an `async` block.
    fn inside(
        &mut self,
        answer: Type,
        can_await: bool,
        write: impl FnOnce(&mut Self) -> String,
    ) -> String {
        let body = Body {
            answer: Some(answer),
            fixed: self.scope.fixed,
            labels: Vec::new(),
            needs_labels: false,
            can_await,
        };
        let around = std::mem::replace(&mut self.body, body);
        let text = write(self);
        self.body = around;
        text
    }
}
