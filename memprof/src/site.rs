//! A profiled function and its lines, as static data written by the attribute.

use crate::config::Options;

/// A function under `#[memprofile]`.
#[derive(Debug)]
pub struct Site {
    path: fn() -> &'static str,
    file: &'static str,
    first_line: u32,
    source: &'static str,
    lines: &'static [u32],
    options: Options,
}

impl Site {
    /// Describes a function.
    ///
    /// `source` is its text from `first_line` on. `lines` are the numbers of the
    /// lines that can be opened, the first of them `first_line`; a line is
    /// opened by its place in this list.
    #[must_use]
    pub const fn new(
        path: fn() -> &'static str,
        file: &'static str,
        first_line: u32,
        source: &'static str,
        lines: &'static [u32],
        options: Options,
    ) -> Self {
        Self {
            path,
            file,
            first_line,
            source,
            lines,
            options,
        }
    }

    /// The function's path, its type included: `blog::posts::get_post`.
    pub(crate) fn path(&self) -> &'static str {
        let path = (self.path)();
        // That of the closure in the function's static, see `path_of`.
        path.rsplit_once("::__MEMPROF_SITE")
            .map_or(path, |(function, _)| function)
    }

    pub(crate) fn file(&self) -> &'static str {
        self.file
    }

    pub(crate) fn lines(&self) -> &'static [u32] {
        self.lines
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Each line of the function's text with its number.
    pub(crate) fn source_lines(&self) -> impl Iterator<Item = (u32, &'static str)> {
        (self.first_line..).zip(self.source.lines())
    }
}

/// The path of a closure, which begins with that of the function it is in.
///
/// It knows what no macro can: the type that a method belongs to.
pub const fn path_of<F: Fn()>(_: &F) -> fn() -> &'static str {
    std::any::type_name::<F>
}
