//! How much of a request is kept, at the most. [`DebugToolbarLayer`](super::DebugToolbarLayer)
//! states these.

/// Requests in the history.
pub(super) const REQUESTS: usize = 100;

/// Bytes of all that the history has captured.
pub(super) const HISTORY_BYTES: usize = 16 << 20;

/// Bytes of a path, and of a query.
pub(super) const PATH_BYTES: usize = 2 << 10;

/// Bytes of a header's name and of its value, each.
pub(super) const HEADER_BYTES: usize = 4 << 10;

/// Headers of a request, and of its answer.
pub(super) const HEADERS: usize = 100;

/// Bytes of an urlencoded form.
pub(super) const FORM_BYTES: usize = 16 << 10;

/// Bytes of a statement, and of how it is carried out.
pub(super) const STATEMENT_BYTES: usize = 4 << 10;

/// Parameters of a statement.
pub(super) const PARAMETERS: usize = 32;

/// Bytes of a parameter.
pub(super) const PARAMETER_BYTES: usize = 256;

/// Bytes of a template's context, as JSON. Of all that is captured, it takes longest.
pub(super) const CONTEXT_BYTES: usize = 1 << 10;

/// Bytes of a line of the log.
pub(super) const LINE_BYTES: usize = 2 << 10;

/// Of all bytes of the history, one request may have this part.
pub(super) const PART_OF_A_REQUEST: usize = 8;
