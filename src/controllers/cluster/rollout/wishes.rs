//! What is wanted of the hosts, by the spec and by what has been dealt with. Pure.

use jiff::Timestamp;

use crate::{
    api::{
        cluster::Cluster,
        rollout::RestartTarget,
        rollout_status::{Requests, RolloutStatus},
    },
    rollout::{planner::Wanted, run::Kind},
};

/// A request of `spec.operations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Its id.
    pub id: &'a str,
    /// What it asks for.
    pub kind: Kind,
}

/// The request for a restart, whether it was dealt with or not.
#[must_use]
pub fn restart(cluster: &Cluster) -> Option<Request<'_>> {
    let restart = cluster.spec.operations.as_ref()?.restart.as_ref()?;
    let kind = match restart.target {
        RestartTarget::Elasticsearch => Kind::ElasticsearchRestart,
        RestartTarget::Host => Kind::HostRestart,
    };
    Some(Request { id: &restart.request_id.0, kind })
}

/// The first request that was not dealt with. What an object had at its creation is not among them:
/// what comes back from a backup restarts nothing.
#[must_use]
pub fn outstanding(cluster: &Cluster) -> Option<Request<'_>> {
    let status = cluster.status.as_ref().filter(|it| it.observed_generation.is_some())?;
    let dealt_with = status.requests.as_ref().and_then(|it| it.restart.as_deref());
    restart(cluster).filter(|it| dealt_with != Some(it.id))
}

/// The request that was dealt with for another target than it names now. It is not followed again: what
/// was begun by it goes on as it was begun.
#[must_use]
pub fn other_target(cluster: &Cluster) -> Option<&str> {
    let last = cluster.status.as_ref()?.restart.as_ref()?;
    let now = cluster.spec.operations.as_ref()?.restart.as_ref()?;
    let is_other = last.request_id == now.request_id.0 && last.target != now.target;
    is_other.then_some(&*now.request_id.0)
}

/// What is wanted of the hosts with these `uids`; nothing where nothing is. A run whose request is
/// gone from the spec ends between hosts: then what is wanted is nothing of nobody.
#[must_use]
pub fn wanted(cluster: &Cluster, uids: &[&str], now: Timestamp) -> Option<Wanted> {
    let run = cluster.status.as_ref().and_then(|it| it.rollout.as_ref());
    let request = match run {
        Some(run) => going_on(cluster, run).or_else(|| outstanding(cluster)),
        None => outstanding(cluster),
    };
    let Some(request) = request else {
        return run.map(|run| Wanted {
            id: run.run_id.as_str().into(),
            kind: super::record::run(run).kind,
            target: "".into(),
            hosts: Vec::new(),
        });
    };
    Some(Wanted {
        id: format!("restart-{}", now.as_millisecond()).into(),
        kind: request.kind,
        target: request.id.into(),
        hosts: uids.iter().map(|it| (*it).into()).collect(),
    })
}

/// The request that `run` follows, as it was begun, where it is still there.
fn going_on<'a>(cluster: &'a Cluster, run: &RolloutStatus) -> Option<Request<'a>> {
    let request = restart(cluster).filter(|it| run.target == it.id)?;
    Some(Request { kind: super::record::run(run).kind, ..request })
}

/// What has been dealt with, once `begun` is under way, or came to nothing.
#[must_use]
pub fn dealt_with(cluster: &Cluster, begun: Option<&str>) -> Option<Requests> {
    let status = cluster.status.as_ref();
    let before = status.and_then(|it| it.requests.clone());
    let is_new = status.is_none_or(|it| it.observed_generation.is_none());
    let id = if is_new { restart(cluster).map(|it| it.id) } else { begun };
    match id {
        Some(id) => Some(Requests { restart: Some(id.to_owned()) }),
        None => before,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn cluster(restart: &Value, status: &Value) -> Cluster {
        let spec = if restart.is_null() {
            json!({})
        } else {
            json!({ "operations": { "restart": restart } })
        };
        let object = json!({
            "apiVersion": "drover.dev/v1alpha1", "kind": "Cluster",
            "metadata": { "name": "es" }, "spec": spec, "status": status,
        });
        serde_json::from_value(object).unwrap()
    }

    fn run(target: &str) -> Value {
        json!({
            "runId": "restart-1", "kind": "HostRestart", "target": target, "hosts": [],
            "startedAt": "2026-01-02T03:04:05Z",
        })
    }

    fn wanted_by(cluster: &Cluster) -> Option<(Kind, String, usize)> {
        let wanted = wanted(cluster, &["a", "b"], Timestamp::UNIX_EPOCH)?;
        Some((wanted.kind, wanted.target.to_string(), wanted.hosts.len()))
    }

    #[test]
    fn a_request_that_is_there_at_first_sight_is_recorded_and_not_followed() {
        let cluster = cluster(&json!({ "requestId": "one" }), &json!(null));
        assert_eq!(wanted_by(&cluster), None);
        assert_eq!(dealt_with(&cluster, None).unwrap().restart.as_deref(), Some("one"));
    }

    #[test]
    fn another_request_than_before_is_followed_once() {
        let request = json!({ "requestId": "two", "target": "Host" });
        let new = cluster(
            &request,
            &json!({ "observedGeneration": 1, "requests": { "restart": "one" } }),
        );
        assert_eq!(wanted_by(&new), Some((Kind::HostRestart, "two".into(), 2)));
        let done = cluster(
            &request,
            &json!({ "observedGeneration": 1, "requests": { "restart": "two" } }),
        );
        assert_eq!(wanted_by(&done), None);
        // Where there was none before, the first one is followed.
        let first = cluster(&request, &json!({ "observedGeneration": 1 }));
        assert_eq!(wanted_by(&first), Some((Kind::HostRestart, "two".into(), 2)));
    }

    #[test]
    fn a_run_goes_on_as_long_as_its_request_is_there() {
        let status = |run: Value| json!({ "observedGeneration": 1, "requests": { "restart": "one" }, "rollout": run });
        let same = cluster(&json!({ "requestId": "one", "target": "Host" }), &status(run("one")));
        assert_eq!(wanted_by(&same), Some((Kind::HostRestart, "one".into(), 2)));
        let other = cluster(&json!({ "requestId": "two" }), &status(run("one")));
        assert_eq!(wanted_by(&other), Some((Kind::ElasticsearchRestart, "two".into(), 2)));
        // Another target is no other request.
        let changed = json!({ "requestId": "one", "target": "Elasticsearch" });
        let changed = cluster(&changed, &status(run("one")));
        assert_eq!(wanted_by(&changed), Some((Kind::HostRestart, "one".into(), 2)));
        let gone = cluster(&json!(null), &status(run("one")));
        assert_eq!(wanted_by(&gone), Some((Kind::HostRestart, String::new(), 0)));
    }

    #[test]
    fn what_was_begun_is_on_record_and_what_was_before_stays() {
        let cluster = cluster(
            &json!({ "requestId": "two" }),
            &json!({ "observedGeneration": 1, "requests": { "restart": "one" } }),
        );
        let restart = |begun| dealt_with(&cluster, begun).unwrap().restart.unwrap();
        assert_eq!(restart(None), "one");
        assert_eq!(restart(Some("two")), "two");
    }
}
