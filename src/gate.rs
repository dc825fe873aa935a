//! The gate that every external write passes: open only while this process may write.
//!
//! It looks at two clocks. The monotonic one is right whoever sets the time, but stands still while a
//! virtual machine is paused; the wall clock jumps then. Whichever is further on counts: when
//! somebody sets the time forward, the gate is shut until the next renewal, which does no harm.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
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
    /// Milliseconds since 1970 until which writes are allowed.
    wall_until: AtomicU64,
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
            wall_until: AtomicU64::new(millis),
            closed: AtomicBool::new(false),
        }))
    }

    /// Opens the gate until `since + span`; a time that is past leaves it shut.
    pub fn open_for(&self, since: Instant, span: Duration) {
        let end = since + span;
        let left = end.saturating_duration_since(Instant::now());
        self.0.wall_until.store(wall_clock().saturating_add(millis(left)), Ordering::SeqCst);
        let end = millis(end.saturating_duration_since(self.0.started));
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
        let now = millis(self.0.started.elapsed());
        let left = self.0.open_until.load(Ordering::SeqCst).saturating_sub(now);
        let wall = self.0.wall_until.load(Ordering::SeqCst).saturating_sub(wall_clock());
        let left = left.min(wall);
        let open = left > 0 && !self.0.closed.load(Ordering::SeqCst);
        if open { Ok(Duration::from_millis(left)) } else { Err(Closed) }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn wall_clock() -> u64 {
    // Before 1970 there is no time to compare: the monotonic clock alone decides.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
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
    fn a_wall_clock_that_jumped_ahead_shuts_the_gate_until_it_is_opened_again() {
        let gate = WriteGate::shut();
        gate.open_for(Instant::now(), Duration::from_mins(1));
        gate.0.wall_until.store(wall_clock() - 1, Ordering::SeqCst);
        assert_eq!(gate.check(), Err(Closed));
        gate.open_for(Instant::now(), Duration::from_mins(1));
        assert_eq!(gate.check(), Ok(()));
    }

    #[test]
    fn a_closed_gate_does_not_open_again() {
        let gate = WriteGate::always_open();
        gate.close();
        gate.open_for(Instant::now(), Duration::from_mins(1));
        assert_eq!(gate.check(), Err(Closed));
    }
}
