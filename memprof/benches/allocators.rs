//! The cost of counting allocators around `System`.
//!
//! Each allocator is called directly through a function that isn't inlined, as a program calls its
//! global allocator.

use crate::harness::{Contestant, Harness, time};
use crate::peers;
use divan::AllocProfiler;
use hotpath::CountingAllocator;
use memprof::CountingAlloc;
use mod_alloc::ModAlloc;
use stats_alloc::StatsAlloc;
use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;

static MEMPROF: CountingAlloc = CountingAlloc::system();
static DIVAN: AllocProfiler = AllocProfiler::system();
static HOTPATH: CountingAllocator = CountingAllocator::new();
static MOD_ALLOC: ModAlloc = ModAlloc::new();
static STATS: StatsAlloc<System> = StatsAlloc::system();
static DHAT: dhat::Alloc = dhat::Alloc;

pub(crate) fn compare(harness: &Harness) {
    harness.compare(
        "alloc and free, 16 to 512 B, ns a pair",
        &contestants::<Churn>(),
    );
    // Without dhat: it has a lock, so its threads wait for each other and never run in parallel.
    let mut without_dhat = contestants::<ShortChurn>();
    without_dhat.pop();
    harness.compare_at_once("the same, on each of two threads at once", &without_dhat);
    harness.compare(
        "the same, 1,024 blocks alive, ns a pair",
        &contestants::<Ring>(),
    );
    harness.compare(
        "a million blocks made (dhat: 100,000) and then freed, ns a block",
        &contestants::<Heap>(),
    );
    harness.compare(
        "realloc, 16 B doubled to 64 KiB, ns a step",
        &contestants::<Growth>(),
    );
    let touched =
        kib_touched().map(|kib| kib.map_or(String::new(), |kib| format!("{kib:>10} KiB")));
    harness.compare_beside(
        "alloc_zeroed of 64 MiB and free, us; resident memory it adds",
        contestants::<Zeroed>().into_iter().zip(touched).collect(),
    );
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    tag::print();
    size_classes::compare_speed(harness);
    #[cfg(target_os = "linux")]
    size_classes::print(harness);
}

/// A workload for an allocator.
trait Work {
    const STEPS: u32;
    /// Steps for dhat: fewer, since it is a hundred times slower.
    const DHAT_STEPS: u32;

    /// Runs the workload, and returns the time per step.
    fn go(allocator: &impl GlobalAlloc, steps: u32) -> f64;
}

/// All contestants for a workload, `System` first and dhat last.
fn contestants<W: Work>() -> Vec<Contestant> {
    vec![
        Contestant::new("System", || W::go(&System, W::STEPS)),
        Contestant::new("memprof", || W::go(&MEMPROF, W::STEPS)),
        Contestant::new("divan", || W::go(&DIVAN, W::STEPS)),
        Contestant::new("hotpath", || W::go(&HOTPATH, W::STEPS)),
        Contestant::new("mod-alloc", || W::go(&MOD_ALLOC, W::STEPS)),
        Contestant::new("stats_alloc", || W::go(&STATS, W::STEPS)),
        Contestant::new("dhat", || W::go(&DHAT, W::DHAT_STEPS)).during(peers::dhat),
    ]
}

#[inline(never)]
fn allocate(allocator: &impl GlobalAlloc, layout: Layout) -> *mut u8 {
    // SAFETY: no layout in this file has size zero.
    unsafe { allocator.alloc(layout) }
}

#[inline(never)]
fn allocate_zeroed(allocator: &impl GlobalAlloc, layout: Layout) -> *mut u8 {
    // SAFETY: no layout in this file has size zero.
    unsafe { allocator.alloc_zeroed(layout) }
}

#[inline(never)]
fn grow(allocator: &impl GlobalAlloc, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
    // SAFETY: callers pass a block of this allocator with its current layout, and a non-zero size
    // for which they have constructed a `Layout`, so it doesn't overflow.
    unsafe { allocator.realloc(block, layout, size) }
}

#[inline(never)]
fn free(allocator: &impl GlobalAlloc, block: *mut u8, layout: Layout) {
    // SAFETY: callers free each block once, with its allocator and current layout.
    unsafe { allocator.dealloc(block, layout) }
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).expect("sizes here are far from the largest")
}

/// Layouts of 16 to 512 bytes, without a pattern that a branch predictor could learn.
fn layouts() -> impl Iterator<Item = Layout> {
    let mut state = 0x2545_F491_u32;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        layout(16 + (state % 497) as usize)
    })
}

/// Allocates blocks and frees each one at once.
struct Churn;

impl Work for Churn {
    const STEPS: u32 = 100_000;
    const DHAT_STEPS: u32 = 1_000;

    fn go(allocator: &impl GlobalAlloc, steps: u32) -> f64 {
        time(steps, || {
            for layout in layouts().take(steps as usize) {
                let block = black_box(allocate(allocator, layout));
                free(allocator, block, layout);
            }
        })
    }
}

/// [`Churn`] with fewer steps, so that two threads sometimes run in parallel for the whole time
/// even on a busy machine.
struct ShortChurn;

impl Work for ShortChurn {
    const STEPS: u32 = 20_000;
    const DHAT_STEPS: u32 = 200;

    fn go(allocator: &impl GlobalAlloc, steps: u32) -> f64 {
        Churn::go(allocator, steps)
    }
}

/// Allocates blocks and frees each one after 1,024 others were allocated.
struct Ring;

impl Work for Ring {
    const STEPS: u32 = 100_000;
    const DHAT_STEPS: u32 = 1_000;

    fn go(allocator: &impl GlobalAlloc, steps: u32) -> f64 {
        let mut alive: Vec<(*mut u8, Layout)> = layouts()
            .take(1024)
            .map(|layout| (allocate(allocator, layout), layout))
            .collect();
        let nanoseconds = time(steps, || {
            for (index, layout) in layouts().take(steps as usize).enumerate() {
                let next = (black_box(allocate(allocator, layout)), layout);
                let (block, layout) = std::mem::replace(&mut alive[index % 1024], next);
                free(allocator, block, layout);
            }
        });
        for (block, layout) in alive {
            free(allocator, block, layout);
        }
        nanoseconds
    }
}

/// Allocates many blocks, and then frees them in the same order.
struct Heap;

impl Work for Heap {
    const STEPS: u32 = 1_000_000;
    const DHAT_STEPS: u32 = 100_000;

    fn go(allocator: &impl GlobalAlloc, steps: u32) -> f64 {
        // Filled beforehand, so that its own pages are already resident.
        let mut blocks: Vec<(*mut u8, Layout)> = layouts()
            .take(steps as usize)
            .map(|layout| (std::ptr::null_mut(), layout))
            .collect();
        time(steps, || {
            for (block, layout) in &mut blocks {
                *block = allocate(allocator, *layout);
            }
            for (block, layout) in &blocks {
                free(allocator, *block, *layout);
            }
        })
    }
}

/// Reallocates a block to twice its size, twelve times.
struct Growth;

impl Work for Growth {
    const STEPS: u32 = 6_000;
    const DHAT_STEPS: u32 = 60;

    fn go(allocator: &impl GlobalAlloc, steps: u32) -> f64 {
        const DOUBLINGS: u32 = 12;
        time(steps, || {
            for _ in 0..steps / DOUBLINGS {
                let mut now = layout(16);
                let mut block = allocate(allocator, now);
                for _ in 0..DOUBLINGS {
                    let larger = layout(2 * now.size());
                    block = black_box(grow(allocator, block, now, larger.size()));
                    now = larger;
                }
                free(allocator, block, now);
            }
        })
    }
}

/// Allocates a large zeroed block. The kernel maps its pages without memory until they are written
/// to.
struct Zeroed;

const ZEROED: usize = 64 << 20;

impl Work for Zeroed {
    const STEPS: u32 = 400;
    const DHAT_STEPS: u32 = 1;

    /// Returns microseconds, unlike the other workloads.
    fn go(allocator: &impl GlobalAlloc, steps: u32) -> f64 {
        let nanoseconds = time(steps, || {
            for _ in 0..steps {
                let block = black_box(allocate_zeroed(allocator, layout(ZEROED)));
                free(allocator, block, layout(ZEROED));
            }
        });
        nanoseconds / 1000.0
    }
}

/// For each of [`contestants`], how many KiB of a large zeroed block are resident before the
/// program has touched it. `None` where that can't be determined.
fn kib_touched() -> [Option<usize>; 7] {
    let dhat = || {
        let _profiler = peers::dhat();
        touched(&DHAT)
    };
    [
        touched(&System),
        touched(&MEMPROF),
        touched(&DIVAN),
        touched(&HOTPATH),
        touched(&MOD_ALLOC),
        touched(&STATS),
        dhat(),
    ]
}

/// KiB of the block's pages that are resident, whatever the rest of the process does.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn touched(allocator: &impl GlobalAlloc) -> Option<usize> {
    // SAFETY: the call accesses no memory of the program.
    let page_size = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    let block = allocate_zeroed(allocator, layout(ZEROED));
    // glibc's header lies before the block, so one page more is spanned.
    let mut pages = vec![0_u8; ZEROED / page_size + 1];
    let first = block.map_addr(|address| address - address % page_size);
    // SAFETY: `pages` has a byte for each of the pages asked about. The call doesn't access the
    // pages themselves, and returns an error if they aren't mapped.
    let answer = unsafe {
        libc::mincore(
            first.cast(),
            pages.len() * page_size,
            pages.as_mut_ptr().cast(),
        )
    };
    free(allocator, block, layout(ZEROED));
    let resident = pages.iter().filter(|page| **page & 1 == 1).count();
    (answer == 0).then_some(resident * page_size / 1024)
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn touched(_: &impl GlobalAlloc) -> Option<usize> {
    None
}

/// How much heap memprof's eight bytes behind each block take. glibc rounds block sizes to 16
/// bytes, so the increase depends on the size.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod tag {
    use super::{MEMPROF, allocate, free, layout};
    use std::alloc::{GlobalAlloc, System};

    pub(super) fn print() {
        println!("heap that a block takes in glibc, bytes on average: System, memprof");
        print_row("8, 16, 24 to 512 B", 8);
        print_row("each of 8 to 512 B", 1);
        println!();
    }

    fn print_row(name: &str, step: usize) {
        let sizes = || (8..=512).step_by(step);
        let count = f64::from(u32::try_from(sizes().count()).expect("there are 505 at the most"));
        let mean = |sum: u32| f64::from(sum) / count;
        let system = mean(sizes().map(|size| heap_bytes(&System, size)).sum());
        let memprof = mean(sizes().map(|size| heap_bytes(&MEMPROF, size)).sum());
        let added = 100.0 * (memprof / system - 1.0);
        println!("    {name:<20} {system:>11.2} {memprof:>9.2}   {added:>+6.2} %");
    }

    fn heap_bytes(allocator: &impl GlobalAlloc, size: usize) -> u32 {
        // Several blocks, since one may be placed in a free chunk that is a little larger.
        let blocks = [(); 8].map(|()| allocate(allocator, layout(size)));
        // SAFETY: with both allocators, the block was allocated by `malloc` and not freed yet.
        let usable = blocks.map(|block| unsafe { libc::malloc_usable_size(block.cast()) });
        for block in blocks {
            free(allocator, block, layout(size));
        }
        // glibc stores a word before each block.
        let least = usable.into_iter().min().unwrap_or(0) + size_of::<usize>();
        u32::try_from(least).expect("blocks here are small")
    }
}

/// Allocators with size classes, in which a block that fills its class leaves no room for a tag.
pub(crate) mod size_classes {
    use super::{Churn, Growth, Heap, Ring, Work};
    use crate::harness::{Contestant, Harness};
    use crate::peers;
    use memprof::CountingAlloc;
    use mimalloc::MiMalloc;
    use std::alloc::GlobalAlloc;
    use std::env;
    use tikv_jemallocator::Jemalloc;

    /// The total size of the blocks that a child allocates.
    const BYTES: usize = 64 << 20;

    /// The environment variable that tells a child what to allocate: block size and allocator.
    const CHILD: &str = "MEMPROF_BENCH_SIZE_CLASS";

    static ASIDE: CountingAlloc<MiMalloc> = CountingAlloc::new(MiMalloc);
    static BEHIND: CountingAlloc<MiMalloc> = CountingAlloc::new(MiMalloc).with_tags_behind();
    static COUNTING: CountingAlloc<MiMalloc> = CountingAlloc::counting(MiMalloc);
    static ASIDE_JE: CountingAlloc<Jemalloc> = CountingAlloc::new(Jemalloc);
    static BEHIND_JE: CountingAlloc<Jemalloc> = CountingAlloc::new(Jemalloc).with_tags_behind();
    static COUNTING_JE: CountingAlloc<Jemalloc> = CountingAlloc::counting(Jemalloc);

    /// Compares the time of memprof around mimalloc, for each place where owners can be stored.
    pub(super) fn compare_speed(harness: &Harness) {
        harness.compare(
            "mimalloc: alloc and free, 16 to 512 B, ns a pair",
            &contestants::<Churn>(),
        );
        harness.compare(
            "the same, 1,024 blocks alive, ns a pair",
            &contestants::<Ring>(),
        );
        harness.compare(
            "a million blocks made and then freed, ns a block",
            &contestants::<Heap>(),
        );
        harness.compare(
            "realloc, 16 B doubled to 64 KiB, ns a step",
            &contestants::<Growth>(),
        );
        harness.compare(
            "jemalloc: alloc and free, 16 to 512 B, ns a pair",
            &jemalloc_contestants::<Churn>(),
        );
        harness.compare(
            "the same, 1,024 blocks alive, ns a pair",
            &jemalloc_contestants::<Ring>(),
        );
    }

    /// jemalloc's own profiler takes the call stack of one block in 512 KiB.
    fn jemalloc_contestants<W: Work>() -> Vec<Contestant> {
        vec![
            Contestant::new("jemalloc", || W::go(&Jemalloc, W::STEPS)),
            Contestant::new("memprof", || W::go(&ASIDE_JE, W::STEPS)),
            Contestant::new("its own profiler", || W::go(&Jemalloc, W::STEPS))
                .during(peers::jemalloc_profiler),
        ]
    }

    fn contestants<W: Work>() -> Vec<Contestant> {
        vec![
            Contestant::new("mimalloc", || W::go(&MiMalloc, W::STEPS)),
            Contestant::new("memprof", || W::go(&ASIDE, W::STEPS)),
            Contestant::new("tags behind", || W::go(&BEHIND, W::STEPS)),
            Contestant::new("counting", || W::go(&COUNTING, W::STEPS)),
        ]
    }

    fn named(name: &str) -> Option<&'static dyn GlobalAlloc> {
        Some(match name {
            "mimalloc" => &MiMalloc,
            "mimalloc, memprof" => &ASIDE,
            "mimalloc, tags behind" => &BEHIND,
            "mimalloc, counting" => &COUNTING,
            "jemalloc" => &Jemalloc,
            "jemalloc, memprof" => &ASIDE_JE,
            "jemalloc, tags behind" => &BEHIND_JE,
            "jemalloc, counting" => &COUNTING_JE,
            _ => return None,
        })
    }

    /// Whether this process was started by [`print`]. If so, it has printed its measurement.
    pub(crate) fn is_child() -> bool {
        let child = env::var(CHILD).ok();
        let wanted = child.as_deref().and_then(|child| child.split_once(' '));
        let Some((size, name)) = wanted else {
            return false;
        };
        let size: usize = size.parse().expect("the parent writes a number");
        let allocator = named(name).expect("the parent knows the names");
        let before = memprof::resident_bytes().unwrap_or(0);
        for _ in 0..BYTES / size {
            // SAFETY: the size isn't 0, and the write covers exactly the allocated block.
            unsafe { allocator.alloc(super::layout(size)).write_bytes(1, size) };
        }
        println!("{}", memprof::resident_bytes().unwrap_or(0) - before);
        true
    }

    /// Prints how much resident memory a block takes, by size. Each number is measured in a
    /// separate process.
    #[cfg(target_os = "linux")]
    pub(super) fn print(harness: &Harness) {
        let sizes: &[usize] = if harness.is_short() {
            &[64]
        } else {
            &[8, 16, 24, 32, 64, 128, 256, 1000, 1024, 4096, 16384, 65536]
        };
        for inner in ["mimalloc", "jemalloc"] {
            println!(
                "resident memory that a block takes in {inner}, in bytes, and how much more with memprof,"
            );
            println!("with tags behind the blocks, and counting alone");
            for size in sizes {
                let plain = resident(inner, *size);
                let more = ["memprof", "tags behind", "counting"].map(|way| {
                    let bytes = resident(&format!("{inner}, {way}"), *size);
                    100.0 * (bytes / plain - 1.0)
                });
                let [memprof, behind, counting] = more;
                println!(
                    "    {size:>6} B {plain:>11.1}   {memprof:>+6.1} % {behind:>+6.1} % {counting:>+6.1} %"
                );
            }
            println!();
        }
    }

    /// Resident bytes per block, measured in a child process.
    #[cfg(target_os = "linux")]
    fn resident(name: &str, size: usize) -> f64 {
        let own = env::current_exe().expect("the benchmark knows where it is");
        let child = std::process::Command::new(own)
            .env(CHILD, format!("{size} {name}"))
            .output()
            .expect("the benchmark can be started again");
        let text = String::from_utf8_lossy(&child.stdout);
        let bytes: f64 = text.trim().parse().expect("the child says a number");
        let count = u32::try_from(BYTES / size).expect("it is a few millions");
        bytes / f64::from(count)
    }
}
