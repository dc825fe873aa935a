//! What a Network's status says after a reconcile. Pure.

use jiff::Timestamp;

use super::{
    apply::Outcome,
    findings,
    mesh::{Apart, Mesh, mesh},
    observe::{Member, Observed},
    plan::Plan,
};
use crate::{
    api::{
        condition::{self, Condition, Reason, find, is_true},
        line::Line,
        network::{Lease, Network, NetworkStatus, NetworkType, conditions as kinds},
    },
    controllers::lists::omitted,
    flannel::{leases::Leases, network::Written},
    kubernetes::events::Notice,
};

/// The most leases that a status lists.
const LEASES: usize = 256;
/// The most pairs of hosts that it lists.
const PAIRS: usize = 50;

/// The status of `network` after this reconcile.
#[must_use]
pub fn after(
    network: &Network,
    seen: &Observed,
    plan: &Plan,
    outcome: &Outcome,
    now: Timestamp,
) -> NetworkStatus {
    let before = network.status.clone().unwrap_or_default();
    let hosts = u32::try_from(seen.members.len()).unwrap_or(u32::MAX);
    if plan.let_go {
        let findings = findings::conditions(network, seen, plan, outcome);
        let generation = network.metadata.generation;
        let conditions = condition::conditions(&before.conditions, findings, generation, now);
        return NetworkStatus { observed_generation: generation, conditions, ..before };
    }
    let mesh = match network.spec.kind {
        NetworkType::HostNetwork => mesh(seen, plan, &network.spec.ports()),
        _ => Mesh::default(),
    };
    let is_same = before.observed_generation == network.metadata.generation
        && before.hosts == Some(hosts)
        && find(&before.conditions, kinds::REACHABLE).is_some_and(|it| it.status != "Unknown");
    let is_known =
        |it: &Apart| before.unreachable_omitted.is_some() || before.unreachable.contains(&it.pair);
    if is_same && !mesh.pending.is_empty() && mesh.apart.iter().all(is_known) {
        // Nothing new is known before the hosts tell: after a restart nothing is written.
        return before;
    }
    let findings = findings::conditions(network, seen, plan, outcome);
    let conditions =
        condition::conditions(&before.conditions, findings, network.metadata.generation, now);
    let (leases, leases_omitted) = match &seen.etcd {
        Some(Ok(found)) => leases(&found.leases, &seen.members),
        _ => (before.leases, before.leases_omitted),
    };
    let etcd_cluster_id = match &seen.etcd {
        Some(Ok(found)) => Some(Line::new(&found.cluster.to_string())),
        _ => before.etcd_cluster_id,
    };
    let settings_revision = match &seen.etcd {
        Some(Ok(found)) if is_true(&conditions, kinds::CONFIGURED) => {
            Some(Line::new(&found.revision))
        }
        _ => before.settings_revision,
    };
    let unreachable_omitted = omitted(mesh.apart.len(), PAIRS);
    let unreachable = mesh.apart.into_iter().take(PAIRS).map(|it| it.pair).collect();
    NetworkStatus {
        observed_generation: network.metadata.generation,
        conditions,
        hosts: Some(hosts),
        etcd_cluster_id,
        settings_revision,
        leases,
        leases_omitted,
        unreachable,
        unreachable_omitted,
    }
}

fn leases(held: &Leases, members: &[Member]) -> (Vec<Lease>, Option<u32>) {
    let mut known: Vec<_> = held.known.iter().collect();
    known.sort_unstable_by_key(|it| (it.subnet, it.host));
    let shown: Vec<_> = known
        .into_iter()
        .take(LEASES)
        .map(|it| {
            let address = it.host.to_string();
            let host = members.iter().find(|member| member.address == address);
            Lease {
                subnet: Line::new(&it.subnet.to_string()),
                address: Line::new(&address),
                host: host.map(|it| it.key.name.clone()),
            }
        })
        .collect();
    let count = usize::try_from(held.count).unwrap_or(usize::MAX);
    let more = omitted(count, shown.len());
    (shown, more)
}

/// What people should hear of between two statuses.
#[must_use]
pub fn notices(
    network: &Network,
    plan: &Plan,
    outcome: &Outcome,
    after: &NetworkStatus,
) -> Vec<Notice> {
    let before = network.status.as_ref();
    let old = before.map(|it| it.conditions.as_slice()).unwrap_or_default();
    let new = after.conditions.as_slice();
    let mut notices = Vec::new();
    if plan.let_go {
        let told = find(old, kinds::READY).is_some_and(|it| it.reason == Reason::Deleting.as_str());
        if network.spec.kind == NetworkType::FlannelEtcd && !told {
            let note = "what stands in etcd stays there, for flannel on the hosts to go on with";
            notices.push(Notice::normal("ConfigurationRetained", "Delete", note));
        }
        return notices;
    }
    if let Some(Ok(Written::Done)) = outcome.written {
        let note = "the network's configuration in etcd is now as declared";
        notices.push(Notice::normal("ConfigurationWritten", "Configure", note));
    }
    if is_true(new, kinds::REACHABLE) && !is_true(old, kinds::REACHABLE) {
        let (reason, note) = match network.spec.kind {
            NetworkType::FlannelEtcd => ("Connected", "etcd answers"),
            _ => ("HostsConnected", "the hosts reach each other"),
        };
        notices.push(Notice::normal(reason, "Connect", note));
    }
    let became_false = |kind: &str| {
        find(new, kind).filter(|it| it.status == "False").filter(|it| {
            find(old, kind).is_none_or(|old| old.status != "False" || old.reason != it.reason)
        })
    };
    for kind in [kinds::ACCEPTED, kinds::RESOLVED_REFS, kinds::REACHABLE, kinds::CONFIGURED] {
        if let Some(condition) = became_false(kind) {
            let (reason, action) = warning(network, condition);
            notices.push(Notice::warning(reason, action, condition.message.as_str()));
        }
    }
    notices
}

fn warning(network: &Network, condition: &Condition) -> (&'static str, &'static str) {
    match condition.type_.as_str() {
        kinds::ACCEPTED => ("NotAccepted", "Validate"),
        kinds::RESOLVED_REFS => ("ReferenceNotResolved", "Resolve"),
        kinds::REACHABLE if network.spec.kind == NetworkType::FlannelEtcd => {
            ("ConnectionLost", "Connect")
        }
        kinds::REACHABLE => ("HostsApart", "Connect"),
        _ => ("ConfigurationNotWritten", "Configure"),
    }
}
