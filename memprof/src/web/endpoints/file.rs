//! The current report, in any of the formats.

use super::answer::Answer;
use crate::model::report::Report;
use crate::report::Format;
use http::StatusCode;

pub(super) fn of(report: &Report, format: Format) -> Answer {
    let mut file = Vec::new();
    if let Err(error) = report.write_to(format, &mut file) {
        let sentence = format!("There is no report: {error}.");
        return Answer::refusal(StatusCode::INTERNAL_SERVER_ERROR, &sentence);
    }
    let content_type = match format {
        // Shown in the browser, not saved.
        Format::Html => {
            let policy = format!("{}; frame-ancestors 'none'", Format::html_policy());
            return Answer::page(file).with_policy(policy);
        }
        Format::Json | Format::Speedscope => "application/json",
        Format::Csv => "text/csv; charset=utf-8",
        Format::Markdown => "text/markdown; charset=utf-8",
        Format::Folded => "text/plain; charset=utf-8",
        Format::Pprof | Format::Pstats => "application/octet-stream",
    };
    Answer::new(content_type, file).saved_as(&format!("report.{format}"))
}
