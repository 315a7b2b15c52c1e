//! The names in scope, and what may be done with each of them.
//!
//! The rules are stricter than the compiler's in any edition, so the generated code compiles in all
//! editions.

/// The type of an expression.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Type {
    Unit,
    Bool,
    Num,
    /// `Noisy`
    Own,
    /// `Option<Noisy>`
    Opt,
    /// `Result<Noisy, Noisy>`
    Res,
    /// `Duo`, with two fields of type `Noisy`.
    Duo,
}

impl Type {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Type::Unit => "()",
            Type::Bool => "bool",
            Type::Num => "usize",
            Type::Own => "Noisy",
            Type::Opt => "Option<Noisy>",
            Type::Res => "Result<Noisy, Noisy>",
            Type::Duo => "Duo",
        }
    }
}

/// What a name stands for.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Value(Type),
    /// `&Noisy`
    Ref,
    /// A closure without parameters.
    Closure {
        answer: Type,
        is_once: bool,
    },
    /// A future that has not been polled.
    Future(Type),
}

impl Kind {
    fn is_copy(self) -> bool {
        matches!(self, Kind::Ref | Kind::Value(Type::Num))
    }

    /// Whether it can be used again after its value was used.
    pub(crate) fn stays(self) -> bool {
        self.is_copy() || matches!(self, Kind::Closure { is_once: false, .. })
    }
}

/// A variable, as its index in the scope.
pub(crate) type Var = usize;

struct Binding {
    name: String,
    kind: Kind,
    is_mut: bool,
    /// Which of its fields were moved; both if a variable without fields was moved.
    moved: [bool; 2],
    is_hidden: bool,
}

#[derive(Default)]
pub(crate) struct Scope {
    bindings: Vec<Binding>,
    /// Borrowed variables, some of them several times.
    borrowed: Vec<Var>,
    /// Variables in the order of their uses, and whether each use moved it.
    named: Vec<(Var, bool)>,
    /// Earlier variables are outside of a loop, and must not be moved in it.
    pub(crate) fixed: Var,
    /// Earlier variables are outside of a closure, which captures them as a whole in edition 2018.
    whole: Var,
    /// Earlier variables are outside of a closure that is called later.
    unassigned: Var,
}

/// Which variables and fields are moved at some point.
#[derive(Clone)]
pub(crate) struct Moved(Vec<[bool; 2]>);

/// A closure or an `async` block that is being written.
pub(crate) struct Capture {
    outside: Var,
    named: usize,
    fixed: Var,
    whole: Var,
    unassigned: Var,
    hidden: Vec<Var>,
    is_move: bool,
}

impl Scope {
    pub(crate) fn declare(&mut self, name: &str, kind: Kind, is_mut: bool) -> Var {
        self.bindings.push(Binding {
            name: name.to_owned(),
            kind,
            is_mut,
            moved: [false; 2],
            is_hidden: false,
        });
        self.bindings.len() - 1
    }

    pub(crate) fn len(&self) -> usize {
        self.bindings.len()
    }

    pub(crate) fn kind(&self, var: Var) -> Kind {
        self.bindings[var].kind
    }

    pub(crate) fn name(&self, var: Var) -> &str {
        &self.bindings[var].name
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let names = self.bindings.iter().map(|binding| binding.name.clone());
        names.filter(|name| !name.contains("self")).collect()
    }

    /// Variables of a kind that can be read.
    pub(crate) fn readable(&self, kind: impl Fn(Kind) -> bool) -> Vec<Var> {
        let is_readable = |var: &Var| self.is_visible(*var) && self.is_whole(*var);
        let vars = (0..self.len()).filter(is_readable);
        vars.filter(|var| kind(self.bindings[*var].kind)).collect()
    }

    /// Variables of a kind that can be moved.
    pub(crate) fn movable(&self, kind: impl Fn(Kind) -> bool) -> Vec<Var> {
        let vars = self.readable(kind).into_iter();
        vars.filter(|var| self.is_free(*var)).collect()
    }

    /// Variables of a type that can be assigned to.
    pub(crate) fn assignable(&self, kind: Type) -> Vec<Var> {
        let is_assignable = |var: &Var| {
            let binding = &self.bindings[*var];
            binding.kind == Kind::Value(kind)
                && binding.is_mut
                && self.is_visible(*var)
                && !self.borrowed.contains(var)
                && *var >= self.unassigned
                && (*var >= self.whole || self.is_whole(*var))
        };
        (0..self.len()).filter(is_assignable).collect()
    }

    /// The fields of `Duo` variables that can be moved or read.
    pub(crate) fn fields(&self, is_moved: bool) -> Vec<(Var, usize)> {
        let mut fields = Vec::new();
        for var in 0..self.len() {
            let binding = &self.bindings[var];
            if binding.kind != Kind::Value(Type::Duo)
                || !self.is_visible(var)
                || is_moved && !self.is_free(var)
                || var < self.whole && !self.is_whole(var)
            {
                continue;
            }
            fields.extend(
                (0..2)
                    .filter(|field| !binding.moved[*field])
                    .map(|field| (var, field)),
            );
        }
        fields
    }

    /// Sets whether the last declared variable is `mut`.
    pub(crate) fn set_mut(&mut self, is_mut: bool) {
        if let Some(binding) = self.bindings.last_mut() {
            binding.is_mut = is_mut;
        }
    }

    pub(crate) fn is_whole(&self, var: Var) -> bool {
        self.bindings[var].moved == [false; 2]
    }

    /// Whether a closure that is being written captures it.
    pub(crate) fn is_captured(&self, var: Var) -> bool {
        var < self.whole
    }

    fn is_visible(&self, var: Var) -> bool {
        let name = &self.bindings[var].name;
        let is_shadowed = self.bindings[var + 1..]
            .iter()
            .any(|later| later.name == *name);
        !is_shadowed && !self.bindings[var].is_hidden
    }

    fn is_free(&self, var: Var) -> bool {
        var >= self.fixed && !self.borrowed.contains(&var)
    }

    /// Borrows a variable to the end of the statement, and returns its name.
    pub(crate) fn borrow(&mut self, var: Var) -> String {
        if !self.bindings[var].kind.is_copy() {
            self.borrowed.push(var);
        }
        self.copy(var)
    }

    /// Reads a variable, and returns its name.
    pub(crate) fn copy(&mut self, var: Var) -> String {
        self.named.push((var, false));
        self.bindings[var].name.clone()
    }

    /// Moves a variable, and returns its name. It is also borrowed to the end of the statement, in
    /// case that the code around only borrows it.
    pub(crate) fn take(&mut self, var: Var) -> String {
        if self.bindings[var].kind.is_copy() {
            return self.copy(var);
        }
        self.borrowed.push(var);
        self.bindings[var].moved = [true; 2];
        self.named.push((var, true));
        self.bindings[var].name.clone()
    }

    pub(crate) fn take_field(&mut self, var: Var, field: usize) {
        self.named.push((var, true));
        self.bindings[var].moved[field] = true;
    }

    /// Assigns to a variable, and returns its name.
    pub(crate) fn assign(&mut self, var: Var) -> String {
        self.bindings[var].moved = [false; 2];
        self.copy(var)
    }

    pub(crate) fn hide(&mut self, var: Var, is_hidden: bool) {
        self.bindings[var].is_hidden = is_hidden;
    }

    /// The number of borrows, to be passed to `end_borrows`.
    pub(crate) fn borrows(&self) -> usize {
        self.borrowed.len()
    }

    pub(crate) fn end_borrows(&mut self, borrows: usize) {
        self.borrowed.truncate(borrows);
    }

    /// Removes variables so that `len` are left.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.bindings.truncate(len);
    }

    pub(crate) fn moved(&self) -> Moved {
        Moved(self.bindings.iter().map(|binding| binding.moved).collect())
    }

    pub(crate) fn set_moved(&mut self, moved: &Moved) {
        for (binding, moved) in self.bindings.iter_mut().zip(&moved.0) {
            binding.moved = *moved;
        }
    }

    /// Marks as moved what another branch moves.
    pub(crate) fn add_moved(&mut self, other: &Moved) {
        for (binding, other) in self.bindings.iter_mut().zip(&other.0) {
            for (moved, other) in binding.moved.iter_mut().zip(other) {
                *moved |= other;
            }
        }
    }

    /// Begins a closure. `is_later` if it is called after the expression.
    pub(crate) fn open(&mut self, is_move: bool, is_once: bool, is_later: bool) -> Capture {
        let outside = self.len();
        let capture = Capture {
            outside,
            named: self.named.len(),
            fixed: self.fixed,
            whole: self.whole,
            unassigned: self.unassigned,
            hidden: (0..outside)
                .filter(|var| is_move && self.must_be_hidden(*var))
                .collect(),
            is_move,
        };
        for var in &capture.hidden {
            self.hide(*var, true);
        }
        if !is_once {
            self.fixed = outside;
        }
        if is_later {
            self.unassigned = outside;
        }
        self.whole = outside;
        capture
    }

    /// Whether it is visible but can't be moved into a closure.
    fn must_be_hidden(&self, var: Var) -> bool {
        let is_copy = self.bindings[var].kind.is_copy();
        self.is_visible(var) && !is_copy && !(self.is_free(var) && self.is_whole(var))
    }

    /// Ends a closure. Captured variables are moved, or borrowed to the end of the statement.
    pub(crate) fn close(&mut self, capture: Capture) {
        self.truncate(capture.outside);
        for var in capture.hidden {
            self.hide(var, false);
        }
        self.fixed = capture.fixed;
        self.whole = capture.whole;
        self.unassigned = capture.unassigned;
        for index in capture.named..self.named.len() {
            let (var, is_taken) = self.named[index];
            if var >= capture.outside {
                continue;
            }
            let binding = &mut self.bindings[var];
            let is_owned = capture.is_move && !binding.kind.is_copy();
            if is_owned || is_taken {
                binding.moved = [true; 2];
                // An outer closure takes it, too, even if only one branch uses it.
                self.named[index].1 = true;
            }
            if !is_owned {
                // Also if the use was to move it, but the code around only borrows it.
                self.borrowed.push(var);
            }
        }
    }
}
