//! Waiting for the world to come to a state, always with a deadline.

use std::fmt::Display;
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::process::logs;

/// Asks again until the answer is there; panics at the deadline, with the last answer.
pub async fn eventually<T, E: Display>(
    what: &str,
    deadline: Duration,
    check: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    poll_until(deadline, Duration::from_millis(50), check)
        .await
        .unwrap_or_else(|last| panic!("{what}: not within {deadline:?}: {last}{}", logs()))
}

/// Waits until an object that is made now is younger than this one: ages are whole seconds, and of
/// two that were made in the same one either may count as the older.
pub async fn second_after(made: &ObjectMeta) {
    let made = made.creation_timestamp.as_ref().expect("it is stored").0.as_second();
    eventually("the second is over", Duration::from_secs(10), async || {
        let now = jiff::Timestamp::now().as_second();
        if made < now { Ok(()) } else { Err(now) }
    })
    .await;
}

/// Asks again and again for a while, and panics as soon as the answer is an error.
pub async fn holds<E: Display>(
    what: &str,
    duration: Duration,
    mut check: impl AsyncFnMut() -> Result<(), E>,
) {
    let began = Instant::now();
    while began.elapsed() < duration {
        if let Err(broken) = check().await {
            panic!("{what}: no longer after {:?}: {broken}{}", began.elapsed(), logs());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The loop under all waiting. A question that gets no answer in the time left counts as asked:
/// the last error, if any, is told; else it panics with the wait itself as the reason.
pub async fn poll_until<T, E>(
    deadline: Duration,
    interval: Duration,
    mut check: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, E> {
    let end = tokio::time::Instant::now() + deadline;
    let mut last = None;
    loop {
        match tokio::time::timeout_at(end, check()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => last = Some(error),
            Err(_) => match last {
                Some(error) => return Err(error),
                None => panic!("not even one answer within {deadline:?}{}", logs()),
            },
        }
        if tokio::time::Instant::now() + interval >= end {
            return last.map_or_else(|| unreachable!("set above"), Err);
        }
        tokio::time::sleep(interval).await;
    }
}
