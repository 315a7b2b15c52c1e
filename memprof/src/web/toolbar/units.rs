//! Formats of numbers in the toolbar.

use std::time::Duration;

/// `1.2 ms`.
pub(super) fn short_time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let (name, unit) = match seconds {
        1.0.. => ("s", 1.0),
        1e-3.. => ("ms", 1e-3),
        _ => ("µs", 1e-6),
    };
    format!("{:.1} {name}", seconds / unit)
}

/// `1.2 MiB`.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
pub(super) fn short_bytes(bytes: i64) -> String {
    let units = [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = units.iter().find(|(_, unit)| bytes.unsigned_abs() >= *unit);
    match unit {
        Some((name, unit)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} B"),
    }
}

/// The number as `i64`, saturating.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
