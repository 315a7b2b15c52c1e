//! Like `corpus.rs`, with let chains, for editions that have them.

macro_rules! let_chains {
    ($(#[$m:meta])?) => {
        use crate::harness::{Case, Noisy, every_way, noisy, pause, say};

        pub(crate) const ALL: &[Case] =
            list![chain, chain_as_tail, chain_with_else, chain_in_a_while, chain_in_a_future,];

        $(#[$m])?
        fn chain() {
            if let Some(a) = noisy("a").some()
                && let Some(b) = a.some()
                && noisy("c").yes()
                && let Some(_) = noisy("d").none()
            {
                b.yes();
            }
            if noisy("e").yes()
                && let Some(f) = noisy("f").some()
            {
                let _local = noisy("local");
                f.yes();
            }
        }

        $(#[$m])?
        fn chain_as_tail() {
            $(#[$m])?
            fn f(asked: bool) -> usize {
                let _local = noisy("local");
                if let Some(a) = noisy("a").some() && asked && let b = noisy("b") {
                    a.number() + b.number()
                } else {
                    noisy("else").number()
                }
            }
            say(f(true).to_string());
            say(f(false).to_string());
        }

        $(#[$m])?
        fn chain_with_else() {
            for arm in 0..4 {
                let value = if let Some(a) = noisy("a").some() && arm == 0 {
                    a.number()
                } else if arm > 0 && let Some(b) = noisy("b").some() && arm == 1 {
                    let _inner = noisy("inner");
                    b.number()
                } else if let Some(_) = noisy("c").some() && let 2 = arm {
                    2
                } else {
                    noisy("d").number()
                };
                say(value.to_string());
            }
        }

        $(#[$m])?
        fn chain_in_a_while() {
            let mut items = vec![noisy("a"), noisy("b"), noisy("c")];
            while let Some(item) = items.pop()
                && let Noisy("b" | "c") = item
                && noisy("condition").yes()
            {
                let _local = noisy("local");
                if item.0 == "c" {
                    continue;
                }
                say("not c");
            }
            say("end");
        }

        $(#[$m])?
        fn chain_in_a_future() {
            $(#[$m])?
            async fn f(a: Noisy) -> usize {
                if let Some(found) = a.some()
                    && let () = pause().await
                    && let Some(other) = noisy("other").some()
                {
                    pause().await;
                    found.number() + other.number()
                } else {
                    0
                }
            }
            every_way(|| f(noisy("a")));
        }
    };
}
