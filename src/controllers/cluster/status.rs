//! What a Cluster's status says after a reconcile. Pure.

use jiff::Timestamp;

use super::{
    apply::Outcome,
    diagnostics, drain, findings, managed,
    observe::Observed,
    plan::Plan,
    rollout::{self, plan::Decided},
};
use crate::{
    api::{
        cluster::{
            Cluster, ClusterStatus, ElasticsearchStatus, Health, HostCounts, NodeStatus, Shards,
            conditions,
        },
        condition::{self, find, is_true},
    },
    controllers::{health::health, lists::omitted},
    elasticsearch::{
        cluster_reads::Node,
        snapshot::{ClusterView, moved},
        version::Version,
    },
    kubernetes::events::Notice,
};

/// The most nodes that a status lists.
const NODES: usize = 64;
/// The most diagnostics that a status lists.
const DIAGNOSTICS: usize = 50;

/// The status of `cluster` after this reconcile.
#[must_use]
pub fn after(
    cluster: &Cluster,
    seen: &Observed,
    plan: &Plan,
    outcome: &Outcome,
    decided: &Decided,
    now: Timestamp,
) -> ClusterStatus {
    let mut before = cluster.status.clone().unwrap_or_default();
    let hosts = Some(seen.hosts).filter(|it| 0 < it.total);
    let state = hosts.map(HostCounts::state);
    let unanswered = seen.connected.is_some() && !seen.snapshot.polled;
    let waiting = outcome.connecting || (unanswered && seen.is_resolved());
    let judged = find(&before.conditions, conditions::REACHABLE).is_some();
    rollout::status::record(&mut before, decided, now);
    before.formation =
        managed::status::formation(cluster, seen.managed.as_ref().zip(plan.managed.as_ref()), now);
    before.removal = managed::removal::record(cluster, seen, now);
    before.drain = decided.drain.drain.as_ref().map(drain::record::status);
    if waiting && judged && !plan.let_go && seen.needed_by.is_empty() {
        // Nothing new is known before the first answer: after a restart nothing is written.
        return ClusterStatus { hosts, state, ..before };
    }
    let usable = seen.is_resolved() && outcome.unusable.is_none();
    let view = seen.snapshot.cluster.as_deref().filter(|_| plan.identity.is_pinned());
    let fresh = usable && seen.snapshot.polled && seen.snapshot.fault.is_none() && view.is_some();
    let elasticsearch = elasticsearch(&before, view, plan.identity.pinned(), fresh);
    let (nodes, nodes_omitted) = match view {
        Some(view) => nodes(&before.nodes, view),
        None => (before.nodes.clone(), before.nodes_omitted),
    };
    let mut diagnostics = diagnostics::diagnostics(cluster, seen, plan, decided, now);
    let diagnostics_omitted = omitted(diagnostics.len(), DIAGNOSTICS);
    diagnostics.truncate(DIAGNOSTICS);
    let findings = findings::conditions(cluster, seen, plan, outcome, decided);
    ClusterStatus {
        observed_generation: cluster.metadata.generation,
        conditions: condition::conditions(
            &before.conditions,
            findings,
            cluster.metadata.generation,
            now,
        ),
        elasticsearch,
        nodes,
        nodes_omitted,
        diagnostics,
        diagnostics_omitted,
        hosts,
        state,
        rollout: before.rollout,
        restart: before.restart,
        upgrade: before.upgrade,
        formation: before.formation,
        removal: before.removal,
        drain: before.drain,
        live_settings: before.live_settings,
        deploy: before.deploy,
        elasticsearch_deploy: before.elasticsearch_deploy,
        requests: before.requests,
        history: before.history,
        plan: decided.held.calls.clone(),
        plan_omitted: decided.held.omitted,
    }
}

/// The last good figures, or new ones; health is known only while Elasticsearch answers.
fn elasticsearch(
    before: &ClusterStatus,
    view: Option<&ClusterView>,
    pinned: Option<&str>,
    fresh: bool,
) -> Option<ElasticsearchStatus> {
    let before = before.elasticsearch.as_ref();
    let Some(view) = view else {
        let mut last = before.cloned();
        if let (None, Some(uuid)) = (&last, pinned) {
            last =
                Some(ElasticsearchStatus { uuid: uuid.into(), ..ElasticsearchStatus::default() });
        }
        return last.map(|it| {
            let last_health = it.known_health();
            ElasticsearchStatus { health: Health::Unknown, last_health, ..it }
        });
    };
    let figures = &view.health;
    // Figures are written once per stats interval, and a restart begins no new one.
    let seen = before.filter(|it| !it.name.is_empty() && it.uuid == view.state.cluster_uuid);
    let written = seen.filter(|_| view.first_figures);
    let steady = |old: Option<u64>, new: u64| match old {
        Some(old) if written.is_some() || !moved(old, new) => old,
        _ => new,
    };
    let health = if fresh { health(view.health.status) } else { Health::Unknown };
    let last_health = seen.and_then(ElasticsearchStatus::known_health);
    Some(ElasticsearchStatus {
        name: view.root.cluster_name.clone(),
        uuid: view.state.cluster_uuid.clone(),
        version: lowest_version(view),
        health,
        last_health: last_health.filter(|_| health == Health::Unknown),
        nodes: figures.nodes,
        data_nodes: figures.data_nodes,
        master: master(view),
        shards: Shards {
            active: figures.active,
            primaries: figures.primaries,
            relocating: figures.relocating,
            initializing: figures.initializing,
            unassigned: figures.unassigned,
        },
        active_shards_percent: whole_percent(figures.active_percent),
        pending_tasks: written.map_or(figures.pending_tasks, |it| it.pending_tasks),
        indices: u64::try_from(view.indices).unwrap_or(u64::MAX),
        documents: steady(before.map(|it| it.documents), view.stats.documents),
        store_bytes: steady(before.map(|it| it.store_bytes), view.stats.store_bytes),
    })
}

fn lowest_version(view: &ClusterView) -> String {
    let versions = view.nodes.values().filter_map(|it| Version::parse(&it.version));
    versions.min().unwrap_or(view.root.version).to_string()
}

fn master(view: &ClusterView) -> Option<String> {
    let id = view.state.master.as_ref()?;
    view.nodes.get(id).map(|it| it.name.clone())
}

fn nodes(before: &[NodeStatus], view: &ClusterView) -> (Vec<NodeStatus>, Option<u32>) {
    let mut sorted: Vec<_> = view.nodes.iter().collect();
    sorted.sort_by(|a, b| (&a.1.name, a.0).cmp(&(&b.1.name, b.0)));
    let listed = sorted.into_iter().take(NODES).map(|(id, node)| {
        let stats = view.node_stats.get(id);
        let last = before.iter().find(|it| it.id == *id);
        // Percentages: five points are worth a write, five percent of a small number are not.
        let steady = |old: Option<u32>, new: Option<u32>| match (old, new) {
            (Some(old), Some(new)) if view.first_figures || old.abs_diff(new) <= 5 => Some(old),
            (old, new) => new.or(old),
        };
        NodeStatus {
            name: node.name.clone(),
            id: id.clone(),
            host: node.host.clone(),
            roles: sorted_roles(node),
            version: node.version.clone(),
            heap_percent: steady(
                last.and_then(|it| it.heap_percent),
                stats.and_then(|it| it.heap_percent),
            ),
            disk_used_percent: steady(
                last.and_then(|it| it.disk_used_percent),
                stats.and_then(|it| it.disk_used_percent),
            ),
        }
    });
    (listed.collect(), omitted(view.nodes.len(), NODES))
}

fn sorted_roles(node: &Node) -> Vec<String> {
    let mut roles = node.roles.clone();
    roles.sort();
    roles
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Held to 0..=100 first.
fn whole_percent(percent: f64) -> u32 {
    percent.clamp(0.0, 100.0) as u32
}

/// Lets `change` at every text of `status` that the server's words may have gone into. The uuid is not among them:
/// one that is made of credentials is no answer.
pub fn reword(status: &mut ClusterStatus, mut change: impl FnMut(&mut String)) {
    let figures = status.elasticsearch.iter_mut();
    let figures = figures
        .flat_map(|it| [Some(&mut it.name), Some(&mut it.version), it.master.as_mut()])
        .flatten();
    let nodes = status.nodes.iter_mut().flat_map(|it| {
        let texts = [&mut it.name, &mut it.id, &mut it.host, &mut it.version];
        texts.into_iter().chain(&mut it.roles)
    });
    let diagnostics = status.diagnostics.iter_mut();
    let diagnostics = diagnostics.flat_map(|it| [&mut it.rule, &mut it.subject, &mut it.advice]);
    let bodies = status.plan.iter_mut().filter_map(|it| it.body.as_mut());
    figures.chain(nodes).chain(diagnostics).chain(bodies).for_each(&mut change);
    status.conditions.iter_mut().for_each(|it| it.reword(&mut change));
}

/// What people should hear of between two statuses.
#[must_use]
pub fn notices(before: Option<&ClusterStatus>, after: &ClusterStatus) -> Vec<Notice> {
    let old = before.map(|it| it.conditions.as_slice()).unwrap_or_default();
    let new = after.conditions.as_slice();
    let mut notices = Vec::new();
    let became = |kind: &str, status: &str| {
        find(new, kind).filter(|it| it.status == status).filter(|it| {
            find(old, kind).is_none_or(|old| old.status != status || old.reason != it.reason)
        })
    };
    let usable =
        |it: &[_]| is_true(it, conditions::REACHABLE) && is_true(it, conditions::AUTHENTICATED);
    // Nodes answer some moments before they are a cluster.
    let was_connected = usable(old) && before.is_some_and(|it| it.elasticsearch.is_some());
    if let Some(elasticsearch) = after.elasticsearch.as_ref().filter(|_| usable(new))
        && !was_connected
    {
        let note = format!("connected to Elasticsearch cluster '{}'", elasticsearch.name);
        notices.push(Notice::normal("Connected", "Connect", note));
    }
    let bad = [
        (conditions::REACHABLE, "ConnectionLost", "Connect"),
        (conditions::AUTHENTICATED, "AuthenticationFailed", "Authenticate"),
        (conditions::IDENTITY_MATCHES, "IdentityChanged", "Identify"),
        (conditions::RESOLVED_REFS, "ReferenceNotResolved", "Resolve"),
        (conditions::ACCEPTED, "NotAccepted", "Validate"),
    ];
    for (kind, reason, action) in bad {
        // Nodes that start for the first time do not answer yet.
        if kind == conditions::REACHABLE && after.formation.is_some() {
            continue;
        }
        if let Some(condition) = became(kind, "False") {
            notices.push(Notice::warning(reason, action, condition.message.as_str()));
        }
    }
    let was = before.and_then(|it| it.elasticsearch.as_ref());
    if let (Some(was), Some(is)) = (was, &after.elasticsearch)
        && was.uuid == is.uuid
        && is.health != Health::Unknown
        && let Some(was) = was.known_health().filter(|was| *was != is.health)
    {
        let is = is.health;
        let note = format!("health changed from {} to {}", was.as_str(), is.as_str());
        let make = if is == Health::Green { Notice::normal } else { Notice::warning };
        notices.push(make("HealthChanged", "Observe", note));
    }
    notices
}
