//! Functions that log their actions and drops.
//!
//! `corpus!()` defines them without an attribute, `corpus!(#[attribute])` with it; the logs must be
//! equal. Editions differ in when temporaries are dropped, and each edition is compared with
//! itself.


macro_rules! list {
    ($($case:ident,)*) => { &[$((stringify!($case), $case as fn())),*] };
}

// In statement position, the expansion would be parsed as ending after the block.
macro_rules! starts_with_a_block {
    ($number:expr) => { match 1 { one => one } + $number };
}

macro_rules! corpus {
    ($(#[$m:meta])?) => {
        use crate::harness::{Case, Noisy, bang, caught, every_way, noisy, pause, say};
        use std::cell::RefCell;
        use std::future::Future;
        use std::pin::Pin;
        use std::rc::Rc;
        use std::sync::Mutex;

        // TEMPORARIES

        pub(crate) const TEMPORARIES: &[Case] = list![
            tail_temporary, tail_temporary_of_a_block, tail_in_an_argument, tail_match,
            tail_match_with_expression_arms, tail_if_let, tail_method_chain, tail_reference,
            statement_temporary, let_extends_a_temporary, let_extends_through_blocks,
            let_extends_through_arms, let_extends_in_a_struct, temporaries_in_arguments,
            blocks_in_arguments, blocks_in_arguments_over_lines, match_in_arguments,
            method_chain_over_lines, match_on_a_guard, match_on_a_refcell, if_on_a_guard,
            condition_block, operands, index_and_field, tail_macro, statement_macros,
            macro_with_let, formatted_tail, tail_question_mark, array_and_tuple,
            compound_assignment, tail_unsafe_block, tail_cast, arm_with_a_chain,
        ];

        $(#[$m])?
        fn tail_temporary() {
            $(#[$m])?
            fn f() -> usize {
                let _local = noisy("local");
                say("between");
                noisy("tail").number()
            }
            say(f().to_string());
        }

        $(#[$m])?
        fn tail_temporary_of_a_block() {
            let number = {
                let _local = noisy("local");
                say("between");
                noisy("tail").number()
            };
            say(number.to_string());
        }

        $(#[$m])?
        fn tail_in_an_argument() {
            say({
                let _local = noisy("local");
                noisy("tail").number().to_string()
            });
            say("after");
        }

        $(#[$m])?
        fn tail_match() {
            $(#[$m])?
            fn f() -> usize {
                let _local = noisy("local");
                match noisy("scrutinee").some() {
                    Some(found) => {
                        let _inner = noisy("inner");
                        found.number()
                    }
                    None => {
                        say("none");
                        0
                    }
                }
            }
            say(f().to_string());
        }

        $(#[$m])?
        fn tail_match_with_expression_arms() {
            $(#[$m])?
            fn f(arm: u8) -> usize {
                let _local = noisy("local");
                match (noisy("scrutinee").number(), arm) {
                    (_, 0) => noisy("zero").number(),
                    (_, 1) => noisy("one").same()
                        .number(),
                    (length, 2) if noisy("guard").yes() => length,
                    (_, 3) => if noisy("if").no() { 1 } else { noisy("else").number() },
                    (_, 4) => if let Some(found) = noisy("if let").none() {
                        found.number()
                    } else {
                        say("else");
                        noisy("4").number()
                    },
                    (_, 5) => match noisy("inner").none() {
                        Some(found) => found.number(),
                        None => noisy("none").number(),
                    },
                    (_, 6) => return noisy("returned").number(),
                    _ => unsafe { noisy("unsafe").number() },
                }
            }
            for arm in 0..8 {
                say(f(arm).to_string());
            }
        }

        $(#[$m])?
        fn tail_if_let() {
            $(#[$m])?
            fn f(arm: u8) -> usize {
                let _local = noisy("local");
                if let (Some(found), 0) = (noisy("first").some(), arm) {
                    say("0");
                    found.number()
                } else if let (Some(found), 1) = (noisy("second").some(), arm) {
                    say("1");
                    found.number()
                } else if noisy("third").yes() && arm == 2 {
                    noisy("2").number()
                } else if let Some(found) = noisy("fourth").none() {
                    found.number()
                } else {
                    let _last = noisy("last");
                    noisy("else").number()
                }
            }
            for arm in 0..4 {
                say(f(arm).to_string());
            }
        }

        $(#[$m])?
        fn tail_method_chain() {
            $(#[$m])?
            fn f() -> Noisy {
                let first = noisy("first");
                let _second = noisy("second");
                first
                    .next("chain 1")
                    .next({
                        let _inner = noisy("inner");
                        "chain 2"
                    })
                    .next("chain 3")
            }
            f().yes();
        }

        $(#[$m])?
        fn tail_reference() {
            $(#[$m])?
            fn f(out: &Noisy) -> &Noisy {
                let _local = noisy("local");
                noisy("temporary").yes();
                &out.same()
            }
            f(&noisy("out")).yes();
        }

        $(#[$m])?
        fn statement_temporary() {
            noisy("one").same().same();
            say("between");
            let _ = noisy("underscore");
            let _ = noisy("underscore's temporary").number();
            noisy("unused");
            (noisy("left"), noisy("right"));
            say("end");
        }

        $(#[$m])?
        fn let_extends_a_temporary() {
            let extended = &noisy("extended");
            let deep = &(noisy("a"), noisy("b")).0;
            let ref bound = noisy("bound");
            let not_extended = noisy("dies").number();
            say(format!("{} {} {} {}", extended.0, deep.0, bound.0, not_extended));
        }

        $(#[$m])?
        fn let_extends_through_blocks() {
            let one = {
                say("in the block");
                &noisy("one")
            };
            let two = &{
                let _inner = noisy("inner");
                noisy("two")
            };
            let three = { { &(noisy("three"), &noisy("four")).0 } };
            say(format!("{} {} {}", one.0, two.0, three.0));
        }

        $(#[$m])?
        fn let_extends_through_arms() {
            for arm in 0..3 {
                let one = match arm {
                    0 => &noisy("arm 0"),
                    1 => {
                        say("one");
                        &noisy("arm 1")
                    }
                    _ => &noisy("other arm"),
                };
                let two = if arm == 0 {
                    &noisy("then")
                } else if arm == 1 {
                    say("else if");
                    &noisy("else if")
                } else {
                    &noisy("else")
                };
                say(format!("{} {}", one.0, two.0));
            }
        }

        $(#[$m])?
        fn let_extends_in_a_struct() {
            struct Holds<'a> {
                _first: &'a Noisy,
                _second: Option<&'a Noisy>,
            }
            let holds = Holds {
                _first: &noisy("first"),
                _second: None,
            };
            let pair = (&noisy("left"), [&noisy("right")]);
            say(format!("{} {}", holds._first.0, pair.0.0));
        }

        $(#[$m])?
        fn temporaries_in_arguments() {
            $(#[$m])?
            fn f(_: usize, b: Noisy, _c: &Noisy) -> usize {
                b.number()
            }
            f(noisy("a").number(), noisy("b"), &noisy("c"));
            let number = f(
                noisy("d").number(),
                noisy("e"),
                noisy("f").same(),
            );
            say(number.to_string());
        }

        $(#[$m])?
        fn blocks_in_arguments() {
            $(#[$m])?
            fn f(a: &Noisy, b: usize, c: Noisy) -> usize {
                a.number() + b + c.number()
            }
            say(f(&{ noisy("a") }, { noisy("b").number() }, { let c = noisy("c"); c }).to_string());
            say("after");
        }

        $(#[$m])?
        fn blocks_in_arguments_over_lines() {
            $(#[$m])?
            fn f(a: &Noisy, b: usize, c: Noisy) -> usize {
                a.number() + b + c.number()
            }
            let number = f(
                &{
                    say("first");
                    noisy("a")
                },
                {
                    let _inner = noisy("inner");
                    noisy("b").number()
                },
                {
                    let c = noisy("c");
                    let _late = noisy("late");
                    c
                },
            );
            say(number.to_string());
        }

        $(#[$m])?
        fn match_in_arguments() {
            $(#[$m])?
            fn f(a: &Noisy, b: usize) -> usize {
                a.number() + b
            }
            let outside = noisy("outside");
            f(
                match noisy("scrutinee").none() {
                    Some(_) => outside.same(),
                    None => &outside,
                },
                if let Some(found) = noisy("if let").none() {
                    found.number()
                } else {
                    noisy("else").number()
                },
            );
            say("after");
        }

        $(#[$m])?
        fn method_chain_over_lines() {
            noisy("start")
                .next("one")
                .next(
                    if noisy("asked").yes() {
                        say("yes");
                        "two"
                    } else {
                        "three"
                    },
                )
                .same()
                .number();
            say("after");
        }

        $(#[$m])?
        fn match_on_a_guard() {
            let mutex = Mutex::new(noisy("locked"));
            match mutex.lock().unwrap().number() {
                0 => say("zero"),
                _ => say(mutex.try_lock().is_ok().to_string()),
            }
            match *mutex.lock().unwrap() {
                Noisy(name) => {
                    say(name);
                    say(mutex.try_lock().is_ok().to_string());
                }
            }
            if let Noisy("other") = *mutex.lock().unwrap() {
                say("other");
            } else {
                say(mutex.try_lock().is_ok().to_string());
            }
            // Before edition 2024, the first lock is still held at the second one.
            if let Noisy("other") = *mutex.lock().unwrap() {
            } else if let Ok(_) = mutex.try_lock().map(|guard| guard.yes()) {
                say("free");
            } else {
                say("held");
            };
            say("after");
        }

        $(#[$m])?
        fn match_on_a_refcell() {
            $(#[$m])?
            fn f(cell: &RefCell<Noisy>) -> usize {
                let _local = noisy("local");
                match cell.borrow().some() {
                    Some(found) => found.number(),
                    None => 0,
                }
            }
            let cell = Rc::new(RefCell::new(noisy("inside")));
            say(f(&cell).to_string());
            while cell.borrow().no() {
                say("never");
            }
            let taken = cell.replace(noisy("replacement"));
            taken.yes();
        }

        $(#[$m])?
        fn if_on_a_guard() {
            let cell = RefCell::new(noisy("inside"));
            if cell.borrow_mut().yes() {
                say(cell.try_borrow().is_ok().to_string());
            }
            if let Some(_) = cell.borrow_mut().some() {
                say(cell.try_borrow().is_ok().to_string());
            } else {
                say("never");
            }
            if let Some(_) = cell.borrow_mut().none() {
                say("never");
            } else if cell.try_borrow().is_ok() {
                say("free");
            } else {
                say("held");
            };
        }

        $(#[$m])?
        fn condition_block() {
            if {
                let first = noisy("first");
                let second = noisy("second");
                first.yes() && second.yes()
            } {
                say("then");
            }
            let mut times = 0;
            while {
                times += 1;
                let condition = noisy("condition");
                condition.yes() && times < 3
            } {
                say("body");
            }
        }

        $(#[$m])?
        fn operands() {
            let sum = noisy("a").number() + {
                say("in between");
                noisy("b").number()
            } * match noisy("c").number() {
                0 => 1,
                n => {
                    let _inner = noisy("inner");
                    n
                }
            };
            let both = noisy("left").no() || noisy("right").yes() && {
                say("third");
                noisy("third").yes()
            };
            say(format!("{} {}", sum, both));
        }

        $(#[$m])?
        fn index_and_field() {
            let mut items = vec![noisy("zero"), noisy("one")];
            items[{
                say("index");
                noisy("index").number() - 5
            }] = noisy("new");
            items[noisy("i").number()].yes();
            (noisy("pair"), 1).0.yes();
            say(format!("{}", (noisy("moved out of"), noisy("rest")).0.number()));
        }

        $(#[$m])?
        fn tail_macro() {
            $(#[$m])?
            fn f() -> Vec<Noisy> {
                let _local = noisy("local");
                vec![noisy("one"), noisy("two").next("three")]
            }
            $(#[$m])?
            fn g() -> String {
                let _local = noisy("local");
                format!("{} {}", noisy("a").number(), noisy("b").same().0)
            }
            f();
            say(g());
        }

        $(#[$m])?
        fn statement_macros() {
            assert!(noisy("assert").yes());
            assert_eq!(noisy("left").number(), 4);
            debug_assert!({
                let _inner = noisy("inner");
                noisy("debug").yes()
            });
            vec![noisy("vec")];
            matches! { noisy("matches").some(), Some(_) };
            say("end");
        }

        $(#[$m])?
        fn macro_with_let() {
            macro_rules! bind {
                ($name:ident) => {
                    let $name = noisy(stringify!($name));
                    let _other = noisy("other");
                };
            }
            bind!(first);
            say("between");
            bind! { second }
            let _last = noisy("last");
            bind!(third);
            say(format!("{} {} {}", first.0, second.0, third.0));
        }

        $(#[$m])?
        fn formatted_tail() {
            say(format!(
                "{}",
                {
                    let inner = noisy("inner");
                    inner.number()
                },
            ));
        }

        $(#[$m])?
        fn tail_question_mark() {
            $(#[$m])?
            fn f(fails: bool) -> Option<usize> {
                let _local = noisy("local");
                let first = noisy("first");
                let number = if fails { first.none()?.number() } else { first.some()?.number() };
                say("still here");
                noisy("tail").some().map(|found| found.number() + number)?;
                Some(noisy("second tail").some()?.number())
            }
            say(format!("{:?}", f(false)));
            say(format!("{:?}", f(true)));
        }

        $(#[$m])?
        fn array_and_tuple() {
            let array = [noisy("a"), noisy("b").next("c"), {
                let _inner = noisy("inner");
                noisy("d")
            }];
            let (left, _, right) = (noisy("left"), noisy("middle"), noisy("right"));
            let [first, ..] = array;
            say(format!("{} {} {}", left.0, right.0, first.0));
        }

        $(#[$m])?
        fn compound_assignment() {
            let mut number = 1;
            number += noisy("added").number();
            number -= {
                let inner = noisy("inner");
                say("subtract");
                inner.number()
            };
            *{
                say("place");
                &mut number
            } += noisy("to the place").number();
            say(number.to_string());
        }

        $(#[$m])?
        fn tail_unsafe_block() {
            $(#[$m])?
            unsafe fn g(a: Noisy) -> usize {
                a.number()
            }
            $(#[$m])?
            fn f() -> usize {
                let _local = noisy("local");
                unsafe {
                    let _inner = noisy("inner");
                    g(noisy("a")) + noisy("tail").number()
                }
            }
            say(f().to_string());
        }

        $(#[$m])?
        fn tail_cast() {
            $(#[$m])?
            fn f() -> u64 {
                let _local = noisy("local");
                (match noisy("scrutinee").some() {
                    Some(found) => found.number(),
                    None => 0,
                }) as u64
            }
            say(f().to_string());
        }

        $(#[$m])?
        fn arm_with_a_chain() {
            for arm in 0..3 {
                let value = match arm {
                    0 => noisy("a").same().number(),
                    1 => { noisy("b") }
                        .same()
                        .number(),
                    _ => match noisy("c") { found => found }
                        .number(),
                };
                say(value.to_string());
            }
        }

        // BRANCHES

        pub(crate) const BRANCHES: &[Case] = list![
            if_let_else_chain, let_else, let_else_over_lines, let_else_with_a_block, nested_match,
            match_by_value, match_binding_modes, match_guards, labelled_block,
            labelled_block_in_an_argument, labelled_arm, early_return, return_from_the_depths,
            question_marks, unreachable_rest, arms_that_assign, arms_that_diverge, match_a_match,
            if_with_attributes, conditional_statements, conditional_tail, empty_arms,
            braces_macro_arm, if_chain_as_a_value,
        ];

        $(#[$m])?
        fn if_let_else_chain() {
            for arm in 0..4 {
                let value = if let (0, Some(found)) = (arm, noisy("first").some()) {
                    let _inner = noisy("inner 0");
                    found.number()
                } else if let (1, Some(found)) = (arm, noisy("second").some()) {
                    let _inner = noisy("inner 1");
                    found.number()
                } else if let (2, Some(found)) = (arm, noisy("third").some()) { found.number() } else {
                    noisy("else").number()
                };
                say(value.to_string());
                if let Some(_) = noisy("one line").none() { say("then") } else if let Some(_) = noisy("other").some() { say("other") } else { say("else") }
            }
        }

        $(#[$m])?
        fn let_else() {
            $(#[$m])?
            fn f(fails: bool) -> usize {
                let _local = noisy("local");
                let Some(number) = noisy("kept").some().map(|n| n.number()).filter(|_| !fails) else {
                    say("else");
                    return noisy("returned").number();
                };
                let _late = noisy("late");
                number
            }
            say(f(false).to_string());
            say(f(true).to_string());
        }

        $(#[$m])?
        fn let_else_over_lines() {
            $(#[$m])?
            fn f(fails: bool) -> Option<Noisy> {
                let (Some(first), _second) = ((!fails).then(|| noisy("first")), noisy("second"))
                else {
                    let _inner = noisy("inner");
                    return None;
                };
                say("matched");
                Some(first)
            }
            f(false);
            f(true);
        }

        $(#[$m])?
        fn let_else_with_a_block() {
            for fails in vec![false, true] {
                let Some(number) = ({
                    let inner = noisy("inner");
                    if fails {
                        inner.none().map(|n| n.number())
                    } else {
                        inner.some().map(|n| n.number())
                    }
                }) else {
                    say("continue");
                    continue;
                };
                say(number.to_string());
            }
        }

        $(#[$m])?
        fn nested_match() {
            for (a, b) in vec![(0, 0), (0, 1), (1, 0)] {
                let _each = noisy("each");
                match noisy("outer").number() + a {
                    5 => match noisy("inner").number() + b {
                        5 => say("5 5"),
                        _ => {
                            let _deep = noisy("deep");
                            say("5 _")
                        }
                    },
                    _ => (),
                }
            }
        }

        $(#[$m])?
        fn match_by_value() {
            match Some((noisy("left"), noisy("right"))) {
                Some((left, _)) => {
                    left.yes();
                }
                None => {}
            }
            match Some(noisy("whole")) {
                Some(_) => say("not bound"),
                None => {}
            }
            match noisy("name") {
                bound => bound.yes(),
            };
            say("end");
        }

        $(#[$m])?
        fn match_binding_modes() {
            let pair = (noisy("left"), noisy("right"));
            match pair {
                (ref left, _) if left.no() => say("no"),
                (left, ref right) => {
                    left.yes();
                    right.yes();
                }
            }
            say("after");
            pair.1.yes();
        }

        $(#[$m])?
        fn match_guards() {
            for arm in 0..4 {
                match noisy("scrutinee") {
                    found if arm == 0 && noisy("guard 0").yes() => found.next("moved").yes(),
                    ref found if arm == 1 && {
                        let _inner = noisy("inner");
                        found.yes()
                    } => {
                        say("by ref");
                        true
                    }
                    ref found
                        if arm == 2 && noisy("guard apart").next("its temporary").yes() =>
                    {
                        found.yes()
                    }
                    _ => noisy("rest").no(),
                };
            }
        }

        $(#[$m])?
        fn labelled_block() {
            for exit in 0..3 {
                let value = 'block: {
                    let _first = noisy("first");
                    if exit == 0 {
                        break 'block noisy("broken out").number();
                    }
                    let _second = noisy("second");
                    if exit == 1 {
                        break 'block ({
                            let _inner = noisy("inner");
                            1
                        });
                    }
                    noisy("tail").number()
                };
                say(value.to_string());
            }
        }

        $(#[$m])?
        fn labelled_block_in_an_argument() {
            for exit in vec![true, false] {
                say('block: {
                    let name = noisy("name");
                    if exit {
                        break 'block name.0;
                    }
                    let _rest = noisy("rest");
                    name.next("other").0
                });
            }
        }

        $(#[$m])?
        fn labelled_arm() {
            for exit in vec![true, false] {
                match noisy("scrutinee").number() {
                    0 => {}
                    _ => 'arm: {
                        let _inner = noisy("inner");
                        if exit {
                            break 'arm;
                        }
                        let _rest = noisy("rest");
                    }
                }
            }
        }

        $(#[$m])?
        fn early_return() {
            $(#[$m])?
            fn f(when: u8) -> Noisy {
                let first = noisy("first");
                if when == 0 {
                    return first;
                }
                let second = noisy("second");
                if when == 1 { return second.next("third"); }
                let _last = noisy("last");
                return noisy("end");
            }
            for when in 0..3 {
                f(when).yes();
            }
        }

        $(#[$m])?
        fn return_from_the_depths() {
            $(#[$m])?
            fn f(when: u8) -> usize {
                let _outer = noisy("outer");
                for round in 0..3 {
                    let _round = noisy("round");
                    let _ = (noisy("held"), match round {
                        1 if when == 1 => return noisy("returned").number(),
                        2 => {
                            let _deep = noisy("deep");
                            return {
                                let _deeper = noisy("deeper");
                                noisy("late").number()
                            };
                        }
                        other => other,
                    });
                }
                0
            }
            say(f(1).to_string());
            say(f(2).to_string());
        }

        $(#[$m])?
        fn question_marks() {
            $(#[$m])?
            fn step(name: &'static str, fails: bool) -> Result<Noisy, Noisy> {
                let value = noisy(name);
                if fails { Err(value) } else { Ok(value) }
            }
            $(#[$m])?
            fn f(when: u8) -> Result<usize, Noisy> {
                let first = step("first", when == 0)?;
                let both = (first.next("both"), step("second", when == 1)?);
                let third = step("third", when == 2)?
                    .next({
                        step("argument", when == 3)?;
                        "third's next"
                    });
                Ok(both.0.number() + third.number())
            }
            for when in 0..5 {
                say(format!("{:?}", f(when)));
            }
        }

        $(#[$m])?
        #[allow(unreachable_code, unused_variables)]
        fn unreachable_rest() {
            let _first = noisy("first");
            if noisy("asked").yes() {
                let _inner = noisy("inner");
                return;
                let never = noisy("never");
            }
            let second: Noisy = return;
            say("never");
        }

        $(#[$m])?
        fn arms_that_assign() {
            let mut value = noisy("old");
            let late;
            match noisy("scrutinee").number() {
                0 => value = noisy("zero"),
                _ => value = noisy("new"),
            }
            if value.yes() {
                late = noisy("late");
            } else {
                late = noisy("never");
            }
            say(late.0);
            value = { late };
            say(value.0);
        }

        $(#[$m])?
        fn arms_that_diverge() {
            for arm in 0..3 {
                let _round = noisy("round");
                let value: Noisy = match arm {
                    0 => continue,
                    1 => noisy("value"),
                    _ => break,
                };
                say(value.0);
            }
        }

        $(#[$m])?
        fn match_a_match() {
            match match noisy("inner scrutinee").some() {
                Some(found) => found.number(),
                None => 0,
            } {
                0 => say("zero"),
                _ => {
                    noisy("body");
                }
            }
            match {
                let block = noisy("block");
                block.number()
            } {
                _ => noisy("end"),
            };
        }

        $(#[$m])?
        fn if_with_attributes() {
            #[allow(unused_variables)]
            let first = noisy("first");
            #[allow(clippy::needless_bool)]
            if noisy("condition").yes() {
                #[allow(unused_variables)]
                let second = noisy("second");
                #[allow(unused_must_use)]
                noisy("third").number();
            }
            #[allow(unused_variables)]
            match noisy("fourth") {
                #[allow(unused_variables)]
                found => {
                    say("in an arm");
                }
            }
        }

        $(#[$m])?
        fn conditional_statements() {
            #[cfg(any())]
            let _absent = noisy("absent");
            #[cfg(all())]
            let _present = noisy("present");
            #[cfg(any())]
            say("absent");
            #[cfg(all())]
            {
                let _inner = noisy("inner");
            }
            match noisy("scrutinee").number() {
                #[cfg(any())]
                9 => say("absent arm"),
                #[cfg(all())]
                9 => say("present arm"),
                _ => {}
            }
            #[cfg(any())]
            let _last = noisy("last");
        }

        $(#[$m])?
        fn conditional_tail() {
            $(#[$m])?
            fn f() -> usize {
                let _local = noisy("local");
                #[cfg(any())]
                {
                    noisy("absent").number()
                }
                #[cfg(all())]
                {
                    noisy("present").number()
                }
            }
            say(f().to_string());
        }

        $(#[$m])?
        fn empty_arms() {
            match noisy("first").some() {
                Some(_) => {}
                None => {}
            }
            match noisy("second") {
                _ => (),
            }
            if noisy("third").yes() {}
            if let Some(_) = noisy("fourth").none() {} else {}
            {}
            unsafe {}
            say("end");
        }

        $(#[$m])?
        fn braces_macro_arm() {
            for arm in 0..2 {
                let value = match arm {
                    0 => starts_with_a_block! { noisy("a").number() },
                    _ => starts_with_a_block!(noisy("b").number()),
                };
                say(value.to_string());
            }
        }

        $(#[$m])?
        fn if_chain_as_a_value() {
            for arm in 0..3 {
                let held = noisy("held");
                let value = (
                    if arm == 0 {
                        held.same()
                    } else if let Some(found) = held.some().filter(|_| arm == 1) {
                        say("1");
                        found
                    } else if arm == 2 {
                        noisy("dies").yes();
                        &held
                    } else {
                        return
                    },
                    noisy("second"),
                );
                say(value.0.0);
            }
        }

        // LOOPS

        pub(crate) const LOOPS: &[Case] = list![
            for_loop, for_over_temporaries, for_with_continue_and_break, labelled_loops, while_loop,
            while_let, while_let_pop, loop_with_a_value, loop_on_one_line, nested_loops,
            loop_in_an_argument, loop_returns, iterator_is_dropped_late, empty_loops,
        ];

        $(#[$m])?
        fn for_loop() {
            for item in vec![noisy("a"), noisy("b")] {
                let _local = noisy("local");
                item.yes();
            }
            for (_, item) in vec![noisy("c"), noisy("d")].into_iter().enumerate() {
                let moved = item;
                say(moved.0);
            }
            for _ in vec![noisy("e"), noisy("f")] {
                say("body");
            }
            say("end");
        }

        $(#[$m])?
        fn for_over_temporaries() {
            for number in 0..noisy("the range's").number() / 5 {
                say(number.to_string());
            }
            for item in noisy("iterated").some() {
                item.yes();
            }
            for item in {
                let _inner = noisy("inner");
                vec![noisy("x")]
            } {
                item.yes();
            }
        }

        $(#[$m])?
        fn for_with_continue_and_break() {
            for (index, item) in vec![noisy("a"), noisy("b"), noisy("c"), noisy("d")].into_iter().enumerate() {
                let local = noisy("local");
                if index == 0 {
                    continue;
                }
                let _second = noisy("second");
                if index == 1 { drop(item); continue }
                if index == 2 {
                    let _inner = noisy("inner");
                    break;
                }
                local.yes();
            }
            say("end");
        }

        $(#[$m])?
        fn labelled_loops() {
            'outer: for a in 0..3 {
                let _a = noisy("a");
                'inner: while noisy("condition").yes() {
                    let _b = noisy("b");
                    loop {
                        let _c = noisy("c");
                        match a {
                            0 => break 'inner,
                            1 => continue 'outer,
                            _ => break 'outer,
                        }
                    }
                }
                say("after the inner loop");
            }
        }

        $(#[$m])?
        fn while_loop() {
            let mut times = 0;
            while times < 2 && noisy("condition").yes() {
                times += 1;
                let _local = noisy("local");
                noisy("body").yes();
            }
            while noisy("never").no() {}
        }

        $(#[$m])?
        fn while_let() {
            let mut times = 0;
            while let Some(found) = noisy("scrutinee").some().filter(|_| times < 2) {
                let _local = noisy("local");
                found.yes();
                times += 1;
                if times == 1 {
                    continue;
                }
                say("second");
            }
        }

        $(#[$m])?
        fn while_let_pop() {
            let stack = RefCell::new(vec![noisy("a"), noisy("b"), noisy("c")]);
            while let Some(item) = { let popped = stack.borrow_mut().pop(); popped } {
                item.yes();
                if item.0 == "b" { break; }
            }
            while let Some(Noisy(name)) = stack.borrow_mut().pop().as_ref() { say(*name) }
            say("end");
        }

        $(#[$m])?
        fn loop_with_a_value() {
            let mut times = 0;
            let value = loop {
                let local = noisy("local");
                times += 1;
                if times == 2 {
                    break local;
                }
                if times == 1 {
                    continue;
                }
            };
            say(value.0);
            let number = loop {
                break noisy("broken").number();
            };
            say(number.to_string());
        }

        $(#[$m])?
        fn loop_on_one_line() {
            for name in vec!["a", "b"] { let _n = noisy(name); noisy("body"); }
            let mut n = 0; while n < 2 { n += 1; let _n = noisy("n"); }
            loop { let _l = noisy("l"); break }
            let value = loop { break noisy("value") }; value.yes();
        }

        $(#[$m])?
        fn nested_loops() {
            for a in vec![noisy("a1"), noisy("a2")] {
                for b in vec![noisy("b1"), noisy("b2")] {
                    if b.0 == "b1" && a.0 == "a2" { continue; }
                    say(format!("{} {}", a.0, b.0));
                }
            }
        }

        $(#[$m])?
        fn loop_in_an_argument() {
            say(loop {
                let name = noisy("name");
                if name.yes() {
                    break name.0;
                }
            });
            let _both = (noisy("first"), for item in vec![noisy("item")] {
                let _local = noisy("local");
                drop(item);
            }, noisy("last"));
        }

        $(#[$m])?
        fn loop_returns() {
            $(#[$m])?
            fn f() -> Option<Noisy> {
                let _outer = noisy("outer");
                for item in vec![noisy("a"), noisy("b"), noisy("c")] {
                    let _local = noisy("local");
                    if item.0 == "b" {
                        return Some(item);
                    }
                }
                None
            }
            say(format!("{:?}", f()));
        }

        $(#[$m])?
        fn iterator_is_dropped_late() {
            struct Items(Noisy, u8);
            impl Iterator for Items {
                type Item = Noisy;

                $(#[$m])?
                fn next(&mut self) -> Option<Noisy> {
                    self.0.yes();
                    self.1 += 1;
                    if self.1 < 3 { Some(noisy("item")) } else { None }
                }
            }
            for item in Items(noisy("iterator"), 0) {
                let _local = noisy("local");
                item.yes();
            }
            say("after");
            for item in Items(noisy("iterator"), 0) {
                item.yes();
                break;
            }
        }

        $(#[$m])?
        fn empty_loops() {
            for _ in vec![noisy("a"), noisy("b")] {}
            while noisy("no").no() {}
            while let Some(_) = noisy("none").none() {}
            for _ in vec![noisy("c")] { #[cfg(any())] say("absent"); }
        }

        // LOCALS

        pub(crate) const LOCALS: &[Case] = list![
            order_of_locals, shadowing, late_initialisation, assignment_drops_the_old_value,
            struct_update, partial_moves, moved_by_hand, nested_scopes, destructuring_assignment,
            several_on_a_line, nested_items, recursion, items_between, box_and_rc, underscore_names,
            drop_that_calls, conditional_initialisation, statement_after_the_last_let,
            let_in_one_branch,
        ];

        $(#[$m])?
        fn order_of_locals() {
            let _a = noisy("a");
            let _b = noisy("b");
            say("between");
            let _c = noisy("c");
        }

        $(#[$m])?
        fn shadowing() {
            let value = noisy("first");
            let value = value.next("second");
            {
                let value = noisy("inner");
                value.yes();
            }
            let value = (value, noisy("third"));
            let value = value.1;
            value.yes();
            let value = 1;
            say(value.to_string());
        }

        $(#[$m])?
        fn late_initialisation() {
            let first;
            let second;
            let _third = noisy("third");
            second = noisy("second");
            first = noisy("first");
            say(format!("{} {}", first.0, second.0));
        }

        $(#[$m])?
        fn assignment_drops_the_old_value() {
            let mut value = noisy("old");
            value = noisy("new");
            say(value.0);
            value = {
                let _inner = noisy("inner");
                noisy("newer")
            };
            value.yes();
            let mut pair = (noisy("left"), noisy("right"));
            pair.0 = noisy("new left");
            pair = (noisy("a"), pair.1);
            let mut boxed = Box::new(noisy("boxed"));
            *boxed = noisy("boxed anew");
            let _ = (pair, boxed);
            let mut option = Some(noisy("some"));
            say(option.is_some().to_string());
            option = None;
            say(option.is_some().to_string());
        }

        $(#[$m])?
        fn struct_update() {
            struct Three {
                a: Noisy,
                b: Noisy,
                c: Noisy,
            }
            $(#[$m])?
            fn make() -> Three {
                Three { a: noisy("a"), b: noisy("b"), c: noisy("c") }
            }
            let three = Three { b: noisy("new b"), ..make() };
            say("made");
            let base = make();
            let again = Three {
                c: {
                    let _inner = noisy("inner");
                    noisy("new c")
                },
                ..base
            };
            base.c.yes();
            say(format!("{}{}{}", three.a.0, again.b.0, again.c.0));
        }

        $(#[$m])?
        fn partial_moves() {
            let pair = (noisy("left"), noisy("right"));
            let left = pair.0;
            say("moved");
            let boxed = Box::new((noisy("x"), noisy("y")));
            let (x, _) = *boxed;
            left.yes();
            x.yes();
            let whole @ Noisy(_) = noisy("whole");
            whole.yes();
            let Noisy(_) = noisy("matched by a pattern without a binding");
        }

        $(#[$m])?
        fn moved_by_hand() {
            let a = noisy("a");
            let b = noisy("b");
            drop(a);
            std::mem::forget(noisy("forgotten"));
            let c = Some(noisy("c"));
            if b.yes() {
                drop(c);
            }
            say("end");
        }

        $(#[$m])?
        fn nested_scopes() {
            let _a = noisy("a");
            {
                let _b = noisy("b");
                {
                    noisy("c");
                    let _d = noisy("d");
                }
                say("after the inner one");
            }
            unsafe {
                let _e = noisy("e");
            }
            #[allow(unused_braces)]
            let _f = { { noisy("f") } };
            say("end");
        }

        $(#[$m])?
        fn destructuring_assignment() {
            let (mut a, mut b) = (noisy("a"), noisy("b"));
            (a, b) = (noisy("c"), noisy("d"));
            (a, _) = (noisy("e"), noisy("f"));
            [_, b] = [noisy("g"), noisy("h")];
            _ = noisy("i");
            say(format!("{} {}", a.0, b.0));
        }

        $(#[$m])?
        fn several_on_a_line() {
            let _a = noisy("a"); noisy("b"); let _c = noisy("c"); { let _d = noisy("d"); } say("end");
        }

        $(#[$m])?
        fn nested_items() {
            let _outer = noisy("outer");
            $(#[$m])?
            fn inner(a: Noisy) -> Noisy {
                let _local = noisy("local");
                a.next("b")
            }
            struct Holder(Noisy);
            impl Holder {
                $(#[$m])?
                fn into_inner(self) -> Noisy {
                    let _local = noisy("holder's");
                    self.0
                }
            }
            const LENGTH: usize = { let three = 3; three };
            inner(noisy("a")).yes();
            Holder(noisy("held")).into_inner().yes();
            say(LENGTH.to_string());
        }

        $(#[$m])?
        fn recursion() {
            $(#[$m])?
            fn down(depth: u8, held: Noisy) -> usize {
                let local = noisy("local");
                if depth == 0 {
                    return held.number();
                }
                down(depth - 1, noisy("next")) + local.number()
            }
            say(down(3, noisy("first")).to_string());
        }

        $(#[$m])?
        fn items_between() {
            let a = noisy("a");
            static ANSWER: u32 = 42;
            let b = noisy("b");
            use std::mem::swap;
            let (mut a, mut b) = (a, b);
            swap(&mut a, &mut b);
            say(ANSWER.to_string());
            enum Nothing {}
            let _nothing: Option<Nothing> = None;
        }

        $(#[$m])?
        fn box_and_rc() {
            let shared = Rc::new(noisy("shared"));
            let _again = Rc::clone(&shared);
            drop(shared);
            let _boxed: Box<dyn std::fmt::Debug> = Box::new(noisy("boxed"));
            say("end");
        }

        $(#[$m])?
        fn underscore_names() {
            let _frame = noisy("frame");
            let _at_exit = noisy("at exit");
            let _back_at_exit = noisy("back at exit");
            let answer = noisy("answer");
            answer.next("next answer").yes();
            say(format!("{} {} {}", _frame.0, _at_exit.0, _back_at_exit.0));
        }

        $(#[$m])?
        fn drop_that_calls() {
            struct Calls(&'static str);
            impl Drop for Calls {
                $(#[$m])?
                fn drop(&mut self) {
                    let _local = noisy("in drop");
                    say(self.0);
                }
            }
            let _calls = Calls("a");
            let _other = noisy("other");
            Calls("b");
            say("end");
        }

        $(#[$m])?
        fn conditional_initialisation() {
            for round in 0..2 {
                let first;
                let _second = noisy("second");
                if round == 1 {
                    first = noisy("first");
                    first.yes();
                }
            }
        }

        $(#[$m])?
        fn statement_after_the_last_let() {
            let _a = noisy("a");
            noisy("b").yes();
            if noisy("c").yes() {
                noisy("d");
            }
            noisy("e")
                .same()
                .yes();
        }

        $(#[$m])?
        fn let_in_one_branch() {
            let _a = noisy("a");
            for round in 0..2 {
                if round == 0 {
                    let _b = noisy("b");
                } else {
                    noisy("c");
                }
            }
        }

        // PARAMETERS

        pub(crate) const PARAMETERS: &[Case] = list![
            by_value, unused, ignored, mutable, patterns, self_by_value, self_mutable,
            self_by_reference, boxed_self, in_traits, generic, moved_into_the_tail, moved_in_a_branch,
            returned, references, conditional_parameters, impl_trait, extern_functions,
        ];

        $(#[$m])?
        fn by_value() {
            $(#[$m])?
            fn f(a: Noisy, b: Noisy) -> usize {
                let _local = noisy("local");
                a.number() + b.number()
            }
            say(f(noisy("a"), noisy("b")).to_string());
        }

        $(#[$m])?
        fn unused() {
            $(#[$m])?
            fn f(_a: Noisy, _b: Noisy) {}
            $(#[$m])?
            fn g(_a: Noisy, _b: Noisy) {
                let _local = noisy("local");
            }
            f(noisy("a"), noisy("b"));
            g(noisy("a"), noisy("b"));
        }

        $(#[$m])?
        fn ignored() {
            $(#[$m])?
            fn f(_: Noisy, _a: Noisy, _: Noisy) {
                let _local = noisy("local");
                say("body");
            }
            f(noisy("first"), noisy("a"), noisy("third"));
        }

        $(#[$m])?
        fn mutable() {
            $(#[$m])?
            fn f(mut a: Noisy, mut _b: Noisy) -> Noisy {
                a.yes();
                a = noisy("new a");
                let _local = noisy("local");
                a
            }
            f(noisy("a"), noisy("b")).yes();
        }

        $(#[$m])?
        fn patterns() {
            $(#[$m])?
            fn f((a, _): (Noisy, Noisy), Noisy(_name): Noisy, [first, ..]: [Noisy; 2], &number: &u8) {
                say(format!("{}{}{}", a.0, first.0, number));
                let _local = noisy("local");
            }
            f(
                (noisy("a"), noisy("b")),
                noisy("c"),
                [noisy("d"), noisy("e")],
                &1,
            );
        }

        struct Pair(Noisy, Noisy);

        impl Pair {
            $(#[$m])?
            fn consume(self, other: Noisy) -> usize {
                let _local = noisy("local");
                self.0.number() + other.number()
            }

            $(#[$m])?
            fn take_first(self) -> Noisy {
                let _local = noisy("local");
                self.0
            }

            $(#[$m])?
            fn replace(mut self, other: Noisy) -> Self {
                self.1 = other;
                self
            }

            $(#[$m])?
            fn look(&self, _other: Noisy) -> &Noisy {
                let _local = noisy("local");
                &self.0
            }

            $(#[$m])?
            fn set(&mut self, other: Noisy) -> &mut Self {
                self.0 = other;
                self
            }

            $(#[$m])?
            fn unbox(self: Box<Self>) -> Noisy {
                let _local = noisy("local");
                self.1
            }

            $(#[$m])?
            fn rc(self: Rc<Self>, _other: Noisy) {
                self.0.yes();
            }
        }

        $(#[$m])?
        fn make_pair() -> Pair {
            Pair(noisy("one"), noisy("two"))
        }

        $(#[$m])?
        fn self_by_value() {
            make_pair().consume(noisy("other"));
            make_pair().take_first().yes();
        }

        $(#[$m])?
        fn self_mutable() {
            make_pair().replace(noisy("other")).0.yes();
        }

        $(#[$m])?
        fn self_by_reference() {
            let mut pair = make_pair();
            pair.look(noisy("other")).yes();
            pair.set(noisy("new")).set(noisy("newer")).look(noisy("end"));
        }

        $(#[$m])?
        fn boxed_self() {
            Box::new(make_pair()).unbox().yes();
            Rc::new(make_pair()).rc(noisy("other"));
        }

        $(#[$m])?
        fn in_traits() {
            trait Ends: Sized {
                fn end(self, with: Noisy) -> usize;

                $(#[$m])?
                fn provided(self, _: Noisy, c: Noisy) -> Noisy {
                    let _local = noisy("local");
                    c
                }
            }
            impl Ends for Noisy {
                $(#[$m])?
                fn end(self, with: Noisy) -> usize {
                    let _local = noisy("local");
                    with.number()
                }
            }
            noisy("a").end(noisy("b"));
            noisy("c").provided(noisy("d"), noisy("e")).yes();
        }

        $(#[$m])?
        fn generic() {
            $(#[$m])?
            fn f<T, F: FnOnce(&T) -> R, R>(value: T, run: F) -> R {
                let _local = noisy("local");
                run(&value)
            }
            let captured = noisy("captured");
            f(noisy("value"), move |value| {
                captured.yes();
                value.number()
            });
        }

        $(#[$m])?
        fn moved_into_the_tail() {
            $(#[$m])?
            fn f(a: Noisy, b: Noisy) -> (Noisy, usize) {
                (a, b.number())
            }
            $(#[$m])?
            fn g(a: Noisy) -> Noisy { a }
            f(noisy("a"), noisy("b")).0.yes();
            g(noisy("c"));
        }

        $(#[$m])?
        fn moved_in_a_branch() {
            $(#[$m])?
            fn f(a: Noisy, is_moved: bool) {
                let _local = noisy("local");
                if is_moved {
                    drop(a);
                }
                say("after");
            }
            f(noisy("a"), true);
            f(noisy("b"), false);
        }

        $(#[$m])?
        fn returned() {
            $(#[$m])?
            fn f(a: Noisy, b: Noisy) -> Noisy {
                let _local = noisy("local");
                if a.yes() { return b }
                a
            }
            f(noisy("a"), noisy("b")).yes();
        }

        $(#[$m])?
        fn references() {
            $(#[$m])?
            fn f<'a>(a: &'a Noisy, _b: &Noisy, c: &mut Noisy) -> &'a Noisy {
                *c = noisy("new c");
                a
            }
            f(&noisy("a"), &noisy("b"), &mut noisy("c")).yes();
        }

        $(#[$m])?
        fn conditional_parameters() {
            $(#[$m])?
            fn f(#[cfg(any())] _a: Noisy, #[cfg(all())] b: Noisy) {
                b.yes();
            }
            f(noisy("b"));
        }

        $(#[$m])?
        fn impl_trait() {
            $(#[$m])?
            fn f(items: impl Iterator<Item = Noisy>) -> impl Iterator<Item = usize> {
                let local = noisy("local");
                items.map(move |item| item.number() + local.number())
            }
            for number in f(vec![noisy("a"), noisy("b")].into_iter()) {
                say(number.to_string());
            }
        }

        $(#[$m])?
        fn extern_functions() {
            $(#[$m])?
            extern "C" fn f(number: u32) -> u32 {
                let local = noisy("local");
                local.yes();
                number + 1
            }
            say(f(1).to_string());
        }

        // CLOSURES

        pub(crate) const CLOSURES: &[Case] = list![
            captures_a_field, captures_by_reference, captures_by_move, closure_over_lines,
            closure_as_tail, closure_in_a_chain, closure_returned, closure_without_braces,
            immediately_called, async_block, async_block_of_a_field,
        ];

        $(#[$m])?
        fn captures_a_field() {
            let pair = Pair(noisy("one"), noisy("two"));
            {
                let take = || {
                    let moved = pair.0;
                    moved.yes()
                };
                say("made");
                take();
            }
            say("after");
        }

        $(#[$m])?
        fn captures_by_reference() {
            let mut value = noisy("old");
            let mut change = || {
                value.yes();
                value = noisy("new");
            };
            change();
            change();
            value.yes();
        }

        $(#[$m])?
        fn captures_by_move() {
            let pair = Pair(noisy("one"), noisy("two"));
            let other = noisy("other");
            let look = move || pair.1.number();
            say("made");
            look();
            drop(look);
            other.yes();
        }

        $(#[$m])?
        fn closure_over_lines() {
            let run = |times: usize| -> usize {
                let _local = noisy("local");
                if times == 0 {
                    return noisy("early").number();
                }
                match noisy("scrutinee").some() {
                    Some(found) => found.number(),
                    None => 0,
                }
            };
            run(0);
            run(1);
        }

        $(#[$m])?
        fn closure_as_tail() {
            $(#[$m])?
            fn f(a: Noisy, pair: Pair) -> impl FnOnce() -> Noisy {
                let _local = noisy("local");
                move || {
                    a.yes();
                    pair.0
                }
            }
            f(noisy("a"), make_pair())().yes();
            drop(f(noisy("b"), make_pair()));
        }

        $(#[$m])?
        fn closure_in_a_chain() {
            let total: usize = vec![noisy("a"), noisy("b")]
                .into_iter()
                .map(|item| {
                    let _local = noisy("local");
                    item.number()
                })
                .filter(|_| noisy("filter").yes())
                .sum();
            say(total.to_string());
        }

        $(#[$m])?
        fn closure_returned() {
            $(#[$m])?
            fn f() -> Box<dyn Fn() -> usize> {
                let held = noisy("held");
                Box::new(move || held.number())
            }
            let run = f();
            run();
            f()();
        }

        $(#[$m])?
        fn closure_without_braces() {
            let tail = || noisy("tail").number();
            let matched = |value: Noisy| match value { Noisy(name) => name };
            tail();
            matched(noisy("value"));
        }

        $(#[$m])?
        fn immediately_called() {
            let number = (|| {
                let inner = noisy("inner");
                Some(inner.none()?.number())
            })();
            say(format!("{:?}", number));
        }

        $(#[$m])?
        fn async_block() {
            every_way(|| {
                let held = noisy("held");
                async move {
                    let _local = noisy("local");
                    pause().await;
                    held.number()
                }
            });
        }

        $(#[$m])?
        fn async_block_of_a_field() {
            every_way(|| {
                let pair = make_pair();
                async move {
                    pause().await;
                    pair.0.number()
                }
            });
        }

        // PANICS

        pub(crate) const PANICS: &[Case] = list![
            panic_between_statements, panic_in_an_argument, panic_in_a_scrutinee, panic_in_a_loop,
            panic_with_parameters, panic_in_a_drop, panic_in_the_tail, panic_in_a_nested_block,
            panic_caught_inside, panic_while_assigning, panic_in_a_closure, panic_in_an_arm,
        ];

        $(#[$m])?
        fn panic_in_an_arm() {
            $(#[$m])?
            fn f(arm: u8) -> (Noisy, usize, Noisy) {
                let _local = noisy("local");
                match arm {
                    0 => (
                        noisy("a"),
                        noisy("temporary").number(),
                        { bang(); noisy("b") },
                    ),
                    1 =>
                        { let found = (noisy("c"), noisy("other").number(), noisy("d")); bang(); found },
                    _ =>
                        (noisy("e"), { let last = noisy("last").number(); bang(); last }, noisy("f")),
                }
            }
            for arm in 0..3 {
                caught(|| drop(f(arm)));
            }
        }

        $(#[$m])?
        fn panic_between_statements() {
            caught(|| {
                $(#[$m])?
                fn f() {
                    let _a = noisy("a");
                    let _b = noisy("b");
                    bang();
                    let _c = noisy("c");
                }
                f()
            });
        }

        $(#[$m])?
        fn panic_in_an_argument() {
            $(#[$m])?
            fn f(_a: Noisy, _: (), _b: Noisy) {}
            $(#[$m])?
            fn g() {
                let _local = noisy("local");
                f(
                    noisy("a"),
                    {
                        let _inner = noisy("inner");
                        bang()
                    },
                    noisy("b"),
                );
            }
            caught(g);
        }

        $(#[$m])?
        fn panic_in_a_scrutinee() {
            $(#[$m])?
            fn f(arm: u8) {
                let _local = noisy("local");
                match (noisy("scrutinee").some(), if arm == 0 { bang() }) {
                    (Some(_), ()) if arm == 1 && { bang(); true } => {}
                    (Some(found), ()) => {
                        found.yes();
                        bang();
                    }
                    (None, ()) => {}
                }
            }
            for arm in 0..3 {
                caught(|| f(arm));
            }
        }

        $(#[$m])?
        fn panic_in_a_loop() {
            $(#[$m])?
            fn f() {
                let _outer = noisy("outer");
                for item in vec![noisy("a"), noisy("b"), noisy("c")] {
                    let _local = noisy("local");
                    if item.0 == "b" {
                        bang();
                    }
                }
            }
            caught(f);
        }

        $(#[$m])?
        fn panic_with_parameters() {
            $(#[$m])?
            fn f(a: Noisy, _: Noisy, (_b, _): (Noisy, Noisy)) -> usize {
                let _local = noisy("local");
                bang();
                a.number()
            }
            caught(|| f(noisy("a"), noisy("ignored"), (noisy("b"), noisy("c"))));
        }

        $(#[$m])?
        fn panic_in_a_drop() {
            struct Bangs;
            impl Drop for Bangs {
                $(#[$m])?
                fn drop(&mut self) {
                    let _local = noisy("in drop");
                    bang();
                }
            }
            $(#[$m])?
            fn f() {
                let _a = noisy("a");
                let _bangs = Bangs;
                let _b = noisy("b");
            }
            caught(f);
        }

        $(#[$m])?
        fn panic_in_the_tail() {
            $(#[$m])?
            fn f(a: Noisy) -> (Noisy, ()) {
                let _local = noisy("local");
                (a.next("b"), bang())
            }
            caught(|| f(noisy("a")));
        }

        $(#[$m])?
        fn panic_in_a_nested_block() {
            $(#[$m])?
            fn f() {
                let _a = noisy("a");
                {
                    let _b = noisy("b");
                    unsafe {
                        let _c = noisy("c");
                        if noisy("condition").yes() {
                            let _d = noisy("d");
                            bang();
                        }
                    }
                }
            }
            caught(f);
        }

        $(#[$m])?
        fn panic_caught_inside() {
            let _a = noisy("a");
            caught(|| {
                let _b = noisy("b");
                bang();
            });
            let _c = noisy("c");
            say("goes on");
        }

        $(#[$m])?
        fn panic_while_assigning() {
            $(#[$m])?
            fn f() {
                let mut value = noisy("old");
                value.yes();
                value = {
                    let made = noisy("made");
                    bang();
                    made
                };
                value.yes();
            }
            caught(f);
        }

        $(#[$m])?
        fn panic_in_a_closure() {
            $(#[$m])?
            fn f() -> usize {
                let held = noisy("held");
                vec![noisy("a"), noisy("b")]
                    .into_iter()
                    .map(|item| {
                        let _local = noisy("local");
                        if item.0 == "b" { bang(); }
                        held.number()
                    })
                    .sum()
            }
            caught(f);
        }

        // FUTURES

        pub(crate) const FUTURES: &[Case] = list![
            future_of_values, future_of_unused, future_of_ignored, future_of_patterns,
            future_of_mutable, future_with_locals, future_with_tail_temporaries,
            future_with_scrutinees, future_in_loops, future_returns_early, future_panics,
            future_panics_between_awaits, future_of_self, future_of_self_field,
            future_of_self_by_reference, future_of_mutable_self, future_of_boxed_self,
            future_in_a_trait, future_of_generics, future_of_references, future_of_futures,
            future_with_question_marks, future_with_await_in_arguments, future_recursive,
            future_empty, future_holds_temporaries_over_await, future_with_another_attribute,
            future_of_conditional_parameters, future_of_a_unit_pattern, future_of_moved_parameters,
            future_of_a_sync_fn, future_with_let_else, future_with_await_in_a_macro,
            future_made_in_a_closure, future_of_a_boxed_return, future_that_never_returns,
        ];

        $(#[$m])?
        fn future_of_values() {
            $(#[$m])?
            async fn f(a: Noisy, b: Noisy) -> usize {
                pause().await;
                a.number() + b.number()
            }
            every_way(|| f(noisy("a"), noisy("b")));
        }

        $(#[$m])?
        fn future_of_unused() {
            $(#[$m])?
            async fn f(_a: Noisy, _b: Noisy) {
                let _local = noisy("local");
                pause().await;
            }
            every_way(|| f(noisy("a"), noisy("b")));
        }

        $(#[$m])?
        fn future_of_ignored() {
            $(#[$m])?
            async fn f(_: Noisy, a: Noisy, _: Noisy) {
                let _local = noisy("local");
                pause().await;
                a.yes();
            }
            every_way(|| f(noisy("first"), noisy("a"), noisy("third")));
        }

        $(#[$m])?
        fn future_of_patterns() {
            $(#[$m])?
            async fn f(
                (a, _): (Noisy, Noisy),
                Noisy(_name): Noisy,
                whole @ Pair(..): Pair,
                Pair(ref first, _): Pair,
                [_, mut last]: [Noisy; 2],
            ) {
                let _local = noisy("local");
                pause().await;
                last = last.next("new last");
                say(format!("{} {} {} {}", a.0, whole.0.0, first.0, last.0));
            }
            every_way(|| {
                f(
                    (noisy("a"), noisy("b")),
                    noisy("c"),
                    make_pair(),
                    make_pair(),
                    [noisy("d"), noisy("e")],
                )
            });
        }

        $(#[$m])?
        fn future_of_mutable() {
            $(#[$m])?
            async fn f(mut a: Noisy, mut _b: Noisy) -> Noisy {
                pause().await;
                a = noisy("new a");
                pause().await;
                a
            }
            every_way(|| f(noisy("a"), noisy("b")));
        }

        $(#[$m])?
        fn future_with_locals() {
            $(#[$m])?
            async fn f(a: Noisy) -> Noisy {
                let b = noisy("b");
                pause().await;
                let _c = noisy("c");
                {
                    let _d = noisy("d");
                    pause().await;
                }
                drop(a);
                pause().await;
                b
            }
            every_way(|| f(noisy("a")));
        }

        $(#[$m])?
        fn future_with_tail_temporaries() {
            $(#[$m])?
            async fn f(_a: Noisy) -> usize {
                let _local = noisy("local");
                pause().await;
                noisy("tail").number()
            }
            $(#[$m])?
            async fn g(_a: Noisy) -> usize {
                let _local = noisy("local");
                (noisy("left").same().number(), pause().await).0
            }
            every_way(|| f(noisy("a")));
            every_way(|| g(noisy("a")));
        }

        $(#[$m])?
        fn future_with_scrutinees() {
            $(#[$m])?
            async fn f(arm: u8) -> usize {
                let _local = noisy("local");
                match noisy("scrutinee").some() {
                    Some(_) if arm == 0 => pause().await,
                    Some(found) => {
                        pause().await;
                        found.yes();
                    }
                    None => {}
                }
                if let Some(found) = noisy("if let").none() {
                    found.number()
                } else if let Some(found) = noisy("else if let").some() {
                    pause().await;
                    found.number()
                } else {
                    0
                }
            }
            every_way(|| f(0));
            every_way(|| f(1));
        }

        $(#[$m])?
        fn future_in_loops() {
            $(#[$m])?
            async fn f(items: Vec<Noisy>) {
                for item in items {
                    let _local = noisy("local");
                    pause().await;
                    if item.0 == "a" {
                        continue;
                    }
                    item.yes();
                }
                while noisy("condition").yes() {
                    let _b = noisy("b");
                    pause().await;
                    break;
                }
            }
            every_way(|| f(vec![noisy("a"), noisy("b")]));
        }

        $(#[$m])?
        fn future_returns_early() {
            $(#[$m])?
            async fn f(a: Noisy, early: bool) -> Noisy {
                let b = noisy("b");
                pause().await;
                if early {
                    let _c = noisy("c");
                    return b;
                }
                pause().await;
                a
            }
            every_way(|| f(noisy("a"), true));
            every_way(|| f(noisy("a"), false));
        }

        $(#[$m])?
        fn future_panics() {
            $(#[$m])?
            async fn f(a: Noisy, _: Noisy) {
                let _local = noisy("local");
                bang();
                a.yes();
            }
            every_way(|| f(noisy("a"), noisy("ignored")));
        }

        $(#[$m])?
        fn future_panics_between_awaits() {
            $(#[$m])?
            async fn f(_a: Noisy, (b, _): (Noisy, Noisy)) {
                let _local = noisy("local");
                pause().await;
                {
                    let _inner = noisy("inner");
                    bang();
                }
                pause().await;
                b.yes();
            }
            every_way(|| f(noisy("a"), (noisy("b"), noisy("c"))));
        }

        impl Pair {
            $(#[$m])?
            async fn consume_later(self, other: Noisy) -> usize {
                let _local = noisy("local");
                pause().await;
                self.0.number() + other.number()
            }

            $(#[$m])?
            async fn consume_unused(self, _: Noisy) {
                let _local = noisy("local");
                pause().await;
            }

            $(#[$m])?
            async fn take_first_later(self, _other: Noisy) -> Noisy {
                let _local = noisy("local");
                pause().await;
                self.0
            }

            $(#[$m])?
            async fn look_later(&self, _other: Noisy) -> &Noisy {
                pause().await;
                &self.0
            }

            $(#[$m])?
            async fn set_later(&mut self, other: Noisy) {
                pause().await;
                self.0 = other;
                pause().await;
            }

            $(#[$m])?
            async fn replace_later(mut self, other: Noisy) -> Self {
                self.1 = other;
                pause().await;
                self
            }

            $(#[$m])?
            async fn unbox_later(self: Box<Self>, _: Noisy) -> Noisy {
                let _local = noisy("local");
                pause().await;
                self.1
            }
        }

        $(#[$m])?
        fn future_of_self() {
            every_way(|| make_pair().consume_later(noisy("other")));
            every_way(|| make_pair().consume_unused(noisy("other")));
        }

        $(#[$m])?
        fn future_of_self_field() {
            every_way(|| make_pair().take_first_later(noisy("other")));
        }

        $(#[$m])?
        fn future_of_self_by_reference() {
            let pair = make_pair();
            every_way(|| pair.look_later(noisy("other")));
        }

        $(#[$m])?
        fn future_of_mutable_self() {
            every_way(|| make_pair().replace_later(noisy("other")));
            for polls in 0..4 {
                let mut pair = make_pair();
                let mut future = Box::pin(pair.set_later(noisy("other")));
                for _ in 0..polls {
                    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                    if future.as_mut().poll(&mut context).is_ready() {
                        say("ready");
                    }
                }
            }
        }

        $(#[$m])?
        fn future_of_boxed_self() {
            every_way(|| Box::new(make_pair()).unbox_later(noisy("other")));
        }

        $(#[$m])?
        fn future_in_a_trait() {
            #[allow(async_fn_in_trait)]
            trait Ends: Sized {
                async fn end(self, with: Noisy) -> usize;

                $(#[$m])?
                async fn provided(self, _: Noisy, c: Noisy) -> Noisy {
                    let _local = noisy("local");
                    pause().await;
                    c
                }
            }
            impl Ends for Noisy {
                $(#[$m])?
                async fn end(self, with: Noisy) -> usize {
                    let _local = noisy("local");
                    pause().await;
                    with.number()
                }
            }
            every_way(|| noisy("a").end(noisy("b")));
            every_way(|| noisy("a").provided(noisy("b"), noisy("c")));
        }

        $(#[$m])?
        fn future_of_generics() {
            $(#[$m])?
            async fn f<T, R>(value: T, run: impl FnOnce(&T) -> R, _: T) -> R {
                pause().await;
                let _local = noisy("local");
                run(&value)
            }
            every_way(|| {
                let captured = noisy("captured");
                f(noisy("a"), move |a| captured.number() + a.number(), noisy("ignored"))
            });
        }

        $(#[$m])?
        fn future_of_references() {
            $(#[$m])?
            async fn f<'a>(a: &'a Noisy, _: &Noisy, c: Noisy) -> &'a Noisy {
                pause().await;
                c.yes();
                a
            }
            let (a, b) = (noisy("a"), noisy("b"));
            every_way(|| f(&a, &b, noisy("c")));
        }

        $(#[$m])?
        fn future_of_futures() {
            $(#[$m])?
            async fn inner(a: Noisy) -> Noisy {
                let _local = noisy("inner's");
                pause().await;
                a.next("from inner")
            }
            $(#[$m])?
            async fn outer(a: Noisy, unpolled: bool) -> Noisy {
                let waiting = inner(noisy("waiting"));
                let b = inner(a).await;
                if unpolled {
                    return b;
                }
                waiting.await
            }
            every_way(|| outer(noisy("a"), false));
            every_way(|| outer(noisy("a"), true));
        }

        $(#[$m])?
        fn future_with_question_marks() {
            $(#[$m])?
            async fn step(a: Noisy, fails: bool) -> Result<Noisy, Noisy> {
                pause().await;
                if fails {
                    return Err(a);
                }
                Ok(a)
            }
            $(#[$m])?
            async fn f(when: u8) -> Result<usize, Noisy> {
                let first = step(noisy("first"), when == 0).await?;
                let second = step(first.next("second"), when == 1)
                    .await?
                    .next("third");
                Ok(second.number())
            }
            for when in 0..3 {
                every_way(|| f(when));
            }
        }

        $(#[$m])?
        fn future_with_await_in_arguments() {
            $(#[$m])?
            fn f(a: Noisy, _: (), b: &Noisy) -> usize {
                a.number() + b.number()
            }
            $(#[$m])?
            async fn g() -> usize {
                f(
                    noisy("a"),
                    {
                        let _inner = noisy("inner");
                        pause().await
                    },
                    &noisy("b"),
                ) + {
                    pause().await;
                    noisy("c").number()
                }
            }
            every_way(g);
        }

        $(#[$m])?
        fn future_recursive() {
            $(#[$m])?
            fn boxed(depth: u8, a: Noisy) -> Pin<Box<dyn Future<Output = usize>>> {
                Box::pin(down(depth, a))
            }
            $(#[$m])?
            async fn down(depth: u8, a: Noisy) -> usize {
                if depth == 0 {
                    pause().await;
                    return a.number();
                }
                boxed(depth - 1, noisy("next")).await + a.number()
            }
            every_way(|| down(2, noisy("first")));
        }

        $(#[$m])?
        fn future_empty() {
            $(#[$m])?
            async fn f(_a: Noisy, _: Noisy, b: Noisy) {}
            every_way(|| f(noisy("a"), noisy("ignored"), noisy("b")));
        }

        $(#[$m])?
        fn future_holds_temporaries_over_await() {
            $(#[$m])?
            async fn look(_: &Noisy) {
                pause().await;
            }
            $(#[$m])?
            async fn f() {
                look(&noisy("a")).await;
                let extended = &noisy("extended");
                look(extended).await;
                match look(noisy("b").same()).await {
                    () => say("matched"),
                }
                look(&noisy("tail")).await
            }
            every_way(f);
        }

        $(#[$m])?
        fn future_with_another_attribute() {
            // Another attribute that has to see the keyword `async`.
            $(#[$m])?
            #[must_use]
            async fn f(a: Noisy, _: Noisy, (b, _): (Noisy, Noisy)) -> usize {
                let _local = noisy("local");
                pause().await;
                a.number() + b.number()
            }
            impl Pair {
                $(#[$m])?
                #[must_use]
                async fn first_with_another(self, _: Noisy) -> Noisy {
                    let _local = noisy("local");
                    pause().await;
                    self.0
                }
            }
            every_way(|| f(noisy("a"), noisy("ignored"), (noisy("b"), noisy("c"))));
            every_way(|| make_pair().first_with_another(noisy("other")));
        }

        $(#[$m])?
        fn future_of_conditional_parameters() {
            $(#[$m])?
            async fn f(
                #[cfg(any())] _a: Noisy,
                #[cfg(all())] (b, _): (Noisy, Noisy),
                #[cfg(any())] (_c, _): (Noisy, Noisy),
                #[allow(unused_variables)] d: Noisy,
            ) {
                pause().await;
                b.yes();
            }
            every_way(|| f((noisy("b"), noisy("c")), noisy("d")));
        }

        struct Unit;

        impl Drop for Unit {
            fn drop(&mut self) {
                say("drop the unit");
            }
        }

        $(#[$m])?
        fn future_of_a_unit_pattern() {
            $(#[$m])?
            async fn f(Unit: Unit, _a: Noisy) {
                pause().await;
            }
            every_way(|| f(Unit, noisy("a")));
        }

        $(#[$m])?
        fn future_of_moved_parameters() {
            $(#[$m])?
            async fn f(a: Noisy, b: Noisy, c: Option<Noisy>) -> Option<Noisy> {
                pause().await;
                let a = a.next("shadow");
                pause().await;
                drop(b);
                let Some(c) = c else { return Some(a) };
                pause().await;
                Some(c)
            }
            every_way(|| f(noisy("a"), noisy("b"), Some(noisy("c"))));
            every_way(|| f(noisy("a"), noisy("b"), None));
        }

        $(#[$m])?
        fn future_of_a_sync_fn() {
            $(#[$m])?
            fn f(a: Noisy, _b: Noisy) -> impl Future<Output = usize> {
                let _local = noisy("local");
                async move {
                    pause().await;
                    a.number()
                }
            }
            every_way(|| f(noisy("a"), noisy("b")));
        }

        $(#[$m])?
        fn future_with_let_else() {
            $(#[$m])?
            async fn f(fails: bool) -> usize {
                let Some(number) = noisy("kept").some().map(|n| n.number()).filter(|_| !fails) else {
                    let _inner = noisy("inner");
                    pause().await;
                    return 0;
                };
                pause().await;
                number
            }
            every_way(|| f(true));
            every_way(|| f(false));
        }

        $(#[$m])?
        fn future_with_await_in_a_macro() {
            $(#[$m])?
            async fn f(a: Noisy) -> String {
                assert!({ pause().await; a.yes() });
                format!("{} {:?}", noisy("in a macro").number(), pause().await)
            }
            every_way(|| f(noisy("a")));
        }

        $(#[$m])?
        fn future_made_in_a_closure() {
            $(#[$m])?
            async fn f(a: Noisy) -> usize {
                let run = |b: Noisy| async move {
                    pause().await;
                    b.number()
                };
                run(noisy("b")).await + run(a).await
            }
            every_way(|| f(noisy("a")));
        }

        $(#[$m])?
        fn future_of_a_boxed_return() {
            $(#[$m])?
            async fn f(a: Noisy) -> Box<dyn std::fmt::Debug> {
                pause().await;
                if noisy("asked").yes() {
                    return Box::new(a);
                }
                Box::new(1)
            }
            every_way(|| f(noisy("a")));
        }

        $(#[$m])?
        fn future_that_never_returns() {
            $(#[$m])?
            async fn f(_a: Noisy, _: Noisy) -> ! {
                loop {
                    let _local = noisy("local");
                    pause().await;
                    if noisy("asked").yes() {
                        bang();
                    }
                }
            }
            every_way(|| f(noisy("a"), noisy("ignored")));
        }
    };
}
