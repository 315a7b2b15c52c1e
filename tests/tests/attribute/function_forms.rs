//! Every form of function compiles with the attribute without new warnings, and returns the same
//! value.
//!
//! The file is also compiled in editions 2018 and 2021, whose preludes have fewer names.
#![forbid(unsafe_code)]
#![deny(warnings)]
#![deny(
    absolute_paths_not_starting_with_crate,
    ambiguous_negative_literals,
    deprecated_in_future,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    ffi_unwind_calls,
    keyword_idents,
    let_underscore_drop,
    macro_use_extern_crate,
    meta_variable_misuse,
    missing_copy_implementations,
    missing_debug_implementations,
    missing_docs,
    non_ascii_idents,
    redundant_lifetimes,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unnameable_types,
    unreachable_pub,
    unused_extern_crates,
    unused_import_braces,
    unused_lifetimes,
    unused_macro_rules,
    unused_qualifications,
    unused_results,
    variant_size_differences,
    clippy::shadow_same
)]
// The tests need unusual code.
#![allow(
    clippy::boxed_local,
    clippy::diverging_sub_expression,
    clippy::let_and_return,
    clippy::match_single_binding,
    clippy::mixed_attributes_style,
    clippy::non_minimal_cfg,
    clippy::ptr_arg,
    clippy::semicolon_if_nothing_returned,
    clippy::trivially_copy_pass_by_ref,
    clippy::unused_async
)]

use memprof::memprofile;
use std::cell::Cell;
use std::convert::TryFrom;
use std::fmt::{Debug, Display};
use std::future::Future;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Polls a future in a loop until it is ready.
fn finish<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

mod receivers {
    use super::{Arc, Pin, Rc, finish, memprofile};

    #[derive(Clone, Debug, PartialEq)]
    struct Counter {
        count: u32,
    }

    impl Counter {
        const ONE: Self = Self { count: 1 };

        #[memprofile(print = "never")]
        fn new(count: u32) -> Self {
            Self { count }
        }

        #[memprofile(print = "never")]
        fn into_count(self) -> u32 {
            self.count
        }

        #[memprofile(print = "never")]
        fn incremented(mut self) -> Self {
            self.count += Self::ONE.count;
            self
        }

        #[memprofile(print = "never")]
        fn count(&self) -> &u32 {
            &self.count
        }

        #[memprofile(print = "never")]
        fn count_mut(&mut self) -> &mut u32 {
            let count = &mut self.count;
            count
        }

        #[memprofile(print = "never")]
        fn unbox(self: Box<Self>) -> Self {
            *self
        }

        #[memprofile(print = "never")]
        fn shared(self: Rc<Self>) -> usize {
            Rc::strong_count(&self)
        }

        #[memprofile(print = "never")]
        fn shared_by_threads(self: &Arc<Self>) -> Arc<Self> {
            Arc::clone(self)
        }

        #[memprofile(print = "never")]
        fn pinned(self: Pin<&mut Self>) -> &mut u32 {
            &mut self.get_mut().count
        }

        #[memprofile(print = "never")]
        async fn into_count_later(self) -> u32 {
            self.count
        }

        #[memprofile(print = "never")]
        async fn incremented_later(mut self) -> Self {
            self.count += 1;
            self
        }

        #[memprofile(print = "never")]
        async fn count_later(&self) -> &u32 {
            &self.count
        }

        #[memprofile(print = "never")]
        async fn count_mut_later(&mut self) -> &mut u32 {
            &mut self.count
        }

        #[memprofile(print = "never")]
        async fn longer_later<'a>(&'a self, other: &'a Self, _unused: &str) -> &'a Self {
            if self.count > other.count {
                self
            } else {
                other
            }
        }

        #[memprofile(print = "never")]
        async fn shared_later(self: Arc<Self>) -> usize {
            Arc::strong_count(&self)
        }

        #[memprofile(print = "never")]
        async fn pinned_later(self: Pin<&mut Self>) -> u32 {
            self.count
        }
    }

    #[test]
    fn a_method_takes_any_receiver() {
        let mut counter = Counter::new(3);

        assert_eq!(counter.clone().into_count(), 3);
        assert_eq!(counter.clone().incremented().count(), &4);
        *counter.count_mut() += 2;
        *Pin::new(&mut counter).pinned() += 1;
        assert_eq!(Box::new(counter.clone()).unbox(), counter);
        assert_eq!(Rc::new(counter.clone()).shared(), 1);
        let shared = Arc::new(counter);
        assert_eq!(shared.shared_by_threads().count(), &6);
    }

    #[test]
    fn an_async_method_takes_any_receiver() {
        let mut counter = Counter::new(3);

        assert_eq!(finish(counter.clone().into_count_later()), 3);
        assert_eq!(finish(counter.clone().incremented_later()).count, 4);
        *finish(counter.count_mut_later()) += 2;
        assert_eq!(finish(counter.count_later()), &5);
        assert_eq!(finish(Pin::new(&mut counter).pinned_later()), 5);
        let other = Counter::new(9);
        assert_eq!(finish(counter.longer_later(&other, "")).count, 9);
        assert_eq!(finish(Arc::new(counter).shared_later()), 1);
    }
}

mod traits {
    use super::{Debug, Future, finish, memprofile};

    trait Shape {
        type Unit: Debug + Default;

        fn corners(&self) -> usize;

        #[memprofile(print = "never")]
        fn described(&self) -> String
        where
            Self: Debug,
        {
            let unit = Self::Unit::default();
            format!("{self:?} {} {unit:?}", self.corners())
        }

        async fn area(&self, scale: u32) -> u32;

        #[memprofile(print = "never")]
        async fn doubled_area(&self) -> u32
        where
            Self: Sync,
        {
            self.area(2).await
        }

        fn boxed(self, times: usize) -> impl Future<Output = Vec<Self>> + Send
        where
            Self: Sized;
    }

    #[derive(Clone, Debug)]
    struct Square<T>(T);

    impl<T: Copy + Debug + Into<u32> + Send + Sync> Shape for Square<T> {
        type Unit = u8;

        #[memprofile(print = "never")]
        fn corners(&self) -> usize {
            4
        }

        #[memprofile(print = "never")]
        async fn area(&self, scale: u32) -> u32 {
            let side: u32 = self.0.into();
            side * side * scale
        }

        #[memprofile(print = "never")]
        async fn boxed(self, times: usize) -> Vec<Self> {
            vec![Self(self.0); times]
        }
    }

    impl<T> Drop for Square<T> {
        #[memprofile(print = "never")]
        fn drop(&mut self) {}
    }

    impl<T: PartialEq> PartialEq for Square<T> {
        #[memprofile(print = "never")]
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }

    fn is_send<T: Send>(value: T) -> T {
        value
    }

    #[test]
    fn methods_of_traits_are_profiled_where_implemented_and_where_provided() {
        assert_eq!(Square(1_u8).corners(), 4);
        assert_eq!(Square(1_u8).described(), "Square(1) 4 0");
        assert_eq!(finish(Square(3_u8).area(1)), 9);
        assert_eq!(finish(Square(3_u16).doubled_area()), 18);
        assert_eq!(finish(is_send(Square(3_u16).boxed(2))).len(), 2);
        assert!(Square(3_u16) == Square(3_u16));
    }
}

/// Public traits, for which `async_fn_in_trait` warns.
pub mod reachable {
    use super::{finish, memprofile};

    /// A trait with the attribute on its function.
    pub trait Provides {
        /// The lint is expected on the function.
        #[memprofile(print = "never")]
        #[expect(async_fn_in_trait)]
        async fn provided(&self) -> u32 {
            1
        }
    }

    /// A trait with the attribute on the whole trait.
    #[memprofile(print = "never")]
    #[expect(async_fn_in_trait)]
    pub trait ProvidesAll {
        /// The lint is expected on the trait.
        async fn provided(&self) -> u32 {
            2
        }
    }

    impl Provides for u8 {}
    impl ProvidesAll for u16 {}

    #[test]
    fn a_lint_about_async_functions_in_traits_has_them_to_find() {
        assert_eq!(finish(1_u8.provided()) + finish(1_u16.provided()), 3);
    }
}

mod generics {
    use super::{Debug, Display, finish, memprofile};
    use std::collections::HashMap;
    use std::hash::Hash;

    #[memprofile(print = "never")]
    fn counted<K, V, const N: usize>(pairs: [(K, V); N]) -> HashMap<K, V>
    where
        K: Eq + Hash,
    {
        let mut map = HashMap::with_capacity(N);
        for (key, value) in pairs {
            drop(map.insert(key, value));
        }
        map
    }

    #[memprofile(print = "never")]
    fn zeroes<const N: usize>() -> [u8; N] {
        [0; N]
    }

    #[memprofile(print = "never")]
    fn squares(numbers: impl IntoIterator<Item = u32>) -> impl Iterator<Item = u32> + Clone
where {
        let numbers: Vec<u32> = numbers.into_iter().collect();
        numbers.into_iter().map(|number| number * number)
    }

    #[memprofile(print = "never")]
    fn borrowed<'a>(words: &'a [String], first: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let length = first.len();
        words
            .iter()
            .map(String::as_str)
            .filter(move |word| word.len() == length)
    }

    #[memprofile(print = "never")]
    fn higher_ranked<F>(look: F) -> usize
    where
        F: for<'a> Fn(&'a str) -> &'a str,
    {
        let word = String::from(" word ");
        look(&word).len()
    }

    #[memprofile(print = "never")]
    fn longest<'a, 'b: 'a>(left: &'a str, right: &'b str) -> (&'a str, &'b str) {
        if left.len() > right.len() {
            (left, right)
        } else {
            (right, right)
        }
    }

    #[memprofile(print = "never")]
    async fn later<T, const N: usize>(values: [T; N], show: impl Fn(&T) -> String) -> String
    where
        T: Debug,
    {
        let shown: Vec<String> = values.iter().map(show).collect();
        shown.join(" ")
    }

    #[memprofile(print = "never")]
    async fn several<'a, 'b>(left: &'a str, right: &'b str, _: &str) -> (&'b str, &'a str) {
        (right, left)
    }

    #[memprofile(print = "never")]
    async fn with_async_closures(words: &[&str]) -> String {
        let mut joined = String::new();
        let mut join = async |word: &str| {
            let length = joined.len();
            joined.push_str(word);
            length
        };
        for word in words {
            let _length = join(word).await;
        }
        joined
    }

    #[memprofile(print = "never")]
    async fn opaque(limit: u32) -> impl Iterator<Item = u32> + Send {
        (0..limit).filter(|number| number % 2 == 1)
    }

    #[memprofile(print = "never")]
    async fn opaque_inside(fails: bool) -> Result<impl Display, ()> {
        if fails {
            return Err(());
        }
        Ok("fine")
    }

    #[test]
    fn generic_functions_stay_generic() {
        assert_eq!(counted([("a", 1), ("b", 2)])["b"], 2);
        assert_eq!(zeroes::<3>(), [0, 0, 0]);
        assert_eq!(squares([1, 2, 3]).clone().sum::<u32>(), 14);
        let words = vec![String::from("one"), String::from("three")];
        assert_eq!(borrowed(&words, &String::from("two")).count(), 1);
        assert_eq!(higher_ranked(str::trim), 4);
        assert_eq!(higher_ranked(|word| &word[1..]), 5);
        assert_eq!(longest("long", &String::from("word!")).0, "word!");
        assert_eq!(
            finish(later([1, 2], |number| format!("<{number}>"))),
            "<1> <2>"
        );
        assert_eq!(finish(several("a", "b", "c")), ("b", "a"));
        assert_eq!(finish(with_async_closures(&["a", "b"])), "ab");
        assert_eq!(finish(opaque(6)).sum::<u32>(), 9);
        assert_eq!(
            finish(opaque_inside(false)).map(|shown| shown.to_string()),
            Ok(String::from("fine"))
        );
        assert!(finish(opaque_inside(true)).is_err());
    }
}

mod coercions {
    use super::{Debug, Display, Future, Pin, finish, memprofile};

    #[memprofile(print = "never")]
    fn in_tail(number: u32) -> Box<dyn Display> {
        let number = number + 1;
        Box::new(number)
    }

    #[memprofile(print = "never")]
    fn in_match(number: u32) -> Box<dyn Debug> {
        match number {
            0 => Box::new("zero"),
            1 => {
                let one = 1;
                Box::new(one)
            }
            _ => Box::new(number),
        }
    }

    #[memprofile(print = "never")]
    fn in_if(number: u32) -> &'static dyn Debug {
        if number == 0 {
            &"zero"
        } else if number == 1 {
            &1
        } else {
            &[2]
        }
    }

    #[memprofile(print = "never")]
    fn of_slices(items: &[u8; 2]) -> Option<&[u8]> {
        if items[0] == 0 {
            return None;
        }
        Some(items)
    }

    #[memprofile(print = "never")]
    fn of_functions(number: u32) -> fn(u32) -> u32 {
        match number {
            0 => |number| number + 1,
            1 => add_two,
            _ => |number| number * number,
        }
    }

    #[memprofile(print = "never")]
    fn add_two(number: u32) -> u32 {
        number + 2
    }

    #[memprofile(print = "never")]
    async fn of_slices_later(items: &Vec<u8>) -> Option<&[u8]> {
        if items.is_empty() { None } else { Some(items) }
    }

    #[memprofile(print = "never")]
    async fn in_tail_later(number: u32) -> Box<dyn Display + Send> {
        if number == 0 {
            return Box::new("zero");
        }
        Box::new(number)
    }

    #[memprofile(print = "never")]
    async fn of_functions_later(is_first: bool) -> fn(u32) -> u32 {
        if is_first { add_two } else { |number| number }
    }

    #[memprofile(print = "never")]
    async fn of_closures_later(added: usize) -> impl Fn(&str) -> usize {
        move |text: &str| text.len() + added
    }

    #[memprofile(print = "never")]
    async fn of_errors_later(text: &str) -> Result<u32, Box<dyn std::error::Error>> {
        let number: u32 = text.parse()?;
        if number == 0 {
            return Err("zero".into());
        }
        Ok(number)
    }

    #[memprofile(print = "never")]
    fn boxed<'a>(text: &'a str) -> Pin<Box<dyn Future<Output = u32> + 'a>> {
        Box::pin(async move { of_errors_later(text).await.unwrap_or(7) })
    }

    #[memprofile(print = "never")]
    fn reborrowed<'a>(items: &'a mut Vec<u8>, other: &'a mut Vec<u8>) -> &'a mut [u8] {
        match items.len() {
            0 => other,
            1 => &mut items[..],
            _ => {
                items.push(1);
                items
            }
        }
    }

    #[test]
    fn what_coerced_still_does() {
        assert_eq!(in_tail(1).to_string(), "2");
        assert_eq!(
            format!("{:?} {:?} {:?}", in_match(0), in_match(1), in_match(2)),
            "\"zero\" 1 2"
        );
        assert_eq!(
            format!("{:?} {:?} {:?}", in_if(0), in_if(1), in_if(2)),
            "\"zero\" 1 [2]"
        );
        assert_eq!(of_slices(&[1, 2]), Some(&[1, 2][..]));
        assert_eq!(of_slices(&[0, 2]), None);
        assert_eq!([0, 1, 2].map(|number| of_functions(number)(5)), [6, 7, 25]);
        assert_eq!(reborrowed(&mut vec![1, 2], &mut vec![]), [1, 2, 1]);
    }

    #[test]
    fn what_coerced_in_an_async_fn_still_does() {
        assert_eq!(finish(of_slices_later(&vec![1])), Some(&[1][..]));
        assert_eq!(finish(in_tail_later(0)).to_string(), "zero");
        assert_eq!(finish(in_tail_later(1)).to_string(), "1");
        assert_eq!(finish(of_functions_later(true))(1), 3);
        assert_eq!(finish(of_closures_later(1))("a"), 2);
        assert_eq!(finish(of_functions_later(false))(1), 1);
        assert!(finish(of_errors_later("0")).is_err());
        assert_eq!(finish(boxed("12")), 12);
        assert_eq!(finish(boxed("x")), 7);
    }
}

mod signatures {
    use super::{Cell, Location, TryFrom as _, finish, memprofile};

    #[memprofile(print = "never")]
    fn nothing() {}

    #[memprofile(print = "never")]
    fn one_line(number: u32) -> u32 {
        number + 1
    }

    #[memprofile(print = "never")]
    fn all_on_one_line() -> u32 {
        let a = 1;
        let b = 2;
        a + b
    }

    #[memprofile(print = "never")]
    async fn nothing_later() {}

    #[memprofile(print = "never")]
    async fn one_line_later(number: u32) -> u32 {
        number + 1
    }

    #[memprofile(print = "never")]
    fn never() -> ! {
        std::panic::resume_unwind(Box::new("never"))
    }

    #[memprofile(print = "never")]
    async fn never_later() -> ! {
        never()
    }

    #[memprofile(print = "never")]
    fn unfinished(_number: u32) -> String {
        todo!()
    }

    #[memprofile(print = "never")]
    fn unfinished_opaque() -> impl Iterator<Item = u32> {
        if true {
            unimplemented!("later");
        }
        std::iter::empty()
    }

    #[memprofile(print = "never")]
    async fn unfinished_later() -> String {
        unreachable!("at {}", line!())
    }

    #[memprofile(print = "never")]
    fn only_a_macro(out: &mut String) {
        *out = format!("{out}!");
        assert!(!out.is_empty())
    }

    #[memprofile(print = "never")]
    fn patterns((a, _): (u32, u32), [first, ..]: [u32; 3], &b: &u32, _: u32) -> u32 {
        a + first + b
    }

    #[memprofile(print = "never")]
    async fn patterns_later((a, mut b): (u32, u32), [first, ..]: [u32; 3], _: u32) -> u32 {
        b += 1;
        a + first + b
    }

    #[memprofile(print = "never")]
    async fn mutable_later(mut items: Vec<u32>, more: u32) -> Vec<u32> {
        items.push(more);
        items
    }

    #[memprofile(print = "never")]
    fn r#match(r#type: u32, mut r#loop: u32) -> u32 {
        r#loop += r#type;
        r#loop
    }

    #[memprofile(print = "never")]
    async fn r#await(r#type: u32) -> u32 {
        r#type
    }

    #[memprofile(print = "never")]
    extern "C" fn for_others(number: u32) -> u32 {
        number + 1
    }

    #[memprofile(print = "never")]
    fn factorial(number: u64) -> u64 {
        if number == 0 {
            return 1;
        }
        number * factorial(number - 1)
    }

    #[memprofile(print = "never")]
    async fn factorial_later(number: u64) -> u64 {
        if number == 0 {
            return 1;
        }
        number * Box::pin(factorial_later(number - 1)).await
    }

    #[memprofile(print = "never")]
    #[must_use = "it is the answer"]
    #[inline]
    fn with_attributes_below() -> u32 {
        42
    }

    #[must_use]
    #[inline(never)]
    #[cold]
    #[cfg_attr(all(), memprofile(print = "never"), doc = "Between.")]
    #[cfg_attr(any(), memprofile(print = "exit"))]
    fn with_attributes_above() -> u32 {
        42
    }

    #[must_use]
    #[memprofile(print = "never")]
    #[inline]
    async fn with_attributes_later() -> u32 {
        42
    }

    #[memprofile(print = "never")]
    #[must_use]
    #[doc(hidden)]
    async fn with_attributes_below_later(number: &u32) -> &u32 {
        number
    }

    #[memprofile(print = "never")]
    #[track_caller]
    fn called_from() -> u32 {
        let location = Location::caller();
        location.line()
    }

    #[track_caller]
    #[memprofile(print = "never")]
    fn called_from_above() -> &'static Location<'static> {
        Location::caller()
    }

    /// Its documentation.
    #[memprofile(print = "never")]
    pub(super) fn documented(
        /* what it is given */ number: u32,
        #[allow(unused_variables)] unused: u32,
    ) -> u32 {
        //! More of it.
        #![allow(clippy::let_and_return)]
        let answer = number;
        answer
    }

    #[memprofile(print = "never")]
    fn conditional(#[cfg(any())] absent: u32, #[cfg(all())] present: u32) -> u32 {
        #[cfg(any())]
        let present = absent;
        #[cfg(all())]
        let present = present + 1;
        #[cfg(any())]
        {
            absent
        }
        #[cfg(all())]
        {
            present
        }
    }

    #[memprofile(print = "never")]
    fn conditional_after_the_tail(number: u32) -> u32 {
        #[cfg(all())]
        {
            number + 1
        }
        #[cfg(any())]
        let absent = 2;
        #[cfg(any())]
        absent
    }

    #[memprofile(print = "never")]
    async fn conditional_later(#[cfg(any())] absent: u32, #[cfg(all())] present: u32) -> u32 {
        #[cfg(any())]
        return absent;
        #[cfg(all())]
        return present;
    }

    #[memprofile(print = "never")]
    async fn expecting(
        #[expect(unused_variables)] unused: u32,
        #[expect(unused_mut)] mut number: u32,
        #[cfg_attr(all(), expect(unused_variables))] (left, right): (u32, u32),
    ) -> u32 {
        number
    }

    #[allow(clippy::used_underscore_binding, clippy::no_effect_underscore_binding)]
    #[memprofile(print = "never")]
    fn with_names_of_ours(_frame: u32, at: u32) -> u32 {
        let _at_exit = _frame;
        let answer = at;
        let task = answer + at;
        let __memprof_site = task;
        __memprof_site
    }

    #[memprofile(print = "never")]
    #[allow(clippy::used_underscore_binding, clippy::no_effect_underscore_binding)]
    async fn with_names_of_ours_later(__arg1: u32, (task, at): (u32, u32)) -> u32 {
        let answer = __arg1;
        answer + task + at
    }

    #[memprofile(print = "never")]
    fn with_items() -> u32 {
        const ONE: u32 = {
            let one = 1;
            one
        };
        static TWO: u32 = 2;
        use std::iter::repeat_n;
        #[derive(Clone, Copy)]
        struct Local([u8; 3]);
        impl Local {
            fn size() -> usize {
                repeat_n(Self([0; 3]), 3).count()
            }
        }
        macro_rules! add {
            ($($number:expr),*) => {
                0 $(+ $number)*
            };
        }
        fn three() -> u32 {
            u32::try_from(Local::size()).expect("it is 3")
        }
        let local = Local([0; 3]);
        assert_eq!(local.0.len(), 3);
        add!(ONE, TWO, three())
    }

    thread_local! {
        static CALLS: Cell<u32> = const { Cell::new(0) };
    }

    #[memprofile(print = "never")]
    fn with_constants<const N: usize>() -> usize {
        let repeated = [0; {
            let length = 3;
            length
        }];
        let inline = const {
            let two = 2;
            two + N
        };
        let collected: [u8; 2] = take::<
            {
                let two = 2;
                two
            },
        >();
        let method = Takes.take::<{
            let four = 4;
            four
        }>();
        CALLS.set(CALLS.get() + 1);
        repeated.len() + inline + collected.len() + method.len()
    }

    fn take<const N: usize>() -> [u8; N] {
        [0; N]
    }

    struct Takes;

    impl Takes {
        #[allow(clippy::unused_self)]
        fn take<const N: usize>(&self) -> [u8; N] {
            [0; N]
        }
    }

    #[test]
    fn any_signature_will_do() {
        nothing();
        finish(nothing_later());
        assert_eq!(one_line(1), 2);
        assert_eq!(all_on_one_line(), 3);
        assert_eq!(finish(one_line_later(1)), 2);
        let mut out = String::from("out");
        only_a_macro(&mut out);
        assert_eq!(out, "out!");
        assert_eq!(patterns((1, 2), [3, 4, 5], &6, 7), 10);
        assert_eq!(finish(patterns_later((1, 2), [3, 4, 5], 6)), 7);
        assert_eq!(finish(mutable_later(vec![1], 2)), [1, 2]);
        assert_eq!(r#match(1, 2), 3);
        assert_eq!(finish(r#await(1)), 1);
        let pointer: extern "C" fn(u32) -> u32 = for_others;
        assert_eq!(pointer(1), 2);
        assert_eq!(factorial(10), 3_628_800);
        assert_eq!(finish(factorial_later(10)), 3_628_800);
    }

    #[test]
    fn what_never_returns_never_does() {
        assert!(std::panic::catch_unwind(|| never()).is_err());
        assert!(std::panic::catch_unwind(|| finish(never_later())).is_err());
    }

    #[test]
    #[should_panic = "not yet implemented"]
    fn an_unfinished_function_says_so() {
        drop(unfinished(1));
    }

    #[test]
    #[should_panic = "later"]
    fn an_unfinished_iterator_says_so() {
        drop(unfinished_opaque());
    }

    #[test]
    #[should_panic = "unreachable code: at "]
    fn an_unfinished_async_fn_says_so() {
        drop(finish(unfinished_later()));
    }

    #[test]
    fn attributes_do_what_they_did() {
        assert_eq!(with_attributes_below() + with_attributes_above(), 84);
        assert_eq!(finish(with_attributes_later()), 42);
        assert_eq!(finish(with_attributes_below_later(&1)), &1);
        assert_eq!(documented(1, 2), 1);
        assert_eq!(conditional(1), 2);
        assert_eq!(conditional_after_the_tail(1), 2);
        assert_eq!(finish(conditional_later(1)), 1);
        assert_eq!(finish(expecting(1, 2, (3, 4))), 2);
    }

    #[test]
    fn a_location_is_still_the_callers() {
        assert_eq!(called_from(), line!());
        let location = called_from_above();
        assert_eq!((location.file(), location.line()), (file!(), line!() - 1));
    }

    #[test]
    fn a_body_may_hold_anything() {
        assert_eq!(with_names_of_ours(1, 2), 4);
        assert_eq!(finish(with_names_of_ours_later(1, (2, 3))), 6);
        assert_eq!(with_items(), 6);
        assert_eq!(with_constants::<1>(), 12);
        assert_eq!(CALLS.get(), 1);
    }
}

mod hostile_names {
    //! Generated code finds its items even if all their names are shadowed.
    #![allow(non_camel_case_types, unused_macros, dead_code)]

    mod core {}
    mod std {}
    mod memprof {}
    enum Option {}
    struct Some;
    struct None;
    trait Future {}
    trait Drop {}
    type u32 = i8;
    type str = ();

    macro_rules! file {
        () => {
            compile_error!("not yours")
        };
    }
    macro_rules! line {
        () => {
            compile_error!("not yours")
        };
    }
    macro_rules! panic {
        () => {
            compile_error!("not yours")
        };
    }

    #[::memprof::memprofile(print = "never", columns = "all")]
    fn plain(number: u32) -> u32 {
        let Some = Some;
        match number {
            0 => 1,
            more => {
                let more = more + 1;
                more
            }
        }
    }

    #[::memprof::memprofile(print = "never", stream = "stderr")]
    async fn later((number, _): (u32, Option2)) -> u32 {
        for round in 0..number {
            if round == 3 {
                return round;
            }
        }
        number
    }

    struct Option2;

    #[test]
    fn names_of_the_users_are_left_alone() {
        assert_eq!(plain(1), 2);
        assert_eq!(super::finish(later((9, Option2))), 3);
    }
}

mod without_a_prelude {
    #![no_implicit_prelude]
    #![allow(dead_code, unused_macros)]

    struct Box;
    struct Err;
    struct Iterator;
    struct Ok;
    struct Result;
    struct Send;
    struct Vec;
    fn at() {}
    fn drop() {}
    fn enter() {}
    static __MEMPROF_SITE: () = ();

    macro_rules! vec {
        () => {
            compile_error!("not yours")
        };
    }
    macro_rules! memprof {
        () => {
            compile_error!("not yours")
        };
    }
    macro_rules! memprofile {
        () => {
            compile_error!("not yours")
        };
    }

    pub(super) struct Thing(pub(super) u32);

    #[::memprof::memprofile(print = "never", columns = "all", rss = "exact")]
    impl Thing {
        pub(super) fn added(self, numbers: &[u32]) -> u32 {
            let add = |sum: u32, number: &u32| {
                let more = *number;
                sum + more
            };
            let mut sum = self.0;
            for number in numbers {
                sum = add(sum, number);
            }
            sum
        }

        pub(super) async fn added_later(self, (left, right): (u32, u32)) -> u32 {
            let sum = async { left + right };
            self.0 + sum.await
        }
    }
}

#[test]
fn a_module_needs_no_prelude() {
    assert_eq!(without_a_prelude::Thing(1).added(&[2, 3]), 6);
    assert_eq!(finish(without_a_prelude::Thing(1).added_later((2, 3))), 6);
}

mod endings {
    //! Unreachable code gets the same warnings as without the attribute, at the same places.
    #![allow(
        clippy::diverging_sub_expression,
        clippy::needless_return,
        clippy::never_loop,
        unused_variables
    )]

    use super::{finish, memprofile};

    #[memprofile(print = "never")]
    fn in_last_lets(number: u32) -> &'static str {
        let kept = Vec::from([number]);
        if number == 0 {
            let never: u32 = return "return";
        }
        loop {
            if number == 1 {
                let never: u32 = break;
            }
            if number == 2 {
                let never: u32 = match kept.len() {
                    1 => return "match",
                    _ => continue,
                };
            }
            let never: u32 = if number == 3 {
                return "if";
            } else {
                let last = "else";
                return last;
            };
        }
        let never: u32 = 'labelled: {
            if kept.len() == 1 {
                break 'labelled 1;
            }
            return "labelled";
        };
        let check = || {
            let none: u32 = panic!("closure");
        };
        if number == 1 { "break" } else { check() }
    }

    #[memprofile(print = "never")]
    async fn in_a_last_let_later(number: u32) -> u32 {
        let kept = Vec::from([number]);
        let never: u32 = loop {
            std::future::ready(()).await;
            return number;
        };
    }

    #[memprofile(print = "never")]
    fn expected_by_a_statement(number: u32) -> u32 {
        return number;
        #[expect(unreachable_code)]
        drop(vec![number]);
    }

    #[memprofile(print = "never")]
    fn expected_by_a_group(number: u32) -> u32 {
        let never: u32 = return number;
        #[expect(unused)]
        number
    }

    #[memprofile(print = "never")]
    fn allowed_by_a_statement(number: u32) -> u32 {
        let kept = Vec::from([number]);
        std::panic::resume_unwind(Box::new(kept));
        #[allow(unreachable_code)]
        {
            let last = number;
            last
        }
    }

    #[expect(unreachable_code)]
    #[memprofile(print = "never")]
    fn expected_by_the_function(number: u32) -> u32 {
        let kept = Vec::from([number]);
        panic_of(kept);
        let last = number;
        last
    }

    fn panic_of(kept: Vec<u32>) -> ! {
        std::panic::resume_unwind(Box::new(kept))
    }

    #[test]
    fn what_ends_early_does() {
        let ends = [0, 1, 2, 3, 4].map(in_last_lets);
        assert_eq!(ends, ["return", "break", "match", "if", "else"]);
        assert_eq!(finish(in_a_last_let_later(3)), 3);
        assert_eq!(expected_by_a_statement(3), 3);
        assert_eq!(expected_by_a_group(3), 3);
        let panics = [allowed_by_a_statement, expected_by_the_function];
        for panics in panics {
            assert!(std::panic::catch_unwind(|| panics(3)).is_err());
        }
    }
}

mod macros {
    use super::{finish, memprofile};

    macro_rules! functions {
        ($($(#[$attribute:meta])* $name:ident($($argument:ident: $type:ty),*) -> $output:ty $body:block)*) => {
            $(
                $(#[$attribute])*
                #[memprofile(print = "never")]
                fn $name($($argument: $type),*) -> $output $body
            )*
        };
    }

    functions! {
        /// Twice the number.
        twice(number: u32) -> u32 {
            let number = number * 2;
            number
        }

        #[must_use]
        sum(left: u32, right: u32) -> u32 { left + right }
    }

    macro_rules! future {
        ($name:ident, $argument:ident, $value:expr) => {
            #[memprofile(print = "never")]
            async fn $name($argument: u32) -> u32 {
                let hidden = 1;
                hidden + $value
            }
        };
    }

    future!(later, number, {
        let hidden = number;
        hidden * 3
    });

    macro_rules! item {
        ($item:item) => {
            $item
        };
    }

    item! {
        #[memprofile(print = "never")]
        fn outside(number: u32) -> u32 {
            let number = number + 1;
            number
        }
    }

    macro_rules! methods {
        ($type:ident, $self:ident, $body:expr) => {
            impl $type {
                #[memprofile(print = "never")]
                fn value(&$self) -> u32 {
                    $body
                }

                #[memprofile(print = "never")]
                async fn value_later(&$self) -> u32 {
                    $body
                }
            }
        };
    }

    struct Holder(u32);

    methods!(Holder, self, self.0 + 1);

    macro_rules! in_braces {
        ($number:expr) => {
            match 1 {
                one => one + $number,
            }
        };
    }

    macro_rules! operands {
        ($name:ident, $number:expr) => {
            #[memprofile(print = "never")]
            fn $name() -> [u32; 5] {
                let doubled = $number * 2;
                let same = $number;
                let tripled = || $number * 3;
                [
                    doubled,
                    same,
                    tripled(),
                    7 - $number,
                    if $number > 2 { 2 * $number } else { $number },
                ]
            }
        };
    }

    operands!(of_a_sum, 1 + 2);
    operands!(
        of_a_match,
        match 1 {
            one => one + 2,
        }
    );

    #[memprofile(print = "never")]
    fn arms_of_macros(number: u32) -> u32 {
        match number {
            0 => in_braces! { 10 },
            1 => in_braces!(20),
            _ => in_braces![30],
        }
    }

    #[test]
    fn a_macro_may_write_the_function() {
        assert_eq!(twice(2), 4);
        assert_eq!(sum(2, 3), 5);
        assert_eq!(finish(later(2)), 7);
        assert_eq!(outside(2), 3);
        assert_eq!(Holder(1).value() + finish(Holder(2).value_later()), 5);
        assert_eq!([0, 1, 2].map(arms_of_macros), [11, 21, 31]);
    }

    #[test]
    fn an_operand_from_a_macro_stays_whole() {
        assert_eq!(of_a_sum(), [6, 3, 9, 4, 6]);
        assert_eq!(of_a_match(), [6, 3, 9, 4, 6]);
    }
}

mod auto_traits {
    use super::{Cell, Future, Pin, Rc, finish, memprofile};
    use std::marker::PhantomPinned;
    use std::rc::Rc as Shared;

    /// Which auto traits the type of a value implements.
    macro_rules! auto_traits {
        ($value:expr) => {{
            let value = $value;
            let traits = (is!(value: Send), is!(value: Sync), is!(value: Unpin));
            drop(value);
            traits
        }};
    }

    /// Whether a type implements a trait: if so, an inherent method takes precedence over the
    /// method of `Otherwise`.
    macro_rules! is {
        ($value:ident: $trait:ident) => {{
            #[allow(dead_code)]
            struct Probe<'a, T>(&'a T);
            #[allow(dead_code)]
            trait Otherwise {
                fn answer(&self) -> bool {
                    false
                }
            }
            impl<T> Otherwise for &Probe<'_, T> {}
            #[allow(dead_code)]
            impl<T: $trait> Probe<'_, T> {
                fn answer(&self) -> bool {
                    let _ = self.0;
                    true
                }
            }
            (&Probe(&$value)).answer()
        }};
    }

    macro_rules! twins {
        ($($name:ident($($argument:tt)*) -> $output:ty $body:block)*) => {
            mod plain {
                use super::*;
                $(pub(super) async fn $name($($argument)*) -> $output $body)*
            }
            mod profiled {
                use super::*;
                $(
                    #[memprofile(print = "never")]
                    pub(super) async fn $name($($argument)*) -> $output $body
                )*
            }
        };
    }

    twins! {
        values(a: u32, b: Vec<u8>) -> usize {
            std::future::ready(()).await;
            a as usize + b.len()
        }
        shared(a: Shared<u8>) -> u8 {
            *a
        }
        shared_and_over(a: u8) -> u8 {
            {
                let shared = Shared::new(a);
                drop(shared);
            }
            std::future::ready(()).await;
            a
        }
        cell_over_await(a: u8) -> u8 {
            let cell = Cell::new(a);
            std::future::ready(()).await;
            cell.get()
        }
        shared_returned(a: u8) -> Shared<u8> {
            std::future::ready(()).await;
            Shared::new(a)
        }
        pinned(_pinned: PhantomPinned) -> () {}
        ignored(_: Shared<u8>) -> () {}
        by_reference(a: &Cell<u8>) -> u8 {
            a.get()
        }
    }

    #[test]
    fn a_future_has_the_automatic_traits_it_had() {
        macro_rules! assert_same {
            ($name:ident, $($argument:expr),*) => {
                assert_eq!(
                    auto_traits!(plain::$name($($argument),*)),
                    auto_traits!(profiled::$name($($argument),*)),
                    stringify!($name)
                );
                let _output = finish(plain::$name($($argument),*));
                let _output = finish(profiled::$name($($argument),*));
            };
        }
        assert_same!(values, 1, Vec::new());
        assert_same!(shared, Rc::new(1));
        assert_same!(shared_and_over, 1);
        assert_same!(cell_over_await, 1);
        assert_same!(shared_returned, 1);
        assert_same!(ignored, Rc::new(1));
        let cell = Cell::new(1);
        assert_same!(by_reference, &cell);
        assert_same!(pinned, PhantomPinned);
        assert_eq!(
            auto_traits!(profiled::values(1, Vec::new())),
            (true, true, false)
        );
        assert_eq!(
            auto_traits!(profiled::shared(Rc::new(1))),
            (false, false, false)
        );
    }

    #[memprofile(print = "never")]
    async fn length(words: &[&str]) -> usize {
        words.len()
    }

    #[memprofile(print = "never")]
    fn boxed<'a>(words: &'a [&'a str]) -> Pin<Box<dyn Future<Output = usize> + Send + 'a>> {
        Box::pin(length(words))
    }

    #[memprofile(print = "never")]
    fn anonymous<'a>(words: &'a [&str]) -> Pin<Box<dyn Future<Output = usize> + Send + 'a>> {
        let future: Pin<Box<dyn Future<Output = usize> + Send + '_>> =
            Box::pin(length(&words[1..]));
        future
    }

    #[test]
    fn a_future_coerces_to_a_boxed_one() {
        assert_eq!(finish(boxed(&["a", "b"])), 2);
        assert_eq!(finish(anonymous(&["a", "b"])), 1);
    }
}

mod depth {
    use super::{finish, memprofile};

    /// A chain of functions, each of which awaits the next.
    macro_rules! chain {
        ($name:ident $next:ident $($rest:ident)*) => {
            #[memprofile(print = "never")]
            async fn $name(items: &mut Vec<u32>) -> u32 {
                items.push(1);
                $next(items).await + 1
            }
            chain!($next $($rest)*);
        };
        ($last:ident) => {
            #[memprofile(print = "never")]
            async fn $last(items: &mut Vec<u32>) -> u32 {
                items.push(1);
                1
            }
        };
    }

    chain!(
        a01 a02 a03 a04 a05 a06 a07 a08 a09 a10 a11 a12 a13
        a14 a15 a16 a17 a18 a19 a20 a21 a22 a23 a24 a25
    );

    fn is_send<T: Send>(value: T) -> T {
        value
    }

    #[test]
    fn a_send_chain_of_25_async_fns_compiles() {
        // With the default recursion limit, up to 33 functions that aren't profiled compile.
        assert_eq!(finish(is_send(a01(&mut Vec::new()))), 25);
    }
}

mod runtimes {
    use super::memprofile;

    #[memprofile(print = "never")]
    #[tokio::main(flavor = "current_thread")]
    async fn main_below(number: u32) -> u32 {
        tokio::task::yield_now().await;
        number + 1
    }

    #[tokio::main(flavor = "current_thread")]
    #[memprofile(print = "never")]
    async fn main_above(number: u32) -> u32 {
        tokio::task::yield_now().await;
        number + 1
    }

    #[test]
    fn a_main_of_tokio_runs() {
        assert_eq!(main_below(1) + main_above(2), 5);
    }

    #[tokio::test]
    #[memprofile(print = "never")]
    async fn a_test_of_tokio_runs_above() {
        tokio::task::yield_now().await;
        assert_eq!(later(1).await, Some(2));
    }

    #[memprofile(print = "never")]
    #[tokio::test]
    async fn a_test_of_tokio_runs_below() {
        let task = tokio::spawn(later(1));
        assert_eq!(task.await.expect("it doesn't panic"), Some(2));
    }

    #[memprofile(print = "never")]
    #[test]
    fn a_test_may_be_profiled() {
        let number = 1;
        assert_eq!(number, 1);
    }

    #[memprofile(print = "never")]
    async fn later(number: u32) -> Option<u32> {
        tokio::select! {
            () = std::future::pending() => None,
            () = tokio::task::yield_now() => {
                let (left, right) = tokio::join!(async { number }, std::future::ready(1));
                Some(left + right)
            }
        }
    }
}

/// Each closure is on one line with its statement, so that no probe precedes its value.
#[memprofile(print = "never")]
fn closures_of_one_call_in_braces() -> i32 {
    let mut numbers = 1..;
    let mut next = || -> i32 { numbers.next().unwrap() };
    let is_long = |text: &str| -> bool { text.len() > 3 };
    next() + next() + i32::from(is_long("four"))
}

#[test]
fn the_braces_of_a_closure_with_a_return_type_are_not_unnecessary() {
    assert_eq!(closures_of_one_call_in_braces(), 4);
}

/// The outer attribute removes the inner ones, so their import isn't used by them.
#[memprofile(print = "never")]
mod imports {
    use memprof::memprofile;

    #[memprofile(skip)]
    pub(super) fn left_out() -> usize {
        1
    }

    #[memprofile(columns = "hits")]
    pub(super) fn with_options_of_its_own() -> usize {
        2
    }
}

#[test]
fn what_is_imported_for_attributes_inside_is_no_unused_import() {
    assert_eq!(imports::left_out() + imports::with_options_of_its_own(), 3);
}

/// As above; a lint level on the import still has its effect.
#[memprofile(print = "never")]
mod imports_with_lints {
    #[expect(unused_imports)]
    use memprof::memprofile;

    #[memprofile(skip)]
    pub(super) fn left_out() -> usize {
        1
    }
}

#[memprofile(print = "never")]
#[rustfmt::skip]
fn conditions_with_a_comma(number: u32) -> u32 {
    #[cfg(any(unix, not(unix),),)]
    let doubled = number * 2;
    #[cfg(all(unix, not(unix)),)]
    let doubled = number;
    doubled
}

/// The last `let` might be left out by its `cfg`, as that of another system is.
#[memprofile(print = "never")]
#[expect(unused_variables)]
fn a_last_let_that_never_ends(number: u32) {
    let first = number;
    #[cfg(all())]
    let never: u32 = unimplemented!("{number}");
    #[cfg(any())]
    drop(first);
}

#[test]
fn imports_and_locals_under_conditions_are_what_they_were() {
    assert_eq!(imports_with_lints::left_out(), 1);
    assert_eq!(conditions_with_a_comma(2), 4);
    let ended = std::panic::catch_unwind(|| a_last_let_that_never_ends(3));
    assert!(ended.is_err());
}
