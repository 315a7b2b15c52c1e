//! Where tables go besides stdout and stderr: to a function of the program, to `tracing`, to `log`.

use memprof::report::{CutShort, Table};
use memprof::{memprofile, set_sink};
use memprof_tests::{Program, Table as Printed, block};
use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::mem;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// The first line of `small`.
const FIRST: u32 = line!() + 2;

#[memprofile(columns = "hits, allocated, freed, live")]
fn small(count: usize) -> usize {
    let held = block(1000);
    for _ in 0..count {
        drop(block(10));
    }
    held.capacity()
}

/// A function around a call whose table is received: what the receiver does is no part of it.
#[memprofile(columns = "hits, allocated, freed", stream = "stdout")]
fn around(call: fn()) {
    let held = block(7);
    call();
    drop(held);
}

#[memprofile(columns = "hits, allocated", print = "exit")]
fn at_exit() {
    drop(block(5));
}

/// Runs a program, which has to succeed, and returns its stdout and the lines that memprof wrote to
/// its stderr.
fn run(program: &mut Program) -> (String, Vec<String>) {
    let output = program.output();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{stdout}\n{stderr}");
    let lines = stderr
        .lines()
        .filter_map(|line| line.strip_prefix("memprof: "));
    (stdout, lines.map(str::to_owned).collect())
}

fn print(table: &Table) {
    println!("{table}\n");
}

/// The only row with these words.
fn row<'a>(table: &'a Table, words: &str) -> &'a memprof::report::TableRow {
    let mut rows = table.rows.iter().filter(|row| row.source.contains(words));
    rows.next().unwrap()
}

#[test]
fn a_sink_gets_the_numbers_of_each_line() {
    fn check(table: &Table) {
        assert_eq!(table.function, "attribute::sinks::small");
        assert_eq!(table.file, "tests/tests/attribute/sinks.rs");
        assert_eq!((table.line, table.call_count), (FIRST, 1));
        assert_eq!((table.cut_short_count, table.last_cut_short), (0, None));
        let heap = table.heap.unwrap();
        let bytes = [heap.allocated_bytes, heap.freed_bytes, heap.peak_bytes];
        assert_eq!(bytes, [1030, 1030, 1010]);
        assert!(!table.heap_is_of_process);
        assert_eq!(
            table.resident_increment_bytes(),
            None,
            "no column shows resident memory"
        );

        assert_eq!(table.rows.len(), 8);
        let dropped = row(table, "drop(block");
        assert_eq!((dropped.number, dropped.hits), (FIRST + 4, 3));
        let running = dropped.while_running.unwrap();
        assert_eq!(
            (running.heap.allocated_bytes, running.heap.freed_bytes),
            (30, 30)
        );
        let owned = dropped.owned.unwrap();
        assert_eq!((owned.live_bytes, owned.allocation_count), (0, 3));
        let last = &table.rows[7];
        assert_eq!(last.source, "}");
        assert_eq!(last.while_running.unwrap().heap.freed_bytes, 1000);
        let without_statement = row(table, "fn small");
        assert_eq!(without_statement.hits, 0);
        assert_eq!(without_statement.while_running, None);
        assert_eq!(without_statement.owned, None);

        assert_eq!(
            table.sentences,
            [
                "attribute::sinks::small: heap net 0 B, allocated 1,030 B, freed 1,030 B, peak 1,010 B"
            ]
        );
        println!("checked");
    }
    let (stdout, said) = run(&mut Program::new(|| {
        set_sink(check);
        small(3);
    }));

    assert!(stdout.contains("checked"), "{stdout}");
    assert!(!stdout.contains("Filename"), "{stdout}");
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn a_table_reads_the_same_wherever_it_goes() {
    let mut program = Program::new(|| {
        set_sink(print);
        small(3);
        small(2);
    });
    let (from_sink, _) = run(&mut program);
    let (printed, _) = run(program.env("MEMPROF_STREAM", "stdout"));

    assert_eq!(Printed::all_in(&printed).len(), 2);
    assert_eq!(from_sink, printed);
}

#[test]
fn the_environment_precedes_the_attribute_and_the_attribute_precedes_the_sink() {
    #[memprofile(columns = "hits", stream = "stderr")]
    fn to_stderr() {
        drop(block(1));
    }
    let mut program = Program::new(|| {
        set_sink(|table| println!("sink: {}", table.function));
        small(1);
        to_stderr();
    });
    let functions = |output: &[u8]| {
        let tables = Printed::all_in(&String::from_utf8_lossy(output));
        tables
            .iter()
            .map(|table| table.function().to_owned())
            .collect::<Vec<_>>()
    };
    let output = program.output();
    let sunk = String::from_utf8_lossy(&output.stdout);
    assert!(sunk.contains("sink: attribute::sinks::small\n"), "{sunk}");
    assert_eq!(sunk.matches("sink: ").count(), 1);
    let to_stderr = functions(&output.stderr);
    assert_eq!(to_stderr.len(), 1);
    assert!(to_stderr[0].ends_with("to_stderr"), "{to_stderr:?}");

    let output = program.env("MEMPROF_STREAM", "stdout").output();
    assert_eq!(functions(&output.stdout).len(), 2);
    assert!(functions(&output.stderr).is_empty());
    assert!(!String::from_utf8_lossy(&output.stdout).contains("sink: "));
}

#[test]
fn what_a_sink_allocates_is_in_no_number() {
    let (stdout, _) = run(&mut Program::new(|| {
        set_sink(|table| mem::forget((table.clone(), block(1 << 20))));
        let before = memprof::report().total;
        around(|| {
            small(1);
        });
        let total = memprof::report().total;
        let allocated = total.allocated_bytes - before.allocated_bytes;
        assert!(allocated < 100_000, "{allocated}");
    }));

    let tables = Printed::all_in(&stdout);
    assert_eq!(tables.len(), 1);
    assert_eq!(tables[0].total("allocated"), 1017);
    assert_eq!(tables[0].row("call();").number("Allocated"), Some(1010));
    assert_eq!(tables[0].total("net"), 0);
}

#[test]
fn a_panic_of_the_sink_costs_its_table_and_is_said_once() {
    #[memprofile]
    fn panics() {
        panic!("of the program");
    }
    let (stdout, said) = run(&mut Program::new(|| {
        set_sink(|_| panic!("of the sink"));
        for _ in 0..3 {
            assert_eq!(small(1), 1000);
        }
        // Also while another panic unwinds the function, and at the end of the process.
        let cause = catch_unwind(panics).unwrap_err();
        assert_eq!(cause.downcast_ref(), Some(&"of the program"));
        at_exit();
        println!("went on");
    }));

    assert!(stdout.contains("went on"), "{stdout}");
    assert_eq!(
        said,
        [
            "the table of attribute::sinks::small is lost: the sink of `memprof::set_sink` panicked; \
             further such tables aren't mentioned"
        ]
    );
}

#[test]
fn a_sink_may_call_profiled_functions_and_take_reports() {
    static TABLES: AtomicUsize = AtomicUsize::new(0);
    let (stdout, said) = run(&mut Program::new(|| {
        set_sink(|table| {
            small(1);
            at_exit();
            let report = memprof::report();
            let made = report
                .functions
                .iter()
                .find(|made| made.path == table.function);
            assert!(made.is_some());
            println!(
                "{} {}, {} calls",
                TABLES.fetch_add(1, Ordering::Relaxed),
                table.function,
                table.call_count
            );
        });
        println!();
        small(1);
        at_exit();
        at_exit();
        // A thread that runs nothing else.
        std::thread::spawn(|| small(1)).join().unwrap();
    }));

    let lines: Vec<&str> = stdout
        .lines()
        .filter(|line| line.contains(" calls"))
        .collect();
    assert_eq!(
        lines,
        [
            "0 attribute::sinks::small, 1 calls",
            "1 attribute::sinks::small, 1 calls",
            "2 attribute::sinks::at_exit, 2 calls",
        ]
    );
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn a_sink_hears_how_a_call_was_cut_short() {
    #[memprofile]
    fn panics() {
        panic!("on purpose"); // The line that is named.
    }
    let (stdout, _) = run(&mut Program::new(|| {
        set_sink(|table| {
            let line = row(table, "The line that").number;
            assert_eq!(table.last_cut_short, Some((CutShort::Panic, line)));
            assert_eq!(table.cut_short_count, 1);
            println!("heard");
        });
        assert!(catch_unwind(panics).is_err());
    }));

    assert!(stdout.contains("heard"));
}

#[test]
fn a_sink_that_waits_for_the_exiting_thread_does_not_keep_the_process() {
    static LOCK: Mutex<()> = Mutex::new(());
    let (_, said) = run(&mut Program::new(|| {
        set_sink(|_| drop(LOCK.lock()));
        at_exit();
        mem::forget(LOCK.lock());
    }));

    assert_eq!(
        said,
        [
            "the table of attribute::sinks::at_exit is lost: the process ends without waiting for \
             the sink of `memprof::set_sink`"
        ]
    );
}

/// Prints what it gets of an event.
struct Printer;

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl<S: Subscriber> Layer<S> for Printer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        assert_eq!(metadata.target(), "memprof");
        assert_eq!(*metadata.level(), Level::INFO);
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = fields.0.remove("message").unwrap();
        println!("{message}\n\nfields: {:?}", fields.0);
        mem::forget(block(1 << 20));
    }
}

#[test]
fn an_event_of_tracing_has_the_numbers_as_fields_and_the_table_as_message() {
    #[memprofile(stream = "tracing", columns = "hits, allocated, freed")]
    fn traced() {
        drop(block(100));
    }
    let mut program = Program::new(|| {
        let subscriber = tracing_subscriber::registry().with(Printer);
        tracing::subscriber::set_global_default(subscriber).unwrap();
        around(traced);
    });
    let (stdout, said) = run(&mut program);
    let (printed, _) = run(program.env("MEMPROF_STREAM", "stdout"));

    let fields: Vec<&str> = stdout
        .lines()
        .filter(|line| line.starts_with("fields: "))
        .collect();
    let [fields] = fields[..] else {
        panic!("{stdout}")
    };
    let line = Printed::all_in(&printed)[0].rows[0].number;
    assert_eq!(
        fields,
        format!(
            "fields: {{\"allocated_bytes\": \"100\", \"call_count\": \"1\", \
             \"file\": \"tests/tests/attribute/sinks.rs\", \"freed_bytes\": \"100\", \
             \"function\": \"attribute::sinks::an_event_of_tracing_has_the_numbers_as_fields_and_the_table_as_message::traced\", \
             \"line\": \"{line}\", \"net_bytes\": \"0\", \"peak_bytes\": \"100\"}}"
        )
    );
    assert_eq!(stdout.replace(&format!("{fields}\n"), ""), printed);
    // And what the subscriber allocated isn't in the table of `around`.
    assert_eq!(Printed::all_in(&printed)[1].total("allocated"), 107);
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn an_event_has_the_change_of_resident_memory_if_it_was_read() {
    #[memprofile(stream = "tracing", rss = "exact")]
    fn touches() -> usize {
        vec![1_u8; 1 << 24].len()
    }
    let (stdout, _) = run(&mut Program::new(|| {
        let subscriber = tracing_subscriber::registry().with(Printer);
        tracing::subscriber::with_default(subscriber, touches);
    }));

    assert!(stdout.contains("\"increment_bytes\": \""), "{stdout}");
}

/// The thread that exits has no thread-local values any more, and `tracing_subscriber::fmt` uses
/// one.
#[test]
fn the_tables_at_exit_reach_a_subscriber_that_writes_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut program = Program::new(|| {
        let file = std::fs::File::create(std::env::var("FILE").unwrap()).unwrap();
        tracing_subscriber::fmt()
            .with_writer(Mutex::new(file))
            .init();
        tracing::info!("begins");
        at_exit();
        small(1);
    });
    let program = program
        .env("FILE", file.path())
        .env("MEMPROF_STREAM", "tracing");
    let (stdout, said) = run(program);

    assert!(said.is_empty(), "{said:?}");
    assert!(!stdout.contains("Filename"), "{stdout}");
    let log = std::fs::read_to_string(file.path()).unwrap();
    assert!(
        log.contains("attribute::sinks::small: heap net 0 B"),
        "{log}"
    );
    assert!(
        log.contains("attribute::sinks::at_exit: heap net 0 B"),
        "{log}"
    );
}

#[test]
fn a_panic_of_the_subscriber_costs_its_table_only() {
    struct Panics;
    impl<S: Subscriber> Layer<S> for Panics {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            panic!("of the subscriber");
        }
    }
    let mut program = Program::new(|| {
        let subscriber = tracing_subscriber::registry().with(Panics);
        tracing::subscriber::set_global_default(subscriber).unwrap();
        assert_eq!(small(1), 1000);
        assert_eq!(small(1), 1000);
    });
    let (_, said) = run(program.env("MEMPROF_STREAM", "tracing"));

    let [line] = &said[..] else {
        panic!("{said:?}")
    };
    assert!(
        line.contains("the subscriber of `tracing` panicked"),
        "{line}"
    );
}

/// Prints the records that it gets.
struct Logger;

impl log::Log for Logger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target() == "memprof"
    }

    fn log(&self, record: &log::Record<'_>) {
        let place = (record.module_path(), record.file(), record.line());
        println!(
            "{}\n\nrecord: {} {} {place:?}",
            record.args(),
            record.level(),
            record.target()
        );
        mem::forget(block(1 << 20));
    }

    fn flush(&self) {
        let _ = std::io::stdout().flush();
    }
}

#[test]
fn a_record_of_log_has_the_table_as_message_and_names_the_function() {
    let mut program = Program::new(|| {
        log::set_logger(&Logger).unwrap();
        log::set_max_level(log::LevelFilter::Info);
        small(1);
    });
    let (logged, said) = run(program.env("MEMPROF_STREAM", "log"));
    let (printed, _) = run(program.env("MEMPROF_STREAM", "stdout"));

    let record = format!(
        "record: INFO memprof (Some(\"attribute::sinks::small\"), \
         Some(\"tests/tests/attribute/sinks.rs\"), Some({FIRST}))\n"
    );
    assert!(logged.contains(&record), "{logged}");
    assert_eq!(logged.replace(&record, ""), printed);
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn events_that_nobody_receives_are_said_once() {
    let mut program = Program::new(|| {
        small(1);
        small(1);
    });
    let (_, said) = run(program.env("MEMPROF_STREAM", "tracing"));
    assert_eq!(
        said,
        ["tables are lost: they go to `tracing`, and the program has set no subscriber"]
    );
    let (_, said) = run(program.env("MEMPROF_STREAM", "log"));
    assert_eq!(
        said,
        ["tables are lost: they go to `log`, and the program has set no logger"]
    );
}

#[test]
fn an_unknown_stream_is_said_with_the_words_there_are() {
    let mut program = Program::new(|| {
        small(1);
    });
    let (stdout, said) = run(program.env("MEMPROF_STREAM", "file.txt"));

    assert_eq!(Printed::all_in(&stdout).len(), 1);
    assert_eq!(
        said,
        [
            "MEMPROF_STREAM is \"file.txt\", which is not `stdout`, `stderr`, `tracing` or `log`; it \
             is ignored"
        ]
    );
}
