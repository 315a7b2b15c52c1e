//! Puts a text at the end of an HTML page.

use bytes::Buf;

/// A page's last piece with a text in it: before `</body>`, or after the whole page.
pub(super) fn with_text(mut data: impl Buf, text: &[u8]) -> Vec<u8> {
    let mut page = Vec::with_capacity(data.remaining() + text.len());
    while data.has_remaining() {
        let chunk = data.chunk();
        page.extend_from_slice(chunk);
        let length = chunk.len();
        data.advance(length);
    }
    let place = end_of_body(&page).unwrap_or(page.len());
    page.splice(place..place, text.iter().copied());
    page
}

/// Where `</body>` begins, if only white space, comments and `</html>` follow it.
///
/// Any other `</body>` may be text: of a string in a script, which a `</script>` in the added text
/// would end, or of a comment, where the added text would have no effect.
fn end_of_body(page: &[u8]) -> Option<usize> {
    let mut rest = page;
    let mut html_may_end = true;
    loop {
        rest = rest.trim_ascii_end();
        if let Some(comment) = rest.strip_suffix(b"-->") {
            let begin = comment.windows(4).rposition(|word| word == b"<!--")?;
            rest = rest.get(..begin)?;
        } else if let Some(before) = without_end_tag(rest, b"</body") {
            return Some(before.len()).filter(|_| !ends_in_comment(before));
        } else {
            rest = without_end_tag(rest, b"</html").filter(|_| html_may_end)?;
            html_may_end = false;
        }
    }
}

fn ends_in_comment(page: &[u8]) -> bool {
    let begin = page.windows(4).rposition(|word| word == b"<!--");
    begin.is_some_and(|begin| !page[begin..].windows(3).any(|word| word == b"-->"))
}

/// `page` without the end tag `tag`, if it ends with that.
fn without_end_tag<'a>(page: &'a [u8], tag: &[u8]) -> Option<&'a [u8]> {
    let page = page.strip_suffix(b">")?.trim_ascii_end();
    let (before, end) = page.split_at_checked(page.len().checked_sub(tag.len())?)?;
    end.eq_ignore_ascii_case(tag).then_some(before)
}

#[cfg(test)]
mod tests {
    use super::with_text;

    fn with(page: &str) -> String {
        String::from_utf8(with_text(page.as_bytes(), b"BAR")).unwrap()
    }

    #[test]
    fn the_bar_is_before_the_end_of_the_body_or_after_the_page() {
        for (page, expected) in [
            ("<p></body>", "<p>BAR</body>"),
            ("<p></BODY></html>\n", "<p>BAR</BODY></html>\n"),
            ("<p></body\n></html >", "<p>BAR</body\n></html >"),
            (
                "<p></body> <!-- a --> </html><!-- </body> -->\n",
                "<p>BAR</body> <!-- a --> </html><!-- </body> -->\n",
            ),
            ("<p>", "<p>BAR"),
            ("", "BAR"),
            ("</html>", "</html>BAR"),
            ("</html></html></body>", "</html></html>BAR</body>"),
        ] {
            assert_eq!(with(page), expected);
        }
    }

    #[test]
    fn an_end_of_the_body_that_may_be_text_is_none() {
        for page in [
            // A page may leave its own end tags out.
            r#"<p><script>let d = "</body><img src=x onerror=a()>";</script>"#,
            r#"<script>let d = "</body>";</script></html>"#,
            "<p><!-- </body> -->",
            "<p><!-- </body> <!-- -->",
            "<p></body></html></html>",
            "<p></body>x",
            "<p></body></script>",
            "<p></body -->",
            "<p></bodyx>",
        ] {
            assert_eq!(with(page), format!("{page}BAR"));
        }
    }
}
