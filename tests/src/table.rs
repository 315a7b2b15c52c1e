//! Parses the tables that a profiled program prints.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::Path;

/// One table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The text after `Filename:`.
    pub file: String,
    /// The headings between `Line #` and `Line Contents`.
    pub headings: Vec<String>,
    /// The lines of the function.
    pub rows: Vec<Row>,
    /// The summary line below the rows.
    pub summary: String,
    /// The sentences below the summary, without notes.
    pub words: Vec<String>,
    /// The notes below the summary, without the prefix `note: `.
    pub notes: Vec<String>,
}

/// One line of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line's number.
    pub number: u32,
    /// The line's text.
    pub source: String,
    cells: HashMap<String, String>,
}

impl Table {
    /// The first note, if there is one.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.notes.first().map(String::as_str)
    }

    /// Parses the tables in a program's output.
    ///
    /// # Panics
    ///
    /// If the layout of a table is wrong: it has headings, a rule of the same length, columns that
    /// end where their headings end, and a summary.
    #[must_use]
    pub fn all_in(text: &str) -> Vec<Self> {
        text.split("Filename: ").skip(1).map(Self::read).collect()
    }

    fn read(text: &str) -> Self {
        let mut lines = text.lines();
        let mut next = || {
            lines
                .next()
                .unwrap_or_else(|| panic!("a table ends early: {text}"))
        };
        let file = next().to_owned();
        assert_eq!(next(), "", "between the file and the headings of {text}");
        let head = next();
        assert_eq!(
            next(),
            "=".repeat(head.chars().count()),
            "the rule of {text}"
        );

        // Find the end of each column.
        let (numbers, _) = head
            .split_once("   Line Contents")
            .expect("a heading for the text");
        let numbers = numbers
            .strip_prefix("Line #")
            .expect("a heading for the number");
        let mut ends = Vec::new();
        let mut headings: Vec<String> = Vec::new();
        let mut end = "Line #".len();
        let mut rest = numbers;
        while !rest.is_empty() {
            let word = rest.trim_start();
            // Headings may contain a single space; at least two spaces separate them.
            let length = word.find("  ").unwrap_or(word.len());
            headings.push(word[..length].to_owned());
            end += rest.len() - word.len() + length;
            ends.push(end);
            rest = &word[length..];
        }
        let mut rows = Vec::new();
        loop {
            let line = next();
            if line.is_empty() {
                break;
            }
            rows.push(Row::read(line, &headings, &ends));
        }
        let summary = next().to_owned();
        let below: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
        let notes = below.iter().filter_map(|line| line.strip_prefix("note: "));
        let words = below.iter().filter(|line| !line.starts_with("note: "));
        Self {
            file,
            headings,
            rows,
            summary,
            words: words.map(ToString::to_string).collect(),
            notes: notes.map(str::to_owned).collect(),
        }
    }

    /// The path of the function, within its file: without the crate, and without the module that is
    /// the file.
    #[must_use]
    pub fn function(&self) -> &str {
        let (path, _) = self
            .summary
            .split_once(": heap")
            .unwrap_or((&self.summary, ""));
        let (path, _) = path.split_once(',').unwrap_or((path, ""));
        let path = path.split_once("::").map_or(path, |(_, path)| path);
        let module = Path::new(&self.file).file_stem().and_then(OsStr::to_str);
        match path.split_once("::") {
            Some((first, path)) if Some(first) == module => path,
            _ => path,
        }
    }

    /// The row whose text contains `words`.
    ///
    /// # Panics
    ///
    /// If there is none, or more than one.
    #[must_use]
    pub fn row(&self, words: &str) -> &Row {
        let rows: Vec<&Row> = self
            .rows
            .iter()
            .filter(|row| row.source.contains(words))
            .collect();
        assert_eq!(rows.len(), 1, "rows with {words:?} in {self:#?}");
        rows[0]
    }

    /// Asserts that the rows have the numbers in `expected`, and that all other rows didn't touch
    /// the heap. The numbers are hits, bytes allocated, bytes freed, net bytes, peak bytes, and
    /// blocks allocated.
    ///
    /// A row is identified by a part of its text, and the last row by `}`.
    ///
    /// # Panics
    ///
    /// If a number differs, or the table lacks one of these columns.
    #[track_caller]
    pub fn assert_heap(&self, expected: &[(&str, [i64; 6])]) {
        const HEADINGS: [&str; 6] = ["Hits", "Allocated", "Freed", "Net", "Peak", "Count"];
        let numbers = |row: &Row| HEADINGS.map(|heading| row.number(heading).unwrap_or(0));
        let mut named = Vec::new();
        for (words, line) in expected {
            let row = match *words {
                "}" => self.rows.last().expect("a last row"),
                words => self.row(words),
            };
            assert_eq!(numbers(row), *line, "{words} in {self:#?}");
            named.push(row.number);
        }
        for row in self.rows.iter().filter(|row| !named.contains(&row.number)) {
            assert_eq!(numbers(row)[1..], [0; 5], "{row:#?} in {self:#?}");
        }
        for (heading, word) in [
            ("Allocated", "allocated"),
            ("Freed", "freed"),
            ("Net", "net"),
        ] {
            assert_eq!(self.sum(heading), self.total(word), "{word} of {self:#?}");
        }
    }

    /// The sum of a column over all rows. For `Increment`, the first row is left out: it shows
    /// resident memory on entry.
    #[must_use]
    pub fn sum(&self, heading: &str) -> i64 {
        let skipped = usize::from(heading == "Increment");
        let numbers = self
            .rows
            .iter()
            .skip(skipped)
            .filter_map(|row| row.number(heading));
        numbers.sum()
    }

    /// The number of bytes after `word` in the summary, such as that after `allocated`.
    ///
    /// # Panics
    ///
    /// If the summary doesn't have this word, followed by a number of bytes.
    #[must_use]
    pub fn total(&self, word: &str) -> i64 {
        let (_, rest) = self
            .summary
            .split_once(&format!("{word} "))
            .expect("the word");
        let (number, _) = rest.split_once(" B").expect("bytes");
        number.replace(',', "").parse().expect("a number")
    }
}

impl Row {
    fn read(line: &str, headings: &[String], ends: &[usize]) -> Self {
        let chars: Vec<char> = line.chars().collect();
        let part = |from: usize, to: usize| -> String {
            chars
                .iter()
                .take(to)
                .skip(from)
                .collect::<String>()
                .trim()
                .to_owned()
        };
        let mut cells = HashMap::new();
        let mut start = "Line #".len();
        for (heading, end) in headings.iter().zip(ends) {
            cells.insert(heading.clone(), part(start, *end));
            start = *end;
        }
        Self {
            number: part(0, "Line #".len()).parse().expect("a line number"),
            source: chars.iter().skip(start + 3).collect(),
            cells,
        }
    }

    /// The text in the column `heading`; empty if the cell is blank.
    ///
    /// # Panics
    ///
    /// If there is no such column.
    #[must_use]
    pub fn cell(&self, heading: &str) -> &str {
        self.cells
            .get(heading)
            .unwrap_or_else(|| panic!("no column {heading:?} in {self:?}"))
    }

    /// The bytes or the count in the column `heading`; `None` if the cell is blank.
    ///
    /// MiB are converted to bytes, which is exact only with 20 decimals.
    ///
    /// # Panics
    ///
    /// If the cell isn't a number.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole pages, far below 2^53"
    )]
    pub fn number(&self, heading: &str) -> Option<i64> {
        let cell = self.cell(heading).replace(',', "");
        if cell.is_empty() {
            None
        } else if let Some(mebibytes) = cell.strip_suffix(" MiB") {
            let mebibytes: f64 = mebibytes.parse().expect("a number of MiB");
            Some((mebibytes * f64::from(1 << 20)) as i64)
        } else {
            Some(cell.trim_end_matches(" B").parse().expect("a number"))
        }
    }
}
