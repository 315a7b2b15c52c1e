//! Text from untrusted files and programs, made safe for a terminal or a line of a report.

/// Replaces each character that a terminal interprets or that a reader can't see.
///
/// These are control characters; characters that change the direction of the text that follows, so
/// that a line reads as another one; and characters without a width, which make different names
/// look alike.
#[cfg_attr(
    not(feature = "export"),
    expect(unreachable_pub, reason = "for the command")
)]
pub fn printable(text: &str, replacement: char) -> String {
    let shown = text.chars();
    let shown = shown.map(|char| if is_seen(char) { char } else { replacement });
    shown.collect()
}

/// Whether a character is visible, and shown where it is in the text.
pub fn is_seen(char: char) -> bool {
    let is_unseen = char.is_control()
        // Unicode's format characters (category Cf), and the others that it ignores by default,
        // except for variation selectors, which only choose the form of the character before.
        || matches!(
            char,
            '\u{ad}'
                | '\u{34f}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{890}'..='\u{891}'
                | '\u{8e2}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{110bd}'
                | '\u{110cd}'
                | '\u{13430}'..='\u{1343f}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e00ff}'
                | '\u{e01f0}'..='\u{e0fff}'
        );
    !is_unseen
}

#[cfg(all(test, feature = "export"))]
mod tests {
    use super::printable;

    #[test]
    fn what_is_seen_stays() {
        for text in ["let π = \"é 中 ñ\";", "é", "😀", "❤\u{fe0f}", "שלום"] {
            assert_eq!(printable(text, '?'), text);
        }
    }

    #[test]
    fn what_a_terminal_obeys_and_what_has_no_width_is_replaced() {
        let text = "a\u{1b}[2Jb\u{202e}c\u{200b}d\u{2066}e\u{feff}f\u{e0041}g\u{9b}h\ti";
        assert_eq!(printable(text, '?'), "a?[2Jb?c?d?e?f?g?h?i");
    }
}
