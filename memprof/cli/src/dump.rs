//! `memprof dump`: writes the report of a running program to a file.

use crate::live::Program;
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;

pub(crate) fn dump(
    name: &str,
    output: Option<PathBuf>,
    mut out: impl Write,
) -> Result<(), Box<dyn Error>> {
    let report = Program::find(name)?.first_report()?;
    let output = output.unwrap_or_else(|| {
        let name = match name.parse::<u32>() {
            Ok(process) => format!("memprof.{process}.dump.json"),
            Err(_) => "memprof.dump.json".to_owned(),
        };
        name.into()
    });
    report.write(&output)?;
    writeln!(out, "report written to {:?}", output.to_string_lossy())?;
    Ok(())
}
