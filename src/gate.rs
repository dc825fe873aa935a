//! The gate that every external write passes: open only while this process may write.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Says, without asking anybody, whether this process may write now. Whoever writes to Kubernetes,
/// to Elasticsearch or to a host holds a clone and calls [`WriteGate::check`] right before.
#[derive(Clone, Debug)]
pub struct WriteGate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    started: Instant,
    /// Milliseconds after `started` until which writes are allowed.
    open_until: AtomicU64,
    closed: AtomicBool,
}

/// This process may not write: another one may hold the Lease, or it is shutting down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this process does not hold the lease, so it may not write")]
pub struct Closed;

impl WriteGate {
    /// A gate for a process that runs alone, without a Lease.
    #[must_use]
    pub fn always_open() -> Self {
        Self::until(u64::MAX)
    }

    /// A gate that stays shut until [`WriteGate::open_for`] is called.
    #[must_use]
    pub fn shut() -> Self {
        Self::until(0)
    }

    fn until(millis: u64) -> Self {
        Self(Arc::new(Inner {
            started: Instant::now(),
            open_until: AtomicU64::new(millis),
            closed: AtomicBool::new(false),
        }))
    }

    /// Opens the gate until `since + span`; a time that is past leaves it shut.
    pub fn open_for(&self, since: Instant, span: Duration) {
        let end = (since + span).saturating_duration_since(self.0.started);
        let end = u64::try_from(end.as_millis()).unwrap_or(u64::MAX);
        self.0.open_until.store(end, Ordering::SeqCst);
    }

    /// Shuts the gate for good.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
    }

    /// Whether a write may be sent now.
    ///
    /// # Errors
    /// [`Closed`] when it may not.
    pub fn check(&self) -> Result<(), Closed> {
        self.remaining().map(|_| ())
    }

    /// How long writes stay allowed if nobody opens the gate again: no write may be left under way
    /// for longer.
    ///
    /// # Errors
    /// [`Closed`] when no write may be sent now.
    pub fn remaining(&self) -> Result<Duration, Closed> {
        let now = u64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let left = self.0.open_until.load(Ordering::SeqCst).saturating_sub(now);
        let open = left > 0 && !self.0.closed.load(Ordering::SeqCst);
        if open { Ok(Duration::from_millis(left)) } else { Err(Closed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_open_only_for_the_span_it_was_opened_for() {
        let gate = WriteGate::shut();
        assert_eq!(gate.check(), Err(Closed));
        gate.open_for(Instant::now(), Duration::from_mins(1));
        assert_eq!(gate.check(), Ok(()));
        gate.open_for(Instant::now(), Duration::ZERO);
        assert_eq!(gate.check(), Err(Closed));
    }

    #[test]
    fn a_closed_gate_does_not_open_again() {
        let gate = WriteGate::always_open();
        gate.close();
        gate.open_for(Instant::now(), Duration::from_mins(1));
        assert_eq!(gate.check(), Err(Closed));
    }
}
