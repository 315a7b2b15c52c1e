//! The list of the files that a crate was compiled from, by which cargo decides whether to compile
//! it again.
//!
//! The compiler has read the edited files. In the list, the user's own take their place, and cargo
//! compiles the crate again when one of these changes.

use crate::cargo::plan::KEY;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

/// Replaces in the list `file` each beginning of a path by another, as `replacements` say, and adds
/// that the crate depends on the variable [`KEY`], whose value is `key`.
pub(crate) fn rewrite(file: &Path, replacements: &[(String, String)], key: &str) -> io::Result<()> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        // The compiler was asked for no list.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    fs::write(file, rewritten(&text, replacements, key))
}

fn rewritten(text: &str, replacements: &[(String, String)], key: &str) -> String {
    let mut text = text.to_owned();
    for (from, to) in replacements {
        text = text.replace(&escaped(from), &escaped(to));
    }
    let _ = write!(text, "\n# env-dep:{KEY}={key}\n");
    text
}

/// A path as the compiler writes it in a list.
fn escaped(path: &str) -> String {
    path.replace(' ', "\\ ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_files_take_the_place_of_edited_ones() {
        let text = "/t/a.d: /t/my\\ mirror/src/main.rs data.txt\n\n/t/my\\ mirror/src/main.rs:\n";
        let replacements = [("/t/my mirror/".to_owned(), String::new())];
        assert_eq!(
            rewritten(text, &replacements, "7"),
            "/t/a.d: src/main.rs data.txt\n\nsrc/main.rs:\n\n# env-dep:CARGO_MEMPROF_KEY=7\n"
        );
    }
}
