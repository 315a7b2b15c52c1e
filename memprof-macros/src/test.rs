//! `#[memprof::test]`: a test with a memory budget.
//!
//! ```text
//! #[::core::prelude::v1::test]
//! fn f() -> R {
//!     BudgetTest::run(&BudgetTest { .. }, || -> R { body })
//! }
//! ```
//!
//! An `async fn` stays `async`, with the attribute of its runtime below:
//!
//! ```text
//! #[tokio::test]
//! async fn f() -> R {
//!     BudgetTest::run_async(&BudgetTest { .. }, || async { body }).await.value()
//! }
//! ```

use crate::budget::{self, Limit};
use crate::function::Function;
use crate::macro_fragments::Fragments;
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, ItemFn, LitStr, Path, Result, ReturnType, Token};

/// The names of the options, for error messages.
const NAMES: &str = "`max_peak_bytes`, `max_net_bytes`, `max_allocated_bytes`, `max_allocation_count`, `warmup`, `runs`, `ignore` and \
                     `crate`";

/// The attribute's options.
#[derive(Default)]
struct Args {
    /// Each limit with the name of its option.
    limits: Vec<(Ident, Limit)>,
    /// `warmup = 1`: runs that aren't checked.
    warmup: Option<u32>,
    /// `runs = 3`: runs that are.
    runs: Option<u32>,
    /// `ignore = "app::log"`: path prefixes of functions whose blocks don't count.
    ignored: Vec<LitStr>,
    /// `crate = my::memprof`: the path of the library.
    path: Option<Path>,
}

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut args = Self::default();
        let mut seen = Vec::<Ident>::new();
        while !input.is_empty() {
            let name = input.call(Ident::parse_any).map_err(|error| {
                let message = format!("an option begins with its name: there are {NAMES}");
                Error::new(error.span(), message)
            })?;
            let word = name.to_string();
            if word != "ignore" && seen.contains(&name) {
                return Err(Error::new(name.span(), format!("`{name}` is given twice")));
            }
            seen.push(name.clone());
            args.read(&name, &word, input)?;
            if !input.is_empty() {
                input.parse::<Token![,]>().map_err(|error| {
                    let message =
                        "there is a comma between two options, as in `max_net_bytes = 0, runs = 3`";
                    Error::new(error.span(), message)
                })?;
            }
        }
        args.refuse_impossible()?;
        Ok(args)
    }
}

impl Args {
    fn read(&mut self, name: &Ident, word: &str, input: ParseStream<'_>) -> Result<()> {
        let known = [
            "max_peak_bytes",
            "max_net_bytes",
            "max_allocated_bytes",
            "max_allocation_count",
            "warmup",
            "runs",
            "ignore",
            "crate",
        ];
        if !known.contains(&word) {
            let message = format!("unknown option `{name}`: there are {NAMES}");
            return Err(Error::new(name.span(), message));
        }
        if !input.peek(Token![=]) {
            let message = format!("`{name}` needs a value, as in `{name} = …`");
            return Err(Error::new(name.span(), message));
        }
        input.parse::<Token![=]>()?;
        match word {
            "warmup" => self.warmup = Some(times(word, 0, input)?),
            "runs" => self.runs = Some(times(word, 1, input)?),
            "ignore" => self.ignored.push(prefix(input)?),
            "crate" => self.path = Some(crate::args::path(input)?),
            _ => {
                let limit = match word {
                    "max_peak_bytes" => Limit::new("PeakBytes", budget::bytes(word, input)?),
                    "max_net_bytes" => Limit::new("NetBytes", budget::bytes(word, input)?),
                    "max_allocated_bytes" => {
                        Limit::new("AllocatedBytes", budget::bytes(word, input)?)
                    }
                    _ => Limit::new("AllocationCount", budget::count(word, input)?),
                };
                self.limits.push((name.clone(), limit));
            }
        }
        Ok(())
    }

    fn refuse_impossible(&self) -> Result<()> {
        let peak = self
            .limits
            .iter()
            .find(|(name, _)| name == "max_peak_bytes");
        if let (Some((name, _)), [_, ..]) = (peak, &self.ignored[..]) {
            let message = "`max_peak_bytes` and `ignore` can't be combined: the peak without the ignored blocks is \
                           unknown";
            return Err(Error::new(name.span(), message));
        }
        Ok(())
    }

    /// The options as an expression of type `BudgetTest`.
    fn trial(&self, private: &TokenStream) -> TokenStream {
        let limits = self
            .limits
            .iter()
            .map(|(_, limit)| limit.expression(private));
        let ignored = &self.ignored;
        let warmup = self.warmup.unwrap_or(0);
        let runs = self.runs.unwrap_or(1);
        quote! {
            const {
                #private::BudgetTest {
                    limits: &[#(#limits),*],
                    ignored: &[#(#ignored),*],
                    warmup: #warmup,
                    runs: #runs,
                }
            }
        }
    }
}

fn times(name: &str, least: u32, input: ParseStream<'_>) -> Result<u32> {
    let span = input.span();
    let number = budget::count(name, input)?;
    match u32::try_from(number) {
        Ok(number) if number >= least => Ok(number),
        _ => {
            let message = format!("`{name}` is a number from {least} to {}", u32::MAX);
            Err(Error::new(span, message))
        }
    }
}

fn prefix(input: ParseStream<'_>) -> Result<LitStr> {
    let expected =
        "`ignore` is how the paths of profiled functions begin, such as `ignore = \"app::log\"`";
    let literal: LitStr = input
        .parse()
        .map_err(|error| Error::new(error.span(), expected))?;
    if literal.parse::<Path>().is_err() {
        return Err(Error::new(literal.span(), expected));
    }
    Ok(literal)
}

/// Expands the attribute on `item`, a test function.
///
/// If it is refused, the output is the error *and* the unchanged item.
pub(crate) fn test(args: TokenStream, item: &TokenStream) -> TokenStream {
    let written = syn::parse2::<Args>(args)
        .and_then(|args| written(&args, &function(item)?))
        .map_err(Error::into_compile_error);
    written.unwrap_or_else(|error| quote!(#error #item))
}

/// Parses the test. It only has to be recognizable as a function.
fn function(item: &TokenStream) -> Result<Function> {
    Function::read(item, &Fragments::of(item)).map_err(|_| {
        let error = syn::parse2::<ItemFn>(item.clone()).err();
        error.unwrap_or_else(|| Error::new_spanned(item, "expected a function with a body"))
    })
}

fn written(args: &Args, function: &Function) -> Result<TokenStream> {
    let ItemFn {
        vis, sig, block, ..
    } = &function.item;
    let (inner, attrs) = function.attrs();
    let unread = function.unread.as_ref();
    let unread_head = unread.and_then(|unread| unread.head.as_ref());
    let parameters = unread_head.map_or_else(
        || sig.inputs.to_token_stream(),
        |head| head.parameters.stream(),
    );
    if !parameters.is_empty() {
        return Err(Error::new_spanned(
            sig.inputs
                .first()
                .map_or(parameters, ToTokens::to_token_stream),
            "`#[memprof::test]` goes on a test without arguments, whose body can be run again",
        ));
    }
    let has_runner = attrs.iter().any(is_runner);
    if let (Some(keyword), false) = (&sig.asyncness, has_runner) {
        return Err(Error::new(
            keyword.span,
            "an `async` test needs a runtime: put the attribute of the runtime below, such as \
             `#[tokio::test]`",
        ));
    }
    let output = match (unread_head, &sig.output) {
        (Some(head), _) => head.output.clone(),
        (None, ReturnType::Type(_, ty)) => Some(ty.to_token_stream()),
        (None, ReturnType::Default) => None,
    };
    let block = unread.map_or_else(
        || block.to_token_stream(),
        |unread| unread.body.to_token_stream(),
    );
    let head = unread_head.map_or_else(|| quote!(#vis #sig), ToTokens::to_token_stream);
    let private = match &args.path {
        Some(path) => quote!(#path::__private),
        None => quote!(::memprof::__private),
    };
    let trial = args.trial(&private);
    let runner = (!has_runner).then(|| quote!(#[::core::prelude::v1::test]));
    let body = if sig.asyncness.is_some() {
        // Gives the `async` block the return type.
        let edge = output.map(|ty| quote!(if false { return #private::never::<#ty>(); }));
        quote!(#private::BudgetTest::run_async(&#trial, || async { #edge #block }).await.value())
    } else {
        // The user's own braces, with no others around them, so that lints apply as usual.
        let output = output.unwrap_or_else(|| quote!(()));
        quote!(#private::BudgetTest::run(&#trial, || -> #output #block))
    };
    Ok(quote!(#runner #(#attrs)* #head { #(#inner)* #body }))
}

/// Whether an attribute makes a test of a function: `#[test]`, `#[tokio::test]`, `#[rstest]`.
fn is_runner(attribute: &Attribute) -> bool {
    let last = attribute.path().segments.last();
    last.is_some_and(|last| {
        let name = last.ident.to_string();
        name == "test" || name == "rstest" || name.ends_with("_test")
    })
}
