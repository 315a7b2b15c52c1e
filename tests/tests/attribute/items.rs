//! The attribute on items that contain functions: each function is profiled as if it had the
//! attribute itself.

use memprof::report::Report;
use memprof::{memprofile, report};
use memprof_tests::{block, run};
use std::fmt::{self, Display};
use std::future::Future;
use std::task::{Context, Waker};

struct Shelf {
    blocks: Vec<Vec<u8>>,
}

#[memprofile(precision = 4, columns = "hits, allocated")]
impl Shelf {
    const SIZE: usize = 100;

    const fn empty() -> Self {
        Self { blocks: Vec::new() }
    }

    /// A comment is no line.
    fn add(&mut self, bytes: usize) -> &mut Self {
        self.blocks.reserve_exact(1);
        self.blocks.push(block(bytes)); // added
        self
    }

    #[memprofile(columns = "freed")]
    fn clear(mut self) -> usize {
        let count = self.blocks.len();
        self.blocks.clear(); // freed
        count
    }

    #[memprofile(skip)]
    fn len(&self) -> usize {
        self.blocks.len()
    }

    async fn later(&mut self, bytes: usize) -> usize {
        let added = self.add(bytes).len();
        std::future::ready(added).await
    }
}

#[test]
fn each_method_of_an_impl_has_a_table_with_the_options_of_both() {
    let tables = run(|| {
        let mut shelf = Shelf::empty();
        shelf.add(Shelf::SIZE).add(50);
        let mut context = Context::from_waker(Waker::noop());
        assert!(
            Box::pin(shelf.later(7))
                .as_mut()
                .poll(&mut context)
                .is_ready()
        );
        assert_eq!(shelf.len(), 3);
        assert_eq!(shelf.clear(), 3);
    });

    let functions: Vec<_> = tables.iter().map(memprof_tests::Table::function).collect();
    let method = |name: &str| format!("Shelf::{name}");
    let expected = ["add", "add", "add", "later", "clear"].map(method);
    assert_eq!(functions, expected);
    assert_eq!(tables[0].headings, ["Hits", "Allocated"]);
    assert_eq!(tables[0].row("// added").number("Allocated"), Some(100));
    assert_eq!(tables[4].headings, ["Freed"]);
    assert_eq!(tables[4].row("// freed").number("Freed"), Some(157));
    // The table begins at the function, not at the attribute on the `impl` block.
    assert!(
        tables[0].rows[0].source.contains("fn add"),
        "{:?}",
        tables[0].rows[0]
    );
    assert!(tables[4].rows[0].source.contains("#[memprofile(columns"));
}

#[memprofile(print = "never")]
trait Greets {
    fn name(&self) -> String;

    fn greeting(&self) -> String {
        let name = self.name();
        format!("hello {name}")
    }
}

impl Greets for u8 {
    fn name(&self) -> String {
        self.to_string()
    }
}

#[memprofile(print = "never")]
impl Display for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        drop(block(10));
        write!(f, "{} blocks", self.blocks.len())
    }
}

#[memprofile(print = "never")]
mod inside {
    use super::block;

    pub(super) const LARGE: usize = 1000;

    pub(super) fn makes() -> Vec<u8> {
        block(LARGE)
    }

    pub(super) struct Maker(pub(super) usize);

    impl Maker {
        pub(super) fn makes(&self) -> Vec<u8> {
            block(self.0)
        }
    }

    #[memprofile(skip)]
    impl Maker {
        pub(super) fn is_left_alone(&self) -> Vec<u8> {
            block(self.0)
        }
    }

    pub(super) mod deeper {
        pub(in super::super) fn makes() -> Vec<u8> {
            super::block(4)
        }

        #[test]
        fn a_test_in_a_profiled_module_is_a_test() {
            drop(makes());
        }
    }

    #[memprofile(skip)]
    pub(super) fn is_left_alone() -> Vec<u8> {
        block(5)
    }
}

fn allocated(report: &Report, path: &str) -> Option<u64> {
    let path = format!("attribute::items::{path}");
    let found = report.functions.iter().find(|found| found.path == path);
    found.map(|found| found.own().allocated_bytes)
}

#[test]
fn traits_and_modules_are_profiled_all_through() {
    run(|| {
        assert_eq!(7.greeting(), "hello 7");
        assert_eq!(Shelf::empty().to_string(), "0 blocks");
        drop((
            inside::makes(),
            inside::Maker(20).makes(),
            inside::deeper::makes(),
        ));
        drop((inside::is_left_alone(), inside::Maker(20).is_left_alone()));

        let report = report();
        assert!(allocated(&report, "Greets::greeting") >= Some(7));
        assert!(
            allocated(
                &report,
                "<attribute::items::Shelf as core::fmt::Display>::fmt"
            )
            .is_none()
        );
        let paths: Vec<_> = report.functions.iter().map(|found| &*found.path).collect();
        assert!(
            paths
                .iter()
                .any(|path| path.contains("Shelf") && path.ends_with("::fmt")),
            "{paths:?}"
        );
        assert_eq!(allocated(&report, "inside::makes"), Some(1000));
        assert_eq!(allocated(&report, "inside::Maker::makes"), Some(20));
        assert_eq!(allocated(&report, "inside::deeper::makes"), Some(4));
        assert_eq!(allocated(&report, "inside::is_left_alone"), None);
        assert_eq!(allocated(&report, "inside::Maker::is_left_alone"), None);
    });
}

use memprof::memprofile as prof;

#[memprofile(print = "never")]
impl Shelf {
    #[cfg_attr(all(), memprofile(print = "call", columns = "allocated"))]
    fn holds(&self) -> usize {
        drop(block(30)); // held
        self.blocks.len()
    }

    #[cfg_attr(any(), memprofile(skip))]
    fn does_not_hold(&self) -> usize {
        drop(block(31));
        self.blocks.len()
    }

    #[cfg_attr(all(), inline, cfg_attr(not(any()), memprofile(skip)))]
    fn skips(&self) -> usize {
        drop(block(32));
        self.blocks.len()
    }
}

#[prof(print = "never")]
mod renamed {
    use super::block;

    #[prof(print = "call", columns = "allocated")]
    pub(super) fn prints() {
        drop(block(40)); // printed
    }

    #[prof(skip)]
    pub(super) fn skips() {
        drop(block(41));
    }

    #[cfg_attr(all(), prof(skip))]
    pub(super) mod is_skipped {
        pub(in super::super) fn runs() {
            drop(super::block(42));
        }
    }
}

#[memprofile(columns = "allocated")]
mod under_another_name {
    use super::{block, prof};

    #[prof]
    pub(super) fn prints() {
        drop(block(50)); // printed
    }
}

#[test]
fn an_attribute_inside_is_found_under_a_condition_and_by_another_name() {
    let tables = run(|| {
        let shelf = Shelf::empty();
        assert_eq!(shelf.holds() + shelf.does_not_hold() + shelf.skips(), 0);
        renamed::prints();
        renamed::skips();
        renamed::is_skipped::runs();
        under_another_name::prints();

        let report = report();
        assert_eq!(allocated(&report, "Shelf::holds"), Some(30));
        assert_eq!(allocated(&report, "Shelf::does_not_hold"), Some(31));
        assert_eq!(allocated(&report, "Shelf::skips"), None);
        assert_eq!(allocated(&report, "renamed::prints"), Some(40));
        assert_eq!(allocated(&report, "renamed::skips"), None);
        assert_eq!(allocated(&report, "renamed::is_skipped::runs"), None);
        let times = |path: &str| {
            let path = format!("attribute::items::{path}");
            let functions = report.functions.iter();
            functions.filter(|function| function.path == path).count()
        };
        assert_eq!(times("Shelf::holds"), 1);
        assert_eq!(times("renamed::prints"), 1);
        assert_eq!(times("under_another_name::prints"), 1);
    });

    let [holds, prints, under_another_name] = &tables[..] else {
        panic!("{tables:#?}")
    };
    assert_eq!(holds.row("// held").number("Allocated"), Some(30));
    for (table, bytes) in [(prints, 40), (under_another_name, 50)] {
        assert_eq!(table.row("// printed").number("Allocated"), Some(bytes));
    }
}

#[cfg_attr(all(), prof(print = "never"))]
impl Shelf {
    fn has_a_conditional_name(&self) -> usize {
        drop(block(70));
        self.blocks.len()
    }

    #[prof(skip)]
    fn skips_by_that_name(&self) -> usize {
        drop(block(71));
        self.blocks.len()
    }
}

/// Another crate's attribute has the name under which `memprofile` is imported outside.
mod named_as_another {
    use memprof::memprofile as main;

    #[main(print = "never")]
    pub(super) mod inside {
        #[tokio::main(flavor = "current_thread")]
        pub(in super::super) async fn waits() -> usize {
            super::super::block(72).capacity()
        }
    }
}

#[test]
fn a_name_is_this_attributes_alone() {
    let shelf = Shelf::empty();
    assert_eq!(shelf.has_a_conditional_name(), 0);
    assert_eq!(shelf.skips_by_that_name(), 0);
    assert_eq!(named_as_another::inside::waits(), 72);

    let report = report();
    let has_a_name = allocated(&report, "Shelf::has_a_conditional_name");
    assert_eq!(has_a_name, Some(70));
    assert_eq!(allocated(&report, "Shelf::skips_by_that_name"), None);
}

#[memprofile(print = "never", on_exceed = "panic")]
impl Shelf {
    #[memprofile(max_net_bytes = 0)]
    fn is_guarded(&mut self) {
        self.blocks.push(block(60));
    }

    fn is_not(&mut self) {
        self.blocks.push(block(61));
    }
}

#[test]
fn what_is_done_about_a_budget_may_be_said_for_those_that_have_one() {
    let mut shelf = Shelf::empty();
    shelf.is_not();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| shelf.is_guarded()));
    assert!(caught.is_err());
}
