//! The file format of memory over time, which is that of Python's `mprof`.
//!
//! Lines may come in any order, since the sampled program writes the lines of calls, and
//! `memprof run` the others. A last line without a newline is ignored, since it is still being
//! written.

use crate::sys::os;
use crate::sys::read_file::Input;
use crate::sys::replace_file::replace;
use crate::timeline::error::Problem;
use crate::timeline::{MemoryTimeline, Reading, Sample, TimedCall, TimelineError};
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MEBIBYTE: f64 = 1_048_576.0;

/// Longer than any command line on Linux, in bytes.
const LONGEST_LINE: u64 = 4 << 20;

/// Limits that exceed any real memory size, and any real time: the latter is the end of the year
/// 9999.
const MOST_MEBIBYTES: f64 = 1e12;
const LATEST_SECONDS: f64 = 253_402_300_799.0;

/// More nested calls than fit on any stack.
const DEEPEST: u32 = 100_000_000;

impl MemoryTimeline {
    /// Reads a file written by `memprof run`, `mprof run` or [`write`](Self::write).
    ///
    /// Lines of unknown kinds are skipped, and so is an incomplete last line.
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("mprofile_20261123120000.dat");
    /// # std::fs::write(&path, "CMDLINE ls\nMEM 1.5 1795390245.2584\n")?;
    /// let memory = memprof::timeline::MemoryTimeline::read(&path)?;
    /// assert_eq!(memory.samples[0].resident_bytes, 3 << 19);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the file can't be read or isn't in this format. The error names the damaged line.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, TimelineError> {
        let path = path.as_ref();
        let read_error = |error| TimelineError::new(Problem::Read(path.to_owned(), error));
        let mut file = BufReader::new(Input::open(path).map_err(read_error)?);
        let mut memory = Self::default();
        let mut is_one = false;
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            let mut start = (&mut file).take(LONGEST_LINE);
            let length = start.read_until(b'\n', &mut line).map_err(read_error)?;
            let Some(whole) = line.strip_suffix(b"\n") else {
                if length as u64 == LONGEST_LINE {
                    let what = format!("line {number} is longer than 4 MiB");
                    return Err(TimelineError::unreadable(path, what));
                }
                break;
            };
            match memory.add_line(&String::from_utf8_lossy(whole)) {
                Ok(is_known) => is_one |= is_known,
                Err(what) => {
                    let what = format!("line {number} is damaged: {what}");
                    return Err(TimelineError::unreadable(path, what));
                }
            }
        }
        if !is_one {
            let what = "no line of it begins with CMDLINE, MEM, CHLD or FUNC, as in a file \
                        that `memprof run` has written";
            return Err(TimelineError::unreadable(path, what));
        }
        Ok(memory)
    }

    /// Writes a file that [`read`](Self::read) and Python's `mprof` can read.
    ///
    /// An existing file is replaced once everything is written.
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("mprofile_20261123120000.dat");
    /// let memory = memprof::timeline::MemorySampler::new().of_self()?;
    /// memory.write(&path)?;
    /// # assert!(memprof::timeline::MemoryTimeline::read(&path).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the file can't be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), TimelineError> {
        let path = path.as_ref();
        let write = |out: &mut dyn Write| write!(out, "{self}");
        os::without_signals_of_writing(|| replace(path, write))
            .map_err(|error: io::Error| TimelineError::new(Problem::Write(path.to_owned(), error)))
    }

    /// Parses a line and adds its contents. Returns whether its kind is known.
    fn add_line(&mut self, line: &str) -> Result<bool, String> {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        match kind {
            "CMDLINE" => rest.trim().clone_into(&mut self.command),
            "MEM" => {
                let mut words = rest.split_whitespace();
                self.samples.push(sample(words.next(), words.next())?);
            }
            "CHLD" => {
                let mut words = rest.split_whitespace();
                let number = number_of_process(words.next())?;
                let samples = self.children.entry(number).or_default();
                samples.push(sample(words.next(), words.next())?);
            }
            "FUNC" => self.calls.push(timed_call(rest)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn sample(mebibytes: Option<&str>, seconds: Option<&str>) -> Result<Sample, String> {
    Ok(Sample {
        resident_bytes: bytes(mebibytes)?,
        at: time(seconds)?,
    })
}

fn number(word: Option<&str>, wanted: &str, most: f64) -> Result<f64, String> {
    let number = word.and_then(|word| word.parse().ok());
    match number.filter(|number: &f64| number.is_finite() && *number <= most) {
        Some(number) => Ok(number),
        None => Err(match word {
            Some(word) => format!("{} should be {wanted}", shown(word)),
            None => format!("it ends where there should be {wanted}"),
        }),
    }
}

/// The first 40 characters of a word, quoted for a message.
fn shown(word: &str) -> String {
    let start: String = word.chars().take(40).collect();
    format!("{start:?}")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is in the range; mprof writes -1 where it doesn't know"
)]
fn bytes(mebibytes: Option<&str>) -> Result<u64, String> {
    let mebibytes = number(mebibytes, "memory in MiB", MOST_MEBIBYTES)?;
    Ok((mebibytes.max(0.0) * MEBIBYTE).round() as u64)
}

fn time(seconds: Option<&str>) -> Result<SystemTime, String> {
    let seconds = number(seconds, "a time in seconds", LATEST_SECONDS)?;
    Ok(UNIX_EPOCH + Duration::from_secs_f64(seconds.max(0.0)))
}

fn number_of_process(word: Option<&str>) -> Result<u32, String> {
    let number = word.and_then(|word| word.parse().ok());
    number.ok_or_else(|| {
        let found = word.map_or_else(|| "nothing".to_owned(), shown);
        format!("{found} should be the number of a process")
    })
}

fn depth(word: &str) -> Result<u32, String> {
    let depth = word.parse().ok().filter(|depth| *depth <= DEEPEST);
    depth.ok_or_else(|| {
        format!(
            "{} should be the depth of the call, at most {DEEPEST}",
            shown(word)
        )
    })
}

/// Parses what follows `FUNC`, from the end, since names written by mprof may contain spaces.
fn timed_call(rest: &str) -> Result<TimedCall, String> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    // Lines of older versions have no depth.
    let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
    let (depth, words) = match words.split_last() {
        Some((last, others)) if others.len() >= 5 && is_number(last) => (depth(last)?, others),
        _ => (0, &words[..]),
    };
    let Some((name, [from_bytes, from, to_bytes, to])) = words
        .split_last_chunk()
        .filter(|(name, _)| !name.is_empty())
    else {
        return Err("a call should be a name, and memory and time at its start and end".to_owned());
    };
    Ok(TimedCall {
        function: name.join(" "),
        start: sample(Some(from_bytes), Some(from))?,
        end: sample(Some(to_bytes), Some(to))?,
        depth,
    })
}

#[expect(clippy::cast_precision_loss, reason = "six decimals are shown")]
fn mebibytes(sample: Sample) -> f64 {
    sample.resident_bytes as f64 / MEBIBYTE
}

fn seconds(sample: Sample) -> f64 {
    let since = sample.at.duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

impl fmt::Display for MemoryTimeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Control characters, such as newlines, would break the line.
        let command = self.command.replace(char::is_control, " ");
        writeln!(f, "CMDLINE {}", command.trim())?;
        for sample in &self.samples {
            writeln!(f, "MEM {:.6} {:.4}", mebibytes(*sample), seconds(*sample))?;
        }
        for (number, samples) in &self.children {
            for sample in samples {
                let (mebibytes, seconds) = (mebibytes(*sample), seconds(*sample));
                writeln!(f, "CHLD {number} {mebibytes:.6} {seconds:.4}")?;
            }
        }
        self.calls.iter().try_for_each(|call| call.fmt(f))
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mib, time) = (mebibytes(self.process), seconds(self.process));
        writeln!(f, "MEM {mib:.6} {time:.4}")?;
        for (number, sample) in &self.children {
            let (mib, time) = (mebibytes(*sample), seconds(*sample));
            writeln!(f, "CHLD {number} {mib:.6} {time:.4}")?;
        }
        Ok(())
    }
}

/// Writes the call's line of a file. Spaces in the name become `_`, since mprof can't read them.
impl fmt::Display for TimedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let odd = |char: char| char.is_whitespace() || char.is_control();
        let name = self.function.replace(odd, "_");
        writeln!(
            f,
            "FUNC {name} {:.4} {:.4} {:.4} {:.4} {}",
            mebibytes(self.start),
            seconds(self.start),
            mebibytes(self.end),
            seconds(self.end),
            self.depth
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word_and_a_command_one_line() {
        let sample = Sample {
            at: UNIX_EPOCH,
            resident_bytes: 1 << 20,
        };
        let memory = MemoryTimeline {
            command: "sh -c 'a\nMEM 9 9'".to_owned(),
            calls: vec![TimedCall {
                function: "<a::B as c::D>\n::e".to_owned(),
                start: sample,
                end: sample,
                depth: 2,
            }],
            ..MemoryTimeline::default()
        };
        assert_eq!(
            memory.to_string(),
            "CMDLINE sh -c 'a MEM 9 9'\n\
             FUNC <a::B_as_c::D>_::e 1.0000 0.0000 1.0000 0.0000 2\n"
        );
    }
}
