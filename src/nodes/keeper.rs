//! Asks each API server again and again what it is, what Drover may do there, and how the Nodes of
//! hosts are: one list for all hosts. One task for each server, so that one that hangs keeps back
//! no other.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{Instrument as _, debug, info_span};

use super::{
    client::Client,
    manager::Manager,
    probe::{Permission, Probe, probe},
    register::{Listing, list},
};

/// How long after the first failure a server is asked again; doubles up to the usual pause.
const FIRST: Duration = Duration::from_secs(5);

/// Asks until the task is aborted; `pace` is the pause between two looks.
pub(super) async fn run(manager: Arc<Manager>, pace: Duration) {
    let key = manager.key();
    let span = info_span!("asking", namespace = %key.namespace, container_manager = %key.name);
    let looks = async {
        let mut failures = 0_u32;
        loop {
            let began = Instant::now();
            let (probe, listing) = look(manager.client()).await;
            let pause = match &probe.fault {
                None => {
                    failures = 0;
                    pace
                }
                Some(fault) => {
                    debug!(error = fault as &dyn std::error::Error, "the API server was not asked");
                    failures = failures.saturating_add(1);
                    put_off(failures, pace)
                }
            };
            manager.publish(began, probe, listing);
            tokio::time::sleep(pause.mul_f64(0.9 + 0.2 * fastrand::f64())).await;
        }
    };
    looks.instrument(span).await;
}

async fn look(client: &Client) -> (Probe, Option<Listing>) {
    let mut probe = probe(client).await;
    let may_list = !probe.missing.contains(&Permission::LIST_NODES);
    if probe.fault.is_some() || !may_list {
        return (probe, None);
    }
    match list(client).await {
        Ok(listing) => (probe, Some(listing)),
        Err(error) => {
            probe.fault = Some(error);
            (probe, None)
        }
    }
}

fn put_off(failures: u32, pace: Duration) -> Duration {
    FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(pace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_fails_is_asked_soon_again_and_then_at_the_usual_pace() {
        let pace = Duration::from_mins(1);
        let pauses = [1, 2, 3, 4, 5, 100].map(|it| put_off(it, pace).as_secs());
        assert_eq!(pauses, [5, 10, 20, 40, 60, 60]);
        assert_eq!(put_off(3, Duration::from_secs(1)), Duration::from_secs(1));
    }
}
