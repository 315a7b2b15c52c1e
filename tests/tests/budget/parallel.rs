//! A thousand concurrent tests with budgets: each is exact to the byte, whatever the others do.

use memprof::memprofile;
use memprof_tests::block;
use std::cell::RefCell;
use std::thread;

thread_local! {
    static KEPT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

#[memprofile(print = "never")]
fn keeps(bytes: usize) {
    KEPT.with_borrow_mut(|kept| {
        kept.reserve_exact(1);
        kept.push(block(bytes));
    });
}

/// Work of which this thread keeps a part, while another thread allocates.
fn work(number: usize) {
    let noise = thread::spawn(move || (0..number % 7).for_each(|_| drop(block(1 << 16))));
    for _ in 0..20 {
        memprof::assert_alloc!(
            allocated_bytes == number as u64 + 100,
            peak_bytes == (number as u64).max(100),
            allocation_count == 2,
            net_bytes == 0,
            {
                drop(block(number + 1 - 1));
                drop(block(100));
            }
        );
        memprof::assert_no_leak!(drop(block(number)));
    }
    memprof::assert_alloc!(net_bytes == (number as u64).cast_signed() + 24, {
        keeps(number);
    });
    noise.join().expect("it doesn't panic");
}

macro_rules! tests {
    ($($hundred:ident $hundreds:literal)*) => { $(mod $hundred {
        tests!(@tens $hundreds: t0 0 t1 1 t2 2 t3 3 t4 4 t5 5 t6 6 t7 7 t8 8 t9 9);
    })* };
    (@tens $hundreds:literal: $($ten:ident $tens:literal)*) => { $(mod $ten {
        tests!(@ones $hundreds, $tens: n0 0 n1 1 n2 2 n3 3 n4 4 n5 5 n6 6 n7 7 n8 8 n9 9);
    })* };
    (@ones $hundreds:literal, $tens:literal: $($one:ident $ones:literal)*) => { $(
        #[memprof::test(max_net_bytes = "2 KiB", max_allocation_count = 100)]
        fn $one() {
            super::super::work(1 + 100 * $hundreds + 10 * $tens + $ones);
        }
    )* };
}

tests!(h0 0 h1 1 h2 2 h3 3 h4 4 h5 5 h6 6 h7 7 h8 8 h9 9);
