//! Ids of recorded requests that can't be guessed.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number of 128 bits that is unpredictable without the keys of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(u128);

/// The number of hexadecimal digits of an id.
pub(super) const LENGTH: usize = 32;

impl Id {
    pub(super) fn new() -> Self {
        // SipHash with random keys, whose output is unpredictable without the keys.
        static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // Relaxed: ids only have to differ.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let [high, low] = KEYS.each_ref().map(|keys| keys.hash_one(number));
        Self(u128::from(high) << 64 | u128::from(low))
    }

    /// The id with these 32 lowercase hexadecimal digits, if `text` is one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_one = text.len() == LENGTH
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_one
            .then(|| u128::from_str_radix(text, 16).ok())?
            .map(Self)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_name_is_one() {
        let id = Id::new();
        assert_ne!(id, Id::new());
        assert_eq!(Id::parse(&id.to_string()), Some(id));
        for other in [
            "",
            "1",
            "+0000000000000000000000000000001",
            "../../etc/passwd",
        ] {
            assert_eq!(Id::parse(other), None);
        }
    }
}
