//! Columns of numbers or texts of the same kind, each compressed by itself: the script unpacks a
//! million numbers at once, and only the columns that it shows.

use base64::prelude::BASE64_STANDARD;
use base64::write::EncoderWriter;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Write};

/// Columns in a page, each an element with an `id`.
#[derive(Debug)]
pub(super) struct Columns<W> {
    out: W,
}

impl<W: Write> Columns<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out }
    }

    /// Writes integers of variable length: seven bits per byte, the lowest first, with the eighth
    /// bit set in all but the last byte. The lowest bit of all is the sign (zigzag), so that small
    /// negative numbers are short, too.
    pub(super) fn numbers(
        &mut self,
        name: &str,
        numbers: impl Iterator<Item = i64>,
    ) -> io::Result<()> {
        self.column(name, |out| {
            let mut bytes = Vec::with_capacity(1 << 13);
            for number in numbers {
                let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
                while rest >= 0x80 {
                    let [lowest, ..] = rest.to_le_bytes();
                    bytes.push(lowest | 0x80);
                    rest >>= 7;
                }
                let [last, ..] = rest.to_le_bytes();
                bytes.push(last);
                if bytes.len() > (1 << 13) - 10 {
                    out.write_all(&bytes)?;
                    bytes.clear();
                }
            }
            out.write_all(&bytes)
        })
    }

    /// Writes indices into other columns, or counts.
    pub(super) fn places(
        &mut self,
        name: &str,
        places: impl Iterator<Item = usize>,
    ) -> io::Result<()> {
        self.numbers(name, places.map(|place| i64::try_from(place).unwrap_or(0)))
    }

    /// Writes texts as a JSON array.
    pub(super) fn texts<'a>(
        &mut self,
        name: &str,
        texts: impl Iterator<Item = &'a str>,
    ) -> io::Result<()> {
        self.column(name, |out| {
            out.write_all(b"[")?;
            for (place, text) in texts.enumerate() {
                if place > 0 {
                    out.write_all(b",")?;
                }
                serde_json::to_writer(&mut *out, text)?;
            }
            out.write_all(b"]")
        })
    }

    fn column(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        write!(self.out, "<script type=\"text/plain\" id=\"{name}\">")?;
        let encoder = EncoderWriter::new(&mut self.out, &BASE64_STANDARD);
        let mut encoder = GzEncoder::new(encoder, Compression::default());
        write(&mut encoder)?;
        encoder.finish()?.finish()?;
        writeln!(self.out, "</script>")
    }
}
