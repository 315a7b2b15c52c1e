//! The memory of the process over HTTP: as a page, for Go's `pprof` and for Prometheus.
//!
//! Everything that takes time runs on a [separate thread](work). Nothing here changes the program
//! or needs its async runtime.

mod answer;
mod chart;
mod file;
mod history;
mod lines;
mod metrics;
mod page;
mod profiles;
mod text;
mod verdict;
mod work;

pub use answer::DebugRoutesBody;
pub use work::DebugRoutesFuture;

use super::host::{self, Hosts};
use crate::count::source::HeapSource;
use crate::count::uncounted::{self, Own};
use crate::model::report::Report;
use crate::record::collect;
use crate::report::{Format, Quantity};
use crate::runtime::output_file;
use answer::Answer;
use history::{History, Moment};
use http::{Method, Request, Response, StatusCode, Uri};
use profiles::Wish;
use std::convert::Infallible;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use tower_service::Service;
use work::{Step, Worker};

/// The paths that exist, for the answer to requests for other paths.
const ALL: &str =
    "/debug/memprof/, /debug/pprof/, /debug/pprof/heap, /debug/pprof/allocs and /metrics";

/// A service that shows the memory of the running process:
///
/// | path | |
/// |---|---|
/// | `/debug/memprof/` | a page: live heap, resident memory and their difference, the lines that allocated live blocks, and which of them have grown since a mark |
/// | `/debug/memprof/report.json` | the current report, in this and any other [format](Format), by its ending |
/// | `/debug/pprof/heap`, `/debug/pprof/allocs` | for `go tool pprof` and compatible tools; with `?seconds=10`, what is allocated and freed in that time, up to ten minutes; with `?debug=1`, as text |
/// | `/metrics` | for Prometheus |
///
/// ```
/// # fn main() {
/// let app: axum::Router = axum::Router::new()
///     .fallback_service(memprof::web::debug_routes());
/// # }
/// ```
///
/// Serve it on an address that only you can reach: the answers contain the names and the source of
/// profiled functions. Only requests whose Host is an IP address, `localhost` or
/// [allowed](DebugRoutes::allow_host) are answered, which prevents DNS rebinding.
///
/// The numbers cover the process since it started; [`reset`](crate::reset) restarts the peak and
/// nothing else. Without a [`CountingAlloc`](crate::CountingAlloc) there is only resident memory,
/// and a note on what is missing.
#[must_use]
pub fn debug_routes() -> DebugRoutes {
    DebugRoutes::new(EndpointOptions {
        hosts: Hosts::default(),
        line_count: 20,
        has_source: true,
    })
}

/// The service of [`debug_routes`]. Its clones share the mark.
#[derive(Clone, Debug)]
pub struct DebugRoutes {
    settings: Arc<EndpointSettings>,
}

#[derive(Debug)]
struct EndpointSettings {
    told: EndpointOptions,
    /// Started by the first request. `None` if the thread can't be started.
    worker: OnceLock<Own<Option<Worker>>>,
    history: Mutex<History>,
    /// The number of profiles over some seconds that are under way.
    under_way: Arc<AtomicUsize>,
}

#[derive(Clone, Debug)]
struct EndpointOptions {
    hosts: Hosts,
    line_count: usize,
    has_source: bool,
}

impl DebugRoutes {
    fn new(told: EndpointOptions) -> Self {
        let settings = EndpointSettings {
            told,
            worker: OnceLock::new(),
            history: Mutex::default(),
            under_way: Arc::default(),
        };
        Self {
            settings: Arc::new(settings),
        }
    }

    fn with(self, change: impl FnOnce(&mut EndpointOptions)) -> Self {
        let mut told = self.settings.told.clone();
        change(&mut told);
        Self::new(told)
    }

    /// Also answers requests whose Host is this name, on any port.
    ///
    /// ```
    /// let routes = memprof::web::debug_routes().allow_host("metrics.example.org");
    /// ```
    #[must_use]
    pub fn allow_host(self, name: impl Into<String>) -> Self {
        self.with(|told| told.hosts.allow(name.into()))
    }

    /// Sets how many lines get a metric, starting with the most live bytes; 20 by default. Each
    /// line is a time series of its own in Prometheus.
    #[must_use]
    pub fn metrics_lines(self, count: usize) -> Self {
        self.with(|told| told.line_count = count)
    }

    /// Leaves the source text out of all answers, as `MEMPROF_CONFIDENTIAL` does.
    #[must_use]
    pub fn confidential(self) -> Self {
        self.with(|told| told.has_source = false)
    }

    /// The first step of answering a request.
    fn step<B>(&self, request: &Request<B>) -> Step {
        let (uri, headers) = (request.uri(), request.headers());
        let told = &self.settings.told;
        if !told.hosts.are_asked(uri.authority(), headers) {
            let sentence = "Only requests whose Host is an IP address, `localhost` or a name \
                            given to `allow_host` are answered.";
            return Step::refuse(StatusCode::FORBIDDEN, sentence);
        }
        if uri.path() == "/debug/memprof/mark" {
            if request.method() != Method::POST {
                return Step::Done(Answer::not_allowed("POST"));
            }
            if !host::is_from_our_pages(uri, headers) {
                let sentence = "Only a page of this service can set the mark.";
                return Step::refuse(StatusCode::FORBIDDEN, sentence);
            }
            return self.mark();
        }
        let Some(step) = self.at(uri) else {
            let sentence = format!("This path doesn't exist. The paths are {ALL}.");
            return Step::refuse(StatusCode::NOT_FOUND, &sentence);
        };
        match *request.method() {
            Method::GET | Method::HEAD => step,
            _ => Step::Done(Answer::not_allowed("GET, HEAD")),
        }
    }

    /// The step for a `GET` of an address, if there is something.
    fn at(&self, uri: &Uri) -> Option<Step> {
        let moved = |place| Answer::elsewhere(StatusCode::PERMANENT_REDIRECT, place);
        let answer = match uri.path() {
            "/debug/memprof" => moved("memprof/"),
            "/debug/memprof/" => return Some(self.page()),
            "/debug/memprof/style.css" => Answer::new("text/css; charset=utf-8", page::STYLE),
            "/debug/memprof/script.js" => {
                Answer::new("text/javascript; charset=utf-8", page::SCRIPT)
            }
            "/debug/pprof" => moved("pprof/"),
            "/debug/pprof/" => page::profiles(),
            "/debug/pprof/heap" => return Some(self.profile(Quantity::LiveBytes, uri)),
            "/debug/pprof/allocs" => return Some(self.profile(Quantity::AllocatedBytes, uri)),
            "/metrics" => return Some(self.metrics()),
            path => {
                let ending = path.strip_prefix("/debug/memprof/report.")?;
                return Some(self.file(ending.parse().ok()?));
            }
        };
        Some(Step::Done(answer))
    }

    fn page(&self) -> Step {
        let settings = Arc::clone(&self.settings);
        Step::now(move || {
            if settings.history().marked().is_none() {
                // Before the mark is set, allocate what rendering a page allocates once.
                drop(page::of(&Report::default(), &mut History::default()));
            }
            match settings.report() {
                Ok(report) => page::of(&report, &mut settings.history()),
                Err(why) => page::without_report(why),
            }
        })
    }

    fn mark(&self) -> Step {
        let settings = Arc::clone(&self.settings);
        Step::now(move || match settings.report() {
            Ok(report) => {
                let lines = lines::by_live_bytes(&report);
                settings.history().mark(Moment::of(&report), &lines);
                Answer::elsewhere(StatusCode::SEE_OTHER, "./")
            }
            Err(why) => Answer::without_report(why),
        })
    }

    fn file(&self, format: Format) -> Step {
        let settings = Arc::clone(&self.settings);
        Step::now(move || match settings.report() {
            Ok(report) => file::of(&report, format),
            Err(why) => Answer::without_report(why),
        })
    }

    fn metrics(&self) -> Step {
        let settings = Arc::clone(&self.settings);
        Step::now(move || {
            let report = settings.report();
            metrics::answer(
                report.as_ref().map_err(|why| *why),
                settings.told.line_count,
            )
        })
    }

    fn profile(&self, quantity: Quantity, uri: &Uri) -> Step {
        let wish = match Wish::of_query(quantity, uri.query().unwrap_or_default()) {
            Ok(wish) => wish,
            Err(sentence) => return Step::refuse(StatusCode::BAD_REQUEST, &sentence),
        };
        let settings = Arc::clone(&self.settings);
        wish.work(move || settings.report(), &self.settings.under_way)
    }
}

impl EndpointSettings {
    /// The report of the whole process, or why there is none.
    fn report(&self) -> Result<Report, &'static str> {
        if cfg!(feature = "off") {
            return Err("Nothing is counted: this program is built with memprof's feature `off`.");
        }
        if HeapSource::current() != HeapSource::Thread {
            return Err(
                "Nothing is counted: the global allocator is not `memprof::CountingAlloc`.",
            );
        }
        let report = collect::whole_report();
        let has_source = self.told.has_source && output_file::has_source();
        Ok(if has_source {
            report
        } else {
            report.without_source()
        })
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for EndpointSettings {
    fn drop(&mut self) {
        let history = self.history.get_mut();
        let history = history.unwrap_or_else(PoisonError::into_inner);
        // The worker thread allocated it, uncounted.
        uncounted::during(false, || *history = History::default());
    }
}

impl<B> Service<Request<B>> for DebugRoutes {
    type Response = Response<DebugRoutesBody>;
    type Error = Infallible;
    type Future = DebugRoutesFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> DebugRoutesFuture {
        let start = || Own::new(Worker::start);
        let worker = self.settings.worker.get_or_init(start).as_ref();
        let is_head = request.method() == Method::HEAD;
        let (future, _) = uncounted::during(false, || match (self.step(&request), worker) {
            (Step::Done(answer), _) => DebugRoutesFuture::answered(is_head, answer),
            (Step::After(_, work), Some(worker)) => {
                DebugRoutesFuture::asked(is_head, worker.clone(), work)
            }
            (Step::After(..), None) => {
                let sentence = "There is no answer: the thread that answers couldn't be started.";
                let refusal = Answer::refusal(StatusCode::SERVICE_UNAVAILABLE, sentence);
                DebugRoutesFuture::answered(is_head, refusal)
            }
        });
        future
    }
}
