//! What an expression does, by its form alone.

use syn::{Block, Expr, ExprStruct, Stmt, Type, UnOp};

/// What an expression may consist of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parts {
    /// Literals, names, fields and operators, whatever their types.
    Operators,
    /// What can't run code of the program: no operators, since a type may overload them, and no
    /// fields but those of `self`, if it has any, since a longer chain may go through a `Deref`.
    NoCode { has_fields: bool },
    /// Literals, and what the compiler computes from them.
    Literals,
}

/// Whether `expr` consists of literals, names and operators only, so that it isn't worth a probe.
///
/// An operator may be the program's, and allocate: that is attributed to the line around. So more
/// forms qualify here than in [`runs_no_code`], after which there is no line around.
pub(crate) fn computes_only(expr: &Expr) -> bool {
    consists_of(expr, Parts::Operators)
}

/// Whether `expr`, as a value that isn't [coerced](may_be_reference), can't run code of the
/// program. `has_fields` says whether `self.x` can be a field of `self`.
pub(crate) fn runs_no_code(expr: &Expr, has_fields: bool) -> bool {
    consists_of(expr, Parts::NoCode { has_fields })
}

/// Whether `expr` consists of literals, and of operators on them.
pub(crate) fn is_literal(expr: &Expr) -> bool {
    consists_of(expr, Parts::Literals)
}

fn consists_of(expr: &Expr, parts: Parts) -> bool {
    let operands = match parts {
        Parts::Operators => Parts::Operators,
        Parts::NoCode { .. } | Parts::Literals => Parts::Literals,
    };
    let takes_any = parts == Parts::Operators;
    match expr {
        Expr::Lit(_) => true,
        Expr::Path(_) => parts != Parts::Literals,
        Expr::Group(expr) => consists_of(&expr.expr, parts),
        Expr::Paren(expr) => consists_of(&expr.expr, parts),
        Expr::Tuple(expr) => expr.elems.iter().all(|part| consists_of(part, parts)),
        Expr::Binary(expr) => {
            consists_of(&expr.left, operands) && consists_of(&expr.right, operands)
        }
        Expr::Unary(expr) => {
            (takes_any || !matches!(expr.op, UnOp::Deref(_))) && consists_of(&expr.expr, operands)
        }
        // To another type, a cast may coerce by a `Deref`.
        Expr::Cast(expr) => (takes_any || is_primitive(&expr.ty)) && consists_of(&expr.expr, parts),
        Expr::Field(expr) => match parts {
            Parts::Operators => consists_of(&expr.base, parts),
            Parts::NoCode { has_fields } => has_fields && is_self(&expr.base),
            Parts::Literals => false,
        },
        // What isn't a value alone may be coerced by a `Deref`.
        Expr::Reference(expr) => takes_any && consists_of(&expr.expr, parts),
        Expr::Struct(expr) => matches!(parts, Parts::NoCode { .. }) && is_struct_of_literals(expr),
        Expr::Block(expr) if expr.label.is_none() => {
            !takes_any && tail(&expr.block).is_some_and(|tail| consists_of(tail, parts))
        }
        _ => false,
    }
}

fn is_self(expr: &Expr) -> bool {
    matches!(expr, Expr::Path(name) if name.path.is_ident("self"))
}

/// Whether a struct literal has literals only: any other field may be coerced to the field's type.
fn is_struct_of_literals(expr: &ExprStruct) -> bool {
    expr.rest.is_none() && expr.fields.iter().all(|field| is_literal(&field.expr))
}

/// The expression that is all of a block.
pub(crate) fn tail(block: &Block) -> Option<&Expr> {
    match &block.stmts[..] {
        [Stmt::Expr(expr, None)] => Some(expr),
        _ => None,
    }
}

/// Whether `ty` may be a reference, or contain one where an expression is coerced to it.
///
/// `&self.x` and `self.x` are coerced to a `&T` by the `Deref` of `x`, if need be, and a `LazyLock`
/// allocates in it. A name may stand for a reference as well: those of associated types often do,
/// others are taken for a type of their own.
pub(crate) fn may_be_reference(ty: &Type) -> bool {
    match ty {
        Type::Never(_) | Type::Ptr(_) | Type::Array(_) => false,
        Type::Group(ty) => may_be_reference(&ty.elem),
        Type::Paren(ty) => may_be_reference(&ty.elem),
        Type::Tuple(ty) => ty.elems.iter().any(may_be_reference),
        Type::Path(ty) => {
            let segments = &ty.path.segments;
            let is_associated = segments.len() > 1 && segments[0].ident == "Self";
            ty.qself.is_some() || is_associated
        }
        _ => true,
    }
}

/// Whether a value of this type is dropped without running any code.
pub(crate) fn drops_nothing(ty: &Type) -> bool {
    match ty {
        Type::Reference(_) | Type::Ptr(_) => true,
        Type::Group(ty) => drops_nothing(&ty.elem),
        Type::Paren(ty) => drops_nothing(&ty.elem),
        ty => is_primitive(ty),
    }
}

fn is_primitive(ty: &Type) -> bool {
    const NAMES: [&str; 16] = [
        "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16",
        "u32", "u64", "u128", "usize",
    ];
    match ty {
        Type::Group(ty) => is_primitive(&ty.elem),
        Type::Paren(ty) => is_primitive(&ty.elem),
        Type::Path(ty) => NAMES.iter().any(|name| ty.path.is_ident(name)),
        _ => false,
    }
}
