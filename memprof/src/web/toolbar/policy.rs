//! Extends a page's `Content-Security-Policy` by what the bar needs, and no more.

use http::header::{CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY};
use http::{HeaderMap, HeaderValue};

/// Extends a page's policies to allow the bar's script, which has `nonce`, and its frame, which has
/// the same origin.
pub(super) fn allow_bar(headers: &mut HeaderMap, nonce: &str) {
    for (name, value) in headers.iter_mut() {
        if name != CONTENT_SECURITY_POLICY && name != CONTENT_SECURITY_POLICY_REPORT_ONLY {
            continue;
        }
        // A policy that isn't text has no effect.
        let Ok(text) = value.to_str() else { continue };
        let policies = text.split(',').map(|policy| allowing(policy, nonce));
        let text = policies.collect::<Vec<_>>().join(",");
        if let Ok(changed) = HeaderValue::from_str(&text) {
            *value = changed;
        }
    }
}

fn allowing(policy: &str, nonce: &str) -> String {
    let mut directives: Vec<Directive<'_>> =
        policy.split(';').filter_map(Directive::parse).collect();
    let script = ["script-src-elem", "script-src", "default-src"];
    if let Some(sources) = sources_of(&directives, &script) {
        let has = |word: &str| sources.iter().any(|source| source.starts_with(word));
        let is_strict = has("'strict-dynamic'");
        if is_strict || !(has("'self'") || has("*")) {
            // If all inline scripts are allowed, a nonce would forbid them.
            let allows_inline =
                has("'unsafe-inline'") && !(has("'nonce-") || has("'sha") || is_strict);
            let source = if allows_inline {
                "'self'".to_owned()
            } else {
                format!("'nonce-{nonce}'")
            };
            add(&mut directives, &script, source);
        }
    }
    let frame = ["frame-src", "child-src", "default-src"];
    if let Some(sources) = sources_of(&directives, &frame)
        && !sources
            .iter()
            .any(|source| source == "'self'" || source == "*")
    {
        add(&mut directives, &frame, "'self'".to_owned());
    }
    let directives = directives.iter().map(Directive::text);
    directives.collect::<Vec<_>>().join("; ")
}

/// A directive and its sources.
#[derive(Clone)]
struct Directive<'a> {
    name: &'a str,
    sources: Vec<String>,
}

impl<'a> Directive<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        Some(Self {
            name: words.next()?,
            sources: words.map(str::to_owned).collect(),
        })
    }

    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    fn text(&self) -> String {
        let words = std::iter::once(self.name).chain(self.sources.iter().map(String::as_str));
        words.collect::<Vec<_>>().join(" ")
    }
}

/// The place of the directive that applies: the first of `names` that the policy has.
fn position(directives: &[Directive<'_>], names: &[&str]) -> Option<usize> {
    let place = |name: &&str| directives.iter().position(|it| it.is(name));
    names.iter().find_map(place)
}

/// The allowed sources, or `None` if all are allowed.
fn sources_of(directives: &[Directive<'_>], names: &[&str]) -> Option<Vec<String>> {
    let directive = directives.get(position(directives, names)?)?;
    let sources = directive.sources.iter();
    Some(sources.map(|source| source.to_ascii_lowercase()).collect())
}

/// Adds a source to the directive that applies. If that is `default-src`, it stays unchanged and is
/// copied to a directive of its own for scripts or frames.
fn add<'a>(directives: &mut Vec<Directive<'a>>, names: &[&'a str; 3], source: String) {
    let Some(place) = position(directives, names) else {
        return;
    };
    let [_, own, default] = *names;
    let Some(directive) = directives.get_mut(place) else {
        return;
    };
    if directive.is(default) {
        let mut sources = directive.sources.clone();
        allow(&mut sources, source);
        let name = if own == "child-src" { "frame-src" } else { own };
        directives.push(Directive { name, sources });
    } else {
        allow(&mut directive.sources, source);
    }
}

fn allow(sources: &mut Vec<String>, source: String) {
    sources.retain(|source| !source.eq_ignore_ascii_case("'none'"));
    sources.push(source);
}

#[cfg(test)]
mod tests {
    use super::allowing;

    #[test]
    fn a_policy_gets_what_the_bar_needs_and_no_more() {
        let cases = [
            ("default-src 'self'", "default-src 'self'"),
            ("img-src 'none'", "img-src 'none'"),
            (
                "default-src 'none'; script-src 'sha256-abc='; style-src 'sha256-def='",
                "default-src 'none'; script-src 'sha256-abc=' 'nonce-N'; style-src 'sha256-def='; \
                 frame-src 'self'",
            ),
            (
                "default-src 'none'",
                "default-src 'none'; script-src 'nonce-N'; frame-src 'self'",
            ),
            (
                "Script-Src 'strict-dynamic' 'nonce-x' 'self';frame-src 'none'",
                "Script-Src 'strict-dynamic' 'nonce-x' 'self' 'nonce-N'; frame-src 'self'",
            ),
            (
                "script-src 'unsafe-inline'; child-src https://a.example",
                "script-src 'unsafe-inline' 'self'; child-src https://a.example 'self'",
            ),
            (
                "script-src-elem 'none'; script-src *",
                "script-src-elem 'nonce-N'; script-src *",
            ),
            ("", ""),
        ];
        for (policy, expected) in cases {
            assert_eq!(allowing(policy, "N"), expected);
        }
    }
}
