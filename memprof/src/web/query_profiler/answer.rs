//! Answers in place of the service's, which describe the service's response.

use crate::count::uncounted;
use crate::model::units::{bytes, grouped, time};
use crate::report::{Format, page};
use crate::web::id::Id;
use crate::web::ours::{self, PageOfOurs};
use crate::web::recording::RequestProfile;
use crate::web::redact::Redactor;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{HeaderMap, Response, StatusCode};

/// The response with a page.
pub(super) fn page(page: Vec<u8>) -> Response<Vec<u8>> {
    response(StatusCode::OK, "text/html; charset=utf-8", page)
}

/// The response where no page is kept with this id.
pub(super) fn not_found(id: Id) -> Response<Vec<u8>> {
    let text = format!(
        "No profile is kept with the id {id}: it is from another run, was removed for later ones, \
         or its response hasn't ended yet.\n"
    );
    let text = text.into_bytes();
    response(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", text)
}

fn response(status: StatusCode, content_type: &str, body: Vec<u8>) -> Response<Vec<u8>> {
    let length = body.len();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.extensions_mut().insert(PageOfOurs);
    let headers = response.headers_mut();
    let policy = format!("{}; frame-ancestors 'none'", Format::html_policy());
    ours::describe(headers, content_type, &policy, "no-referrer");
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}

/// The page of a request whose response had these headers.
pub(super) fn page_of(profile: &RequestProfile, headers: &HeaderMap, has_source: bool) -> Vec<u8> {
    let (made, _) = uncounted::during(false, || {
        let report = &profile.report;
        let hidden = (!has_source).then(|| report.clone().without_source());
        let report = hidden.as_ref().unwrap_or(report);
        let mut made = Vec::new();
        // Writing to memory doesn't fail.
        let _ = page::write_about(&facts(profile, headers), report, &mut made);
        made
    });
    // The copy is counted, since the program frees it.
    let page = made.clone();
    uncounted::during(false, || drop(made));
    page
}

/// Names and values of what a request was and did. The first two are the headline.
fn facts(profile: &RequestProfile, headers: &HeaderMap) -> Vec<(String, String)> {
    let redactor = Redactor::default();
    let usage = &profile.usage;
    let mut facts = vec![
        (
            "Request".to_owned(),
            format!("{} {}", profile.method, redactor.address(&profile.path)),
        ),
        ("Response".to_owned(), profile.outcome.to_string()),
        (
            "Took".to_owned(),
            time(u64::try_from(profile.elapsed.as_nanos()).unwrap_or(u64::MAX)),
        ),
        (
            "Allocated".to_owned(),
            format!(
                "{} in {} blocks",
                bytes(usage.allocated_bytes.into()),
                grouped(usage.allocation_count.into())
            ),
        ),
        ("Peak".to_owned(), bytes(usage.peak_bytes.into())),
        (
            "Alive afterwards".to_owned(),
            bytes(usage.net_bytes().into()),
        ),
    ];
    facts.extend(headers.iter().map(|(name, value)| {
        let value = redactor.header(name, value);
        (name.to_string(), value.into_owned())
    }));
    facts
}
