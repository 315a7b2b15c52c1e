//! The format of Python's `profile`, which `pstats` reads.
//!
//! It is a dictionary in Python's `marshal` encoding. A key is a function, `(file, line, name)`.
//! Its value is a tuple: the number of primitive (not recursive) calls, the number of all calls,
//! own time, inclusive time, and a dictionary with the same numbers by caller. A report doesn't
//! distinguish recursive calls, so both numbers of calls are the same.
//!
//! The format can't say that calls weren't counted. Functions with neither calls nor times are left
//! out, as functions and as callers, and a report that has only such functions is refused.

use crate::model::report::{FunctionReport, Report};
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

/// The number of calls and their times.
#[derive(Clone, Copy, Default)]
struct Calls {
    count: u64,
    own: Duration,
    inclusive: Duration,
}

pub(crate) fn write(report: &Report, mut out: impl io::Write) -> io::Result<()> {
    let mut functions = report.functions.iter();
    if !report.functions.is_empty() && functions.all(|function| call_count(function).is_none()) {
        let kind = io::ErrorKind::Unsupported;
        return Err(io::Error::new(kind, Report::HITS_ARE_UNKNOWN));
    }
    let mut callers = vec![BTreeMap::new(); report.functions.len()];
    for call in &report.calls {
        let caller = call.caller.and_then(|caller| report.calls.get(caller.call));
        if let (Some(caller), Some(callers)) = (caller, callers.get_mut(call.function)) {
            let calls: &mut Calls = callers.entry(caller.function).or_default();
            calls.count = calls.count.saturating_add(call.call_count.unwrap_or(0));
            calls.own = calls.own.saturating_add(call.own_elapsed);
            calls.inclusive = calls.inclusive.saturating_add(call.inclusive_elapsed);
        }
    }

    let mut text = vec![b'{'];
    for (function, mut callers) in report.functions.iter().zip(callers) {
        let Some(count) = call_count(function) else {
            continue;
        };
        let calls = Calls {
            count,
            own: function.own_elapsed,
            inclusive: function.inclusive_elapsed,
        };
        // A report of the process has no times by call. If there is only one caller, all of the
        // function's time is that caller's.
        if let [only] = &mut callers.values_mut().collect::<Vec<_>>()[..]
            && only.count == calls.count
        {
            **only = calls;
        }
        name(&mut text, function);
        tuple(&mut text, 5);
        numbers(&mut text, calls);
        text.push(b'{');
        for (caller, calls) in callers {
            let caller = report.functions.get(caller);
            if let Some(caller) = caller.filter(|caller| call_count(caller).is_some()) {
                name(&mut text, caller);
                tuple(&mut text, 4);
                numbers(&mut text, calls);
            }
        }
        text.push(b'0');
    }
    if report.functions.is_empty() {
        // `pstats` rejects an empty dictionary.
        tuple(&mut text, 3);
        string(&mut text, "~");
        integer(&mut text, 0);
        string(&mut text, "untracked");
        tuple(&mut text, 5);
        numbers(&mut text, Calls::default());
        text.extend(b"{0");
    }
    text.push(b'0');
    out.write_all(&text)?;
    out.flush()
}

/// The number of calls, if the function belongs in the file. It is 0 for one that took time in a
/// scope without being called in it, such as an `async fn` that was only resumed there.
fn call_count(function: &FunctionReport) -> Option<u64> {
    let has_time = !function.inclusive_elapsed.is_zero();
    function.call_count.or(has_time.then_some(0))
}

fn name(text: &mut Vec<u8>, function: &FunctionReport) {
    let line = function.lines.first().map_or(0, |line| line.number);
    tuple(text, 3);
    string(text, &function.file);
    integer(text, line.into());
    string(text, &function.path);
}

fn numbers(text: &mut Vec<u8>, calls: Calls) {
    integer(text, calls.count);
    integer(text, calls.count);
    float(text, calls.own.as_secs_f64());
    float(text, calls.inclusive.as_secs_f64());
}

fn tuple(text: &mut Vec<u8>, length: u8) {
    text.extend([b')', length]);
}

fn string(text: &mut Vec<u8>, string: &str) {
    text.push(b'u');
    let length = u32::try_from(string.len()).unwrap_or(0);
    text.extend(length.to_le_bytes());
    text.extend(&string.as_bytes()[..length as usize]);
}

fn float(text: &mut Vec<u8>, number: f64) {
    text.push(b'g');
    text.extend(number.to_le_bytes());
}

fn integer(text: &mut Vec<u8>, number: u64) {
    if let Ok(small) = i32::try_from(number) {
        text.push(b'i');
        text.extend(small.to_le_bytes());
        return;
    }
    // Digits of 15 bits, the lowest first.
    let digits = (u64::BITS - number.leading_zeros()).div_ceil(15);
    text.push(b'l');
    text.extend(digits.to_le_bytes());
    for digit in 0..digits {
        let digit = (number >> (15 * digit)) & 0x7fff;
        text.extend(u16::try_from(digit).unwrap_or(0).to_le_bytes());
    }
}
