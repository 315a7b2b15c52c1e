//! Amounts of memory and time, as environment variables have them.

use std::time::Duration;

/// Parses a number of bytes: `100MiB`, `1.5 GiB`, `4096`. `None` below 1 and above 10^18 bytes.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let unit: u32 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    let bytes = number * f64::from(unit);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is in the range"
    )]
    (1.0..=1e18).contains(&bytes).then_some(bytes as u64)
}

/// Parses a time: `2s`, `500ms`, `1.5 min`. `None` for negative times and above 10^9 seconds.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "s" => number,
        "min" => number * 60.0,
        "h" => number * 3600.0,
        _ => return None,
    };
    let is_sensible = (0.0..=1e9).contains(&seconds);
    is_sensible.then(|| Duration::from_secs_f64(seconds))
}

fn number_and_unit(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let digits = text.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let unit = text.get(digits.len()..)?;
    Some((digits.trim().parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_number_of_bytes_has_a_unit() {
        use super::bytes;

        assert_eq!(bytes("100MiB"), Some(100 << 20));
        assert_eq!(bytes(" 1.5 GiB "), Some(3 << 29));
        assert_eq!(bytes("4096"), Some(4096));
        for other in [
            "",
            "MiB",
            "100MB",
            "-1",
            "0",
            "1e300",
            "NaN",
            "100 MiB more",
        ] {
            assert_eq!(bytes(other), None, "{other}");
        }
    }

    #[test]
    fn a_time_has_a_unit() {
        use super::duration;
        use std::time::Duration;

        assert_eq!(duration("2s"), Some(Duration::from_secs(2)));
        assert_eq!(duration(" 500 ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("1.5min"), Some(Duration::from_secs(90)));
        for other in ["", "2", "s", "-1s", "NaNs", "1e300h", "2 s more", "2S"] {
            assert_eq!(duration(other), None, "{other}");
        }
    }
}
