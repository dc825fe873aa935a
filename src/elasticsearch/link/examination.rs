//! Whether it is known what is set in a cluster that no status tells of.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{Link, locked};

/// How long a request without an answer may be carried out late.
const LATE: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct Examination {
    /// Whether it was looked at.
    is_done: AtomicBool,
    /// Until when a request without an answer may be carried out yet.
    doubted: Mutex<Option<Instant>>,
}

impl Link {
    /// Whether it was looked at what an earlier process may have left in the cluster.
    #[must_use]
    pub fn is_examined(&self) -> bool {
        self.examination.is_done.load(Ordering::Relaxed)
    }

    /// Remembers that it was, or that it has to be again. As long as something may change behind a look,
    /// none is the last one.
    pub fn set_examined(&self, examined: bool) {
        let is_doubted = locked(&self.examination.doubted).is_some_and(|it| Instant::now() < it);
        self.examination.is_done.store(examined && !is_doubted, Ordering::Relaxed);
    }

    /// A request had no answer: it may be carried out all the same, and even later.
    pub fn doubt(&self) {
        *locked(&self.examination.doubted) = Instant::now().checked_add(LATE);
        self.examination.is_done.store(false, Ordering::Relaxed);
    }

    /// What `before` has asked for without an answer may be carried out yet, whoever asks now.
    pub(in super::super) fn doubt_as(&self, before: &Self) {
        let doubted = *locked(&before.examination.doubted);
        let mut own = locked(&self.examination.doubted);
        *own = doubted.max(*own);
    }
}
