//! How much of a request is kept at most, as documented on
//! [`DebugToolbarLayer`](super::DebugToolbarLayer).

/// Requests in the history.
pub(super) const REQUESTS: usize = 100;

/// Bytes of all captured data in the history.
pub(super) const HISTORY_BYTES: usize = 16 << 20;

/// Bytes of a path, and of a query.
pub(super) const PATH_BYTES: usize = 2 << 10;

/// Bytes of a header's name, and of its value.
pub(super) const HEADER_BYTES: usize = 4 << 10;

/// Headers of a request, and of its response.
pub(super) const HEADERS: usize = 100;

/// Bytes of an urlencoded form.
pub(super) const FORM_BYTES: usize = 16 << 10;

/// Bytes of a statement, and of its plan.
pub(super) const STATEMENT_BYTES: usize = 4 << 10;

/// Parameters of a statement.
pub(super) const PARAMETERS: usize = 32;

/// Bytes of a parameter.
pub(super) const PARAMETER_BYTES: usize = 256;

/// Bytes of a template's context as JSON. Smaller than other limits, since serializing it takes
/// longer than all else.
pub(super) const CONTEXT_BYTES: usize = 1 << 10;

/// Bytes of a log line.
pub(super) const LINE_BYTES: usize = 2 << 10;

/// One request may capture this fraction of the history's bytes.
pub(super) const PART_OF_A_REQUEST: usize = 8;
