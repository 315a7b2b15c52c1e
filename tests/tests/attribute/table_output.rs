//! What is printed, where and when: options, and environment variables that override them.

use memprof::memprofile;
use memprof_tests::{Program, Table, block, run};

#[memprofile]
fn plain(bytes: usize) -> usize {
    let a = block(bytes);
    a.capacity()
}

/// Runs a program with these environment variables, and returns its tables and its stderr.
fn with(program: &mut Program, variables: &[(&str, &str)]) -> (Vec<Table>, String) {
    for (name, value) in variables {
        program.env(name, value);
    }
    let output = program.output();
    assert!(output.status.success());
    let stdout = Table::all_in(&String::from_utf8_lossy(&output.stdout));
    (stdout, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn mebibytes(cell: &str) -> usize {
    let (number, unit) = cell.split_once(' ').unwrap();
    assert_eq!(unit, "MiB");
    number
        .split_once('.')
        .map_or(0, |(_, decimals)| decimals.len())
}

#[test]
fn by_default_a_table_has_memory_profilers_columns_and_one_decimal() {
    let tables = run(|| {
        plain(100);
    });

    assert_eq!(tables[0].file, "tests/tests/attribute/table_output.rs");
    assert_eq!(tables[0].headings, ["Mem usage", "Increment"]);
    let first = &tables[0].rows[0];
    assert_eq!(first.source, "#[memprofile]");
    assert_eq!(mebibytes(first.cell("Mem usage")), 1);
    assert_eq!(first.cell("Mem usage"), first.cell("Increment"));
    assert_eq!(
        tables[0].rows[1].source,
        "fn plain(bytes: usize) -> usize {"
    );
    assert_eq!(tables[0].rows[1].cell("Mem usage"), "");
    assert_eq!(tables[0].rows.last().unwrap().source, "}");
    assert_eq!(
        tables[0].summary,
        "attribute::table_output::plain: heap net 0 B, allocated 100 B, freed 100 B, peak 100 B"
    );
}

#[test]
fn rows_begin_at_the_first_attribute_and_blank_lines_have_no_numbers() {
    /// Not a row: it is no attribute to a reader.
    #[inline(never)]
    #[memprofile(columns = "hits")]
    /// A row without numbers.
    fn spread(flag: bool) -> usize {
        // A comment.
        let tab = "	after a tab: äöü ✓ 漢字"; // and the comment after it

        if flag {
            return tab.len();
        }
        unreachable!()
    }

    let tables = run(|| {
        spread(true);
    });

    let rows: Vec<(&str, &str)> = tables[0]
        .rows
        .iter()
        .map(|row| (row.cell("Hits"), row.source.trim_start()))
        .collect();
    assert_eq!(
        rows,
        [
            ("", "#[inline(never)]"),
            ("", "#[memprofile(columns = \"hits\")]"),
            ("", "/// A row without numbers."),
            ("", "fn spread(flag: bool) -> usize {"),
            ("", "// A comment."),
            (
                "1",
                "let tab = \"\tafter a tab: äöü ✓ 漢字\"; // and the comment after it"
            ),
            ("", ""),
            ("1", "if flag {"),
            ("1", "return tab.len();"),
            ("", "}"),
            ("", "unreachable!()"),
            ("1", "}"),
        ]
    );
}

#[memprofile(
    precision = 20,
    columns = "mem_usage, increment, hits, allocated, freed, net, peak, count"
)]
fn every_column() -> usize {
    let a = vec![1_u8; 50_000_000];
    let b = a.len();
    drop(a);
    b
}

#[test]
fn every_column_can_be_asked_for_by_name_and_resident_memory_follows_the_heap() {
    let tables = run(|| {
        every_column();
    });

    let table = &tables[0];
    assert_eq!(table.headings.len(), 8);
    let made = table.row("let a");
    assert_eq!(made.number("Allocated"), Some(50_000_000));
    assert_eq!(made.number("Net"), Some(50_000_000));
    assert_eq!(made.number("Count"), Some(1));
    // In whole pages, including those of code that runs for the first time.
    let resident = made.number("Increment").unwrap();
    assert!((50_000_000..51_000_000).contains(&resident), "{resident}");
    let dropped = table.row("drop(a)");
    assert_eq!(dropped.number("Net"), Some(-50_000_000));
    assert_eq!(dropped.number("Increment"), Some(-50_003_968));
}

#[rustfmt::skip]
mod on_one_line {
    use memprof::memprofile;
    #[memprofile(columns = "default, net")] pub(super) fn touched() -> Vec<u8> { vec![1; 64 << 20] }
}

#[test]
fn a_function_on_one_line_has_its_own_numbers_and_the_first_rows_in_one() {
    let tables = run(|| drop(on_one_line::touched()));

    let row = &tables[0].rows[0];
    assert_eq!(row.number("Net"), Some(64 << 20));
    // The row shows the memory on entry plus the increment.
    assert!(row.number("Increment") >= Some(64 << 20), "{row:?}");
    assert_eq!(row.cell("Increment"), row.cell("Mem usage"));
}

#[memprofile(columns = "all", stream = "stderr")]
fn to_stderr() -> usize {
    let a = block(5);
    a.len()
}

#[test]
fn a_table_goes_to_the_stream_it_is_told() {
    let mut program = Program::new(|| {
        to_stderr();
    });
    let (stdout, stderr) = with(&mut program, &[]);

    assert_eq!(stdout, []);
    assert_eq!(Table::all_in(&stderr)[0].total("allocated"), 5);
}

#[test]
fn the_environment_has_the_last_word() {
    let mut program = Program::new(|| {
        plain(100);
        plain(100);
    });
    let variables = [
        ("MEMPROF", "on"),
        ("MEMPROF_PRECISION", "4"),
        ("MEMPROF_COLUMNS", "net, default"),
        ("MEMPROF_STREAM", "stderr"),
        ("MEMPROF_PRINT", "exit"),
    ];
    let (stdout, stderr) = with(&mut program, &variables);

    assert_eq!(stdout, []);
    let tables = Table::all_in(&stderr);
    assert_eq!(tables.len(), 1);
    assert_eq!(tables[0].headings, ["Net", "Mem usage", "Increment"]);
    assert_eq!(mebibytes(tables[0].rows[0].cell("Mem usage")), 4);
    assert!(
        tables[0]
            .summary
            .starts_with("attribute::table_output::plain, 2 calls: ")
    );
}

#[test]
fn profiling_can_be_switched_off() {
    let mut program = Program::new(|| {
        plain(100);
        to_stderr();
    });
    let (stdout, stderr) = with(&mut program, &[("MEMPROF", "off")]);

    assert_eq!(stdout, []);
    assert!(!stderr.contains("Filename"), "{stderr}");
}

#[test]
fn nonsense_in_the_environment_is_said_once_and_ignored() {
    let mut program = Program::new(|| {
        plain(100);
        plain(100);
    });
    let variables = [
        ("MEMPROF", "yes"),
        ("MEMPROF_COLUMNS", "size"),
        ("MEMPROF_PRECISION", "-1"),
        ("MEMPROF_PRINT", "sometimes"),
        ("MEMPROF_STREAM", "/dev/null"),
    ];
    let (stdout, stderr) = with(&mut program, &variables);

    assert_eq!(stdout.len(), 2);
    assert_eq!(stdout[0].headings, ["Mem usage", "Increment"]);
    let said: Vec<&str> = stderr
        .lines()
        .filter(|line| line.starts_with("memprof: "))
        .collect();
    assert_eq!(said.len(), 5, "{stderr}");
    for ((name, value), line) in variables.iter().zip(said) {
        assert!(
            line.starts_with(&format!("memprof: {name} is {value:?}, which is not ")),
            "{line}"
        );
    }
}

/// The attribute and the environment variable accept the same columns.
#[test]
fn all_columns_in_the_attribute_are_all_columns_in_the_environment() {
    #[memprofile(columns = "all")]
    fn all() {
        drop(block(1));
    }
    let mut program = Program::new(|| {
        all();
        plain(100);
    });
    let (tables, _) = with(&mut program, &[("MEMPROF_COLUMNS", "all")]);
    let from_environment = &tables[1].headings;

    let tables = with(program.env("MEMPROF_COLUMNS", "nonsense"), &[]).0;

    assert_eq!(&tables[0].headings, from_environment);
}

#[test]
fn tables_of_threads_at_once_do_not_mix() {
    let tables = run(|| {
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        plain(100);
                    }
                });
            }
        });
    });

    assert_eq!(tables.len(), 16 * 50);
    for table in tables {
        assert_eq!(table.rows.len(), 5);
        assert_eq!(table.total("allocated"), 100);
    }
}
