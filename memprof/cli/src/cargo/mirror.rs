//! A folder that looks like the program's source tree, with some files replaced.
//!
//! Replaced files and the folders around them are real. Everything else in these folders is a
//! symbolic link to the original, so that `include_str!("../data.txt")`, modules that were not found
//! and whatever else the compiler opens by a relative path is there. The program's own tree is only
//! read.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Makes `mirror` a copy of the folder `tree`, in which `files`, given by their absolute paths in
/// `tree`, have these texts. Files outside of `tree` are ignored.
///
/// Files that have the right text already aren't written.
pub(crate) fn update(
    mirror: &Path,
    tree: &Path,
    files: &BTreeMap<PathBuf, &str>,
) -> io::Result<()> {
    let mut folders = BTreeSet::from([tree.to_owned()]);
    for file in files.keys().filter(|file| file.starts_with(tree)) {
        let parents = file.ancestors().skip(1);
        folders.extend(
            parents
                .take_while(|folder| *folder != tree)
                .map(Path::to_owned),
        );
    }
    // Parents come before the folders inside.
    for folder in &folders {
        let inside = folder.strip_prefix(tree).unwrap_or(Path::new(""));
        update_folder(&mirror.join(inside), folder, &folders, files)?;
    }
    Ok(())
}

fn update_folder(
    mirror: &Path,
    original: &Path,
    folders: &BTreeSet<PathBuf>,
    files: &BTreeMap<PathBuf, &str>,
) -> io::Result<()> {
    if !fs::symlink_metadata(mirror).is_ok_and(|there| there.is_dir()) {
        remove(mirror)?;
        fs::create_dir_all(mirror)?;
    }
    let mut wanted: BTreeSet<OsString> = BTreeSet::new();
    for entry in fs::read_dir(original)? {
        let name = entry?.file_name();
        let from = original.join(&name);
        let to = mirror.join(&name);
        if let Some(text) = files.get(&from) {
            write(&to, text)?;
        } else if !folders.contains(&from) {
            link(&from, &to)?;
        }
        wanted.insert(name);
    }
    for entry in fs::read_dir(mirror)? {
        let entry = entry?;
        if !wanted.contains(&entry.file_name()) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let is_file = fs::symlink_metadata(path).is_ok_and(|there| there.is_file());
    if is_file && fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    // Writing to a link would write to the original.
    remove(path)?;
    fs::write(path, text)
}

/// Makes `to` a link to `from`.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    if fs::read_link(to).is_ok_and(|target| target == from) {
        return Ok(());
    }
    remove(to)?;
    #[cfg(unix)]
    return std::os::unix::fs::symlink(from, to);
    // Links need a privilege on Windows: without it, files are copied, and folders left out.
    #[cfg(windows)]
    {
        if from.is_dir() {
            return std::os::windows::fs::symlink_dir(from, to).or(Ok(()));
        }
        let linked = std::os::windows::fs::symlink_file(from, to);
        linked.or_else(|_| fs::copy(from, to).map(drop))
    }
    #[cfg(not(any(unix, windows)))]
    fs::copy(from, to).map(drop)
}

/// Removes whatever is at a path of the mirror. Links aren't followed.
fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn only_replaced_files_differ_and_the_tree_stays() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        let mirror = folder.path().join("mirror");
        fs::create_dir_all(tree.join("src/inner")).unwrap();
        fs::write(tree.join("src/main.rs"), "plain").unwrap();
        fs::write(tree.join("src/inner/data"), "data").unwrap();
        fs::write(tree.join("README"), "text").unwrap();
        let main = tree.join("src/main.rs");

        update(&mirror, &tree, &BTreeMap::from([(main.clone(), "edited")])).unwrap();
        let read = |path: &str| fs::read_to_string(mirror.join(path)).unwrap();
        assert_eq!(read("src/main.rs"), "edited");
        assert_eq!(read("src/inner/data"), "data");
        assert_eq!(read("src/../README"), "text");

        // The file is no longer replaced, one is gone, and another folder has become a real one.
        fs::remove_file(tree.join("README")).unwrap();
        let data = tree.join("src/inner/data");
        update(&mirror, &tree, &BTreeMap::from([(data.clone(), "new")])).unwrap();
        assert_eq!(read("src/main.rs"), "plain");
        assert_eq!(read("src/inner/data"), "new");
        assert!(!mirror.join("README").exists());
        assert_eq!(fs::read_to_string(main).unwrap(), "plain");
        assert_eq!(fs::read_to_string(data).unwrap(), "data");
    }
}
