//! Leader election: of all replicas only the holder of the Lease writes.
//!
//! A replica takes a Lease that its holder gave back, or that stood unchanged for its whole
//! duration by this replica's own monotonic clock; wall clocks are never compared. The holder
//! counts from the moment before it sent the request that renewed, and shuts its gate a margin
//! before anybody else may take the Lease. A Lease that somebody deleted is treated as if it still
//! stood, by whoever has seen it.

pub mod decision;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio::time::Instant;

use self::decision::{Decision, View, decide};
use super::{KubernetesError, call_within};
use crate::{api::FIELD_MANAGER, chain::chain, gate::WriteGate, shutdown::Stop};

/// Name of the Lease.
pub const NAME: &str = "drover";
/// How long the Lease holds after it was renewed.
pub const DURATION: Duration = Duration::from_secs(15);
/// How often the holder renews it.
const RENEW: Duration = Duration::from_secs(5);
/// How long after a renewal was sent the gate shuts, 4 s before the Lease runs out: time for what
/// was sent last to arrive.
const OPEN: Duration = Duration::from_secs(11);
/// How often a replica that waits looks at the Lease.
const LOOK: Duration = Duration::from_secs(2);
/// How long after a failed call the next one is tried.
const RETRY: Duration = Duration::from_secs(1);
/// The longest that one call may take.
const CALL: Duration = Duration::from_secs(4);

/// The Lease went to another process, or could not be renewed in time.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// Somebody else holds it.
    #[error("the Lease is held by '{0}' now")]
    Taken(String),
    /// Nothing was heard from the API server for too long.
    #[error("the Lease could not be renewed in time")]
    Late,
}

/// This process, as one of those that want the Lease.
pub struct Candidate {
    api: Api<Lease>,
    namespace: String,
    me: String,
    gate: WriteGate,
    /// The Lease as it was last read or written, and when it last changed.
    seen: Option<(Lease, View)>,
    /// Until when this process counts as holder.
    held_until: Option<Instant>,
}

impl Candidate {
    /// `client` must not ask the gate that the Lease opens.
    #[must_use]
    pub fn new(client: Client, namespace: &str, me: String, gate: WriteGate) -> Self {
        let api = Api::namespaced(client, namespace);
        Self { api, namespace: namespace.to_owned(), me, gate, seen: None, held_until: None }
    }

    /// Ends when this process holds the Lease; the gate is open then. Calls `stands_by` when it
    /// sees that another process does. Safe to drop while it waits.
    pub async fn acquire(&mut self, stands_by: impl Fn()) {
        let mut told = None;
        loop {
            let pause = match self.step().await {
                Ok(Step::Held) => return,
                Ok(Step::Wait(pause)) => {
                    let holder = self.seen.as_ref().map(|(_, view)| view.holder.clone());
                    if told != holder {
                        tracing::info!(holder, "another process holds the Lease, standing by");
                        stands_by();
                        told = holder;
                    }
                    pause.min(LOOK)
                }
                Ok(Step::Again) => RETRY,
                Err(error) => {
                    let text = Some(error.to_string());
                    if told != text {
                        let error = chain(&error);
                        tracing::warn!(error, "can't get the Lease, trying again");
                        told = text;
                    }
                    LOOK
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Renews the Lease until `end` is asked for. The gate is shut for good when this fails.
    ///
    /// # Errors
    /// [`Lost`] when the Lease went to somebody else or could not be renewed in time.
    pub async fn hold(&mut self, end: Stop) -> Result<(), Lost> {
        let mut pause = RENEW;
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = end.requested() => return Ok(()),
            }
            let held_until = self.held_until;
            let renewed = tokio::select! {
                renewed = self.renew() => renewed,
                () = until(held_until) => Err(Lost::Late),
            };
            pause = renewed.inspect_err(|_| self.gate.close())?;
        }
    }

    /// Gives the Lease back, so that another replica need not wait for it to run out. The gate is
    /// shut first: nothing may be written any more.
    pub async fn release(mut self) {
        self.gate.close();
        let Some((lease, _)) = self.seen.take().filter(|_| self.held_until.is_some()) else {
            return;
        };
        let mut lease = lease;
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(Timestamp::now()));
        match self.put(&lease).await {
            Ok(_) => tracing::info!("gave the Lease back"),
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(error, "could not give the Lease back: it will run out");
            }
        }
    }

    /// One renewal; returns how long to wait until the next.
    async fn renew(&mut self) -> Result<Duration, Lost> {
        let error = match self.write().await {
            Ok(()) => return Ok(RENEW),
            Err(error) => error,
        };
        if !error.is_conflict() && !error.is_not_found() {
            tracing::warn!(error = chain(&error), "the Lease was not renewed");
            return Ok(RETRY);
        }
        // Somebody wrote to it, or deleted it: look before going on.
        match self.step().await {
            Ok(Step::Held) => Ok(RENEW),
            Ok(Step::Wait(_)) => {
                let holder = self.seen.take().map(|(_, view)| view.holder).unwrap_or_default();
                Err(Lost::Taken(holder))
            }
            Ok(Step::Again) => Ok(RETRY),
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(error, "the Lease was not renewed");
                Ok(RETRY)
            }
        }
    }

    /// Reads the Lease and does what is to be done.
    async fn step(&mut self) -> Result<Step, KubernetesError> {
        self.look().await?;
        let view = self.seen.as_ref().map(|(_, view)| view);
        let written = match decide(view, &self.me, self.held_until, Instant::now()) {
            Decision::Wait(pause) => return Ok(Step::Wait(pause)),
            Decision::Lost => return Ok(Step::Wait(DURATION)),
            Decision::Create => self.create().await,
            Decision::Write => self.write().await,
        };
        match written {
            Ok(()) => Ok(Step::Held),
            // Another replica was quicker.
            Err(error) if error.is_conflict() || error.is_not_found() => Ok(Step::Again),
            Err(error) => Err(error),
        }
    }

    async fn look(&mut self) -> Result<(), KubernetesError> {
        let lease = call_within(CALL, || self.attempt("read"), self.api.get_opt(NAME)).await?;
        match (lease, &mut self.seen) {
            (Some(lease), seen) => {
                let since = match seen {
                    Some((before, view)) if before.spec == lease.spec => view.since,
                    _ => Instant::now(),
                };
                let view = view(&lease, since);
                *seen = Some((lease, view));
            }
            (None, Some((_, view))) => view.present = false,
            (None, None) => {}
        }
        Ok(())
    }

    async fn create(&mut self) -> Result<(), KubernetesError> {
        let metadata = ObjectMeta {
            name: Some(NAME.to_owned()),
            namespace: Some(self.namespace.clone()),
            ..ObjectMeta::default()
        };
        let lease = Lease { metadata, spec: Some(self.claim(None)) };
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.into()), dry_run: false };
        let start = Instant::now();
        let create = self.api.create(&parameters, &lease);
        let lease = call_within(CALL, || self.attempt("create"), create).await?;
        self.hold_from(start, lease);
        Ok(())
    }

    async fn write(&mut self) -> Result<(), KubernetesError> {
        let Some((before, _)) = &self.seen else { return self.create().await };
        let spec = Some(self.claim(before.spec.as_ref()));
        let lease = Lease { metadata: before.metadata.clone(), spec };
        let start = Instant::now();
        let lease = self.put(&lease).await?;
        self.hold_from(start, lease);
        Ok(())
    }

    /// Replaces the Lease; the resourceVersion in it makes the API server refuse when somebody
    /// else wrote since.
    async fn put(&self, lease: &Lease) -> Result<Lease, KubernetesError> {
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.into()), dry_run: false };
        let replace = self.api.replace(NAME, &parameters, lease);
        call_within(CALL, || self.attempt("write"), replace).await
    }

    fn claim(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let mut spec = before.cloned().unwrap_or_default();
        if spec.holder_identity.as_deref() != Some(&self.me) {
            spec.lease_transitions = Some(spec.lease_transitions.map_or(0, |it| it + 1));
            spec.acquire_time = Some(now.clone());
            spec.holder_identity = Some(self.me.clone());
        }
        spec.lease_duration_seconds = i32::try_from(DURATION.as_secs()).ok();
        spec.renew_time = Some(now);
        spec
    }

    fn hold_from(&mut self, start: Instant, lease: Lease) {
        let view = view(&lease, start);
        self.seen = Some((lease, view));
        self.held_until = Some(start + OPEN);
        self.gate.open_for(start.into_std(), OPEN);
    }

    fn attempt(&self, verb: &str) -> String {
        format!("{verb} Lease {}/{NAME}", self.namespace)
    }
}

enum Step {
    Held,
    Wait(Duration),
    Again,
}

fn view(lease: &Lease, since: Instant) -> View {
    let spec = lease.spec.as_ref();
    let seconds = spec.and_then(|it| it.lease_duration_seconds);
    let duration = seconds.and_then(|it| u64::try_from(it).ok()).map(Duration::from_secs);
    View {
        holder: spec.and_then(|it| it.holder_identity.clone()).unwrap_or_default(),
        duration: duration.unwrap_or(DURATION),
        since,
        present: true,
    }
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
