//! A host of the run that is no member of the Cluster any more: its Host object is gone, or names
//! another Cluster. Nobody tells of the machine then, and nobody works on it, but its nodes may be down
//! by this run's doing all the same.

use super::{PERMIT, Planner, stop::is_started_anew};
use crate::{
    elasticsearch::evidence::Evidence,
    rollout::{
        run::{HostRun, Step},
        safety::since,
    },
};

impl Planner<'_> {
    /// What may be down is kept in hand until Elasticsearch has it back. What was left in
    /// Elasticsearch is put right.
    pub(super) fn without_host(&mut self, at: usize) {
        match self.run.hosts[at].step {
            Step::Protect | Step::Cordon => self.take_back(at),
            Step::Stop | Step::Withdraw | Step::Rollback | Step::Rejoin => self.await_nodes(at),
            Step::Unprotect => self.unprotect(at),
            Step::Uncordon => self.finish(at),
            Step::Settle => self.settle(at),
            Step::Stage if self.run.hosts[at].touched => self.await_nodes(at),
            Step::Waiting | Step::Stage | Step::Gate | Step::Done | Step::RolledBack => {}
        }
    }

    fn await_nodes(&mut self, at: usize) {
        let why = "it is no host of the Cluster any more, and its nodes have not come back";
        let evidence = self.world.evidence.ok().filter(|it| it.check().is_ok());
        let Some(evidence) = evidence else { return self.late(at, why) };
        let host = &self.run.hosts[at];
        // A permit that nobody took in its time begins nothing any more.
        let is_left = host.step != Step::Rejoin
            && !host.touched
            && PERMIT < since(host.since, self.now())
            && is_untouched(host, evidence);
        if is_left {
            self.take_back(at);
        } else if is_started_anew(host, evidence) {
            // Of one that had no nodes nothing is known.
            let host = self.host(at);
            (host.touched, host.withdrawn) = (false, host.before.is_empty());
            self.enter(at, Step::Unprotect);
        } else {
            self.late(at, why);
        }
    }

    /// A person has heard that its nodes are missing, and lets the run go on without them.
    pub(super) fn give_up_absent(&mut self, at: usize) {
        self.host(at).touched = false;
        self.take_back(at);
    }
}

/// Whether each node that was to go down serves as it did.
pub(super) fn is_untouched(host: &HostRun, evidence: &Evidence) -> bool {
    host.before.iter().all(|(id, start)| {
        evidence.nodes.get(id).is_some_and(|it| it.serves && it.ephemeral_id == *start)
    })
}
