//! What the library's errors say, and of which kind they say they are.

use memprof::baseline::{Baseline, BaselineError};
use memprof::report::{FileError, Format, Report};
use memprof::timeline::{MemorySampler, MemoryTimeline, TimelineError};
use memprof::web::{ProfilerLayer, Restriction};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Errors of reports: of a missing file, a missing folder, two endings and a file of another kind.
fn of_files(folder: &Path) -> [FileError; 5] {
    let report = Report::default();
    let other = folder.join("other.json");
    fs::write(&other, "other").unwrap();
    [
        Report::read(folder.join("missing")).unwrap_err(),
        report.write(folder.join("no folder/a.json")).unwrap_err(),
        report.write(folder.join("a.other")).unwrap_err(),
        report
            .write_difference(&report, folder.join("a.json"))
            .unwrap_err(),
        Report::read(other).unwrap_err(),
    ]
}

/// Errors of timelines: of a missing file, folder and program, a process and a file of another
/// kind.
fn of_timelines(folder: &Path) -> [TimelineError; 5] {
    let other = folder.join("other.dat");
    fs::write(&other, "other\n").unwrap();
    let timeline = MemoryTimeline::default();
    let mut missing = Command::new(folder.join("missing"));
    [
        MemoryTimeline::read(folder.join("missing")).unwrap_err(),
        timeline.write(folder.join("no folder/a.dat")).unwrap_err(),
        MemorySampler::new().of_command(&mut missing).unwrap_err(),
        MemorySampler::new().of_process(u32::MAX).unwrap_err(),
        MemoryTimeline::read(other).unwrap_err(),
    ]
}

/// Errors of baselines: of a missing file, a report without functions, a name and a file of another
/// kind.
fn of_baselines(folder: &Path) -> [BaselineError; 4] {
    let other = folder.join("baseline.json");
    fs::write(&other, "other").unwrap();
    let check = |name: &str| Baseline::new(name).folder(folder).check(&Report::default());
    [
        Baseline::read(folder.join("missing")).unwrap_err(),
        check("name").unwrap_err(),
        check("../name").unwrap_err(),
        Baseline::read(other).unwrap_err(),
    ]
}

#[test]
fn an_error_and_its_sources_say_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut errors: Vec<Box<dyn Error>> = Vec::new();
    errors.extend(of_files(folder).map(Into::into));
    errors.extend(of_timelines(folder).map(Into::into));
    errors.extend(of_baselines(folder).map(Into::into));
    errors.push("other".parse::<Format>().unwrap_err().into());
    for name in ["{other}.json", "{id", "name"] {
        errors.push(ProfilerLayer::new().file_name(name).unwrap_err().into());
    }
    errors.push(Restriction::fraction(2.0).unwrap_err().into());
    errors.push(Restriction::pattern("(").unwrap_err().into());

    for error in errors {
        let mut said = vec![error.to_string()];
        let mut source = error.source();
        while let Some(error) = source {
            said.push(error.to_string());
            source = error.source();
        }
        let all = said.join(": ");
        for text in &said {
            assert_eq!(all.matches(text).count(), 1, "{all}");
        }
        assert!(all.matches("os error").count() <= 1, "{all}");
    }
}

#[test]
fn an_error_is_of_one_kind() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();

    let kinds = of_files(folder).map(|it| {
        [
            it.is_not_found(),
            it.is_timed_out(),
            it.is_unknown_ending(),
            it.is_not_a_report(),
        ]
    });
    let [missing, ending, other] = [0, 2, 3].map(|kind| [0, 1, 2, 3].map(|it| it == kind));
    assert_eq!(kinds, [missing, missing, ending, ending, other]);

    let kinds = of_timelines(folder).map(|it| {
        [
            it.is_not_found(),
            it.is_no_process(),
            it.is_unsupported(),
            it.is_not_a_timeline(),
        ]
    });
    let [missing, process, other] = [0, 1, 3].map(|kind| [0, 1, 2, 3].map(|it| it == kind));
    assert_eq!(kinds, [missing, missing, missing, process, other]);

    let kinds = of_baselines(folder).map(|it| {
        [
            it.is_missing(),
            it.is_incomparable(),
            it.is_exceeded(),
            it.is_not_a_baseline(),
        ]
    });
    let [missing, incomparable, other] = [0, 1, 3].map(|kind| [0, 1, 2, 3].map(|it| it == kind));
    assert_eq!(kinds, [missing, incomparable, [false; 4], other]);
}
