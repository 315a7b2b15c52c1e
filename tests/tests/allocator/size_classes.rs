//! Allocators with size classes: recording owners takes little more memory, and owners are known as
//! with other allocators.

use memprof::{CountingAlloc, Scope, memprofile, report, resident_bytes};
use memprof_tests::{Program, assert_law_3, block, line, numbers, run};
use mimalloc::MiMalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::env;
use std::sync::mpsc::channel;
use std::thread;
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOC: CountingAlloc<MiMalloc> = CountingAlloc::new(MiMalloc);

static OVER_JEMALLOC: CountingAlloc<Jemalloc> = CountingAlloc::new(Jemalloc);
static MIMALLOC_BEHIND: CountingAlloc<MiMalloc> = CountingAlloc::new(MiMalloc).with_tags_behind();
static JEMALLOC_BEHIND: CountingAlloc<Jemalloc> = CountingAlloc::new(Jemalloc).with_tags_behind();
static ONLY_MIMALLOC: CountingAlloc<MiMalloc> = CountingAlloc::counting(MiMalloc);
static ONLY_JEMALLOC: CountingAlloc<Jemalloc> = CountingAlloc::counting(Jemalloc);

fn named(name: &str) -> &'static dyn GlobalAlloc {
    match name {
        "mimalloc" => &MiMalloc,
        "mimalloc aside" => &ALLOC,
        "mimalloc behind" => &MIMALLOC_BEHIND,
        "mimalloc counting" => &ONLY_MIMALLOC,
        "jemalloc" => &Jemalloc,
        "jemalloc aside" => &OVER_JEMALLOC,
        "jemalloc behind" => &JEMALLOC_BEHIND,
        _ => &ONLY_JEMALLOC,
    }
}

/// The total size of the blocks.
const BYTES: usize = 16 << 20;

/// The resident memory of `bytes` bytes in blocks of one size, which are completely written to.
fn resident_for(allocator: &dyn GlobalAlloc, size: usize, bytes: usize) -> u64 {
    let layout = Layout::from_size_align(size, 8).unwrap();
    let before = resident_bytes().unwrap();
    for _ in 0..bytes / size {
        // SAFETY: the size isn't 0, and the write covers exactly the allocated block.
        unsafe { allocator.alloc(layout).write_bytes(1, size) };
    }
    resident_bytes().unwrap() - before
}

/// For each size, calls `check` with the size, and with how much more resident memory blocks take
/// when they are counted, in percent: with tags behind, aside, and without tags. Each number is
/// measured in a separate process.
fn compare(program: &mut Program, inner: &str, sizes: &[usize], check: impl Fn(usize, [i64; 3])) {
    for size in sizes {
        let mut resident = |way: &str| {
            let name = format!("{inner}{way}");
            program.env("ALLOCATOR", name).env("SIZE", size.to_string());
            let bytes = program.stdout();
            let bytes = bytes
                .split("resident: ")
                .nth(1)
                .and_then(|rest| rest.lines().next());
            bytes.unwrap().parse::<i64>().unwrap()
        };
        let plain = resident("");
        let ways = [" behind", " aside", " counting"];
        check(*size, ways.map(|way| 100 * (resident(way) - plain) / plain));
    }
}

/// The program that [`compare`] runs.
fn print_resident(bytes: usize) {
    let size = env::var("SIZE").unwrap().parse().unwrap();
    let bytes = resident_for(named(&env::var("ALLOCATOR").unwrap()), size, bytes);
    println!("resident: {bytes}");
}

/// Checks the numbers of a size that fills its class in both allocators.
fn check(size: usize, [behind, aside, counting]: [i64; 3]) {
    let most = match size {
        8 => 27,
        16 => 15,
        32 => 9,
        _ => 5,
    };
    assert!(aside <= most, "{size} B: {aside} %");
    assert!(behind >= 15, "{size} B: {behind} %");
    assert!(counting <= 1, "{size} B: {counting} %");
}

const SIZES: [usize; 7] = [8, 16, 32, 64, 256, 1024, 4096];

#[test]
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn a_block_that_fills_its_class_in_mimalloc_takes_little_more() {
    compare(
        &mut Program::new(|| print_resident(BYTES)),
        "mimalloc",
        &SIZES,
        check,
    );
}

#[test]
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn a_block_that_fills_its_class_in_jemalloc_takes_little_more() {
    compare(
        &mut Program::new(|| print_resident(BYTES)),
        "jemalloc",
        &SIZES,
        check,
    );
}

#[test]
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn blocks_that_have_pages_of_their_own_take_next_to_nothing_more() {
    let mut program = Program::new(|| print_resident(BYTES));
    let check = |size, [_, aside, _]: [i64; 3]| assert!(aside <= 2, "{size} B: {aside} %");
    compare(&mut program, "mimalloc", &[16 << 10, 1 << 20], check);
    compare(&mut program, "jemalloc", &[16 << 10, 1 << 20], check);
}

/// Sizes around each limit.
const AROUND_LIMITS: [usize; 16] = [
    1, 7, 8, 9, 16, 17, 24, 25, 32, 33, 63, 64, 65, 16_383, 16_384, 100_000,
];

#[memprofile(print = "never")]
fn makes_all() -> Vec<Vec<u8>> {
    let mut all = Vec::with_capacity(AROUND_LIMITS.len());
    for size in AROUND_LIMITS {
        all.push(block(size)); // each
    }
    all
}

#[memprofile(print = "never")]
fn resizes(blocks: &mut [Vec<u8>], size: usize) {
    for block in blocks {
        block.resize(size, 0);
        block.shrink_to(size); // resized
    }
}

#[test]
fn blocks_are_their_lines_whatever_their_size_and_whoever_frees_them() {
    run(|| {
        let sum: usize = AROUND_LIMITS.iter().sum();
        let (sum, count) = (i64::try_from(sum).unwrap(), 16);
        let made = || numbers(line(&report(), "makes_all", "// each").own);

        let all = makes_all();
        assert_eq!(made(), [sum, count, sum, count]);
        assert_law_3(&report());

        let (give, take) = channel();
        let frees = thread::spawn(move || take.iter().for_each(drop::<Vec<Vec<u8>>>));
        give.send(all).unwrap();
        drop(give);
        frees.join().unwrap();
        assert_eq!(made(), [0, 0, sum, count]);
        assert_law_3(&report());
    });
}

#[test]
fn a_block_that_goes_from_one_place_to_the_other_keeps_its_owner() {
    run(|| {
        for from in AROUND_LIMITS {
            let mut blocks: Vec<Vec<u8>> = Vec::with_capacity(2);
            blocks.extend([block(from), block(from)]);
            for to in AROUND_LIMITS {
                resizes(&mut blocks, to);
                assert_law_3(&report());
            }
            drop(blocks);
        }
        let live = |words| line(&report(), "resizes", words).own.live_bytes();
        assert_eq!([live("resize(size"), live("// resized")], [0, 0]);
    });
}

#[test]
fn blocks_of_a_scope_are_the_scopes_and_their_lines() {
    run(|| {
        for _ in 0..3 {
            let scope = Scope::new("mine");
            let outside = makes_all();
            let inside = scope.run(makes_all);
            let live = || {
                line(&scope.report(), "makes_all", "// each")
                    .own
                    .live_count()
            };
            assert_eq!(live(), 16);
            drop(outside);
            assert_eq!(live(), 16);
            thread::spawn(|| drop(inside)).join().unwrap();
            assert_eq!(live(), 0);
            assert_law_3(&report());
        }
    });
}
