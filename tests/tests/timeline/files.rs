//! Files of memory over time: reading files that other programs have written, and errors for other
//! files.

use memprof::timeline::MemoryTimeline;
use std::fs;
use std::time::{Duration, UNIX_EPOCH};

fn read(text: impl AsRef<[u8]>) -> Result<MemoryTimeline, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.dat");
    fs::write(&path, text).unwrap();
    MemoryTimeline::read(&path).map_err(|error| error.to_string())
}

#[test]
fn what_mprof_writes_is_read() {
    let memory = read(
        "FUNC __main__.inner 27.5352 1795390245.9263 46.6094 1795390246.2342 1\n\
         FUNC .my block 27.5664 1795389837.9560 56.1797 1795389838.2062 0\n\
         FUNC old.one 1.0 10.5 2.0 11.5\n\
         CMDLINE python3 prog.py\n\
         MEM 0.558594 1795390245.2584\n\
         MEM 65.683594 1795390246.8706\n\
         MEM -1.000000 1795390246.8806\n\
         CHLD 25692 18.472656 1795389839.8019\n\
         LATER something of a later version\n\n",
    )
    .unwrap();

    assert_eq!(memory.command, "python3 prog.py");
    let bytes: Vec<u64> = memory.samples.iter().map(|at| at.resident_bytes).collect();
    assert_eq!(bytes, [585_728, 68_874_240, 0]);
    assert_eq!(memory.children[&25692].len(), 1);
    let names: Vec<_> = memory.calls.iter().map(|call| &*call.function).collect();
    assert_eq!(names, ["__main__.inner", ".my block", "old.one"]);
    let depths: Vec<_> = memory.calls.iter().map(|call| call.depth).collect();
    assert_eq!(depths, [1, 0, 0]);
    let start = memory.calls[2].start;
    assert_eq!(start.at, UNIX_EPOCH + Duration::from_millis(10_500));
}

#[test]
fn a_last_line_that_is_being_written_does_not_count() {
    for rest in ["MEM 2.0 17", "MEM", "FUNC a 1", "\u{1b}\0"] {
        let memory = read(format!("MEM 1.0 1795390245.2584\n{rest}")).unwrap();
        assert_eq!(memory.samples.len(), 1, "{rest:?}");
    }
}

#[test]
fn what_is_damaged_is_said_with_its_line() {
    for (line, said) in [
        ("MEM 1.0", "it ends where there should be a time in seconds"),
        ("MEM x\u{7} 1", "\"x\\u{7}\" should be memory in MiB"),
        ("MEM NaN 1", "\"NaN\" should be memory in MiB"),
        ("MEM 1 inf", "\"inf\" should be a time in seconds"),
        ("MEM 1e300 1", "\"1e300\" should be memory in MiB"),
        ("CHLD -5 1 1", "\"-5\" should be the number of a process"),
        ("FUNC 1 2 3 4", "a call should be a name"),
        ("FUNC f g 2 3 4", "\"g\" should be memory in MiB"),
        (
            "FUNC f 1 1 1 1 4294967295",
            "\"4294967295\" should be the depth of the call",
        ),
        (
            "FUNC f 1 1 1 1 99999999999",
            "\"99999999999\" should be the depth of the call",
        ),
    ] {
        let error = read(format!("CMDLINE a\n{line}\nMEM 1 1\n")).unwrap_err();
        assert!(error.contains("line 2 is damaged: "), "{error}");
        assert!(error.contains(said), "{line:?}: {error}");
    }
}

#[test]
fn what_is_no_such_file_is_refused() {
    let png = &b"\x89PNG\r\n\x1a\n"[..];
    for text in [&b""[..], b"\n\n", b"MEM 1 1", png, b"{}\n", &[0xff; 1000]] {
        let error = read(text).unwrap_err();
        assert!(error.contains("no line of it begins with"), "{error}");
    }
    let error = read(vec![b'M'; 10 << 20]).unwrap_err();
    assert!(error.contains("line 1 is longer than 4 MiB"), "{error}");
}
