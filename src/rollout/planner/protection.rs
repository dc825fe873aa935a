//! How a host that goes down is protected from being given up by Elasticsearch, and how that is taken
//! back. What was done is read from Elasticsearch alone: whatever the spec has come to ask for, it is what
//! stands there that is taken back.

use super::{Act, Planner};
use crate::{
    elasticsearch::evidence::{Evidence, NodeId},
    rollout::{
        gate::{Block, Gate},
        hosts::Member,
        run::{HostRun, Step},
    },
};

/// How hosts are protected that go down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protection {
    /// By `cluster.routing.allocation.enable`: no replica of the cluster is allocated anew.
    #[default]
    AllocationSettings,
    /// By a shutdown record for each node that goes: the copies that it has wait for it.
    NodeShutdown,
}

/// What takes back the first of all that protects hosts of `owner`; nothing where nothing is left.
pub(super) fn left(evidence: &Evidence, owner: &str) -> Option<Act> {
    let prior = evidence.allocation.kept_for(owner).map(Act::Unprotect);
    prior.or_else(|| evidence.shutdowns.of(owner).next().cloned().map(Act::Retract))
}

impl Planner<'_> {
    /// Whether the copies on the host wait for it while it is down. What was done before the spec was
    /// changed counts where it says no less: allocation that is held back holds for every node.
    pub(super) fn is_protected(&self, member: &Member, evidence: &Evidence) -> bool {
        let is_by_record = self.world.protection == Protection::NodeShutdown;
        // A node that is away at that moment can't be announced, and its copies would be made elsewhere.
        let is_away = member.is_home && member.is_down(evidence);
        evidence.allocation.is_protected()
            || is_by_record && !is_away && self.bare(member, evidence).is_none()
    }

    /// A node that would go down and is not announced.
    fn bare<'e>(&self, member: &'e Member, evidence: &'e Evidence) -> Option<&'e NodeId> {
        let mut going = member.going(self.run.kind, evidence);
        going.find(|id| !evidence.shutdowns.protects(id, self.world.owner))
    }

    /// What protects the host, or the next node of it.
    pub(super) fn protecting(&self, member: &Member, evidence: &Evidence) -> Act {
        match (self.world.protection, self.bare(member, evidence)) {
            // The host may take its time to stop, and its nodes as long to come back.
            (Protection::NodeShutdown, Some(node)) => Act::Announce {
                node: node.clone(),
                run: self.run.id.clone(),
                delay: self.world.pace.host_timeout.saturating_mul(2),
            },
            (Protection::NodeShutdown, None) | (Protection::AllocationSettings, _) => {
                Act::Protect(evidence.allocation.as_prior())
            }
        }
    }

    /// Why a host that is up can't be protected as the spec asks for.
    pub(super) fn unprotectable(&self, member: &Member, evidence: &Evidence) -> Option<Block> {
        let why = evidence.shutdowns.unusable.as_ref()?;
        let is_asked = self.world.protection == Protection::NodeShutdown;
        (is_asked && !member.is_down(evidence)).then(|| {
            let message = format!(
                "spec.rollout.protection is NodeShutdown, and Elasticsearch takes no shutdown records: \
                 {why}. Give it what it lacks, or set AllocationSettings"
            );
            Block::new(Gate::Protection, message)
        })
    }

    /// Why what is announced of the host does not protect it.
    pub(super) fn stalled(&self, member: &Member, evidence: &Evidence) -> Option<String> {
        let mut going = member.going(self.run.kind, evidence);
        let id = going.find(|id| evidence.shutdowns.is_stalled(id, self.world.owner))?;
        Some(format!("Elasticsearch says that the shutdown record of {id} is stalled"))
    }

    /// Takes back what is announced of a node that no host in hand takes down: its host is back, or was
    /// put off, or the node has come back with another id. Says whether there is any.
    pub(super) fn tidy_announced(&mut self) -> bool {
        let Ok(evidence) = self.world.evidence else { return false };
        let mut announced = evidence.shutdowns.of(self.world.owner);
        let stale = announced.find(|id| !self.is_needed(id, evidence)).cloned();
        let is_any = stale.is_some();
        if self.act.is_none() {
            self.act = stale.map(Act::Retract);
        }
        is_any
    }

    /// Whether a host in hand takes the node down, or has.
    fn is_needed(&self, id: &NodeId, evidence: &Evidence) -> bool {
        let nodes = |host: &HostRun| {
            let member = self.world.member(&host.uid);
            member.into_iter().flat_map(|it| it.going(self.run.kind, evidence)).collect::<Vec<_>>()
        };
        // Without its data a node comes back with another id, and never again with the one it had.
        let is_lost = |host: &HostRun| {
            let is_there = |it: &NodeId| evidence.nodes.contains_key(it);
            host.step == Step::Rejoin
                && !host.before.keys().any(is_there)
                && !nodes(host).is_empty()
        };
        self.run.hosts.iter().any(|it| {
            let is_in_hand = Step::Protect <= it.step && it.step < Step::Unprotect;
            let went = it.before.contains_key(id) && !is_lost(it);
            (is_in_hand || it.is_staged_anew()) && (went || nodes(it).contains(&id))
        })
    }
}
