//! A value that is hidden by its type.

use crate::web::redact::DOTS;
use serde::{Serialize, Serializer};
use std::fmt;

/// A value that `Debug`, `Display` and serde write as dots.
///
/// ```
/// use memprof::web::toolbar::Redacted;
///
/// let hash = Redacted("$argon2id$v=19$...");
///
/// assert_eq!(format!("{hash:?}"), "••••••");
/// assert_eq!(hash.0.len(), 18);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Redacted<T>(
    /// The value itself.
    pub T,
);

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DOTS)
    }
}

impl<T> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DOTS)
    }
}

impl<T> Serialize for Redacted<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(DOTS)
    }
}
