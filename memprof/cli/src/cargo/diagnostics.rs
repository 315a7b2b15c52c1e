//! The compiler's messages, one JSON object a line, as cargo asks for them.

use serde::Deserialize;
use std::path::PathBuf;

/// A message, with the parts that matter here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message {
    #[serde(rename = "$message_type")]
    kind: String,
    level: String,
    #[serde(rename = "message")]
    text: String,
    emit: String,
    spans: Vec<Span>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Span {
    file_name: PathBuf,
    line_start: usize,
    is_primary: bool,
    expansion: Option<Box<Expansion>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Expansion {
    span: Span,
}

/// An error of the compiler, with the places that it is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CompileError {
    pub(crate) text: String,
    /// Files, as the compiler names them, and lines.
    pub(crate) places: Vec<(PathBuf, usize)>,
}

/// Whether a line says that the crate has passed all checks, so that others can use it.
pub(crate) fn is_checked(line: &str) -> bool {
    let is_artifact = line.contains("\"artifact\"");
    is_artifact
        && serde_json::from_str::<Message>(line).is_ok_and(|message| {
            message.kind == "artifact" && matches!(&*message.emit, "metadata" | "link")
        })
}

/// The errors among the compiler's messages.
pub(crate) fn errors(lines: &[String]) -> Vec<CompileError> {
    let messages = lines
        .iter()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok());
    messages
        .filter(|message| message.kind == "diagnostic" && message.level.starts_with("error"))
        // The last one only counts the others.
        .filter(|message| !message.text.starts_with("aborting due to"))
        .map(|message| {
            let mut places = Vec::new();
            for span in message.spans.into_iter().filter(|span| span.is_primary) {
                let mut next = Some(span);
                while let Some(span) = next {
                    places.push((span.file_name, span.line_start));
                    next = span.expansion.map(|expansion| expansion.span);
                }
            }
            CompileError {
                text: message.text,
                places,
            }
        })
        .collect()
}

/// A warning in the compiler's format, so that cargo shows it as one, also when the crate is fresh.
pub(crate) fn warning(text: &str) -> String {
    serde_json::json!({
        "$message_type": "diagnostic",
        "message": text,
        "code": null,
        "level": "warning",
        "spans": [],
        "children": [],
        "rendered": format!("warning: memprof: {text}\n"),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_where_it_is_and_where_a_macro_was_called() {
        let line = r#"{"$message_type":"diagnostic","level":"error","message":"no","spans":[{"file_name":"a.rs","line_start":3,"is_primary":true,"expansion":{"span":{"file_name":"b.rs","line_start":7,"is_primary":false,"expansion":null}}}]}"#;
        let expected = CompileError {
            text: "no".to_owned(),
            places: vec![("a.rs".into(), 3), ("b.rs".into(), 7)],
        };
        assert_eq!(errors(&[line.to_owned(), "noise".to_owned()]), [expected]);
        assert!(!is_checked(line));
        assert!(errors(&[warning("plain")]).is_empty());
    }

    #[test]
    fn a_crate_is_checked_when_its_metadata_is_there() {
        let artifact = |emit| {
            format!(r#"{{"$message_type":"artifact","artifact":"/t/liba.rmeta","emit":"{emit}"}}"#)
        };
        assert!(is_checked(&artifact("metadata")));
        assert!(!is_checked(&artifact("dep-info")));
    }
}
