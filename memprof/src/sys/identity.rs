//! The identity of a file, since another file may take over its path.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// A file, independent of its path. On systems other than Unix, all files compare equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    device_and_inode: (u64, u64),
    /// A removed file's inode number is soon given to a new file.
    created: Option<SystemTime>,
}

impl Identity {
    /// The file at `path`. A link isn't followed.
    ///
    /// # Errors
    ///
    /// Fails if the file's attributes can't be read.
    pub fn at(path: &Path) -> io::Result<Self> {
        fs::symlink_metadata(path).map(|about| Self::of(&about))
    }

    /// The file with these attributes.
    pub fn of(about: &Metadata) -> Self {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            Self {
                device_and_inode: (about.dev(), about.ino()),
                created: about.created().ok(),
            }
        }
        #[cfg(not(unix))]
        {
            let _ = about;
            Self {
                device_and_inode: (0, 0),
                created: None,
            }
        }
    }

    /// Removes the file at `path` if it is this one.
    pub fn remove_from(self, path: &Path) {
        if Self::at(path).is_ok_and(|there| there == self) {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_has_taken_the_path_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "first").unwrap();
        let first = Identity::at(&path).unwrap();
        fs::rename(&path, folder.path().join("moved")).unwrap();
        fs::write(&path, "second").unwrap();

        first.remove_from(&path);
        assert_eq!(fs::read_to_string(&path).unwrap(), "second");
        first.remove_from(&folder.path().join("moved"));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }
}
