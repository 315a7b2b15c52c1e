//! Functions that the attribute on an item leaves out, since by their form they can't allocate, and
//! functions that only look like them: these are profiled, to the byte.
#![expect(
    clippy::boxed_local,
    clippy::explicit_auto_deref,
    clippy::nonminimal_bool,
    clippy::ref_as_ptr,
    clippy::unnecessary_literal_bound,
    clippy::unused_async,
    clippy::unused_self,
    reason = "there is a case for each form"
)]

use memprof::report::{Format, Report};
use memprof::{memprofile, report};
use memprof_tests::{block, run};
use std::ops::{Add, Deref, Index, Neg};
use std::sync::LazyLock;

/// The functions that have run, by their names alone, and what they allocated.
fn found(report: &Report) -> Vec<(&str, u64)> {
    let functions = report.functions.iter();
    let name = |path: &str| path.rfind("::").map_or(0, |place| place + 2);
    functions
        .map(|found| {
            let allocated = found.own().allocated_bytes;
            (&found.path[name(&found.path)..], allocated)
        })
        .collect()
}

const LIMIT: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Open,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair {
    first: u8,
    second: u8,
}

struct Plain {
    number: u16,
    pair: Pair,
}

#[memprofile(print = "never", hits = true)]
impl Plain {
    fn field(&self) -> u16 {
        self.number
    }

    fn field_of_mut(&mut self) -> u16 {
        self.number
    }

    fn copied(&self) -> Pair {
        self.pair
    }

    #[expect(clippy::cast_lossless)]
    fn cast(&self) -> u64 {
        self.number as u64
    }

    fn tuple(&self) -> (u16, Pair) {
        (self.number, self.pair)
    }

    #[expect(unused_parens)]
    fn in_braces(&self) -> u16 {
        ({ self.number })
    }

    fn literal(&self) -> &str {
        "text"
    }

    fn computed() -> i32 {
        -1 + 4 * (1 << 20)
    }

    fn compared() -> bool {
        !(1 > 2)
    }

    fn constant() -> usize {
        LIMIT
    }

    fn variant(&self) -> Mode {
        Mode::Open
    }

    fn argument(number: u32, _: &str) -> u32 {
        number
    }

    fn of_literals() -> Pair {
        Pair {
            first: 1,
            second: 2,
        }
    }

    fn empty(&self, _: bool, _: *const u8) {}

    /// With attributes of the compiler.
    #[inline]
    #[must_use]
    unsafe fn with_attributes(&self) -> u16 {
        self.number
    }

    #[cfg(any())]
    fn is_not_there(&self) -> u16 {
        self.number
    }

    #[cfg(not(target_os = "none"))]
    #[cfg(not(any()))]
    fn is_there(&self) -> u16 {
        self.number
    }

    fn is_profiled() -> Vec<u8> {
        block(1)
    }

    fn is_profiled_too() -> Vec<u8> {
        block(2)
    }
}

#[test]
fn a_function_that_returns_a_field_or_a_constant_is_left_out() {
    run(|| {
        let pair = Pair {
            first: 1,
            second: 2,
        };
        let mut plain = Plain { number: 3, pair };
        assert_eq!((plain.field(), plain.field_of_mut()), (3, 3));
        assert_eq!((plain.copied(), plain.cast()), (pair, 3));
        assert_eq!((plain.tuple(), plain.in_braces()), ((3, pair), 3));
        assert_eq!((plain.literal(), Plain::computed()), ("text", 4_194_303));
        assert!(Plain::compared());
        assert_eq!((Plain::constant(), plain.variant()), (10, Mode::Open));
        assert_eq!((Plain::argument(7, ""), Plain::of_literals()), (7, pair));
        plain.empty(true, std::ptr::null());
        // SAFETY: the function does nothing unsafe.
        assert_eq!(unsafe { plain.with_attributes() }, plain.is_there());
        let before = report();
        assert_eq!((found(&before), before.accessors_left_out), (vec![], 0));

        // One of the item's other functions is enough to tell of them, and two tell it once.
        drop(Plain::is_profiled_too());
        assert_eq!(report().accessors_left_out, 16);
        drop(Plain::is_profiled());
        let after = report();
        assert_eq!(found(&after), [("is_profiled_too", 2), ("is_profiled", 1)]);
        assert_eq!(after.accessors_left_out, 16);
        assert_eq!(after.since(&before).accessors_left_out, 16);
    });
}

/// Allocates wherever a type's own code may run.
struct Loud(u8);

impl Deref for Loud {
    type Target = Target;
    fn deref(&self) -> &Target {
        drop(block(100));
        &Target { number: 7 }
    }
}

struct Target {
    number: u16,
}

impl Drop for Loud {
    fn drop(&mut self) {
        drop(block(100));
    }
}

impl Add for &Loud {
    type Output = u8;
    fn add(self, other: Self) -> u8 {
        drop(block(100));
        self.0 + other.0
    }
}

impl Neg for &Loud {
    type Output = u8;
    fn neg(self) -> u8 {
        drop(block(100));
        self.0
    }
}

impl PartialEq<u8> for Loud {
    fn eq(&self, other: &u8) -> bool {
        drop(block(100));
        self.0 == *other
    }
}

impl Index<u8> for Loud {
    type Output = u8;
    fn index(&self, _: u8) -> &u8 {
        drop(block(100));
        &self.0
    }
}

static LAZY: LazyLock<Vec<u8>> = LazyLock::new(|| block(100));

struct View<'a> {
    target: &'a Target,
}

struct Holder<'a> {
    loud: Loud,
    by_reference: &'a Loud,
}

#[memprofile(print = "never", hits = true)]
impl<'a> Holder<'a> {
    fn chain(&self) -> u16 {
        self.loud.number
    }

    fn of_argument(loud: &Loud) -> u16 {
        loud.number
    }

    fn coerced(&self) -> &Target {
        &self.loud
    }

    fn coerced_copy(&self) -> &'a Target {
        self.by_reference
    }

    fn coerced_in_a_tuple(&self) -> (u8, &'a Target) {
        (1, self.by_reference)
    }

    fn coerced_in_a_struct(&self) -> View<'a> {
        View {
            target: self.by_reference,
        }
    }

    #[expect(trivial_casts)]
    fn coerced_by_a_cast(&self) -> *const Target {
        self.by_reference as &Target as *const Target
    }

    fn coerced_static() -> &'static [u8] {
        &LAZY
    }

    fn by_value(_: Loud) {}

    fn by_value_and_a_field(_: Loud, number: u8) -> u8 {
        number
    }

    fn added(&self) -> u8 {
        self.by_reference + self.by_reference
    }

    fn negated(&self) -> u8 {
        -self.by_reference
    }

    fn compared(&self) -> bool {
        self.loud == 1
    }

    fn indexed(&self) -> u8 {
        self.loud[0]
    }

    fn dereferenced(&self) -> u16 {
        (*self.loud).number
    }

    fn call(&self) -> Vec<u8> {
        block(100)
    }

    fn macro_call(&self) -> Vec<u8> {
        vec![0; 100]
    }

    fn statement(&self) -> u16 {
        let target: &Target = &self.loud;
        target.number
    }
}

#[test]
fn a_function_that_may_run_code_of_the_program_is_profiled() {
    run(|| {
        let other = Loud(1);
        let holder = Holder {
            loud: Loud(1),
            by_reference: &other,
        };
        assert_eq!((holder.chain(), Holder::of_argument(&other)), (7, 7));
        assert_eq!(holder.coerced().number, holder.coerced_copy().number);
        assert_eq!(holder.coerced_in_a_tuple().1.number, 7);
        assert_eq!(holder.coerced_in_a_struct().target.number, 7);
        assert!(!holder.coerced_by_a_cast().is_null());
        assert!(Holder::coerced_static().is_empty());
        Holder::by_value(Loud(1));
        assert_eq!(Holder::by_value_and_a_field(Loud(1), 7), 7);
        assert_eq!((holder.added(), holder.negated()), (2, 1));
        assert_eq!((holder.compared(), holder.indexed()), (true, 1));
        assert_eq!(holder.dereferenced(), 7);
        assert_eq!(holder.call().capacity(), 100);
        assert_eq!(holder.macro_call().len(), 100);
        assert_eq!(holder.statement(), 7);

        let report = report();
        let expected = [
            ("chain", 100),
            ("of_argument", 100),
            ("coerced", 100),
            ("coerced_copy", 100),
            ("coerced_in_a_tuple", 100),
            ("coerced_in_a_struct", 100),
            ("coerced_by_a_cast", 100),
            ("coerced_static", 100),
            // Parameters are dropped after the function, on its caller's line.
            ("by_value", 0),
            ("by_value_and_a_field", 0),
            ("added", 100),
            ("negated", 100),
            ("compared", 100),
            ("indexed", 100),
            ("dereferenced", 100),
            ("call", 100),
            ("macro_call", 100),
            ("statement", 100),
        ];
        assert_eq!(found(&report), expected);
        assert_eq!(report.accessors_left_out, 0);
    });
}

#[memprofile(print = "never", hits = true)]
mod through_traits {
    use super::{Loud, Target};
    use std::ops::Deref;

    pub(super) trait Reads: Deref<Target = Target> {
        fn by_default(&self) -> u16 {
            self.number
        }

        fn constant_by_default(&self) -> u16 {
            5
        }
    }

    impl Reads for Loud {}

    pub(super) trait Measures {
        fn of_a_parameter(&self) -> u16;
    }

    impl<T: Deref<Target = Target>> Measures for T {
        fn of_a_parameter(&self) -> u16 {
            self.number
        }
    }

    pub(super) trait Points<'a> {
        type To;
        fn points(&self) -> Self::To;
    }

    pub(super) struct Pointer<'a>(pub(super) &'a Loud);

    impl<'a> Points<'a> for Pointer<'a> {
        type To = &'a Target;
        fn points(&self) -> Self::To {
            self.0
        }
    }
}

#[test]
fn a_field_that_is_reached_through_a_trait_is_profiled() {
    use through_traits::{Measures as _, Pointer, Points as _, Reads as _};

    run(|| {
        let loud = Loud(1);
        assert_eq!((loud.by_default(), loud.constant_by_default()), (7, 5));
        assert_eq!(loud.of_a_parameter(), 7);
        assert_eq!(Pointer(&loud).points().number, 7);

        let report = report();
        let expected = [
            ("by_default", 100),
            ("of_a_parameter", 100),
            ("points", 100),
        ];
        assert_eq!(found(&report), expected);
        assert_eq!(report.accessors_left_out, 1);
    });
}

struct Kept(u8);

#[memprofile(print = "never", hits = true)]
impl Kept {
    #[memprofile]
    fn has_the_attribute(&self) -> u8 {
        self.0
    }

    #[cfg_attr(all(), cfg_attr(all(), memprofile))]
    fn has_it_under_a_condition(&self) -> u8 {
        self.0
    }

    #[cfg_attr(any(), memprofile(skip))]
    fn has_it_under_a_false_condition(&self) -> u8 {
        self.0
    }

    #[memprofile(max_net_bytes = 0)]
    fn has_a_budget(&self) -> u8 {
        self.0
    }

    #[tracing::instrument(skip_all)]
    fn has_another_attribute(&self) -> u8 {
        self.0
    }

    fn by_value(self) -> u8 {
        self.0
    }

    fn boxed(self: Box<Self>) {}

    async fn later(&self) -> u8 {
        1
    }
}

#[memprofile(print = "never", hits = true, max_net_bytes = 0)]
impl Kept {
    fn has_the_budget_of_the_item(&self) -> u8 {
        self.0
    }
}

#[memprofile(print = "never", hits = true, accessors = true)]
mod with_the_option {
    pub(super) fn is_asked_for() -> u8 {
        1
    }

    #[memprofile(accessors = false)]
    pub(super) mod without {
        pub(in super::super) fn is_left_out() -> u8 {
            2
        }
    }
}

#[test]
fn what_the_program_asks_for_is_profiled() {
    run(|| {
        let kept = Kept(1);
        let numbers = [
            kept.has_the_attribute(),
            kept.has_it_under_a_condition(),
            kept.has_it_under_a_false_condition(),
            kept.has_a_budget(),
            kept.has_another_attribute(),
            kept.has_the_budget_of_the_item(),
            with_the_option::is_asked_for(),
        ];
        assert_eq!(numbers, [1; 7]);
        assert_eq!(with_the_option::without::is_left_out(), 2);
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        assert_eq!(runtime.unwrap().block_on(kept.later()), 1);
        assert_eq!(kept.by_value(), 1);
        Box::new(Kept(2)).boxed();

        let report = report();
        let names: Vec<_> = found(&report).iter().map(|(name, _)| *name).collect();
        let expected = [
            "has_the_attribute",
            "has_it_under_a_condition",
            "has_it_under_a_false_condition",
            "has_a_budget",
            "has_another_attribute",
            "has_the_budget_of_the_item",
            "is_asked_for",
            "later",
            "by_value",
            "boxed",
        ];
        assert_eq!(names, expected);
        assert_eq!(report.accessors_left_out, 1);
    });
}

macro_rules! two_items {
    ($($type:ident)*) => {
        $(
            struct $type;

            #[memprofile(print = "never", hits = true)]
            impl $type {
                fn constant() -> u8 {
                    1
                }

                fn makes() -> Vec<u8> {
                    block(Self::constant().into())
                }
            }
        )*
    };
}

two_items!(First Second);

#[test]
fn items_that_a_macro_writes_in_one_place_are_told_apart() {
    run(|| {
        drop(First::makes());
        assert_eq!(report().accessors_left_out, 1);
        drop(Second::makes());
        assert_eq!(report().accessors_left_out, 2);
    });
}

#[test]
fn every_face_of_a_report_says_what_was_left_out() {
    run(|| {
        let text = |report: &Report, format| {
            let mut text = Vec::new();
            report.write_to(format, &mut text).unwrap();
            String::from_utf8(text).unwrap()
        };
        let nothing = report();
        assert_eq!(nothing.accessors_note(), None);
        assert!(!text(&nothing, Format::Json).contains("accessors"));
        assert!(!text(&nothing, Format::Markdown).contains("accessors"));
        drop(First::makes());
        let one = report();
        let note = one.accessors_note().unwrap();
        assert_eq!(
            note,
            "1 accessor, which only returns a field or a constant, was left out: `accessors = true` \
             profiles it, too"
        );
        drop(Second::makes());
        let report = report();
        let note = report.accessors_note().unwrap();
        assert!(
            note.starts_with("2 accessors, which only return a field or a constant, were left")
        );

        let json = text(&report, Format::Json);
        let document: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(document["process"]["accessors_left_out"], 2);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        std::fs::write(&path, json).unwrap();
        assert_eq!(Report::read(&path).unwrap(), report);
        assert!(text(&report, Format::Markdown).ends_with(&format!("\n{note}.\n")));
        assert!(text(&report, Format::Html).contains("id=\"remarks\""));
    });
}
