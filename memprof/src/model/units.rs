//! How numbers are written.

/// `1.234 ms`.
#[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
pub fn time(nanoseconds: u64) -> String {
    let units = [("s", 1e9), ("ms", 1e6), ("us", 1e3)];
    let nanoseconds_f64 = nanoseconds as f64;
    match units.iter().find(|(_, unit)| nanoseconds_f64 >= *unit) {
        Some((name, unit)) => format!("{:.3} {name}", nanoseconds_f64 / unit),
        None => format!("{nanoseconds} ns"),
    }
}

/// `bytes` in MiB of 2^20 bytes: `-47.6875 MiB` with 4 decimals.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 bytes")]
pub fn mebibytes(bytes: i128, decimals: u8) -> String {
    let text = format!(
        "{:.*}",
        usize::from(decimals),
        bytes as f64 / f64::from(1 << 20)
    );
    // A small negative number is not shown as `-0`.
    let is_zero = !text.contains(|digit: char| matches!(digit, '1'..='9'));
    let text = text.strip_prefix('-').filter(|_| is_zero).unwrap_or(&text);
    format!("{text} MiB")
}

/// `8,000,000 B`.
pub fn bytes(number: i128) -> String {
    format!("{} B", grouped(number))
}

/// `8,000 blocks`.
pub fn blocks(number: i128) -> String {
    let noun = if number == 1 { "block" } else { "blocks" };
    format!("{} {noun}", grouped(number))
}

/// `8,000,000`.
pub fn grouped(number: i128) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// A sentence on when a report was written that was written while the program went on.
#[cfg(feature = "export")]
pub fn interim(which: &str, after: std::time::Duration) -> String {
    format!(
        "{which} was written {:.1} s after the first call of a profiled function, and the program \
         went on.",
        after.as_secs_f64()
    )
}
