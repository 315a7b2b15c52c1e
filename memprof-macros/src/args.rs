//! The options of `#[memprofile(..)]`, and how they are parsed.

use crate::budget;
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Ident, LitBool, LitInt, LitStr, Path, Result, Token};

/// The most decimals a number in MiB can have: a byte is 2^-20 of one.
const MOST_DECIMALS: u8 = 20;

/// The names of columns, each with its variant of `Column`. `MEMPROF_COLUMNS` takes the same names.
const COLUMNS: [(&str, &str); 13] = [
    ("mem_usage", "MemUsage"),
    ("increment", "Increment"),
    ("hits", "Hits"),
    ("allocated", "Allocated"),
    ("freed", "Freed"),
    ("net", "Net"),
    ("peak", "Peak"),
    ("count", "Count"),
    ("time", "Time"),
    ("live", "Live"),
    ("live_count", "LiveCount"),
    ("at_peak", "AtPeak"),
    ("temporary", "Temporary"),
];

/// The names of the options, for error messages.
const NAMES: &str = "`precision`, `columns`, `stream`, `print`, `rss`, `hits`, `accessors`, `max_peak_bytes`, `max_net_bytes`, `on_exceed` and `crate`";

/// The first columns of [`COLUMNS`], this many, are the default.
const DEFAULT_COLUMNS: usize = 2;

/// The options of the attribute, in the form that generated code needs.
#[derive(Clone, Default)]
pub(crate) struct Args {
    /// `precision = 4`: decimals of the numbers in MiB.
    precision: Option<u8>,
    /// `columns = "hits, net"`: variants of `Column`.
    columns: Option<Vec<&'static str>>,
    /// `stream = "stderr"`: a variant of `Stream`.
    stream: Option<&'static str>,
    /// `print = "exit"`: a variant of `Print`.
    print: Option<&'static str>,
    /// `rss = "exact"`: a variant of `Rss`.
    rss: Option<&'static str>,
    /// `hits = true`: whether calls and lines are counted without a table.
    hits: Option<bool>,
    /// `accessors = true`: whether functions that can't allocate are profiled in an item with the
    /// attribute, and the span of the option's name.
    accessors: Option<(bool, Span)>,
    /// `max_peak_bytes = "1 MiB"`: bytes.
    max_peak_bytes: Option<u64>,
    /// `max_net_bytes = 0`: bytes.
    max_net_bytes: Option<u64>,
    /// `on_exceed = "panic"`: a variant of `OnExceed`, and the span of the option's name.
    on_exceed: Option<(&'static str, Span)>,
    /// `crate = my::memprof`: the path of the library.
    path: Option<Path>,
    /// `skip`: its span, and whether there are other options.
    skip: Option<(Span, bool)>,
    /// `inserted`: whether `cargo memprof` has put the attribute into the source. Not documented,
    /// since people don't write it.
    is_inserted: bool,
}

impl Args {
    /// Checks the options of an attribute that the compiler calls: `skip` is an error.
    pub(crate) fn of_an_item(self) -> Result<Self> {
        match self.skip {
            Some((span, _)) => Err(syn::Error::new(
                span,
                "`skip` is for what stands in an `impl` block, a trait or a module that has the attribute; \
                 here, leave the attribute out",
            )),
            None => Ok(self),
        }
    }

    /// Checks the options of an attribute inside an item that has the attribute. Returns `None` for
    /// `skip`.
    pub(crate) fn of_an_inner_item(self) -> Result<Option<Self>> {
        match self.skip {
            Some((span, true)) => Err(syn::Error::new(
                span,
                "`skip` can't be combined with other options: remove `skip`, or the others",
            )),
            Some((_, false)) => Ok(None),
            None => Ok(Some(self)),
        }
    }

    /// Whether `cargo memprof` has inserted the attribute: it is then no part of the function's
    /// lines, and prints no table unless its other options say so.
    pub(crate) fn is_inserted(&self) -> bool {
        self.is_inserted
    }

    pub(crate) fn says_on_exceed(&self) -> bool {
        self.on_exceed.is_some()
    }

    /// Where `accessors` is among these options.
    pub(crate) fn says_accessors(&self) -> Option<Span> {
        self.accessors.map(|(_, span)| span)
    }

    pub(crate) fn keeps_accessors(&self) -> bool {
        self.accessors.is_some_and(|(keeps, _)| keeps)
    }

    /// Has accessors profiled, whatever the options say.
    pub(crate) fn keep_accessors(&mut self) {
        self.accessors = Some((true, Span::call_site()));
    }

    /// Checks the options of an attribute on a single function.
    pub(crate) fn check_of_a_function(&self) -> Result<()> {
        match self.says_accessors() {
            Some(span) => Err(accessors_of_a_function(span)),
            None => self.check(),
        }
    }

    /// These options, with those of `outer` as defaults.
    pub(crate) fn over(self, outer: &Self) -> Self {
        Self {
            precision: self.precision.or(outer.precision),
            columns: self.columns.or_else(|| outer.columns.clone()),
            stream: self.stream.or(outer.stream),
            print: self.print.or(outer.print),
            rss: self.rss.or(outer.rss),
            hits: self.hits.or(outer.hits),
            accessors: self.accessors.or(outer.accessors),
            max_peak_bytes: self.max_peak_bytes.or(outer.max_peak_bytes),
            max_net_bytes: self.max_net_bytes.or(outer.max_net_bytes),
            on_exceed: self.on_exceed.or(outer.on_exceed),
            path: self.path.or_else(|| outer.path.clone()),
            skip: None,
            is_inserted: self.is_inserted,
        }
    }

    /// The path of the module whose items generated code may name.
    pub(crate) fn private(&self) -> TokenStream {
        match &self.path {
            Some(path) => quote!(#path::__private),
            None => quote!(::memprof::__private),
        }
    }

    /// The budget as an expression of type `Guard`, if there is one.
    pub(crate) fn guard(&self) -> Option<TokenStream> {
        if self.max_peak_bytes.is_none() && self.max_net_bytes.is_none() {
            return None;
        }
        let private = self.private();
        let limit = |limit: Option<u64>| match limit {
            Some(most) => quote!(#private::Some(#most)),
            None => quote!(#private::None),
        };
        let (max_peak_bytes, max_net_bytes) =
            (limit(self.max_peak_bytes), limit(self.max_net_bytes));
        let on_exceed = self.on_exceed.map_or("Warn", |(variant, _)| variant);
        let on_exceed = Ident::new(on_exceed, Span::mixed_site());
        Some(quote! {
            #private::Guard::new(&__MEMPROF_SITE, #max_peak_bytes, #max_net_bytes, #private::OnExceed::#on_exceed)
        })
    }

    /// Checks that the options make sense for a function: `on_exceed` needs a limit.
    pub(crate) fn check(&self) -> Result<()> {
        match self.on_exceed {
            Some((_, span)) if self.guard().is_none() => Err(syn::Error::new(
                span,
                "`on_exceed` needs something to exceed: `max_peak_bytes`, `max_net_bytes` or both",
            )),
            _ => Ok(()),
        }
    }

    /// The options as an expression of type `Options`, if there are any.
    pub(crate) fn options(&self) -> Option<TokenStream> {
        let private = self.private();
        let variant = |name: &str| Ident::new(name, Span::mixed_site());
        let mut options = TokenStream::new();
        if let Some(decimals) = self.precision {
            options.extend(quote!(.precision(#decimals)));
        }
        if let Some(columns) = &self.columns {
            let columns = columns.iter().map(|name| variant(name));
            options.extend(quote!(.columns(&[#(#private::Column::#columns),*])));
        }
        if let Some(stream) = self.stream.map(variant) {
            options.extend(quote!(.stream(#private::Stream::#stream)));
        }
        // With a budget, the default is to report violations only.
        let is_silent = self.is_inserted || self.guard().is_some();
        let default = is_silent.then_some("Never");
        if let Some(print) = self.print.or(default).map(variant) {
            options.extend(quote!(.print(#private::Print::#print)));
        }
        if let Some(rss) = self.rss.map(variant) {
            options.extend(quote!(.rss(#private::Rss::#rss)));
        }
        if let Some(hits) = self.hits {
            options.extend(quote!(.hits(#hits)));
        }
        (!options.is_empty()).then(|| quote!(#private::Options::new() #options))
    }
}

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut args = Self::default();
        let mut count = 0;
        while !input.is_empty() {
            // `parse_any`, since `crate` is a keyword.
            let name = input.call(Ident::parse_any).map_err(|error| {
                let message = format!("an option begins with its name: there are {NAMES}");
                syn::Error::new(error.span(), message)
            })?;
            match name.to_string().as_str() {
                "precision" => once(&mut args.precision, &name, input, precision)?,
                "columns" => once(&mut args.columns, &name, input, columns)?,
                "stream" => once(&mut args.stream, &name, input, stream)?,
                "print" => once(&mut args.print, &name, input, |input| {
                    one_of(
                        input,
                        "print",
                        &[("call", "Call"), ("exit", "Exit"), ("never", "Never")],
                    )
                })?,
                "rss" => once(&mut args.rss, &name, input, |input| {
                    one_of(
                        input,
                        "rss",
                        &[("exact", "Exact"), ("adaptive", "Adaptive"), ("off", "Off")],
                    )
                })?,
                "hits" => once(&mut args.hits, &name, input, |input| bool("hits", input))?,
                "accessors" => once(&mut args.accessors, &name, input, |input| {
                    Ok((bool("accessors", input)?, name.span()))
                })?,
                "max_peak_bytes" => once(&mut args.max_peak_bytes, &name, input, |input| {
                    budget::bytes("max_peak_bytes", input)
                })?,
                "max_net_bytes" => once(&mut args.max_net_bytes, &name, input, |input| {
                    budget::bytes("max_net_bytes", input)
                })?,
                "on_exceed" => once(&mut args.on_exceed, &name, input, |input| {
                    let words = [
                        ("warn", "Warn"),
                        ("panic", "Panic"),
                        ("callback", "Callback"),
                    ];
                    Ok((one_of(input, "on_exceed", &words)?, name.span()))
                })?,
                "crate" => once(&mut args.path, &name, input, path)?,
                "skip" => args.skip = Some((name.span(), false)),
                "inserted" => args.is_inserted = true,
                _ => {
                    let message = format!("unknown option `{name}`: there are {NAMES}");
                    return Err(syn::Error::new(name.span(), message));
                }
            }
            count += 1;
            if !input.is_empty() {
                input.parse::<Token![,]>().map_err(|error| {
                    let message = "there is a comma between two options, as in `precision = 4, print = \"exit\"`";
                    syn::Error::new(error.span(), message)
                })?;
            }
        }
        if let Some((_, has_others)) = &mut args.skip {
            *has_others = count > 1 && !args.is_inserted;
        }
        Ok(args)
    }
}

/// Parses ` = value` into `option`. It is an error if the option was given before.
fn once<T>(
    option: &mut Option<T>,
    name: &Ident,
    input: ParseStream<'_>,
    value: impl FnOnce(ParseStream<'_>) -> Result<T>,
) -> Result<()> {
    if option.is_some() {
        return Err(syn::Error::new(
            name.span(),
            format!("`{name}` is given twice"),
        ));
    }
    if !input.peek(Token![=]) {
        let message = format!("`{name}` needs a value, as in `{name} = …`");
        return Err(syn::Error::new(name.span(), message));
    }
    input.parse::<Token![=]>()?;
    *option = Some(value(input)?);
    Ok(())
}

fn precision(input: ParseStream<'_>) -> Result<u8> {
    let expected = || {
        format!(
            "`precision` is a number of decimals from 0 to {MOST_DECIMALS}, such as `precision = 4`"
        )
    };
    let literal: LitInt = input
        .parse()
        .map_err(|error| syn::Error::new(error.span(), expected()))?;
    match literal.base10_parse() {
        Ok(decimals) if decimals <= MOST_DECIMALS && literal.suffix().is_empty() => Ok(decimals),
        _ => Err(syn::Error::new(literal.span(), expected())),
    }
}

/// Parses where tables go: an error if memprof is built without the feature for it.
fn stream(input: ParseStream<'_>) -> Result<&'static str> {
    let span = input.span();
    let words = [
        ("stdout", "Stdout"),
        ("stderr", "Stderr"),
        ("tracing", "Tracing"),
        ("log", "Log"),
    ];
    let variant = one_of(input, "stream", &words)?;
    let missing = match variant {
        "Tracing" if !cfg!(feature = "tracing") => "tracing",
        "Log" if !cfg!(feature = "log") => "log",
        _ => return Ok(variant),
    };
    let message = format!(
        "`stream = \"{missing}\"` needs memprof's feature `{missing}`, as in \
         `memprof = {{ features = [\"{missing}\"] }}`"
    );
    Err(syn::Error::new(span, message))
}

fn bool(name: &str, input: ParseStream<'_>) -> Result<bool> {
    let literal: LitBool = input.parse().map_err(|error| {
        let message = format!("`{name}` is `true` or `false`, without quotes");
        syn::Error::new(error.span(), message)
    })?;
    Ok(literal.value)
}

/// The error for `accessors` in the attribute of a function.
pub(crate) fn accessors_of_a_function(span: Span) -> syn::Error {
    syn::Error::new(
        span,
        "`accessors` is for an `impl` block, a trait or a module: a function that has the attribute itself is \
         profiled in any case; remove the option",
    )
}

fn columns(input: ParseStream<'_>) -> Result<Vec<&'static str>> {
    let all = COLUMNS.map(|(_, variant)| variant);
    let words = COLUMNS
        .map(|(word, _)| word)
        .into_iter()
        .chain(["default", "all"]);
    let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    let words = words.join(", ");
    let literal: LitStr = input.parse().map_err(|error| {
        let message = format!(
            "`columns` is a string that lists some of {words}, such as `columns = \"default, net\"`"
        );
        syn::Error::new(error.span(), message)
    })?;

    let mut columns = Vec::new();
    for word in literal.value().split(',').map(str::trim) {
        let named: &[&'static str] = match word {
            "default" => &all[..DEFAULT_COLUMNS],
            "all" => &all,
            word => match COLUMNS.iter().position(|(known, _)| *known == word) {
                Some(index) => &all[index..=index],
                None => {
                    let message = if word.is_empty() {
                        format!("a column has no name here: there are {words}")
                    } else {
                        format!("unknown column `{word}`: there are {words}")
                    };
                    return Err(syn::Error::new(literal.span(), message));
                }
            },
        };
        for column in named {
            if !columns.contains(column) {
                columns.push(*column);
            }
        }
    }
    Ok(columns)
}

pub(crate) fn path(input: ParseStream<'_>) -> Result<Path> {
    Path::parse_mod_style(input).map_err(|error| {
        let message = "`crate` is the path of the library, such as `crate = tools::memprof`";
        syn::Error::new(error.span(), message)
    })
}

/// Parses a string that is one of `words`, and returns its variant.
fn one_of(
    input: ParseStream<'_>,
    name: &str,
    words: &[(&str, &'static str)],
) -> Result<&'static str> {
    let expected = || {
        let words: Vec<String> = words
            .iter()
            .map(|(word, _)| format!("`\"{word}\"`"))
            .collect();
        format!("`{name}` is one of {}", words.join(", "))
    };
    let literal: LitStr = input
        .parse()
        .map_err(|error| syn::Error::new(error.span(), expected()))?;
    match words.iter().find(|(word, _)| *word == literal.value()) {
        Some((_, variant)) => Ok(variant),
        None => Err(syn::Error::new(literal.span(), expected())),
    }
}
