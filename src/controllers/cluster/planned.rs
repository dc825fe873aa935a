//! What mode Plan holds back of what the spec asks for: it is in the status, and nothing is done. Pure.

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::{
    drain, managed,
    observe::Observed,
    plan::Plan,
    rollout::{self, observe::Seen, outdated::Outdated, plan::Decided, wishes},
};
use crate::{
    api::{
        cluster::{Cluster, ClusterStatus, conditions as kinds},
        condition::{Finding, Reason, find},
        host::{self, Host},
        host_status::{DataDirectory, OperationKind},
        index::{Mode, PlannedCall},
        rollout::Protection,
        rollout_status::HOSTS,
    },
    controllers::{
        deployment::{self, leaving},
        lists::omitted,
    },
    elasticsearch::calls::Write,
    kubernetes::events::Notice,
    rollout::{
        drain::Drain,
        hosts::Member,
        run::{HostRun, Kind, Run, Step, version_of},
    },
};

/// What is said where nothing but the mode holds back what is wanted.
pub const PLANNED: &str = "mode is Plan: status.plan shows what is held back";
/// The most entries that a status lists.
const ENTRIES: usize = 50;

/// What is held back, as the status lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The first of it, in its order.
    pub calls: Vec<PlannedCall>,
    /// How many entries more there are.
    pub omitted: Option<u32>,
}

/// All that mode Plan holds back, in the order in which it would be done; nothing under Apply, and of an
/// object that goes. `decided` is what was decided beside that, and `live` are the settings to be changed in the
/// running cluster.
#[must_use]
pub fn held(
    cluster: &Cluster,
    (seen, plan): (&Observed, &Plan),
    look: Option<&Seen>,
    outdated: Option<&Outdated>,
    decided: &Decided,
    live: &BTreeMap<String, Value>,
) -> Held {
    if cluster.spec.mode == Mode::Apply || cluster.metadata.deletion_timestamp.is_some() {
        return Held::default();
    }
    let run = decided.run.as_ref();
    let is_wanted = run.is_some()
        || decided.drain.drain.is_some()
        || wishes::is_anything_outstanding(cluster, outdated);
    if look.is_none() && is_wanted {
        // Nobody was asked this time.
        return before(cluster);
    }
    let managed = seen.managed.as_ref().zip(plan.managed.as_ref());
    let mut calls = managed.map(|it| to_form(cluster, it.1)).unwrap_or_default();
    if let Some((seen, _)) = managed.filter(|it| may_be_worked_with(*it)) {
        let hosts = seen.hosts.iter().flat_map(|it| on_host(cluster, seen, it, outdated, run));
        calls.extend(hosts);
    }
    if !live.is_empty() {
        let write = Write::put_cluster_settings(live, "");
        calls.push(call(write, "these settings need no restart"));
    }
    if let Some(look) = look {
        let rest = rest_of_run(cluster, outdated, run);
        calls.extend(guarded(cluster, look, rest));
        calls.extend(drains(cluster, look, decided));
        let mut work = outdated.map(|it| to_deploy(look, it, run)).unwrap_or_default();
        work.extend(requests(cluster, &look.members));
        calls.extend(guarded(cluster, look, work));
    }
    let more = omitted(calls.len(), ENTRIES);
    calls.truncate(ENTRIES);
    Held { calls, omitted: more }
}

fn before(cluster: &Cluster) -> Held {
    let status = cluster.status.as_ref();
    Held {
        calls: status.map(|it| it.plan.clone()).unwrap_or_default(),
        omitted: status.and_then(|it| it.plan_omitted),
    }
}

/// Why the Cluster is not Ready, where something is held back and nothing is under way.
#[must_use]
pub fn outstanding(seen: &Observed, decided: &Decided) -> Option<Finding> {
    let is_at_work = |it: &Run| it.pause.is_some() || it.hosts.iter().any(HostRun::is_in_hand);
    let is_under_way = decided.run.as_ref().is_some_and(is_at_work)
        || decided.drain.drain.as_ref().is_some_and(Drain::is_in_flight)
        || seen.managed.iter().flat_map(|it| &it.hosts).any(|it| is_installing(it));
    let is_held = !decided.held.calls.is_empty() && !is_under_way;
    is_held.then(|| Finding::no(kinds::READY, Reason::PlanOnly, PLANNED))
}

/// What people should hear of between two statuses.
#[must_use]
pub fn notices(before: Option<&ClusterStatus>, after: &ClusterStatus) -> Vec<Notice> {
    let was_empty = before.is_none_or(|it| it.plan.is_empty());
    let is_new = was_empty && !after.plan.is_empty();
    is_new.then(|| Notice::normal("Planned", "Plan", PLANNED)).into_iter().collect()
}

/// Whether it is on record that Elasticsearch comes to the machine: that goes on.
fn is_installing(host: &Host) -> bool {
    let operation = host.status.as_ref().and_then(|it| it.operation.as_ref());
    operation.is_some_and(|it| it.kind == OperationKind::InstallElasticsearch)
}

fn entry(method: &str, path: String, body: Option<String>, reason: String) -> PlannedCall {
    PlannedCall { method: method.to_owned(), path, body, body_omitted: None, reason }
}

fn call(write: Write, reason: &str) -> PlannedCall {
    entry(write.method.as_str(), write.path, write.body, reason.to_owned())
}

fn on(host: &str) -> String {
    format!("hosts/{host}")
}

/// What comes before any host.
fn to_form(cluster: &Cluster, plan: &managed::plan::Plan) -> Vec<PlannedCall> {
    let name = cluster.name_any();
    let paths = plan.held.iter().map(|it| format!("secrets/{}", it.name(&name)));
    let secret = |path| entry("CreateSecret", path, None, "the cluster needs it".into());
    let mut calls: Vec<PlannedCall> = paths.map(secret).collect();
    let forms = plan.would_form.as_ref().map(|host| {
        entry("FormCluster", on(host), None, "no cluster is formed of the hosts yet".into())
    });
    calls.extend(forms);
    calls
}

/// Whether hosts would be brought what the spec asks for: no person has to decide anything first.
fn may_be_worked_with((seen, plan): (&managed::observe::Seen, &managed::plan::Plan)) -> bool {
    let has_secrets = seen.secrets.is_ok() || !plan.held.is_empty();
    plan.refused().is_none() && seen.plans.is_ok() && has_secrets
}

/// What would come to one host of a Cluster whose Elasticsearch Drover runs, besides by a run.
fn on_host(
    cluster: &Cluster,
    seen: &managed::observe::Seen,
    host: &Host,
    outdated: Option<&Outdated>,
    run: Option<&Run>,
) -> Vec<PlannedCall> {
    let (name, uid) = (host.name_any(), host.uid().unwrap_or_default());
    let is_in_run = run.is_some_and(|it| is_due(it, &uid));
    let is_held = host.spec.paused || host.spec.maintenance || leaving::is_due(cluster, host);
    let is_others = !deployment::may_be_of(cluster, host) || seen.aside.contains_key(&*name);
    if is_in_run || is_held || is_others {
        return Vec::new();
    }
    let mut calls = Vec::new();
    let known = host.status.as_ref().map(|it| it.conditions.as_slice()).unwrap_or_default();
    let prepared = find(known, host::conditions::PREPARED);
    if prepared.is_some_and(|it| &*it.reason == Reason::PlanOnly.as_str()) {
        let reason = "the machine is not as declared: see the condition Prepared of the Host";
        calls.push(entry("Prepare", on(&name), None, reason.into()));
    }
    let told = deployment::told(host);
    let runs = told.is_some_and(|it| it.version.is_some());
    let comes_by_run = outdated.is_some_and(|it| it.wanted(&[uid.as_str()]).is_some());
    if !runs && !comes_by_run && !is_installing(host) {
        let is_home = told.is_some_and(|it| it.data == DataDirectory::Used);
        let reason = if is_home {
            "Elasticsearch does not run there"
        } else {
            "Elasticsearch is not installed there yet"
        };
        let version = deployment::version(cluster).map(|it| version(&it.to_string()));
        calls.push(entry("InstallElasticsearch", on(&name), version, reason.into()));
    }
    calls
}

/// Whether `run` has something to do yet for the host with this uid.
fn is_due(run: &Run, uid: &str) -> bool {
    run.hosts.iter().any(|it| *it.uid == *uid && it.step != Step::Done)
}

fn version(version: &str) -> String {
    json!({ "version": version }).to_string()
}

/// The work of a run of this `kind`, which leads to `target`, on one host.
fn work(kind: Kind, target: &str, host: &str, reason: String) -> PlannedCall {
    let leads_to = || Some(version(version_of(target)));
    let (method, body) = match kind {
        Kind::ElasticsearchVersion | Kind::ElasticsearchConfig => {
            ("DeployElasticsearch", leads_to())
        }
        Kind::ElasticsearchRestart => ("RestartElasticsearch", None),
        Kind::HostRestart => ("RestartHost", None),
        Kind::HostUpgrade => ("UpgradeHost", None),
        Kind::HostDeploy => ("DeployHost", leads_to()),
    };
    entry(method, on(host), body, reason)
}

/// The hosts that a run which was begun has not come to, where it is what is wanted still.
fn rest_of_run(
    cluster: &Cluster,
    outdated: Option<&Outdated>,
    run: Option<&Run>,
) -> Vec<PlannedCall> {
    let status = cluster.status.as_ref().and_then(|it| it.rollout.as_ref());
    let goes_on = status.is_some_and(|it| wishes::is_wanted(cluster, it, outdated));
    let Some(run) = run.filter(|_| goes_on) else { return Vec::new() };
    let rest = run.hosts.iter().filter(|it| it.step != Step::Done && !it.is_in_hand());
    let reason = || format!("the run {} has not come to it", run.id);
    rest.map(|it| work(run.kind, &run.target, &it.name, reason())).collect()
}

/// The hosts that leave, and are not drained.
fn drains(cluster: &Cluster, look: &Seen, decided: &Decided) -> Vec<PlannedCall> {
    let evidence = look.evidence.as_ref().ok();
    let begun = decided.drain.drain.as_ref().filter(|it| it.is_set()).map(|it| &*it.of.uid);
    let is_begun = |it: &Host| it.metadata.uid.is_some() && it.metadata.uid.as_deref() == begun;
    let leaving = look.known.iter().filter(|it| drain::plan::leaves(cluster, it, evidence));
    let mut names: Vec<String> =
        leaving.filter(|it| !is_begun(it)).map(|it| it.name_any()).collect();
    names.sort();
    let drain = |it: String| {
        entry("Drain", on(&it), None, "it leaves, and its node has to be emptied first".into())
    };
    names.into_iter().map(drain).collect()
}

/// The hosts that run something else than they shall, but for those that `run` has to come to.
fn to_deploy(look: &Seen, outdated: &Outdated, run: Option<&Run>) -> Vec<PlannedCall> {
    let comes = |uid: &str| run.is_some_and(|it| it.kind.swaps() && is_due(it, uid));
    let others = look.members.iter().filter(|it| !comes(&it.uid));
    let deploy = |member: &Member| {
        let (kind, target, _) = outdated.wanted(&[&*member.uid])?;
        let reason = match kind {
            Kind::ElasticsearchVersion => "it does not run the declared version",
            _ => "it does not run with the declared settings",
        };
        Some(work(kind, &target, &member.name, reason.into()))
    };
    others.filter_map(deploy).collect()
}

/// What the requests that were not dealt with ask for.
fn requests(cluster: &Cluster, members: &[Member]) -> Vec<PlannedCall> {
    let requests = wishes::all_outstanding(cluster).into_iter();
    let of_request = |request: wishes::Request<'_>| {
        let reason = format!("it is asked for by the requestId '{}'", request.id);
        let on_host = |it: &Member| work(request.kind, &request.target, &it.name, reason.clone());
        members.iter().take(HOSTS).map(on_host).collect::<Vec<_>>()
    };
    requests.flat_map(of_request).collect()
}

/// The same, with what protects hosts in Elasticsearch while they are down.
fn guarded(cluster: &Cluster, look: &Seen, work: Vec<PlannedCall>) -> Vec<PlannedCall> {
    if work.is_empty() {
        return work;
    }
    if rollout::pace(cluster).protection == Protection::NodeShutdown {
        let call = |method: &str, reason: &str| {
            entry(method, "/_nodes/{node}/shutdown".to_owned(), None, reason.to_owned())
        };
        let first = call("PUT", "each node is announced before it goes down");
        let last = call("DELETE", "the record is taken back once each is back");
        return [first].into_iter().chain(work).chain([last]).collect();
    }
    let allocation = look.evidence.as_ref().ok().map(|it| &it.allocation);
    // Else the gates are shut, or it is protected already.
    let allocation = allocation.filter(|it| it.is_free() && it.prior.is_none());
    let Some(allocation) = allocation else { return work };
    let (prior, owner) = (allocation.as_prior(), cluster.metadata.uid.as_deref());
    let protect = Write::protect(&prior, owner.unwrap_or_default(), "");
    let unprotect = Write::unprotect(&prior, "");
    let first = call(protect, "replicas wait for their node before each host goes down");
    let last = call(unprotect, "the setting is what it was once each host is back");
    [first].into_iter().chain(work).chain([last]).collect()
}
