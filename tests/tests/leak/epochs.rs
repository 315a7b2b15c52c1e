//! The age of each line's live blocks, in epochs.

use memprof::leak::{Epochs, Leak, leaks};
use memprof::{Scope, ScopeExt, measure, memprofile};
use memprof_tests::{Program, block, pause, run};
use std::collections::VecDeque;
use std::thread;

#[memprofile(print = "never")]
fn keeps(bytes: usize) -> Vec<u8> {
    drop(block(1000));
    block(bytes) // kept
}

/// Age, bytes and blocks, oldest first.
fn ages(leak: &Leak) -> Vec<(u64, i64, i64)> {
    let ages = leak.ages.iter();
    ages.map(|age| (age.epochs, age.live_bytes, age.live_count))
        .collect()
}

/// The only line in the list.
fn only(leaks: &[Leak]) -> &Leak {
    let [leak] = leaks else { panic!("{leaks:?}") };
    leak
}

#[test]
fn blocks_have_their_ages_whichever_of_them_are_freed_and_where() {
    let mut epochs = Epochs::new();
    let mut kept: Vec<_> = (1..=5)
        .map(|number| epochs.begin().run(|| keeps(10 * number)))
        .collect();
    assert_eq!(
        ages(only(&epochs.leaks(0))),
        [(4, 10, 1), (3, 20, 1), (2, 30, 1), (1, 40, 1), (0, 50, 1)]
    );

    let second = kept.remove(1);
    thread::spawn(|| drop(second)).join().unwrap();
    drop(kept.pop());
    let old = epochs.leaks(2);
    assert_eq!(ages(only(&old)), [(4, 10, 1), (2, 30, 1)]);
    assert_eq!((old[0].live_bytes, old[0].live_count), (40, 2));
    assert_eq!(old[0].line.source.trim(), "block(bytes) // kept");
    assert_eq!(old[0].line.function, "leak::epochs::keeps");

    epochs.begin();
    assert_eq!(
        ages(only(&epochs.leaks(0))),
        [(5, 10, 1), (3, 30, 1), (2, 40, 1)]
    );
    drop(kept);
    assert_eq!(epochs.leaks(0), []);
}

#[test]
fn a_cache_is_silent_from_the_age_on_that_its_entries_reach() {
    let mut epochs = Epochs::new();
    let (mut cache, mut leaked) = (VecDeque::with_capacity(8), Vec::with_capacity(100));
    for number in 0..100 {
        epochs.begin().run(|| {
            cache.truncate(4);
            cache.push_front(keeps(100));
            if number % 10 == 0 {
                leaked.push(block(7));
            }
        });
    }

    let lines = epochs.leaks(4);
    assert_eq!(ages(&lines[0]), [(4, 100, 1)]);
    assert_eq!(ages(&lines[1])[..2], [(99, 7, 1), (89, 7, 1)]);
    assert_eq!(lines[1].line.function, "");
    let leak = epochs.leaks(5);
    assert_eq!((only(&leak).live_bytes, only(&leak).live_count), (70, 10));
}

#[memprofile(print = "never")]
fn grows(list: &mut Vec<u8>, bytes: usize) {
    list.reserve_exact(bytes); // grown
}

#[test]
fn a_block_that_grows_is_as_old_as_its_growth() {
    let mut epochs = Epochs::new();
    let mut list = Vec::new();
    epochs.begin().run(|| grows(&mut list, 100));
    epochs.begin().run(|| grows(&mut list, 50));
    assert_eq!(ages(only(&epochs.leaks(0))), [(1, 100, 1)]);

    epochs.begin().run(|| grows(&mut list, 300));
    assert_eq!(ages(only(&epochs.leaks(0))), [(0, 300, 1)]);
}

#[test]
fn what_is_done_in_scopes_inside_and_on_other_threads_is_of_the_epoch() {
    let mut epochs = Epochs::new();
    let epoch = epochs.begin();
    let guard = epoch.enter();
    let inner = Scope::new("inner").run(|| keeps(1));
    let scope = Scope::current().unwrap();
    let other = thread::spawn(move || scope.run(|| keeps(20)))
        .join()
        .unwrap();
    drop(guard);
    epochs.begin();

    // The list also has what starting the thread allocated, which has no line.
    let old = epochs.leaks(1);
    let leak = old
        .iter()
        .find(|leak| leak.line.function == "leak::epochs::keeps");
    assert_eq!(ages(leak.unwrap()), [(1, 21, 2)]);
    drop((inner, other));
    let old = epochs.leaks(1);
    assert!(
        !old.iter()
            .any(|leak| leak.line.function == "leak::epochs::keeps")
    );
}

#[tokio::test]
async fn tasks_of_several_epochs_may_be_under_way_at_once() {
    let mut epochs = Epochs::new();
    let tasks: Vec<_> = (0..10)
        .map(|number| {
            let work = async move {
                pause().await;
                keeps(number + 1)
            };
            tokio::spawn(work.with_scope(&epochs.begin()))
        })
        .collect();
    let mut kept = Vec::new();
    for task in tasks {
        kept.push(task.await.unwrap());
    }

    let old = epochs.leaks(5);
    let leak = old
        .iter()
        .find(|leak| leak.line.function == "leak::epochs::keeps");
    assert_eq!(
        ages(leak.unwrap()),
        [(9, 1, 1), (8, 2, 1), (7, 3, 1), (6, 4, 1), (5, 5, 1)]
    );
}

#[test]
fn any_number_of_epochs_that_leave_nothing_can_be_begun() {
    let mut epochs = Epochs::new();
    let kept = epochs.begin().run(|| keeps(3));
    for _ in 0..20_000 {
        epochs.begin().run(|| drop(keeps(100)));
    }
    assert_eq!(ages(only(&epochs.leaks(1))), [(20_000, 3, 1)]);
    drop(kept);
}

#[test]
fn epochs_with_blocks_may_take_nearly_all_places() {
    run(|| {
        let mut epochs = Epochs::new();
        let mut kept = Vec::new();
        for number in 0..6000 {
            // Two of three epochs keep a block.
            let block = epochs.begin().run(|| block(1));
            if number % 3 != 0 {
                kept.push(block);
            }
        }
        assert_eq!(only(&epochs.leaks(0)).live_count, 4000);
    });
}

#[test]
fn more_epochs_with_blocks_than_there_are_scopes_are_said() {
    let mut program = Program::new(|| {
        let mut epochs = Epochs::new();
        let mut kept = Vec::new();
        for _ in 0..5000 {
            kept.push(epochs.begin().run(|| block(1)));
        }
    });
    let output = program.output();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("too many scopes at once"), "{said}");
}

#[test]
fn epochs_are_on_nobodys_account() {
    run(|| {
        let ((), usage) = measure(|| {
            let mut epochs = Epochs::new();
            for _ in 0..200 {
                epochs.begin();
            }
            assert_eq!(epochs.leaks(0), []);
        });
        assert_eq!(usage, memprof::Usage::default());
    });
}

#[test]
fn a_leak_is_two_lines() {
    let mut epochs = Epochs::new();
    let kept: Vec<_> = (0..1200).map(|_| epochs.begin().run(|| keeps(2))).collect();

    let text = |least_age| only(&epochs.leaks(least_age)).to_string();
    let said = text(1);
    let (line, numbers) = said.split_once('\n').unwrap();
    assert!(
        line.starts_with("leak::epochs::keeps at tests/tests/leak/epochs.rs:")
            && line.ends_with(": block(bytes) // kept"),
        "{said}"
    );
    assert_eq!(
        numbers,
        "    2,398 B in 1,199 blocks, 1 to 1,199 epochs old"
    );
    assert!(text(1199).ends_with("\n    2 B in 1 block, 1,199 epochs old"));

    let scope = Scope::new("reports");
    let before = scope.report();
    let more = scope.run(|| keeps(5));
    let said = leaks(&before, &scope.report())[0].to_string();
    assert!(said.ends_with("\n    5 B in 1 block more"), "{said}");
    drop((kept, more));
}
