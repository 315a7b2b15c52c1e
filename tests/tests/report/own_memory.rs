//! What memprof's own functions allocate, tested with its own budgets.

use memprof::{Scope, memprofile};

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

macro_rules! functions {
    ($($name:ident)*) => {
        $(#[memprofile(print = "never", hits = true)]
        fn $name(number: u64) -> u64 {
            let twice = 2 * number;
            let more = twice + 1;
            more % 1000
        })*

        const FUNCTIONS: &[fn(u64) -> u64] = &[$($name),*];
    };
}

functions! { a b c d e f g h i j k l m n o p q r s t }

fn call_all() -> u64 {
    FUNCTIONS.iter().map(|function| function(7)).sum()
}

#[memprof::test(max_allocation_count = 0, warmup = 1, runs = 2)]
fn lines_and_the_reading_of_numbers_take_none_of_the_programs_memory() {
    call_all();
    let ((), usage) = memprof::measure(|| ());
    assert_eq!(usage, memprof::Usage::default());
    // During the warm-up, there is no scope.
    let so_far = Scope::current().map(|scope| scope.usage().allocation_count);
    assert_eq!(so_far.unwrap_or(0), 0);
    assert_ne!(memprof::resident_bytes(), Some(0));
}

#[test]
fn a_report_takes_as_much_as_it_has_lines_and_leaves_nothing() {
    call_all();
    let report = memprof::report();
    let lines = report
        .functions
        .iter()
        .map(|function| function.lines.len() as u64);
    let (functions, lines) = (report.functions.len() as u64, lines.sum::<u64>());
    assert!(functions >= 20 && lines >= 80);
    drop(report);

    memprof::assert_alloc!(
        // A list for each function and each call, and a few lists that contain them.
        allocation_count <= 2 * functions + 5,
        allocated_bytes <= 1000 * lines,
        net_bytes == 0,
        { drop(memprof::report()) }
    );
    memprof::assert_no_growth(16, || drop(memprof::report()));
}

#[test]
fn the_report_of_a_scope_takes_nothing_for_functions_that_did_not_run_in_it() {
    call_all();
    let scope = Scope::new("one of twenty");
    scope.run(|| FUNCTIONS[0](7));

    memprof::assert_alloc!(
        // The lists of functions and calls, the lines of one function and one call, and its path.
        allocation_count <= 5,
        allocated_bytes <= 1000 * 5,
        net_bytes == 0,
        { drop(scope.report()) }
    );
}
