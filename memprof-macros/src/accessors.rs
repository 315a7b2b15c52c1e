//! Functions that are left out of an item with the attribute, because by their form they can't
//! allocate: they return a constant or a field, or nothing.
//!
//! What the form doesn't tell: a field `self.x` may belong to what the type of `self` dereferences
//! to, and a name of a type may stand for a reference. So a program's `Deref` may run in a function
//! that is left out, and is then attributed to the line of the caller.

use crate::forms;
use crate::function::Function;
use crate::profiled;
use proc_macro2::TokenStream;
use quote::quote;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use syn::{
    Attribute, Expr, FnArg, GenericParam, ItemImpl, Meta, ReceiverKind, ReturnType, Signature, Type,
};

/// Whether a function is an accessor.
///
/// `has_fields` says whether `self.x` can be a field of `self` itself.
pub(crate) fn is_accessor(function: &Function, has_fields: bool) -> bool {
    let item = &function.item;
    function.unread.is_none()
        && item.sig.asyncness.is_none()
        && item.attrs.iter().all(is_without_code)
        && drops_nothing(&item.sig)
        && (item.block.stmts.is_empty()
            || forms::tail(&item.block)
                .is_some_and(|tail| can_not_allocate(tail, &item.sig.output, has_fields)))
}

/// Whether an attribute leaves the function's code as it is.
fn is_without_code(attribute: &Attribute) -> bool {
    const NAMES: [&str; 2] = ["must_use", "track_caller"];
    profiled::is_builtin(attribute) || NAMES.iter().any(|name| attribute.path().is_ident(name))
}

/// Whether nothing is dropped at the end of the function but references and numbers.
fn drops_nothing(sig: &Signature) -> bool {
    sig.inputs.iter().all(|input| match input {
        FnArg::Receiver(receiver) => matches!(receiver.kind, ReceiverKind::Reference(..)),
        FnArg::Typed(input) => forms::drops_nothing(&input.ty),
    })
}

fn can_not_allocate(tail: &Expr, output: &ReturnType, has_fields: bool) -> bool {
    if forms::is_literal(tail) {
        return true;
    }
    let is_coerced = match output {
        ReturnType::Default => false,
        ReturnType::Type(_, ty) => forms::may_be_reference(ty),
    };
    !is_coerced && forms::runs_no_code(tail, has_fields)
}

/// Whether the type of an `impl` block can have fields. A type parameter has none: `self.x` goes
/// through its `Deref`.
pub(crate) fn has_fields(item: &ItemImpl) -> bool {
    let Type::Path(ty) = &*item.self_ty else {
        return false;
    };
    let is_parameter = |parameter: &GenericParam| match parameter {
        GenericParam::Type(parameter) => ty.path.is_ident(&parameter.ident),
        GenericParam::Lifetime(_) | GenericParam::Const(_) => false,
    };
    ty.qself.is_none() && !item.generics.params.iter().any(is_parameter)
}

/// The accessors that an item with the attribute leaves out.
pub(crate) struct LeftOut {
    item: u64,
    /// For each, the conditions of the `#[cfg(..)]` on it and on what it is in.
    conditions: Vec<TokenStream>,
}

impl LeftOut {
    /// None so far.
    pub(crate) fn of(item: &TokenStream) -> Self {
        Self {
            item: number(item),
            conditions: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, conditions: &[TokenStream]) {
        self.conditions.push(quote!(#(#conditions),*));
    }

    /// The call that tells a `Site` of them, if there are any.
    pub(crate) fn told(&self, private: &TokenStream) -> Option<TokenStream> {
        if self.conditions.is_empty() {
            return None;
        }
        let item = self.item;
        let (always, others): (Vec<_>, Vec<_>) =
            self.conditions.iter().partition(|all| all.is_empty());
        let always = u64::try_from(always.len()).unwrap_or(u64::MAX);
        Some(quote! {
            .leaves_out(#item, #always #(+ #private::cfg!(all(#others)) as u64)*)
        })
    }
}

/// A number for an item, which no other item of the same file should have.
fn number(item: &TokenStream) -> u64 {
    let mut hasher = DefaultHasher::new();
    // A macro may write several items in one place, so the text counts, too.
    let attribute = proc_macro2::Span::call_site().unwrap();
    (attribute.line(), attribute.column()).hash(&mut hasher);
    item.to_string().hash(&mut hasher);
    hasher.finish()
}

/// The conditions of `#[cfg(..)]` attributes, each as one predicate.
pub(crate) fn conditions(attrs: &[Attribute]) -> impl Iterator<Item = TokenStream> {
    attrs.iter().filter_map(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            // It may end with a comma.
            let condition = &list.tokens;
            Some(quote!(all(#condition)))
        }
        _ => None,
    })
}
