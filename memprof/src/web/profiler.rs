//! The layer that profiles requests, and what it was told.

use super::file_name::{FileName, FileNameError};
use super::profiler_settings::{FileNames, Print, ProfilerSettings, ProfilerState};
use super::recording::RequestProfile;
use super::service::Profiler;
use super::statistics::{Restriction, Sort};
use super::trigger::Trigger;
use crate::report::Format;
use http::Extensions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use tower_layer::Layer;

/// Profiles requests: what each of them did is printed, and written to a file of its own.
///
/// Functions under [`#[memprofile]`](macro@crate::memprofile) are in the table, which is
/// laid out as that of Python's `cProfile` is. Times are those of the threads that were in
/// them: a task that waits takes none. Calls of a function by itself count as others do, and
/// times per call are those per call of either kind, where `cProfile` has `465/1` and takes
/// the one; so it is in `.prof` files. A response is streamed as it is without the layer,
/// and profiles are written by a thread of its own, while the service goes on.
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
    /// Profiles all requests, and prints their tables on the standard output, ordered by
    /// own time and calls.
    ///
    /// # Panics
    ///
    /// Never: the name's format is one of ours.
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
            name: FileNames::Format(name.expect("it is well formed")),
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

    /// Prints to something else than the standard output. What can't be written there is
    /// lost.
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

    /// The order of the functions, by the first of these, and where that is the same by
    /// the next.
    #[must_use]
    pub fn sort_by(self, sort: impl IntoIterator<Item = Sort>) -> Self {
        self.with(|told| told.sort = sort.into_iter().collect())
    }

    /// Which functions are printed, one restriction after the other.
    #[must_use]
    pub fn restrict(self, restrictions: impl IntoIterator<Item = Restriction>) -> Self {
        self.with(|told| told.restrictions = restrictions.into_iter().collect())
    }

    /// Profiles only requests that this allows for, and all other triggers that are given.
    #[must_use]
    pub fn trigger(self, trigger: Trigger) -> Self {
        self.with(|told| told.triggers.push(trigger))
    }

    /// How to find the pattern that a request's path fits, for `{route}` in names.
    ///
    /// Of axum, if the layer is one of a router's routes:
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

    /// Writes each profile to a file in this folder, which is made if it isn't there.
    ///
    /// The files' endings say in which [format](Format) they are. None takes another's
    /// place: where there is one of its name, its own has a number. Where they can't be
    /// written, the first is said on the standard error, and how many there were when
    /// one can be written again, or at the end.
    #[must_use]
    pub fn profile_dir(self, folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        self.with(|told| told.folder = Some(folder))
    }

    /// The names of the files, with places for what a request was and did.
    ///
    /// `{method}`, `{path}` and `{route}`, with dots for slashes, `root` for `/` and `_`
    /// for all but letters, digits and `-._~`; `{status}`, or `none`; `{id}`; `{elapsed}` in
    /// milliseconds and `{time}` in seconds since 1970, both with decimals as in
    /// `{elapsed:.0f}`. A brace for itself is `{{` or `}}`. By default it is
    /// `{method}.{path}.{elapsed:.0f}ms.{time:.0f}.prof`.
    ///
    /// # Errors
    ///
    /// If it has other places than these, or ends in no [format](Format).
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

    /// The names of the files, by a function. What can't be in a name is replaced.
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

    /// Keeps so many files at the most, of those that the layer has written: the oldest is
    /// removed for the next. Those of earlier runs are left alone, unless they are
    /// [adopted](Self::adopt_files).
    #[must_use]
    pub fn max_files(self, count: usize) -> Self {
        self.with(|told| told.max_files = Some(count))
    }

    /// Keeps files of so many bytes at the most, of those that the layer has written.
    #[must_use]
    pub fn max_bytes(self, bytes: u64) -> Self {
        self.with(|told| told.max_bytes = Some(bytes))
    }

    /// Has files that are in the folder when the first is written count as the layer's own,
    /// the oldest first, so that a service keeps no more of them over all its runs.
    ///
    /// These are all files with the ending that [`file_name`](Self::file_name) has, or with
    /// that of any [format](Format) after [`file_name_by`](Self::file_name_by), whoever made
    /// them: the folder should be the layer's alone.
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

    /// Leaves the text of the source out of the files.
    #[must_use]
    pub fn confidential(self) -> Self {
        self.with(|told| told.has_source = false)
    }

    /// Waits until all profiles of requests that have ended are printed and written, or until
    /// none has been for 5 seconds, as where a pipe is not read.
    ///
    /// The last of the layer and its services to be dropped waits by itself, for 5 seconds in
    /// all; what isn't written by then is lost, which is said.
    pub fn flush(&self) {
        if let Some(writer) = self.settings.writer.get() {
            writer.flush();
        }
    }
}

impl<S> Layer<S> for ProfilerLayer {
    type Service = Profiler<S>;

    fn layer(&self, inner: S) -> Profiler<S> {
        Profiler::new(inner, Arc::clone(&self.settings))
    }
}
