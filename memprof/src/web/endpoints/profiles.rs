//! Profiles as Go's `pprof` fetches them: the current state, or the difference over some seconds.

use super::answer::Answer;
use super::text;
use super::work::Step;
use crate::model::report::Report;
use crate::report::{Quantity, Sheet, write_pprof};
use crate::web::redact::Redactor;
use http::StatusCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// The longest time for a difference.
const MOST_SECONDS: u64 = 600;

/// How many differences may be under way at once. Each of them keeps a whole report.
const MOST_DIFFERENCES: usize = 16;

/// A requested profile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    /// The quantity that tools show by default.
    quantity: Quantity,
    is_text: bool,
    over: Option<Duration>,
}

impl Wish {
    /// The profile that a query requests, or what is wrong with the query. Unknown parameters are
    /// ignored.
    pub(super) fn of_query(quantity: Quantity, query: &str) -> Result<Self, String> {
        let mut wish = Self {
            quantity,
            is_text: false,
            over: None,
        };
        let mut seen = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if !matches!(&*name, "debug" | "seconds") {
                continue;
            }
            if seen.contains(&name) {
                return Err(format!("`{name}` is given twice; once is enough."));
            }
            match (&*name, &*value) {
                ("debug", "0" | "1") => wish.is_text = value == "1",
                ("debug", _) => {
                    return Err(format!(
                        "`debug` is {:?}; it should be 1 for text, or 0.",
                        start(&value)
                    ));
                }
                _ => wish.over = Some(seconds(&value)?),
            }
            seen.push(name);
        }
        Ok(wish)
    }

    /// The work for the profile: it calls `report` once, or twice for a difference.
    pub(super) fn work(
        self,
        report: impl Fn() -> Result<Report, &'static str> + Send + 'static,
        under_way: &Arc<AtomicUsize>,
    ) -> Step {
        let Some(over) = self.over else {
            return Step::now(move || self.answer(report()));
        };
        let under_way = Arc::clone(under_way);
        let begin = move || {
            let before = match report() {
                Ok(before) => before,
                Err(why) => return Step::Done(Answer::without_report(why)),
            };
            let Some(place) = Permit::take(under_way) else {
                let sentence = format!(
                    "{MOST_DIFFERENCES} profiles with `seconds` are under way, the most at once; \
                     try again when one of them has ended."
                );
                return Step::refuse(StatusCode::SERVICE_UNAVAILABLE, &sentence);
            };
            let end = move || {
                let _until_then = place;
                let difference = report().map(|after| after.since(&before));
                Step::Done(self.answer(difference))
            };
            Step::After(over, Box::new(end))
        };
        Step::After(Duration::ZERO, Box::new(begin))
    }

    fn answer(self, report: Result<Report, &'static str>) -> Answer {
        let report = match report {
            Ok(report) => report,
            Err(why) => return Answer::without_report(why),
        };
        if self.is_text {
            return Answer::text(text::of(&report, self.quantity, self.over));
        }
        let sheet = Sheet {
            quantity: self.quantity,
            taken: Some(SystemTime::now()),
            over: self.over,
        };
        let mut profile = Vec::new();
        match write_pprof(&report, &sheet, &mut profile) {
            Ok(()) => {
                let name = match self.quantity {
                    Quantity::LiveBytes => "heap.pb.gz",
                    _ => "allocs.pb.gz",
                };
                Answer::new("application/octet-stream", profile).saved_as(name)
            }
            Err(error) => {
                let sentence = format!("There is no profile: {error}.");
                Answer::refusal(StatusCode::INTERNAL_SERVER_ERROR, &sentence)
            }
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=MOST_SECONDS) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!(
            "`seconds` is {:?}; it should be a whole number from 1 to {MOST_SECONDS}.",
            start(text)
        )),
    }
}

/// The start of a wrong value, for the message.
fn start(text: &str) -> String {
    let shown = Redactor::default().text(text).into_owned();
    shown.chars().take(40).collect()
}

/// One of the [`MOST_DIFFERENCES`] places for differences.
struct Permit(Arc<AtomicUsize>);

impl Permit {
    fn take(under_way: Arc<AtomicUsize>) -> Option<Self> {
        // Relaxed: the counter orders no other memory access.
        let place = Self(under_way);
        let taken = place.0.fetch_add(1, Ordering::Relaxed);
        (taken < MOST_DIFFERENCES).then_some(place)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
