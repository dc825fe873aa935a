//! Which of several endpoints is asked: the one that answered last, or else the others in turn.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// All endpoints together may take this many times the timeout of one.
const ROUNDS: u32 = 3;

/// Remembers which of a number of endpoints answered last.
#[derive(Debug)]
pub(crate) struct Failover {
    count: usize,
    last_good: AtomicUsize,
}

/// One question on its way through the endpoints.
pub(crate) struct Round<'a, E> {
    failover: &'a Failover,
    timeout: Duration,
    end: Instant,
    first: usize,
    turn: usize,
    /// The error that tells most so far, and how far the request came.
    farthest: Option<(u8, E)>,
}

impl Failover {
    /// Over `count` endpoints.
    pub(crate) fn new(count: usize) -> Self {
        Self { count: count.max(1), last_good: AtomicUsize::new(0) }
    }

    /// Starts at the endpoint that answered last. Each has until `timeout`, all of them at most
    /// three times that.
    pub(crate) fn begin<E>(&self, timeout: Duration) -> Round<'_, E> {
        let rounds = u32::try_from(self.count).unwrap_or(ROUNDS).min(ROUNDS);
        Round {
            failover: self,
            timeout,
            end: Instant::now() + timeout * rounds,
            first: self.last_good.load(Ordering::Relaxed) % self.count,
            turn: 0,
            farthest: None,
        }
    }

    /// Begins the next time at the endpoint after the one that answered last.
    pub(crate) fn pass_on(&self) {
        self.last_good.fetch_add(1, Ordering::Relaxed);
    }
}

impl<E> Round<'_, E> {
    /// The endpoint to ask now.
    pub(crate) fn place(&self) -> usize {
        (self.first + self.turn) % self.failover.count
    }

    /// Until when it may take.
    pub(crate) fn deadline(&self) -> Instant {
        self.end.min(Instant::now() + self.timeout)
    }

    /// The endpoint served.
    pub(crate) fn served(self) {
        self.failover.last_good.store(self.place(), Ordering::Relaxed);
    }

    /// Goes on to the next endpoint. `progress` says how far the request came before it failed, or
    /// nothing where another endpoint would say the same.
    ///
    /// # Errors
    /// When there is none left to ask: the error of the endpoint where the request came farthest.
    pub(crate) fn failed(&mut self, error: E, progress: Option<u8>) -> Result<(), E> {
        let Some(progress) = progress else { return Err(error) };
        let farthest = match self.farthest.take() {
            Some(farthest) if progress <= farthest.0 => farthest,
            _ => (progress, error),
        };
        self.turn += 1;
        if self.turn == self.failover.count || self.end <= Instant::now() {
            return Err(farthest.1);
        }
        self.farthest = Some(farthest);
        Ok(())
    }
}
