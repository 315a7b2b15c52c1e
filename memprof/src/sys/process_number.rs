//! The process id in the names of files and sockets.

use std::ffi::{OsStr, OsString};

/// Replaces each `%p` in a name by a number. Other bytes can be anything.
#[cfg(unix)]
pub fn with_number(name: &OsStr, number: u32) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let (number, mut rest) = (number.to_string(), name.as_bytes());
    let mut bytes = Vec::with_capacity(rest.len());
    while let [first, after @ ..] = rest {
        match rest.strip_prefix(b"%p") {
            Some(after) => {
                bytes.extend_from_slice(number.as_bytes());
                rest = after;
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    OsString::from_vec(bytes)
}

/// Replaces each `%p` in a name by a number, unless the name isn't Unicode.
#[cfg(not(unix))]
pub fn with_number(name: &OsStr, number: u32) -> OsString {
    match name.to_str() {
        Some(name) => name.replace("%p", &number.to_string()).into(),
        None => name.to_owned(),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn bytes_that_are_no_text_stay_as_they_are() {
        let name = with_number(OsStr::from_bytes(b"a%p\xff%%p%"), 12);
        assert_eq!(name.as_bytes(), b"a12\xff%12%");
    }
}
