//! The judgements about a Network: its conditions. Pure.

use super::{
    apply::Outcome,
    mesh::mesh,
    observe::{Member, Observed, Trouble},
    plan::Plan,
};
use crate::{
    api::{
        condition::{Finding, Reason},
        network::{Network, NetworkType, conditions as kinds},
    },
    chain::chain,
    controllers::flannel::family,
    flannel::{
        config::{Decision, Refusal},
        error::Error,
        network::Written,
    },
    transport::Category,
};

/// The most hosts that a message names.
const NAMED: usize = 5;

/// Every condition of a Network, Ready first, then in the order in which they depend on each other.
#[must_use]
pub fn conditions(
    network: &Network,
    seen: &Observed,
    plan: &Plan,
    outcome: &Outcome,
) -> Vec<Finding> {
    let accepted = accepted(network, seen);
    let usable = accepted.status == Some(true);
    let provided = provided(network, seen).filter(|_| usable);
    let mut findings = vec![provided.unwrap_or(accepted)];
    findings.push(resolved(seen, usable));
    match network.spec.kind {
        _ if plan.let_go => {
            let message = "not looked at any more, since the object is being deleted";
            let leaving = |kind| Finding::unknown(kind, Reason::Deleting, message);
            findings.extend([kinds::REACHABLE, kinds::CONFIGURED].map(leaving));
        }
        _ if !usable => {
            findings.extend([kinds::REACHABLE, kinds::CONFIGURED].map(not_worked_with));
        }
        NetworkType::FlannelEtcd => {
            findings.push(etcd_answers(seen));
            findings.push(configured(seen, plan, outcome));
        }
        NetworkType::HostNetwork | NetworkType::FlannelServer => {
            findings.push(hosts_reach_each_other(network, seen, plan));
            let message = "there is nothing to configure";
            findings.push(Finding::yes(kinds::CONFIGURED, Reason::AsExpected, message));
        }
    }
    let ready = ready(network, &findings);
    if let Some(progress) = progress(&ready) {
        findings.push(progress);
    }
    findings.insert(0, ready);
    findings
}

fn not_worked_with(kind: &'static str) -> Finding {
    Finding::unknown(kind, Reason::Waiting, "the spec is not worked with: see Accepted")
}

fn accepted(network: &Network, seen: &Observed) -> Finding {
    let kind = kinds::ACCEPTED;
    if network.spec.kind == NetworkType::FlannelServer {
        let message = "flannel has no server mode any more, so nothing is done for this network. \
                       Make a Network of type FlannelEtcd, or of type HostNetwork where the hosts \
                       reach each other without flannel, and name it in spec.networkRef of the \
                       Clusters";
        return Finding::no(kind, Reason::Unsupported, message);
    }
    if let Some(by) = &seen.claimed_by {
        let message = format!(
            "Network {by} is older and keeps its configuration in the same etcd under the same \
             prefix; nothing is written for this one. Delete one of them, or make one with another \
             prefix"
        );
        return Finding::no(kind, Reason::Conflict, message);
    }
    match &seen.etcd {
        Some(Err(Trouble::Unusable(problem))) if problem.reason == Reason::InvalidSpec => {
            Finding::no(kind, problem.reason, problem.message.clone())
        }
        _ => Finding::yes(kind, Reason::AsExpected, "the spec can be worked with"),
    }
}

/// The hosts on which nobody runs flanneld and Drover can't. The others have their network all the
/// same.
fn provided(network: &Network, seen: &Observed) -> Option<Finding> {
    if network.spec.kind != NetworkType::FlannelEtcd {
        return None;
    }
    let told: Vec<String> = if let Some(Ok(found)) = &seen.etcd {
        found.leases.known.iter().map(|it| it.host.to_string()).collect()
    } else {
        // As etcd last told.
        let leases = network.status.as_ref().map(|it| it.leases.as_slice());
        leases.unwrap_or_default().iter().map(|it| it.address.as_str().to_owned()).collect()
    };
    let lacking = |it: &&Member| it.without_flannel.is_some() && !told.contains(&it.address);
    let lacking: Vec<&Member> = seen.members.iter().filter(lacking).collect();
    if lacking.is_empty() {
        return None;
    }
    let name = |it: &&Member| match it.without_flannel {
        Some(system) => format!("{} ({})", it.key.name, family(system)),
        None => it.key.name.clone(),
    };
    let mut names: Vec<String> = lacking.iter().take(NAMED).map(name).collect();
    if NAMED < lacking.len() {
        names.push("and others".into());
    }
    let prefix = network.spec.prefix();
    let message = format!(
        "Drover knows no package of flannel for the systems of these Hosts, and none of them holds a \
         subnet: {}. Install flanneld there by hand, with --etcd-prefix={prefix} and the Host's \
         nodeAddress as --public-ip, or take them out of the Cluster; the configuration in etcd is \
         kept all the same",
        names.join(", ")
    );
    Some(Finding::no(kinds::ACCEPTED, Reason::UnsupportedHosts, message))
}

fn resolved(seen: &Observed, usable: bool) -> Finding {
    let kind = kinds::RESOLVED_REFS;
    match &seen.etcd {
        _ if !usable => not_worked_with(kind),
        Some(Err(Trouble::Unusable(problem))) => {
            Finding::no(kind, problem.reason, problem.message.clone())
        }
        _ => Finding::yes(kind, Reason::AsExpected, "all that the spec names is there"),
    }
}

fn hosts_reach_each_other(network: &Network, seen: &Observed, plan: &Plan) -> Finding {
    let kind = kinds::REACHABLE;
    let ports = network.spec.ports();
    let mesh = mesh(seen, plan, &ports);
    if !mesh.apart.is_empty() {
        let message = format!(
            "{}: see status.unreachable. A closed port would be an answer, so look for firewalls \
             and routes between them, and at spec.nodeAddress of the Hosts",
            mesh.words()
        );
        return Finding::no(kind, Reason::Unreachable, message);
    }
    if let Some((host, why)) = mesh.unable.first() {
        let message = format!("Host {host} can't try to reach the others: {why}");
        return Finding::no(kind, Reason::CommandFailed, message);
    }
    if !mesh.pending.is_empty() {
        let message = "not every host has told yet whether it reaches the others";
        return Finding::unknown(kind, Reason::NotChecked, message);
    }
    if let Some(host) = mesh.mute.first() {
        let message = format!(
            "Host {host} can't be asked whether it reaches the others: see its own conditions"
        );
        return Finding::unknown(kind, Reason::Waiting, message);
    }
    let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
    let message = format!(
        "the hosts of each Cluster get an answer from each other at port {}; a closed port is an \
         answer too",
        ports.join(", ")
    );
    Finding::yes(kind, Reason::AsExpected, message)
}

fn etcd_answers(seen: &Observed) -> Finding {
    let kind = kinds::REACHABLE;
    match &seen.etcd {
        Some(Ok(_)) => Finding::yes(kind, Reason::AsExpected, "etcd answers"),
        Some(Err(Trouble::Failed(error))) => Finding::no(kind, reason(error), chain(error)),
        Some(Err(Trouble::Unusable(_))) | None => {
            let message = "etcd is not asked, since what the spec names can't be used: see \
                           ResolvedRefs";
            Finding::unknown(kind, Reason::Waiting, message)
        }
    }
}

/// What a failure to read or to write is called.
fn reason(error: &Error) -> Reason {
    match error.category() {
        Category::Unreachable => Reason::Unreachable,
        Category::Tls => Reason::CertificateRefused,
        Category::Unauthorized => Reason::AuthenticationFailed,
        Category::Forbidden => Reason::PrivilegeMissing,
        Category::Busy => Reason::TooManyRequests,
        Category::Rejected => Reason::Rejected,
        Category::WrongServer => Reason::UnexpectedAnswer,
        Category::Closed => Reason::Waiting,
    }
}

fn configured(seen: &Observed, plan: &Plan, outcome: &Outcome) -> Finding {
    let kind = kinds::CONFIGURED;
    let yes = || {
        let message = "flannel's configuration stands in etcd; status.leases shows where flanneld \
                       runs";
        Finding::yes(kind, Reason::AsExpected, message)
    };
    let etcd_is_asked = matches!(seen.etcd, Some(Ok(_)));
    let Some(decision) = plan.config.as_ref().filter(|_| etcd_is_asked) else {
        let message = "can't be known while etcd does not answer: see Reachable";
        return Finding::unknown(kind, Reason::Waiting, message);
    };
    match (decision, &outcome.written) {
        (Decision::InPlace, _) | (Decision::Write(_), Some(Ok(Written::Done))) => yes(),
        (Decision::Write(_), Some(Err(error))) => Finding::no(kind, reason(error), chain(error)),
        (Decision::Write(_), Some(Ok(Written::Overtaken)) | None) => {
            let message = "somebody else wrote to etcd at the same time, so it is looked at again";
            Finding::no(kind, Reason::InProgress, message)
        }
        (Decision::Refused(refusal), _) => refused(kind, refusal),
    }
}

fn refused(kind: &'static str, refusal: &Refusal) -> Finding {
    match refusal {
        Refusal::InUse { leases, count } => {
            let named: Vec<_> =
                leases.iter().map(|it| format!("{} of {}", it.subnet, it.host)).collect();
            let more = if (named.len() as u64) < *count { ", and others" } else { "" };
            let named = if named.is_empty() { "leases".into() } else { named.join(", ") };
            let message = format!(
                "the address range is not changed, since hosts hold parts of the one before: \
                 {named}{more}. Take the change back, or stop flanneld there and let the leases \
                 run out"
            );
            Finding::no(kind, Reason::ImmutableChange, message)
        }
        Refusal::Unreadable(why) => {
            let message = format!(
                "what stands in etcd as the network's configuration is none, and is left alone, \
                 since somebody else may need it: {why}. Remove it, or name another prefix in a \
                 Network of its own"
            );
            Finding::no(kind, Reason::UnexpectedAnswer, message)
        }
    }
}

fn ready(network: &Network, findings: &[Finding]) -> Finding {
    let kind = kinds::READY;
    if network.metadata.deletion_timestamp.is_some() {
        let message = "the object is being deleted; what stands in etcd stays";
        return Finding::no(kind, Reason::Deleting, message);
    }
    // What is known to be wrong is mostly why something else can't be known.
    let outstanding = findings
        .iter()
        .find(|it| it.status == Some(false))
        .or_else(|| findings.iter().find(|it| it.status.is_none()));
    match outstanding {
        None => Finding::yes(kind, Reason::AsExpected, "the network is as declared"),
        Some(it) => Finding::no(kind, it.reason, format!("{}: {}", it.kind, it.message)),
    }
}

/// Whether a person must act, or only time must pass.
fn progress(ready: &Finding) -> Option<Finding> {
    let person = matches!(
        ready.reason,
        Reason::InvalidSpec
            | Reason::Conflict
            | Reason::Unsupported
            | Reason::UnsupportedHosts
            | Reason::InvalidContent
            | Reason::KeyNotFound
            | Reason::Forbidden
            | Reason::CertificateRefused
            | Reason::AuthenticationFailed
            | Reason::PrivilegeMissing
            | Reason::Rejected
            | Reason::UnexpectedAnswer
            | Reason::ImmutableChange
            | Reason::CommandFailed
            | Reason::InternalError
    );
    if ready.status == Some(true) {
        return None;
    }
    let kind = if person { kinds::STALLED } else { kinds::RECONCILING };
    Some(Finding::yes(kind, ready.reason, ready.message.clone()))
}
