//! Which hosts are out of service, and which nodes are on them.

use std::collections::BTreeSet;

use super::{Scene, named};
use crate::{
    elasticsearch::evidence::{Evidence, NodeId},
    rollout::{
        hosts::{Match, Member},
        run::HostRun,
    },
};

impl Scene<'_> {
    /// The hosts of the run that may be down by its doing, besides `host`. Those that are no members
    /// any more are as much down.
    fn away<'a>(&'a self, host: Option<&'a Member>) -> impl Iterator<Item = &'a HostRun> {
        let hosts = self.run.hosts.iter().filter(|it| it.may_be_down());
        hosts.filter(move |it| host.is_none_or(|host| host.uid != it.uid))
    }

    pub(super) fn is_any_away(&self, host: Option<&Member>) -> bool {
        self.away(host).next().is_some()
    }

    /// The nodes that would be gone: those on the host's machine, and those that are away already.
    pub(in crate::rollout) fn lost(&self, host: &Member) -> BTreeSet<NodeId> {
        &self.on(host) | &self.on_away(host)
    }

    /// The nodes on the host's machine.
    pub(super) fn on(&self, host: &Member) -> BTreeSet<NodeId> {
        self.with_neighbours(&host.live(self.evidence).cloned().collect())
    }

    /// The nodes on the machines of hosts that may be down, besides `host`.
    pub(super) fn on_away(&self, host: &Member) -> BTreeSet<NodeId> {
        let (evidence, members) = (self.evidence, self.members);
        let away = self.away(Some(host)).flat_map(move |run| {
            let member = members.iter().find(|it| it.uid == run.uid);
            let live = member.into_iter().flat_map(move |it| it.live(evidence));
            live.chain(run.before.keys().filter(move |it| evidence.nodes.contains_key(*it)))
        });
        self.with_neighbours(&away.cloned().collect())
    }

    /// A second node on the machine that nobody told of goes down with it.
    fn with_neighbours(&self, told: &BTreeSet<NodeId>) -> BTreeSet<NodeId> {
        let addresses: BTreeSet<&str> =
            told.iter().map(|it| &*self.evidence.nodes[it].address).collect();
        let is_here = |id: &NodeId, address: &str| told.contains(id) || addresses.contains(address);
        let nodes = self.evidence.nodes.iter().filter(|(id, it)| is_here(id, &it.address));
        nodes.map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn unavailable(&self, host: &Member) -> Option<String> {
        let is_out = |it: &&Member| it.in_maintenance || self.is_missing(it);
        let members = self.members.iter().filter(is_out).map(|it| (&*it.uid, &*it.name));
        let of_run = self.run.hosts.iter().filter(|it| it.is_out());
        let of_run = of_run.map(|it| (&*it.uid, &*it.name));
        // Each once, whatever it is out for.
        let out: BTreeSet<_> = members.chain(of_run).filter(|it| it.0 != &*host.uid).collect();
        (self.permitted.unavailable <= out.len()).then(|| {
            let names: BTreeSet<&str> = out.into_iter().map(|it| it.1).collect();
            format!(
                "as many hosts as may be are out of service already: {}. Bring them back, or raise \
                 rollout.maxUnavailable",
                named(names)
            )
        })
    }

    /// Whether the cluster counts on nodes of the host that are not there. Where none runs, by what
    /// the host says, they are those that ran there in this run, or are installed there.
    pub(super) fn is_missing(&self, member: &Member) -> bool {
        let of_run = self.run.hosts.iter().find(|it| it.uid == member.uid);
        let ran_here = of_run.is_some_and(|it| !it.before.is_empty());
        let belongs = ran_here || member.is_home || !matches!(member.nodes, Match::Stopped);
        // What runs beside the unit does not stand in for it.
        let is_gone = of_run.is_some_and(|it| ran_here && self.is_unit_gone(it, member));
        belongs && member.is_down(self.evidence) || is_gone
    }

    /// Whether the unit does not run, and none of the nodes that the run took down is there.
    fn is_unit_gone(&self, host: &HostRun, member: &Member) -> bool {
        let has_no_unit =
            matches!(&member.nodes, Match::Nodes { of_unit, .. } if of_unit.is_empty());
        has_no_unit && !host.before.keys().any(|it| self.evidence.nodes.contains_key(it))
    }
}

/// Why it is not known which nodes are on a host.
pub(super) fn unmatched(host: &Member, evidence: &Evidence) -> Option<String> {
    match &host.nodes {
        Match::Unknown(why) => Some(format!("{}: {why}", host.name)),
        Match::Stopped if !host.is_down(evidence) => Some(format!(
            "{} says that no Elasticsearch runs there, and the cluster has a node at its address",
            host.name
        )),
        Match::Nodes { of_unit, others } => {
            let gone = of_unit.union(others).any(|it| !evidence.nodes.contains_key(it));
            gone.then(|| format!("Elasticsearch on {} is not in the cluster", host.name))
        }
        Match::Stopped => None,
    }
}

/// Why the host itself can't be worked on now.
pub(in crate::rollout) fn held_back(host: &Member) -> Option<String> {
    let why = match &host.fit {
        Err(why) => why,
        Ok(()) if host.in_maintenance => {
            "spec.maintenance holds it: it is begun once that is taken away"
        }
        Ok(()) => return None,
    };
    Some(format!("{}: {why}", host.name))
}
