//! Functions whose assembly is compared, with the attribute (if `profiled` is set) and without.

use std::fmt::Write as _;
use std::pin::Pin;

/// Loops, branches and blocks.
#[cfg_attr(profiled, memprof::memprofile)]
pub fn described(numbers: &[u64]) -> String {
    let mut text = String::new();
    for number in numbers {
        match number % 3 {
            0 => text.push('0'),
            rest if rest == 1 => {
                let local = number * 2;
                write!(text, "{local}").expect("a string takes all");
            }
            _ => text.extend(numbers.iter().map(|other| char::from(*other as u8))),
        }
    }
    text
}

/// A future.
#[cfg_attr(profiled, memprof::memprofile)]
pub async fn waits(turns: usize) -> usize {
    let mut waited = 0;
    for turn in 0..turns {
        std::future::ready(turn).await;
        waited += turn;
    }
    waited
}

/// The future as a trait object: without it, the future's `poll` would have no code, since nothing
/// here polls it.
pub fn waits_in_a_box(turns: usize) -> Pin<Box<dyn Future<Output = usize>>> {
    Box::pin(waits(turns))
}

/// A type whose `impl` block has the attribute.
pub struct Thing(pub Vec<u8>);

#[cfg_attr(profiled, memprof::memprofile(print = "exit", max_net_bytes = 0))]
impl Thing {
    pub fn takes(&mut self, other: Self) -> usize {
        self.0.extend(other.0);
        self.0.len()
    }
}

pub fn main() {
    drop(described(&[1, 2, 3]));
    drop(waits_in_a_box(2));
    Thing(Vec::new()).takes(Thing(vec![1]));
}
