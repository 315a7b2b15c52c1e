//! A long chain of profiled `async` functions compiles, is `Send` if the chain without the
//! attribute is, and is hardly larger.

// A chain of this length needs it even without the attribute.
#![recursion_limit = "512"]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Functions that each await the next one. The last one returns its argument.
macro_rules! chain {
    ($(#[$attribute:meta])? $last:ident) => {
        $(#[$attribute])?
        async fn $last(number: usize) -> usize {
            number
        }
    };
    ($(#[$attribute:meta])? $name:ident $next:ident $($rest:ident)*) => {
        $(#[$attribute])?
        pub(super) async fn $name(number: usize) -> usize {
            $next(number).await + 1
        }
        chain! { $(#[$attribute])? $next $($rest)* }
    };
}

macro_rules! hundred {
    ($(#[$attribute:meta])?) => {
        chain! {
            $(#[$attribute])?
            level_00 level_01 level_02 level_03 level_04 level_05 level_06 level_07 level_08
            level_09 level_10 level_11 level_12 level_13 level_14 level_15 level_16 level_17
            level_18 level_19 level_20 level_21 level_22 level_23 level_24 level_25 level_26
            level_27 level_28 level_29 level_30 level_31 level_32 level_33 level_34 level_35
            level_36 level_37 level_38 level_39 level_40 level_41 level_42 level_43 level_44
            level_45 level_46 level_47 level_48 level_49 level_50 level_51 level_52 level_53
            level_54 level_55 level_56 level_57 level_58 level_59 level_60 level_61 level_62
            level_63 level_64 level_65 level_66 level_67 level_68 level_69 level_70 level_71
            level_72 level_73 level_74 level_75 level_76 level_77 level_78 level_79 level_80
            level_81 level_82 level_83 level_84 level_85 level_86 level_87 level_88 level_89
            level_90 level_91 level_92 level_93 level_94 level_95 level_96 level_97 level_98
            level_99
        }
    };
}

mod plain {
    hundred!();
}

mod profiled {
    hundred!(#[memprof::memprofile(print = "never")]);
}

fn is_send<F: Future<Output = usize> + Send>(future: F) -> F {
    future
}

#[test]
fn a_chain_of_a_hundred_is_send_and_returns_what_it_did() {
    let future = is_send(profiled::level_00(7));
    let poll = pin!(future).poll(&mut Context::from_waker(Waker::noop()));

    assert_eq!(poll, Poll::Ready(106));
}

#[test]
#[cfg(target_pointer_width = "64")]
fn a_level_is_no_more_than_two_words_larger() {
    let plain = size_of_val(&plain::level_00(7));
    let profiled = size_of_val(&profiled::level_00(7));

    assert!(profiled <= plain + 100 * 16, "{profiled} and {plain}");
}
