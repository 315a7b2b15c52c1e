//! Budgets: a test that fails when code allocates more than it may, and names the line.
//!
//! In a test, `#[memprof::test(max_net_bytes = 0)]` takes the place of `#[test]`, or the
//! assertion stands in it. Here, the failure is caught, so that its message can be shown.

use memprof::{assert_alloc, assert_no_leak, memprofile};

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

#[memprofile(print = "never")]
fn initials(names: &[&str]) -> String {
    let upper: Vec<String> = names.iter().map(|name| name.to_uppercase()).collect();
    upper
        .iter()
        .filter_map(|name| name.chars().next())
        .collect()
}

fn main() {
    let names = ["ada", "grace", "linus"];

    assert_no_leak!(drop(initials(&names)));

    std::panic::set_hook(Box::new(|_| {}));
    let failed = std::panic::catch_unwind(|| {
        assert_alloc!(allocation_count <= 1, net_bytes <= 16, { initials(&names) })
    });
    let message = failed.expect_err("it allocates five blocks");
    println!("{}", message.downcast::<String>().expect("it is text"));
}
