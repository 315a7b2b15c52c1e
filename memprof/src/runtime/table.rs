//! A profile as a table in the format of Python's memory_profiler.

use crate::count::source::{self, HeapSource};
use crate::model::column::Column;
use crate::model::options::TableSettings;
use crate::model::printable::is_seen;
use crate::model::table::{OwnedBlocks, Table, TableRow};
use crate::model::units::{bytes, grouped, mebibytes, time};
use crate::model::usage::Usage;
use crate::record::function_profile::{FunctionProfile, LineProfile};
use crate::record::owned::OfFunction;
use crate::runtime::summary::words;
use crate::sys::{clock, rss};
use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, Table as Grid, Width, presets,
};
use std::collections::HashMap;
use std::iter;
use std::time::Duration;

/// Column widths as in memory_profiler. A wider number widens its column.
const LINE_NUMBER_WIDTH: u16 = 6;
const NUMBER_WIDTH: u16 = 12;

/// The table of `profile`.
///
/// `owned` is what the lines own of the blocks allocated in the calls of `profile`, and
/// `of_function` what they own over all calls of the function. Each is `None` if it isn't known.
pub(crate) fn table(
    settings: &TableSettings,
    profile: &FunctionProfile,
    owned: Option<&[OwnedBlocks]>,
    of_function: Option<&OfFunction>,
) -> Table {
    if profile.heap_source == HeapSource::None {
        source::say_not_counted();
    }
    table_with(settings, profile, owned, of_function, rss::is_exact())
}

fn table_with(
    settings: &TableSettings,
    profile: &FunctionProfile,
    owned: Option<&[OwnedBlocks]>,
    of_function: Option<&OfFunction>,
    resident_is_exact: Option<bool>,
) -> Table {
    let site = profile.site;
    let words = of_function.map(|of_function| words(settings, site, of_function));
    let notes = profile.notes().map(|note| format!("note: {note}"));
    let below = iter::once(summary(profile, resident_is_exact)).chain(words.into_iter().flatten());
    let sentences: Vec<String> = below.chain(notes).collect();
    let elapsed = |ticks| Duration::from_nanos(clock::nanoseconds(ticks));
    Table {
        function: site.path(),
        file: site.file(),
        line: site.lines().first().copied().unwrap_or(0),
        call_count: profile.call_count,
        cut_short_count: profile.cut_short_count,
        last_cut_short: profile.last_cut_short,
        heap: (profile.heap_source != HeapSource::None).then_some(profile.heap),
        heap_is_of_process: !matches!(profile.heap_source, HeapSource::Thread | HeapSource::None),
        resident_bytes_at_entry: profile.resident_bytes_at_entry,
        inclusive_elapsed: elapsed(profile.inclusive_ticks),
        own_elapsed: elapsed(profile.own_ticks),
        rows: rows(profile, owned),
        text: format!(
            "{}\n{}",
            head(settings, profile, owned),
            sentences.join("\n")
        ),
        sentences,
    }
}

/// The rows as numbers.
fn rows(profile: &FunctionProfile, owned: Option<&[OwnedBlocks]>) -> Vec<TableRow> {
    let lines = lines(profile);
    let source_lines = profile.site.source_lines();
    let row = |(number, source)| {
        let line = lines.get(&number).copied();
        let has_run = |line: &&LineProfile| {
            line.hits > 0 || line.heap != Usage::default() || line.resident_increment_bytes != 0
        };
        TableRow {
            number,
            source,
            hits: line.map_or(0, |(_, line)| line.hits),
            while_running: line
                .map(|(_, line)| line)
                .filter(has_run)
                .map(LineProfile::execution),
            owned: line.and_then(|(place, _)| owned?.get(place).copied()),
        }
    };
    source_lines.map(row).collect()
}

/// The lines that can be measured by their numbers, each with its place among them.
fn lines(profile: &FunctionProfile) -> HashMap<u32, (usize, &LineProfile)> {
    let places = (0..).zip(&profile.lines);
    profile.site.lines().iter().copied().zip(places).collect()
}

/// The text of a table above the sentences.
fn head(
    settings: &TableSettings,
    profile: &FunctionProfile,
    owned: Option<&[OwnedBlocks]>,
) -> String {
    let numbers = numbers(settings, profile, owned);
    let mut rows = numbers.lines();
    let headings = format!("{}   Line Contents", rows.next().unwrap_or_default());
    let rule = "=".repeat(headings.chars().count());

    let mut head = format!("Filename: {}\n\n{headings}\n{rule}\n", profile.site.file());
    for (row, (_, source)) in rows.zip(profile.site.source_lines()) {
        let source: String = source.chars().map(shown).collect();
        head += format!("{row}   {source}").trim_end();
        head += "\n";
    }
    head
}

/// A character of the source as it is printed. Invisible ones, which could make a line read
/// differently in a terminal, are replaced.
fn shown(char: char) -> char {
    if char == '\t' || is_seen(char) {
        char
    } else {
        char::REPLACEMENT_CHARACTER
    }
}

/// The table without the source text; its first row has the headings.
fn numbers(
    settings: &TableSettings,
    profile: &FunctionProfile,
    owned: Option<&[OwnedBlocks]>,
) -> Grid {
    let mut table = Grid::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);

    let headings = settings.columns.iter().map(|column| column.heading());
    table.add_row(["Line #"].into_iter().chain(headings));

    let lines = lines(profile);
    for (index, (number, _)) in profile.site.source_lines().enumerate() {
        let line = lines.get(&number);
        let its = line.map_or(Blocks::None, |(place, line)| owned_by(*place, line, owned));
        let line = line.map(|(_, line)| *line);
        let cells = settings.columns.iter().map(|column| match line {
            Some(_) if column.is_owned() => owned_cell(*column, its),
            Some(line) if index == 0 => baseline_cell(*column, settings, profile, line),
            Some(line) if line.hits > 0 => cell(*column, settings, profile, line),
            _ => String::new(),
        });
        table.add_row(iter::once(number.to_string()).chain(cells));
    }

    for (index, column) in table.column_iter_mut().enumerate() {
        let (gap, width) = if index == 0 {
            (0, LINE_NUMBER_WIDTH)
        } else {
            (1, NUMBER_WIDTH)
        };
        column.set_padding((gap, 0));
        column.set_cell_alignment(CellAlignment::Right);
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(gap + width)));
    }
    table
}

/// The blocks that a line owns.
#[derive(Clone, Copy)]
enum Blocks {
    /// The line hasn't run and owns none.
    None,
    /// The line has run, and its blocks aren't known.
    Unknown,
    Known(OwnedBlocks),
}

/// The blocks of the line at a place. A line of a closure can own blocks without having run in the
/// call, if the closure ran on another thread.
fn owned_by(place: usize, line: &LineProfile, owned: Option<&[OwnedBlocks]>) -> Blocks {
    let has_run = line.hits > 0 || line.heap != Usage::default();
    match owned.and_then(|owned| owned.get(place)) {
        Some(owned) if has_run || *owned != OwnedBlocks::default() => Blocks::Known(*owned),
        None if has_run => Blocks::Unknown,
        _ => Blocks::None,
    }
}

/// A cell of a column about the blocks that a line owns.
fn owned_cell(column: Column, blocks: Blocks) -> String {
    match blocks {
        Blocks::None => String::new(),
        Blocks::Unknown => "n/a".to_owned(),
        Blocks::Known(owned) => match column {
            Column::Live => bytes(owned.live_bytes.into()),
            Column::LiveCount => grouped(owned.live_count.into()),
            Column::AtPeak => bytes(owned.bytes_at_peak.into()),
            _ => grouped(owned.temporary_count.into()),
        },
    }
}

/// A cell of the first row: resident memory when the first line of the function began.
///
/// If a statement of the function is on this row, its own resident memory is shown instead. Heap
/// numbers are those of such a statement, and of what was done on no line of the function, for
/// example by code that another attribute has inserted.
fn baseline_cell(
    column: Column,
    settings: &TableSettings,
    profile: &FunctionProfile,
    line: &LineProfile,
) -> String {
    match (column, profile.resident_bytes_at_entry) {
        (Column::MemUsage | Column::Increment, Some(entry)) => {
            let own = line.resident_bytes().filter(|_| line.hits > 0);
            mebibytes(own.unwrap_or(entry).into(), settings.precision)
        }
        (Column::Hits, _) if line.hits == 0 => String::new(),
        _ if line.hits > 0 || line.heap != Usage::default() => {
            cell(column, settings, profile, line)
        }
        _ => String::new(),
    }
}

fn cell(
    column: Column,
    settings: &TableSettings,
    profile: &FunctionProfile,
    line: &LineProfile,
) -> String {
    let is_unknown = match profile.heap_source {
        HeapSource::Thread => false,
        #[cfg(feature = "stats_alloc")]
        HeapSource::Process => column == Column::Peak,
        HeapSource::None => column.is_heap(),
    } || column.is_resident() && profile.resident_bytes_at_entry.is_none();
    if is_unknown {
        return "n/a".to_owned();
    }
    let resident = |bytes: Option<i128>| {
        bytes.map_or_else(String::new, |bytes| mebibytes(bytes, settings.precision))
    };
    match column {
        Column::MemUsage => resident(line.resident_bytes().map(Into::into)),
        Column::Increment => resident(line.resident_increment_bytes().map(Into::into)),
        Column::Hits => grouped(line.hits.into()),
        Column::Allocated => bytes(line.heap.allocated_bytes.into()),
        Column::Freed => bytes(line.heap.freed_bytes.into()),
        Column::Net => bytes(line.heap.net_bytes().into()),
        Column::Peak => bytes(line.heap.peak_bytes.into()),
        Column::Count => grouped(line.heap.allocation_count.into()),
        Column::Time => time(clock::nanoseconds(line.elapsed_ticks)),
        // Handled by `owned_cell`.
        Column::Live | Column::LiveCount | Column::AtPeak | Column::Temporary => String::new(),
    }
}

/// The line below the table: the function, what its calls did to the heap, and how they ended.
fn summary(profile: &FunctionProfile, resident_is_exact: Option<bool>) -> String {
    let path = profile.site.path();
    let calls = match profile.call_count {
        1 => String::new(),
        count => format!(", {} calls", grouped(count.into())),
    };
    let net = bytes(profile.heap.net_bytes().into());
    let allocated = bytes(profile.heap.allocated_bytes.into());
    let freed = bytes(profile.heap.freed_bytes.into());
    let peak = bytes(profile.heap.peak_bytes.into());
    let heap = match profile.heap_source {
        HeapSource::Thread => {
            format!("heap net {net}, allocated {allocated}, freed {freed}, peak {peak}")
        }
        #[cfg(feature = "stats_alloc")]
        HeapSource::Process => {
            format!("heap of the whole process net {net}, allocated {allocated}, freed {freed}")
        }
        HeapSource::None => "heap n/a".to_owned(),
    };
    let cut_short = match profile.last_cut_short {
        None => String::new(),
        Some((how, line)) if profile.call_count == 1 => {
            format!("; cut short in line {line} {how}")
        }
        Some((how, line)) => {
            let count = grouped(profile.cut_short_count.into());
            format!("; {count} cut short, the last in line {line} {how}")
        }
    };
    let time = times(profile);
    let readings = readings(profile, resident_is_exact);
    format!("{path}{calls}: {heap}{time}{readings}{cut_short}")
}

/// How long the calls took. Empty if time wasn't measured.
fn times(profile: &FunctionProfile) -> String {
    if profile.inclusive_ticks == 0 {
        return String::new();
    }
    let inclusive = clock::nanoseconds(profile.inclusive_ticks);
    let own = time(clock::nanoseconds(profile.own_ticks));
    let per_call = match profile.call_count {
        0 | 1 => String::new(),
        count => format!(", {} a call", time(inclusive / count)),
    };
    format!("; time {}, own {own}{per_call}", time(inclusive))
}

/// How often resident memory was read, if not at each line, and whether the kernel rounds it.
fn readings(profile: &FunctionProfile, resident_is_exact: Option<bool>) -> String {
    let sum = |number: fn(&LineProfile) -> u64| profile.lines.iter().map(number).sum::<u64>();
    let (hits, readings) = (sum(|line| line.hits), sum(|line| line.resident_read_count));
    let rounded = match resident_is_exact {
        Some(false) if readings > 0 => "; resident memory rounded by this kernel",
        _ => "",
    };
    let is_shown = profile.resident_bytes_at_entry.is_some();
    if !is_shown || readings >= hits {
        return rounded.to_owned();
    }
    let [hits, readings] = [hits, readings].map(|count| grouped(count.into()));
    format!("; resident memory read at {readings} of {hits} lines executed{rounded}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::options::{Print, Rss};
    use crate::model::site::Site;
    use crate::model::usage::Usage;
    use crate::record::function_profile::CutShort;

    static SITE: Site = Site::new(
        || "memprof::f",
        "src/lib.rs",
        8,
        "#[memprofile]\n/// Does this.\nfn f() {\n    let a = make();\n\n}",
        &[8, 11, 13],
    );

    const MIB: i64 = 1 << 20;
    const ENTRY: u64 = (127 << 20) + 36_864;

    fn settings(precision: u8, columns: &'static [Column]) -> TableSettings {
        TableSettings {
            precision,
            columns,
            stream: None,
            print: Print::Call,
            rss: Rss::Exact,
            hits: false,
        }
    }

    fn profile(increment: i64, heap: Usage) -> FunctionProfile {
        let mut profile = FunctionProfile::new(&SITE, HeapSource::Thread);
        profile.call_count = 1;
        profile.resident_bytes_at_entry = Some(ENTRY);
        profile.heap = heap;
        let line = &mut profile.lines[1];
        line.hits = 1;
        line.resident_bytes = ENTRY.saturating_add_signed(increment);
        line.resident_increment_bytes = increment;
        line.resident_read_count = 1;
        line.heap = heap;
        profile
    }

    fn heap(allocated_bytes: u64, freed_bytes: u64) -> Usage {
        Usage {
            allocated_bytes,
            freed_bytes,
            peak_bytes: allocated_bytes,
            ..Usage::default()
        }
    }

    /// As of an allocator that doesn't know which line allocated a block.
    fn table(settings: &TableSettings, profile: &FunctionProfile) -> String {
        table_with(settings, profile, None, None, Some(true)).to_string()
    }

    fn rows(table: &str) -> &str {
        table
            .split_once("\n\n")
            .unwrap()
            .1
            .split_once("\n\nmemprof::")
            .unwrap()
            .0
    }

    #[test]
    fn a_table_looks_as_memory_profilers() {
        let table = table(
            &settings(4, Column::DEFAULT),
            &profile(-50_003_968, heap(5, 8)),
        );

        assert_eq!(
            table,
            "\
Filename: src/lib.rs

Line #    Mem usage    Increment   Line Contents
================================================
     8 127.0352 MiB 127.0352 MiB   #[memprofile]
     9                             /// Does this.
    10                             fn f() {
    11  79.3477 MiB -47.6875 MiB       let a = make();
    12
    13                             }

memprof::f: heap net -3 B, allocated 5 B, freed 8 B, peak 5 B"
        );
    }

    #[test]
    fn a_number_that_is_too_wide_widens_its_whole_column() {
        let table = table(
            &settings(7, Column::DEFAULT),
            &profile(2_000_000 * MIB, heap(0, 0)),
        );

        assert_eq!(
            rows(&table),
            "\
Line #           Mem usage           Increment   Line Contents
==============================================================
     8     127.0351562 MiB     127.0351562 MiB   #[memprofile]
     9                                           /// Does this.
    10                                           fn f() {
    11 2000127.0351562 MiB 2000000.0000000 MiB       let a = make();
    12
    13                                           }"
        );
    }

    #[test]
    fn every_column_stands_under_its_heading() {
        let columns = Column::parse_list("all").unwrap().leak();
        let mut owned = [OwnedBlocks::default(); 3];
        owned[1] = OwnedBlocks {
            live_bytes: 500_001,
            live_count: 12,
            bytes_at_peak: 1_000_000,
            allocation_count: 13,
            temporary_count: 1,
        };
        let profile = profile(MIB, heap(1_000_000, 999_999));
        let table = table_with(
            &settings(0, columns),
            &profile,
            Some(&owned),
            None,
            Some(true),
        )
        .to_string();

        assert_eq!(
            rows(&table),
            "\
Line #    Mem usage    Increment         Hits    Allocated        Freed          Net         Peak        Count         Time         Live   Live count      At peak    Temporary   Line Contents
===============================================================================================================================================================================================
     8      127 MiB      127 MiB                                                                                                                                                  #[memprofile]
     9                                                                                                                                                                            /// Does this.
    10                                                                                                                                                                            fn f() {
    11      128 MiB        1 MiB            1  1,000,000 B    999,999 B          1 B  1,000,000 B            0         0 ns    500,001 B           12  1,000,000 B            1       let a = make();
    12
    13                                                                                                                                                                            }"
        );
    }

    #[test]
    fn a_line_that_owns_something_has_it_shown_though_it_ran_elsewhere() {
        let mut owned = [OwnedBlocks::default(); 3];
        owned[2].live_bytes = 7;
        let columns = &[Column::Hits, Column::Live, Column::Temporary];
        let profile = profile(0, heap(0, 0));
        let table = table_with(
            &settings(1, columns),
            &profile,
            Some(&owned),
            None,
            Some(true),
        )
        .to_string();

        assert_eq!(
            rows(&table),
            "\
Line #         Hits         Live    Temporary   Line Contents
=============================================================
     8                                          #[memprofile]
     9                                          /// Does this.
    10                                          fn f() {
    11            1          0 B            0       let a = make();
    12
    13                       7 B            0   }"
        );
    }

    #[test]
    fn the_words_stand_right_below_the_line_about_the_calls() {
        let mut lines = [OwnedBlocks::default(); 3];
        lines[1].live_bytes = 70_000;
        lines[1].live_count = 2;
        let of_function = OfFunction {
            call_count: 1,
            lines: lines.into(),
        };
        let (settings, profile) = (settings(1, Column::DEFAULT), profile(0, heap(0, 0)));
        let table =
            table_with(&settings, &profile, None, Some(&of_function), Some(true)).to_string();

        let end = "peak 0 B\nStill alive: 70,000 B in 2 blocks, all made in line 11";
        assert!(table.ends_with(end), "{table}");
    }

    #[test]
    fn what_is_not_known_is_not_zero() {
        let mut profile = profile(0, heap(0, 0));
        profile.heap_source = HeapSource::None;
        profile.resident_bytes_at_entry = None;
        let columns = &[Column::MemUsage, Column::Hits, Column::Net, Column::Live];
        let table = table(&settings(1, columns), &profile);

        assert!(
            table.contains(
                "\n    11          n/a            1          n/a          n/a       let a"
            ),
            "{table}"
        );
        assert!(table.ends_with(": heap n/a"), "{table}");
    }

    #[test]
    fn the_line_below_says_how_a_call_was_cut_short() {
        let mut profile = profile(0, heap(0, 0));
        profile.cut_short_count = 1;
        profile.last_cut_short = Some((CutShort::Panic, 11));
        assert!(
            summary(&profile, Some(true)).ends_with("peak 0 B; cut short in line 11 by a panic")
        );

        profile.call_count = 1200;
        let summary = summary(&profile, Some(true));
        assert!(summary.contains(", 1,200 calls: "), "{summary}");
        assert!(
            summary.ends_with("; 1 cut short, the last in line 11 by a panic"),
            "{summary}"
        );
    }

    #[test]
    fn what_the_rows_cannot_show_is_said_below_them() {
        static NOTED: Site = Site::new(|| "memprof::f", "src/lib.rs", 8, "fn f() { .. }", &[8])
            .noted("Its body can't be read.");
        let mut profile = FunctionProfile::new(&NOTED, HeapSource::Thread);
        profile.call_count = 1;

        let table = table(&settings(1, &[Column::Hits]), &profile);

        let end = "peak 0 B\nnote: Its body can't be read.";
        assert!(table.ends_with(end), "{table}");
    }

    #[test]
    fn times_have_the_unit_that_suits_them() {
        for (nanoseconds, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1000, "1.000 us"),
            (1_234_567, "1.235 ms"),
            (90_000_000_000, "90.000 s"),
        ] {
            assert_eq!(time(nanoseconds), text);
        }
    }

    #[test]
    fn the_line_below_says_how_often_resident_memory_was_read() {
        let mut profile = profile(0, heap(0, 0));
        profile.lines[1].hits = 3000;
        profile.lines[1].resident_read_count = 40;
        let said = "; resident memory read at 40 of 3,000 lines executed";
        assert!(summary(&profile, Some(true)).ends_with(said));

        profile.lines[1].resident_read_count = 3000;
        assert!(!summary(&profile, Some(true)).contains("resident"));
        assert!(!summary(&profile, None).contains("resident"));
        let said = "; resident memory rounded by this kernel";
        assert!(summary(&profile, Some(false)).ends_with(said));
    }

    #[test]
    fn resident_memory_that_was_not_read_is_the_last_that_was_or_blank() {
        let mut profile = profile(0, heap(100, 0));
        profile.lines[1].resident_read_count = 0;
        let columns = &[Column::MemUsage, Column::Increment, Column::Allocated];
        let row = |profile: &FunctionProfile| {
            let table = table(&settings(1, columns), profile);
            let row = table.lines().find(|row| row.starts_with("    11"));
            row.unwrap().to_owned()
        };
        let with_last = "    11    127.0 MiB                     100 B       let a = make();";
        assert_eq!(row(&profile), with_last);

        profile.lines[1].resident_bytes = 0;
        let blank = "    11                                  100 B       let a = make();";
        assert_eq!(row(&profile), blank);
        let said = "; resident memory read at 0 of 1 lines executed";
        assert!(summary(&profile, Some(true)).ends_with(said));
    }

    #[test]
    fn less_than_nothing_is_nothing_when_it_rounds_to_it() {
        assert_eq!(mebibytes(-4096, 1), "0.0 MiB");
        assert_eq!(mebibytes(-4096, 4), "-0.0039 MiB");
        assert_eq!(mebibytes(1, 20), "0.00000095367431640625 MiB");
        assert_eq!(mebibytes(0, 0), "0 MiB");
    }

    #[test]
    fn digits_stand_in_groups_of_three() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (-1_234_567, "-1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
