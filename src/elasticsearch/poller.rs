//! The watch that Elasticsearch lacks: one poller for each cluster.
//!
//! At rest it asks for the version of the cluster state and nothing else. Only when that moved, or
//! a full check is due, does it read health and what changed of the tracked indices, and wakes the
//! objects that have something new to look at.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};
use tracing::{Instrument as _, debug, info_span};

use super::{
    error::{Category, Error},
    link::Link,
    poll::poll,
    snapshot::Snapshot,
};
use crate::chain::chain;

/// Requests of one burst of nudges are collected this long.
const GATHER: Duration = Duration::from_millis(50);
/// Nudged polls of a busy cluster take at most one part in this many of the time.
const SHARE: u32 = 5;
/// However long a poll took, the next nudged one is at most this much later.
const LONGEST_GAP: Duration = Duration::from_secs(5);

/// Polls of a cluster that asks for patience, or does not take the credentials, are put off to this
/// at most: others may wait for the same server, and users are locked out for too many failures.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// How long after a poll that broke off on its way it is tried a second time: one connection that
/// is dropped, or one 503 of a proxy, shall not turn the conditions of every object there and back.
const SECOND_TRY: Duration = Duration::from_millis(200);
/// The longest that the server may take to answer before the second try counts as failed too.
const SHORT: Duration = Duration::from_secs(2);

/// How often a poller asks.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two looks at the cluster state's version.
    pub poll: Duration,
    /// Between two full checks.
    pub stats: Duration,
}

/// Polls until the task is aborted.
pub(super) async fn run(link: Arc<Link>, pace: Pace) {
    let key = link.key();
    let span = info_span!("polling", namespace = %key.namespace, cluster = %key.name);
    poll_for_ever(&link, pace).instrument(span).await;
}

async fn poll_for_ever(link: &Link, pace: Pace) {
    let mut last_full: Option<Instant> = None;
    let mut refusals = 0;
    loop {
        let started = Instant::now();
        let full = last_full.is_none_or(|at| at.elapsed() >= pace.stats);
        let mut pause = pace.poll;
        let mut result = poll(link, &link.snapshot(), full).await;
        if let Err(error) = result {
            result = second_try(link, full, error).await;
        }
        match result {
            Ok(()) => {
                refusals = 0;
                if full {
                    last_full = Some(started);
                }
            }
            Err(error) => {
                debug!(error = chain(&error), "poll failed");
                refusals = if is_refusal(&error) { refusals + 1 } else { 0 };
                pause = put_off(pace.poll, refusals, &error);
                fail(link, error);
            }
        }
        let jitter = 0.95 + 0.1 * fastrand::f64();
        if 0 < refusals {
            // What a nudge would ask is refused as well.
            sleep(pause.mul_f64(jitter)).await;
            continue;
        }
        let took = started.elapsed();
        let gap = (took * (SHARE - 1)).clamp(GATHER, LONGEST_GAP);
        if timeout(pause.mul_f64(jitter), link.nudged()).await.is_ok() {
            sleep(gap).await;
        }
    }
}

/// Polls again where `error` would be the first bad news and may have been a passing one.
async fn second_try(link: &Link, full: bool, error: Error) -> Result<(), Error> {
    let before = link.snapshot();
    if before.fault.is_some() || !may_pass(&error) {
        return Err(error);
    }
    debug!(error = chain(&error), "poll broke off, trying again");
    sleep(SECOND_TRY).await;
    let client = link.client();
    client.pass_on();
    let caller = &link.caller();
    let smallest = async {
        match &before.cluster {
            Some(_) => client.state_version(caller).await.map(drop),
            None => client.root(caller).await.map(drop),
        }
    };
    match timeout(SHORT, smallest).await {
        Ok(Ok(())) => poll(link, &link.snapshot(), full).await,
        Ok(Err(error)) => Err(error),
        Err(_) => Err(error),
    }
}

/// Whether what went wrong may have been the way there and not the server.
fn may_pass(error: &Error) -> bool {
    error.category() == Category::Unreachable || matches!(error, Error::UnexpectedAnswer { .. })
}

/// Whether asking again at once can only do harm.
fn is_refusal(error: &Error) -> bool {
    matches!(error.category(), Category::Busy | Category::Unauthorized)
}

/// The pause after so many refusals in a row: it doubles, and is what the server asks for if that
/// is longer.
fn put_off(poll: Duration, refusals: u32, error: &Error) -> Duration {
    let wished = match error {
        Error::TooManyRequests { retry_after, .. } => retry_after.unwrap_or_default(),
        _ => Duration::ZERO,
    };
    let doubled = poll.saturating_mul(1 << refusals.saturating_sub(1).min(16));
    doubled.max(wished).min(LONGEST_PAUSE).max(poll)
}

/// Keeps the last good answer beside the new fault; only another fault is news.
fn fail(link: &Link, error: Error) {
    let before = link.snapshot();
    let same = before.fault.as_deref().is_some_and(|it| chain(it) == chain(&error));
    let news = !same || !before.polled;
    let snapshot = Snapshot { fault: Some(Arc::new(error)), polled: true, ..before };
    link.publish(snapshot, news);
}

#[cfg(test)]
mod tests;
