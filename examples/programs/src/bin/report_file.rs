//! A report in a file: as JSON, to be read again, and in the formats of other tools.

use memprof::memprofile;
use memprof::report::{Format, Report};

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

#[memprofile(print = "never")]
fn fill(cache: &mut Vec<Vec<u8>>) {
    for _ in 0..100 {
        drop(vec![1_u8; 1 << 20]);
        cache.push(vec![1_u8; 1 << 10]);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut cache = Vec::with_capacity(100);
    fill(&mut cache);

    let folder = tempfile::tempdir()?;
    let path = folder.path().join("report.json");
    memprof::report().write(&path)?;

    // `memprof show`, `view` and `diff` read this file, too.
    let report = Report::read(&path)?;
    let mut text = Vec::new();
    report.write_to(Format::Folded, &mut text)?;
    print!("{}", String::from_utf8(text)?);
    Ok(())
}
