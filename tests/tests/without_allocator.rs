//! A program without the counting allocator has tables of resident memory, and
//! is told once what the rest needs.

use memprof::{measure, memprofile};
use memprof_tests::{Program, Table};

#[memprofile(columns = "all")]
fn profiled() -> usize {
    let a = vec![1_u8; 32 << 20];
    a.len()
}

#[test]
fn heap_numbers_are_not_available_and_resident_memory_is() {
    let mut program = Program::new(|| {
        profiled();
        profiled();
        let (_, usage) = measure(|| vec![1]);
        assert_eq!(usage, memprof::Usage::default());
    });
    let output = program.output();

    let tables = Table::all_in(&String::from_utf8_lossy(&output.stdout));
    assert_eq!(tables.len(), 2);
    let made = tables[0].row("let a");
    assert!(made.number("Increment") >= Some(32 << 20), "{made:?}");
    assert_eq!(made.cell("Hits"), "1");
    assert_eq!(made.cell("Allocated"), "n/a");
    assert_eq!(made.cell("Peak"), "n/a");
    assert!(tables[0].summary.contains("profiled: heap n/a; time "));

    let stderr = String::from_utf8_lossy(&output.stderr);
    let said = "memprof: heap columns need the counting allocator: `#[global_allocator] static ALLOC: \
                memprof::CountingAlloc = memprof::CountingAlloc::system();`";
    assert_eq!(
        stderr.matches("memprof:").count() - stderr.matches("memprof::").count(),
        1,
        "{stderr}"
    );
    assert!(stderr.contains(said), "{stderr}");
}
