//! The time of a request's polls.

use super::cpu;
use super::exchange::{Exchange, Polls};
use std::time::{Duration, Instant};

/// Measures polls, or the call before them, until it is dropped.
#[derive(Debug)]
pub(super) struct Polled<'a> {
    exchange: &'a Exchange,
    polls: u64,
    began: Instant,
    cpu: Option<Duration>,
}

impl<'a> Polled<'a> {
    pub(super) fn new(exchange: &'a Exchange, polls: u64) -> Self {
        Self {
            exchange,
            polls,
            began: Instant::now(),
            cpu: cpu::thread_time(),
        }
    }
}

impl Drop for Polled<'_> {
    fn drop(&mut self) {
        let cpu = cpu::thread_time().zip(self.cpu);
        let cpu = cpu.map(|(after, before)| after.saturating_sub(before));
        let mut state = self.exchange.state();
        let Polls { count, elapsed, .. } = state.polls;
        state.polls = Polls {
            count: count + self.polls,
            elapsed: elapsed + self.began.elapsed(),
            cpu: cpu.map(|cpu| state.polls.cpu.unwrap_or_default() + cpu),
        };
    }
}
