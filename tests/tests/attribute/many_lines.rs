//! A function with more lines than a block's tag can identify. Since no real function is that long,
//! the test calls the generated code's functions directly.

use memprof::__private::{Options, Print, Site, enter};
use memprof::report::LineReport;
use memprof::{Scope, report};
use memprof_tests::{assert_law_3, block, run};

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

const LINES: usize = (1 << 14) + 10;

static NUMBERS: [u32; LINES] = {
    let mut numbers = [0; LINES];
    let mut number = 0_u32;
    while (number as usize) < LINES {
        numbers[number as usize] = 1 + number;
        number += 1;
    }
    numbers
};

static LONG: Site = Site::new(|| "attribute_many_lines::long", file!(), 1, "", &NUMBERS)
    .with(Options::new().print(Print::Never));

static SHORT: Site = Site::new(
    || "attribute_many_lines::short",
    file!(),
    1,
    "",
    &[1, 2, 3, 4],
)
.with(Options::new().print(Print::Never));

/// Allocates a block on a line.
fn makes(site: &'static Site, line: u32, bytes: usize) -> Vec<u8> {
    let frame = enter(site);
    frame.at(line);
    block(bytes)
}

#[test]
fn lines_beyond_those_there_is_room_for_are_nobodys() {
    run(|| {
        let scope = Scope::new("all of them");
        let kept = scope.run(|| {
            let last = u32::try_from(LINES - 1).unwrap();
            [
                makes(&LONG, 5, 1000),
                makes(&LONG, last, 200),
                makes(&SHORT, 3, 30),
            ]
        });

        for report in [report(), scope.report()] {
            let with_blocks = |line: &&LineReport| line.own.allocation_count > 0;
            let [long, short] = &report.functions[..] else {
                panic!("two functions have run");
            };
            let long: Vec<_> = long.lines.iter().filter(with_blocks).collect();
            assert_eq!(long.len(), 1, "{long:?}");
            assert_eq!((long[0].number, long[0].own.live_bytes()), (6, 1000));
            assert_eq!(short.lines[3].own.live_bytes(), 30);
            assert!(report.untracked.live_bytes() >= 200);
            assert_law_3(&report);
        }
        drop(kept);
    });
}
