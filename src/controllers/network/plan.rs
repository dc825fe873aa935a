//! What a Network needs done. Pure.

use std::collections::BTreeMap;

use super::observe::{Member, Observed};
use crate::{
    api::network::{Network, NetworkType},
    flannel::config::Decision,
    object_key::ObjectKey,
    ssh::reach::Peer,
};

/// The decision of one reconcile.
#[derive(Debug)]
pub struct Plan {
    /// What each host is asked: whom it shall try to connect to. In place of what was asked before.
    pub questions: BTreeMap<ObjectKey, Vec<Peer>>,
    /// What is to become of the configuration in etcd; nothing where that is not known.
    pub config: Option<Decision>,
    /// The object may go.
    pub let_go: bool,
}

/// Decides the next step of `network`.
#[must_use]
pub fn next(network: &Network, seen: &Observed) -> Plan {
    let let_go = network.metadata.deletion_timestamp.is_some();
    let questions = match network.spec.kind {
        NetworkType::HostNetwork if !let_go => questions(&seen.members, &network.spec.ports()),
        _ => BTreeMap::new(),
    };
    let config = match &seen.etcd {
        Some(Ok(found)) if !let_go => {
            Some(found.declared.decide(found.stored.as_ref(), &found.leases))
        }
        _ => None,
    };
    Plan { questions, config, let_go }
}

/// Each host that is in service is asked for the others of its Cluster that are.
fn questions(members: &[Member], ports: &[u16]) -> BTreeMap<ObjectKey, Vec<Peer>> {
    let asked = members.iter().filter(|it| it.serves);
    asked.map(|it| (it.key.clone(), peers(it, members, ports))).collect()
}

fn peers(member: &Member, members: &[Member], ports: &[u16]) -> Vec<Peer> {
    let at = |it: &Member, port: &u16| Peer::new(&it.address, *port);
    let mut peers: Vec<Peer> = others(member, members)
        .flat_map(|other| ports.iter().filter_map(move |port| at(other, port)))
        .collect();
    peers.sort_unstable();
    peers.dedup();
    peers
}

/// Those that `member` has to reach.
pub fn others<'a>(
    member: &'a Member,
    members: &'a [Member],
) -> impl Iterator<Item = &'a Member> + 'a {
    members.iter().filter(|it| it.serves && it.key != member.key && it.cluster == member.cluster)
}
