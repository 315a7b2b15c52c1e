//! The layer that profiles requests.

use super::file_name::{FileName, FileNameError};
use super::profiler_settings::{FileNames, Print, ProfilerSettings, ProfilerState};
use super::recording::{Head, RequestProfile};
use super::service::{Begun, Profiler, RequestLayer, TextLayer};
use super::statistics::{Restriction, Sort};
use super::trigger::Trigger;
use crate::report::Format;
use http::{Extensions, Request};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use tower_layer::Layer;

/// Profiles requests: prints a table for each request, and can write each profile to a file.
///
/// The table lists the functions with [`#[memprofile]`](macro@crate::memprofile) in the layout of
/// Python's `cProfile`. A function's times cover only threads that are running it: a task that
/// waits takes no time. Recursive calls count like other calls, and times per call are divided by
/// all calls; for `465/1` calls, `cProfile` divides by the one that isn't recursive. The same holds
/// for `.prof` files.
///
/// Responses are streamed as without the layer. A separate thread prints and writes the profiles,
/// so no request waits for that.
///
/// ```
/// use memprof::web::{ProfilerLayer, Restriction, Sort, Trigger};
/// use std::time::Duration;
/// use tower::ServiceBuilder;
///
/// let layer = ProfilerLayer::new()
///     .sort_by([Sort::Allocated])
///     .restrict([Restriction::count(20)])
///     .profile_dir("profiles")
///     .file_name("{method}.{path}.{elapsed:.0f}ms.{id}.prof")?
///     .max_files(1000)
///     .trigger(Trigger::slower_than(Duration::from_millis(10)));
/// # let inner = tower::service_fn(|_: http::Request<String>| async {
/// #     Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
/// # });
/// let service = ServiceBuilder::new().layer(layer).service(inner);
/// # Ok::<(), memprof::web::FileNameError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ProfilerLayer {
    settings: Arc<ProfilerState>,
}

impl Default for ProfilerLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl ProfilerLayer {
    /// Profiles all requests and prints their tables on standard output, ordered by own time and
    /// number of calls.
    ///
    /// # Panics
    ///
    /// Never: the default format of file names is well formed.
    #[must_use]
    pub fn new() -> Self {
        let name: Result<FileName, _> = "{method}.{path}.{elapsed:.0f}ms.{time:.0f}.prof".parse();
        Self::of(ProfilerSettings {
            print: Print::Stdout,
            sort: vec![Sort::OwnTime, Sort::Calls],
            restrictions: Vec::new(),
            triggers: Vec::new(),
            route: None,
            folder: None,
            name: FileNames::Format(name.expect("the default format is well formed")),
            max_files: None,
            max_bytes: None,
            adopts_files: false,
            ending: Some(".prof"),
            has_source: true,
        })
    }

    fn of(told: ProfilerSettings) -> Self {
        let writer = OnceLock::new();
        Self {
            settings: Arc::new(ProfilerState { told, writer }),
        }
    }

    fn with(self, change: impl FnOnce(&mut ProfilerSettings)) -> Self {
        let mut told = match Arc::try_unwrap(self.settings) {
            Ok(settings) => settings.told,
            Err(shared) => shared.told.clone(),
        };
        change(&mut told);
        Self::of(told)
    }

    /// Prints to `out` instead of standard output. Errors of `out` are ignored.
    ///
    /// ```
    /// # use memprof::web::ProfilerLayer;
    /// let layer = ProfilerLayer::new().print_to(std::io::stderr());
    /// ```
    #[must_use]
    pub fn print_to(self, out: impl Write + Send + 'static) -> Self {
        let out = Arc::new(Mutex::new(out));
        self.with(|told| told.print = Print::To(out))
    }

    /// Prints nothing.
    #[must_use]
    pub fn silent(self) -> Self {
        self.with(|told| told.print = Print::Never)
    }

    /// Sorts the functions by the first of these keys, equal ones by the next, and so on.
    #[must_use]
    pub fn sort_by(self, sort: impl IntoIterator<Item = Sort>) -> Self {
        self.with(|told| told.sort = sort.into_iter().collect())
    }

    /// Restricts which functions are printed. Each restriction applies to what the one before left.
    #[must_use]
    pub fn restrict(self, restrictions: impl IntoIterator<Item = Restriction>) -> Self {
        self.with(|told| told.restrictions = restrictions.into_iter().collect())
    }

    /// Reports only requests that meet this trigger and all others that were given.
    #[must_use]
    pub fn trigger(self, trigger: Trigger) -> Self {
        self.with(|told| told.triggers.push(trigger))
    }

    /// Sets how to find the route pattern that a request matched, for `{route}` in file names.
    ///
    /// With axum, if the layer is on a router's routes:
    ///
    /// ```
    /// use axum::extract::MatchedPath;
    /// use memprof::web::ProfilerLayer;
    ///
    /// let layer = ProfilerLayer::new().route_by(|extensions| {
    ///     let path = extensions.get::<MatchedPath>()?;
    ///     Some(path.as_str().to_owned())
    /// });
    /// ```
    #[must_use]
    pub fn route_by(
        self,
        route: impl Fn(&Extensions) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.with(|told| told.route = Some(Arc::new(route)))
    }

    /// Writes each profile to a file in this folder, which is created if necessary.
    ///
    /// The ending of a file's name selects its [format](Format). No file is overwritten: if a name
    /// is taken, a number is added to it. If files can't be written, the first failure is reported
    /// on standard error. The number of failures in a row follows when a file can be written again,
    /// or at the end.
    #[must_use]
    pub fn profile_dir(self, folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        self.with(|told| told.folder = Some(folder))
    }

    /// Sets the format of the file names, `{method}.{path}.{elapsed:.0f}ms.{time:.0f}.prof` by
    /// default.
    ///
    /// These fields are replaced:
    ///
    /// - `{method}`, `{path}` and `{route}`: those of the request, with `.` for `/`, `root` for the
    ///   path `/`, and `_` for all characters except ASCII letters, digits and `-._~`.
    /// - `{status}`: the response's status, or `none`.
    /// - `{id}`: [`RequestProfile::id`].
    /// - `{elapsed}`: how long the request took, in milliseconds. `{elapsed:.0f}` sets the number
    ///   of decimals.
    /// - `{time}`: when the request began, in seconds since 1970, with decimals in the same way.
    ///
    /// `{{` and `}}` stand for a brace.
    ///
    /// # Errors
    ///
    /// Fails if the format has other fields, or doesn't end like a [format](Format) of reports.
    pub fn file_name(self, format: &str) -> Result<Self, FileNameError> {
        let name = format.parse()?;
        let Some(ending) = Format::ending_of(format) else {
            return Err(FileNameError::of_ending(format));
        };
        Ok(self.with(|told| {
            told.name = FileNames::Format(name);
            told.ending = Some(ending);
        }))
    }

    /// Names the files with a function. Characters that can't be in a file name are replaced by
    /// `_`. The name has to end like a [format](Format) of reports.
    ///
    /// ```
    /// # use memprof::web::ProfilerLayer;
    /// let layer = ProfilerLayer::new()
    ///     .profile_dir("profiles")
    ///     .file_name_by(|profile| format!("{}.json", profile.id));
    /// ```
    #[must_use]
    pub fn file_name_by(
        self,
        name: impl Fn(&RequestProfile) -> String + Send + Sync + 'static,
    ) -> Self {
        self.with(|told| {
            told.name = FileNames::By(Arc::new(name));
            told.ending = None;
        })
    }

    /// Keeps at most `count` of the files that the layer has written, and removes the oldest for a
    /// new one. Files of earlier runs stay, unless they are [adopted](Self::adopt_files).
    #[must_use]
    pub fn max_files(self, count: usize) -> Self {
        self.with(|told| told.max_files = Some(count))
    }

    /// Keeps at most `bytes` bytes of files that the layer has written, and removes the oldest for
    /// a new one.
    #[must_use]
    pub fn max_bytes(self, bytes: u64) -> Self {
        self.with(|told| told.max_bytes = Some(bytes))
    }

    /// Counts files that are in the folder when the first profile is written as the layer's own, so
    /// that the limits hold across all runs of a service.
    ///
    /// These are all files with the ending of [`file_name`](Self::file_name), or with the ending of
    /// any [format](Format) after [`file_name_by`](Self::file_name_by), even if another program
    /// wrote them: use a folder for this layer only.
    ///
    /// ```
    /// # use memprof::web::ProfilerLayer;
    /// let layer = ProfilerLayer::new()
    ///     .profile_dir("profiles")
    ///     .max_files(1000)
    ///     .adopt_files();
    /// ```
    #[must_use]
    pub fn adopt_files(self) -> Self {
        self.with(|told| told.adopts_files = true)
    }

    /// Leaves the source text out of the files.
    #[must_use]
    pub fn confidential(self) -> Self {
        self.with(|told| told.has_source = false)
    }

    /// Waits until the profiles of all requests that have ended are printed and written.
    ///
    /// Gives up after 5 seconds without progress, for example if they go to a pipe that isn't read.
    ///
    /// Dropping the last of the layer and its services also waits, for 5 seconds in total. Profiles
    /// that aren't written by then are lost, which is reported on standard error.
    pub fn flush(&self) {
        if let Some(writer) = self.settings.writer.get() {
            writer.flush();
        }
    }
}

impl<S> Layer<S> for ProfilerLayer {
    type Service = Profiler<S, Self>;

    fn layer(&self, inner: S) -> Profiler<S, Self> {
        Profiler::new(inner, self.clone())
    }
}

impl RequestLayer for ProfilerLayer {
    type RequestBody<B> = B;

    fn begin<B>(&self, request: Request<B>) -> Begun<B> {
        let recording = self.settings.begin(&Head::of(&request));
        Begun::Call(request, recording)
    }
}

impl<D> TextLayer<D> for ProfilerLayer {
    const TO_DATA: Option<fn(Vec<u8>) -> D> = None;
}
