//! What is wanted of the hosts, by the spec and by what has been dealt with. Pure.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{outdated::Outdated, record};
use crate::{
    api::{
        cluster::Cluster,
        rollout::{RequestId, RestartTarget},
        rollout_status::{HOSTS, Requests, RolloutStatus},
    },
    controllers::deployment,
    rollout::{
        planner::Wanted,
        run::{Kind, image_target, request_of},
    },
};

/// A request of `spec.operations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Its id.
    pub id: &'a str,
    /// What it asks for.
    pub kind: Kind,
    /// What a run for it leads to.
    pub target: Cow<'a, str>,
}

/// The requests, whether they were dealt with or not, in the order in which they are followed.
fn requests<'a>(cluster: &'a Cluster) -> impl Iterator<Item = Request<'a>> {
    let request =
        |id: &'a RequestId, kind| Request { id: &id.0, kind, target: id.0.as_str().into() };
    let operations = cluster.spec.operations.as_ref();
    let restart = operations.and_then(|it| it.restart.as_ref()).map(|restart| {
        let kind = match restart.target {
            RestartTarget::Elasticsearch => Kind::ElasticsearchRestart,
            RestartTarget::Host => Kind::HostRestart,
        };
        request(&restart.request_id, kind)
    });
    let upgrade = operations
        .and_then(|it| it.upgrade.as_ref())
        .map(|it| request(&it.request_id, Kind::HostUpgrade));
    let deploy = operations.and_then(|it| it.deploy.as_ref()).map(|it| Request {
        target: image_target(&it.version.0, &it.request_id.0).into(),
        ..request(&it.request_id, Kind::HostDeploy)
    });
    restart.into_iter().chain(upgrade).chain(deploy)
}

/// Where the last request for runs of this kind stands that was dealt with.
fn last(requests: &mut Requests, kind: Kind) -> &mut Option<String> {
    match kind {
        Kind::HostUpgrade => &mut requests.upgrade,
        Kind::HostDeploy => &mut requests.deploy,
        _ => &mut requests.restart,
    }
}

/// The first request that was not dealt with. What an object had at its creation is not among them:
/// what comes back from a backup restarts nothing.
#[must_use]
pub fn outstanding(cluster: &Cluster) -> Option<Request<'_>> {
    all_outstanding(cluster).into_iter().next()
}

/// All the requests of which that is so, in the order in which they are followed.
#[must_use]
pub fn all_outstanding(cluster: &Cluster) -> Vec<Request<'_>> {
    let status = cluster.status.as_ref().filter(|it| it.observed_generation.is_some());
    let Some(status) = status else { return Vec::new() };
    let mut dealt_with = status.requests.clone().unwrap_or_default();
    let mut is_new = |it: &Request<'_>| last(&mut dealt_with, it.kind).as_deref() != Some(it.id);
    requests(cluster).filter(|it| is_new(it)).collect()
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

/// The same of a request to deploy an image, for another version of it than it names now.
#[must_use]
pub fn other_version(cluster: &Cluster) -> Option<&str> {
    let last = cluster.status.as_ref()?.deploy.as_ref()?;
    let now = cluster.spec.operations.as_ref()?.deploy.as_ref()?;
    let is_other = last.version.as_str() != now.version.0;
    (last.request_id == now.request_id.0 && is_other).then_some(&*now.request_id.0)
}

/// Whether anything is wanted that no run has taken up.
#[must_use]
pub fn is_anything_outstanding(cluster: &Cluster, outdated: Option<&Outdated>) -> bool {
    outdated.is_some_and(Outdated::is_any) || outstanding(cluster).is_some()
}

/// What is wanted of the hosts with these `uids`; nothing where nothing is. A run whose request is
/// gone from the spec ends between hosts: then what is wanted is nothing of nobody. Hosts run what
/// they shall before a request is followed.
#[must_use]
pub fn wanted(
    cluster: &Cluster,
    uids: &[&str],
    outdated: Option<&Outdated>,
    now: Timestamp,
) -> Option<Wanted> {
    let run = cluster.status.as_ref().and_then(|it| it.rollout.as_ref());
    if let Some(run) = run.filter(|it| goes_on(cluster, it, outdated)) {
        let kind = record::run(run).kind;
        let (id, target) = (run.run_id.as_str().into(), run.target.as_str().into());
        let is_right = |uid: &str| outdated.is_some_and(|it| it.is_right(uid));
        let hosts = run.hosts.iter().map(|it| it.host_uid.as_str()).filter(|it| !is_right(it));
        return Some(Wanted { id, kind, target, hosts: hosts.map(Into::into).collect() });
    }
    let is_asked_for = |run: &RolloutStatus| going_on(cluster, run).is_some();
    let has_trouble = |run: &RolloutStatus| run.hosts.iter().any(|it| it.message.is_some());
    // What is asked for comes to its end first, unless other settings may be the cure.
    let may_begin = run.is_none_or(|it| !is_asked_for(it) || has_trouble(it));
    let of_spec = outdated.filter(|_| may_begin).and_then(|it| it.wanted(uids));
    if let Some((kind, target, hosts)) = of_spec {
        let id = format!("deploy-{}", now.as_millisecond()).into();
        return Some(Wanted { id, kind, target: target.into(), hosts });
    }
    let request = match run {
        Some(run) => going_on(cluster, run).or_else(|| outstanding(cluster)),
        None => outstanding(cluster),
    };
    let Some(request) = request else {
        return run.map(|run| Wanted {
            id: run.run_id.as_str().into(),
            kind: record::run(run).kind,
            target: "".into(),
            hosts: Vec::new(),
        });
    };
    let verb = match request.kind {
        Kind::HostUpgrade => "upgrade",
        Kind::HostDeploy => "image",
        _ => "restart",
    };
    Some(Wanted {
        id: format!("{verb}-{}", now.as_millisecond()).into(),
        kind: request.kind,
        target: request.target.into(),
        hosts: uids.iter().take(HOSTS).map(|it| (*it).into()).collect(),
    })
}

/// Whether `run`, which is under way, is what is wanted still.
#[must_use]
pub fn is_wanted(cluster: &Cluster, run: &RolloutStatus, outdated: Option<&Outdated>) -> bool {
    going_on(cluster, run).is_some() || goes_on(cluster, run, outdated)
}

/// Whether `run` leads to the version and the settings that the spec asks for. As long as nobody can
/// say what that is, it does.
fn goes_on(cluster: &Cluster, run: &RolloutStatus, outdated: Option<&Outdated>) -> bool {
    match outdated {
        _ if is_request(record::run(run).kind) => false,
        Some(outdated) => outdated.is_led_to_by(run),
        None => deployment::is_managed(cluster),
    }
}

/// Whether runs of this kind are asked for by requests.
#[must_use]
pub fn is_request(kind: Kind) -> bool {
    match kind {
        Kind::ElasticsearchRestart | Kind::HostRestart | Kind::HostUpgrade | Kind::HostDeploy => {
            true
        }
        Kind::ElasticsearchVersion | Kind::ElasticsearchConfig => false,
    }
}

/// Whether the same request may ask for runs of either kind.
fn is_alike(one: Kind, other: Kind) -> bool {
    let is_restart = |it: Kind| matches!(it, Kind::ElasticsearchRestart | Kind::HostRestart);
    one == other || is_restart(one) && is_restart(other)
}

/// The request that `run` follows, as it was begun, where it is still there.
fn going_on<'a>(cluster: &'a Cluster, run: &RolloutStatus) -> Option<Request<'a>> {
    let kind = Some(record::run(run).kind).filter(|it| is_request(*it))?;
    let is_same = |it: &Request<'_>| is_alike(it.kind, kind) && request_of(&run.target) == it.id;
    let request = requests(cluster).find(is_same)?;
    Some(Request { kind, target: run.target.clone().into(), ..request })
}

/// What has been dealt with, once a run `begun` of that kind and with that target is under way, or came
/// to nothing.
#[must_use]
pub fn dealt_with(cluster: &Cluster, begun: Option<(Kind, &str)>) -> Option<Requests> {
    let status = cluster.status.as_ref();
    let before = status.and_then(|it| it.requests.clone());
    let is_new = status.is_none_or(|it| it.observed_generation.is_none());
    let mut after = before.unwrap_or_default();
    let mut note = |kind: Kind, id: &str| *last(&mut after, kind) = Some(id.to_owned());
    if is_new {
        requests(cluster).for_each(|it| note(it.kind, it.id));
    } else if let Some((kind, target)) = begun {
        note(kind, request_of(target));
    }
    (after != Requests::default()).then_some(after)
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
        let wanted = wanted(cluster, &["a", "b"], None, Timestamp::UNIX_EPOCH)?;
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
        assert_eq!(restart(Some((Kind::HostRestart, "two"))), "two");
        let upgrade = dealt_with(&cluster, Some((Kind::HostUpgrade, "two"))).unwrap();
        assert_eq!(
            (upgrade.restart.as_deref(), upgrade.upgrade.as_deref()),
            (Some("one"), Some("two"))
        );
    }

    #[test]
    fn requests_for_different_things_are_told_apart_and_followed_one_after_the_other() {
        let with = |status: Value| {
            let mut cluster = cluster(&json!({ "requestId": "one", "target": "Host" }), &status);
            let upgrade = json!({ "requestId": "one" });
            let operations = cluster.spec.operations.as_mut().unwrap();
            operations.upgrade = serde_json::from_value(upgrade).unwrap();
            cluster
        };
        let new = dealt_with(&with(json!(null)), None).unwrap();
        let (restart, upgrade) = (new.restart.as_deref(), new.upgrade.as_deref());
        assert_eq!((restart, upgrade), (Some("one"), Some("one")), "a backup starts neither");
        let after = |requests: Value| {
            wanted_by(&with(json!({ "observedGeneration": 1, "requests": requests })))
        };
        assert_eq!(after(json!({})), Some((Kind::HostRestart, "one".into(), 2)));
        assert_eq!(after(json!({ "restart": "one" })), Some((Kind::HostUpgrade, "one".into(), 2)));
        assert_eq!(after(json!({ "restart": "one", "upgrade": "one" })), None);
        // The run that is under way comes to its end first, also where both have the same id.
        let mut upgrade = run("one");
        upgrade["kind"] = json!("HostUpgrade");
        let both = with(json!({ "observedGeneration": 1, "rollout": upgrade }));
        assert_eq!(wanted_by(&both), Some((Kind::HostUpgrade, "one".into(), 2)));
        let mut gone = both;
        gone.spec.operations.as_mut().unwrap().upgrade = None;
        assert_eq!(wanted_by(&gone), Some((Kind::HostRestart, "one".into(), 2)));
    }

    #[test]
    fn an_image_is_deployed_as_it_was_first_asked_for_whatever_its_request_names_later() {
        let with = |version: &str, status: Value| {
            let mut cluster = cluster(&json!({ "requestId": "one" }), &status);
            let deploy = json!({ "requestId": "one", "version": version });
            let operations = cluster.spec.operations.as_mut().unwrap();
            operations.deploy = serde_json::from_value(deploy).unwrap();
            cluster
        };
        let new = dealt_with(&with("41.1", json!(null)), None).unwrap();
        assert_eq!(new.deploy.as_deref(), Some("one"), "a backup deploys nothing");
        let after = json!({ "observedGeneration": 1, "requests": { "restart": "one" } });
        let asked = Some((Kind::HostDeploy, "41.1/one".to_owned(), 2));
        assert_eq!(wanted_by(&with("41.1", after.clone())), asked);
        let begun = dealt_with(&with("41.1", after), Some((Kind::HostDeploy, "41.1/one"))).unwrap();
        assert_eq!((begun.restart.as_deref(), begun.deploy.as_deref()), (Some("one"), Some("one")));
        let mut run = run("41.1/one");
        run["kind"] = json!("HostDeploy");
        let other = with("41.2", json!({ "observedGeneration": 1, "rollout": run }));
        assert_eq!(wanted_by(&other), asked, "another version is no other request");
    }

    /// A Cluster whose Elasticsearch Drover runs, and its one host, which runs other settings.
    fn outdated(status: &Value, restart: &Value) -> (Cluster, Outdated) {
        use crate::controllers::{
            cluster::managed::observe::Seen,
            deployment::tests::{cluster, found, host},
        };
        let mut cluster = cluster(status);
        cluster.spec.operations = serde_json::from_value(json!({ "restart": restart })).unwrap();
        let mut object = serde_json::to_value(&*host("a", &json!({}), true)).unwrap();
        let deployed = json!({ "version": "8.19.0", "revision": "old", "data": "Used" });
        object["status"]["elasticsearch"] =
            json!({ "unit": "u", "state": "active", "deployed": deployed });
        let host = std::sync::Arc::new(serde_json::from_value(object).unwrap());
        let seen = Seen::new(&cluster, found(), vec![host]);
        let outdated = Outdated::find(&cluster, &seen).unwrap();
        (cluster, outdated)
    }

    fn asked(cluster: &Cluster, outdated: &Outdated) -> (Kind, usize) {
        let wanted = wanted(cluster, &["uid-a"], Some(outdated), Timestamp::UNIX_EPOCH).unwrap();
        (wanted.kind, wanted.hosts.len())
    }

    #[test]
    fn settings_go_before_a_request_and_a_request_that_is_followed_comes_to_its_end() {
        let request = json!({ "requestId": "one", "target": "Host" });
        let (cluster, other) = outdated(&json!({ "observedGeneration": 1 }), &request);
        assert_eq!(asked(&cluster, &other), (Kind::ElasticsearchConfig, 1));
        assert!(is_anything_outstanding(&cluster, Some(&other)));
        let status = |run: Value| json!({ "observedGeneration": 1, "rollout": run });
        let (cluster, other) = outdated(&status(run("one")), &request);
        assert_eq!(asked(&cluster, &other), (Kind::HostRestart, 1));
        // It can't come to its end as it is.
        let mut stuck = run("one");
        stuck["hosts"] = json!([{
            "name": "a", "hostUid": "uid-a", "step": "Stop", "attempt": 1,
            "startedAt": "2026-01-02T03:04:05Z", "message": "it does not start",
        }]);
        let (cluster, other) = outdated(&status(stuck), &request);
        assert_eq!(asked(&cluster, &other), (Kind::ElasticsearchConfig, 1));
    }

    #[test]
    fn a_change_of_settings_goes_on_until_others_are_wanted_or_none_are_known() {
        let (_, target, _) = outdated(&json!(null), &json!(null)).1.wanted(&["uid-a"]).unwrap();
        let status = |target: &str| {
            let mut run = run(target);
            run["kind"] = json!("ElasticsearchConfig");
            run["hosts"] = json!([{
                "name": "a", "hostUid": "uid-a", "step": "Stop", "attempt": 1,
                "startedAt": "2026-01-02T03:04:05Z",
            }]);
            json!({ "observedGeneration": 1, "rollout": run })
        };
        let (same, other) = outdated(&status(&target), &json!(null));
        assert_eq!(asked(&same, &other), (Kind::ElasticsearchConfig, 1));
        let unknown = wanted(&same, &["uid-a"], None, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(&*unknown.target, target);
        let mut before = status(&target);
        before["rollout"]["hosts"][0]["revision"] = json!("another");
        let (changed, other) = outdated(&before, &json!(null));
        let begun = wanted(&changed, &["uid-a"], Some(&other), Timestamp::UNIX_EPOCH).unwrap();
        assert!(begun.id.starts_with("deploy-"), "{}", begun.id);
        let mut let_go = same;
        let_go.spec.elasticsearch = None;
        assert_eq!(
            wanted(&let_go, &["uid-a"], None, Timestamp::UNIX_EPOCH).unwrap().target,
            "".into()
        );
    }
}
