//! Does what was decided about a Host's part in a run. Before each step the API server itself is asked
//! whether what it was decided on is so.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::ResourceExt as _;

use super::{errand::Errand, is_fetch, plan::Step, record};
use crate::{
    api::{
        cluster::Cluster,
        host::Host,
        host_status::{Operation, OperationKind},
    },
    context::Context,
    controllers::host::key,
    error::Error,
    kubernetes::references::look_up,
    rollout::run::FRESH,
    ssh::operation::Work,
};

/// What came of the step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// There was none.
    #[default]
    Nothing,
    /// The permit may be put on record.
    Taken,
    /// The work may be taken off the record.
    Dropped,
    /// The work may be begun for a while.
    Permitted,
    /// The permit is too old.
    TooLate,
    /// What it was decided on is no longer so.
    Stale,
}

/// Takes the step.
///
/// # Errors
/// When the API server can't be asked.
pub async fn run(ctx: &Context, host: &Host, step: Option<&Step>) -> Result<Ending, Error> {
    Ok(match step {
        None => Ending::Nothing,
        Some(Step::Take(operation)) => match confirmed(ctx, host).await? {
            Some(errand) if errand.is_taken_by(operation) => Ending::Taken,
            _ => Ending::Stale,
        },
        Some(Step::Drop) => {
            let run = record(host).map(|it| it.run_id.as_str());
            match errand(ctx, host).await? {
                Some(errand) if Some(errand.run.as_str()) == run => Ending::Stale,
                _ => Ending::Dropped,
            }
        }
        Some(Step::Begin(work)) => match confirmed(ctx, host).await? {
            Some(errand) if record(host).is_some_and(|it| errand.is_taken_by(it)) => {
                permit(ctx, host, work, &errand)
            }
            _ => Ending::Stale,
        },
    })
}

fn permit(ctx: &Context, host: &Host, work: &Work, errand: &Errand) -> Ending {
    let left =
        if goes_on(host, errand) { Some(FRESH) } else { left((ctx.now)(), errand.started_at) };
    let Some(left) = left else { return Ending::TooLate };
    ctx.remotes.let_begin(&key(host), work.name(), Instant::now() + left);
    Ending::Permitted
}

/// Whether it goes on whenever it can. Either it takes nothing down, or Elasticsearch may be down there:
/// a restart that was begun, and something else to be started where the service was down when that was
/// put on record. The machine itself tells both from what has come up since, by the run of the service;
/// nothing there tells a boot from one that was judged long ago.
fn goes_on(host: &Host, errand: &Errand) -> bool {
    let is_of_service = |it: &Operation| {
        matches!(it.kind, OperationKind::RestartElasticsearch | OperationKind::DeployElasticsearch)
    };
    if record(host).is_some_and(is_fetch) {
        return true;
    }
    errand.touched && record(host).is_some_and(|it| it.touched && is_of_service(it))
}

/// How long a permit of `then` is good; nothing where it is too old, or not of this time.
fn left(now: Timestamp, then: Timestamp) -> Option<Duration> {
    let age = now.duration_since(then);
    if FRESH < age.unsigned_abs() {
        return None;
    }
    Some(FRESH.saturating_sub(Duration::try_from(age).unwrap_or_default()))
}

/// What the run has for the Host, as the API server has both now; nothing where the Host is no longer
/// the one that the step was decided on.
async fn confirmed(ctx: &Context, host: &Host) -> Result<Option<Errand>, Error> {
    let namespace = host.namespace().unwrap_or_default();
    let same = look_up::<Host>(&ctx.client, &namespace, &host.name_any()).await?;
    let told = |it: &Host| {
        let meta = &it.metadata;
        let operation = it.status.as_ref().and_then(|it| it.operation.clone());
        (meta.uid.clone(), meta.generation, meta.deletion_timestamp.clone(), operation)
    };
    if same.as_ref().map(told) != Some(told(host)) {
        return Ok(None);
    }
    errand(ctx, host).await
}

/// What the run has for the Host, as the API server has it now.
///
/// # Errors
/// When it can't be asked.
pub async fn errand(ctx: &Context, host: &Host) -> Result<Option<Errand>, Error> {
    let Some(named) = &host.spec.cluster_ref else { return Ok(None) };
    let namespace = host.namespace().unwrap_or_default();
    let cluster = look_up::<Cluster>(&ctx.client, &namespace, &named.name).await?;
    Ok(cluster.and_then(|it| Errand::of(host, &it)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::rollout_status::{RolloutKind, RolloutStep};

    #[test]
    fn what_can_not_stop_what_runs_goes_on_and_a_boot_needs_a_permit_of_now() {
        let errand = Errand {
            run: "r-1".into(),
            kind: RolloutKind::HostRestart,
            step: RolloutStep::Stop,
            attempt: 2,
            started_at: Timestamp::UNIX_EPOCH,
            touched: true,
            image: None,
        };
        for (kind, touched, expected) in [
            ("RestartElasticsearch", true, true),
            ("RestartElasticsearch", false, false),
            ("RestartHost", true, false),
            ("DeployElasticsearch", true, true),
            ("DeployElasticsearch", false, false),
        ] {
            let host = json!({
                "apiVersion": "drover.dev/v1alpha1", "kind": "Host", "metadata": { "name": "a" },
                "spec": { "address": "10.0.0.1", "credentials": { "secretName": "key" } },
                "status": { "operation": {
                    "runId": "r-1", "kind": kind, "step": "Stop", "attempt": 2,
                    "startedAt": "2026-01-02T03:04:05Z", "touched": touched,
                } },
            });
            let host: Host = serde_json::from_value(host).unwrap();
            assert_eq!(goes_on(&host, &errand), expected, "{kind} {touched}");
        }
    }

    #[test]
    fn a_permit_is_good_for_a_while_and_never_one_from_another_time() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(left(at(100), at(100)), Some(FRESH));
        assert_eq!(left(at(110), at(100)), Some(Duration::from_secs(5)));
        assert_eq!(left(at(115), at(100)), Some(Duration::ZERO));
        assert_eq!(left(at(116), at(100)), None);
        assert_eq!(left(at(95), at(100)), Some(FRESH));
        assert_eq!(left(at(50), at(100)), None);
    }
}
