//! The reports that the programs of one command have written, and where they go.

use memprof::report::Report;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// A program that was run.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The executable's name.
    pub(crate) name: String,
    /// Its report, if it has written one.
    pub(crate) report: Option<Report>,
}

/// What is in the folder of one command.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    /// The programs that cargo has started.
    pub(crate) programs: Vec<Ran>,
    /// The number of processes that these have started, and that have written a report, too.
    pub(crate) other_count: usize,
}

/// Reads the folder that the [runner](crate::cargo::runner) has used.
pub(crate) fn read(folder: &Path) -> Result<Reports, String> {
    let mut reports = Reports::default();
    let mut names: Vec<OsString> = fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.file_name()).collect())
        .unwrap_or_default();
    names.sort();
    let numbers = names.iter().filter_map(|name| {
        let name = name.to_str()?.strip_suffix(".program")?;
        Some(name.to_owned())
    });
    let mut report_count = names.iter().filter(|name| has_ending(name, "json")).count();
    for number in numbers {
        let executable = fs::read(folder.join(format!("{number}.program"))).unwrap_or_default();
        let executable = PathBuf::from(String::from_utf8_lossy(&executable).into_owned());
        let path = folder.join(format!("{number}.json"));
        let report = if path.exists() {
            report_count -= 1;
            let report = Report::read(&path).map_err(|error| error.to_string())?;
            Some(report)
        } else {
            None
        };
        let name = executable.file_stem().unwrap_or_default().to_string_lossy();
        reports.programs.push(Ran {
            name: without_hash(&name).to_owned(),
            report,
        });
    }
    reports.other_count = report_count;
    reports
        .programs
        .sort_by(|one, other| one.name.cmp(&other.name));
    Ok(reports)
}

/// The name of a test's executable without the number that cargo has added to it.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((name, hash))
            if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            name
        }
        _ => name,
    }
}

fn has_ending(name: &OsString, ending: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|found| found == ending)
}

/// Writes a report as JSON and as a page, and returns both paths. `stem` is the path without an
/// ending.
pub(crate) fn write(report: &Report, stem: &Path) -> Result<[PathBuf; 2], String> {
    let paths = ["json", "html"].map(|ending| {
        let mut path = stem.as_os_str().to_owned();
        path.push(format!(".{ending}"));
        PathBuf::from(path)
    });
    for path in &paths {
        report.write(path).map_err(|error| error.to_string())?;
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::without_hash;

    #[test]
    fn a_test_has_the_name_of_its_file() {
        assert_eq!(without_hash("integration-a89e7f32b706e2bc"), "integration");
        assert_eq!(without_hash("my-program"), "my-program");
    }
}
