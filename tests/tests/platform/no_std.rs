//! Functions of a `no_std` library are profiled like any others.

use memprof_tests::run;
use memprof_tests_no_std::{Holder, list_later, lists};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

#[test]
fn a_library_without_std_has_tables() {
    let tables = run(|| {
        drop(lists(40));
        let later = pin!(list_later(30));
        let mut context = Context::from_waker(Waker::noop());
        assert!(later.poll(&mut context).is_ready());
        drop(Holder::new(20));
    });

    let [lists, later, holder] = &tables[..] else {
        panic!("{tables:#?}")
    };
    assert!(lists.file.ends_with("no_std/lib.rs"));
    lists.assert_heap(&[
        ("let dropped", [1, 40, 0, 40, 40, 1]),
        ("(dropped.capacity())", [1, 40, 0, 40, 40, 1]),
        ("}", [1, 0, 40, -40, 0, 0]),
    ]);
    assert_eq!(later.row("let make").number("Hits"), Some(1));
    assert_eq!(later.total("allocated"), 30);
    assert_eq!(holder.function(), "Holder::new");
    assert_eq!(holder.row("Self(").number("Allocated"), Some(20));
}
