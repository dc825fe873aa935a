//! What is set in Elasticsearch beyond the one drain that the status tells of: drained nodes that were let
//! go and run yet are given no shards until they stop, and what a request has set that was carried out
//! late is taken back.

use std::time::Duration;

use super::{Act, Cause, Drain, Fate, Leaving, Phase, Scene, Step, member, since};
use crate::elasticsearch::evidence::{Evidence, Exclusion, Mark};

/// How long after a request without an answer it may be carried out yet. Elasticsearch drops what waits for
/// its master for longer.
const LATE: Duration = Duration::from_secs(30);

impl Scene<'_> {
    /// The nodes that were drained, and run though no host of the Cluster has them any more. As long as they
    /// do, they are given nothing: whoever stops them counts on that. A Cluster that goes keeps none: nobody
    /// would ever take that back.
    pub(super) fn kept<'e>(&self, evidence: &'e Evidence) -> Vec<&'e str> {
        let exclusion = &evidence.exclusion;
        let mark = exclusion.mark_of(self.owner).filter(|_| exclusion.keeps_shards_away());
        let is_let_go = |it: &&str| {
            !self.ends && member(evidence, it).is_some() && !self.hosts.contains_key(*it)
        };
        mark.into_iter().flat_map(Mark::names).filter(is_let_go).collect()
    }

    /// The nodes that are taken out together with `node` once it is: those that are kept, and those whose vote
    /// was taken and is not given back yet.
    pub(super) fn together<'e>(&self, evidence: &'e Evidence, node: &'e str) -> Vec<&'e str> {
        let (exclusion, kept) = (&evidence.exclusion, self.kept(evidence));
        let mark = exclusion.mark_of(self.owner).filter(|_| exclusion.keeps_shards_away());
        let stays = |it: &&str| *it != node && (kept.contains(it) || exclusion.silences(it));
        let names = mark.into_iter().flat_map(Mark::names).filter(stays);
        names.chain([node]).collect()
    }

    /// Whether what is kept is about such nodes alone, so that another one may be taken out beside them.
    pub(super) fn keeps_only(&self, evidence: &Evidence) -> bool {
        let kept = self.kept(evidence);
        let mark = evidence.exclusion.mark_of(self.owner);
        !kept.is_empty() && mark.is_some_and(|it| it.names().all(|it| kept.contains(&it)))
    }

    /// Whether `drain` is over as far as Drover is concerned, though its node runs, and another host is to be
    /// drained.
    pub(super) fn makes_way(&self, drain: &Drain, evidence: Result<&Evidence, &str>) -> bool {
        let Ok(evidence) = evidence else { return false };
        let kept = self.kept(evidence);
        let is_let_go = drain.phase == Phase::Drained
            && drain.of.cause == Cause::Leaves
            && self.fate == Fate::Left
            && kept.contains(&drain.of.node());
        is_let_go && self.leaving.iter().any(|it| !kept.contains(&it.node()))
    }

    /// What is drained where the status tells of nothing that is set.
    pub(super) fn anew(&self, evidence: Result<&Evidence, &str>) -> Option<(Drain, Step)> {
        let left_behind = evidence.ok().and_then(|it| self.left_behind(it));
        let next = left_behind.or_else(|| self.begin(evidence));
        next.or_else(|| self.goes_on(evidence.ok()?))
    }

    /// What is set for this Cluster though its status tells of no drain of it: it is taken back. A request
    /// that had no answer may be carried out late.
    fn left_behind(&self, evidence: &Evidence) -> Option<(Drain, Step)> {
        let kept = self.kept(evidence);
        let mark = evidence.exclusion.mark_of(self.owner)?;
        let node = mark.names().find(|it| !kept.contains(it))?;
        Some((self.adopted(node, Phase::Withdraw), Step::Wait(None, None)))
    }

    /// A node that was let go, and is told of again, since nobody else is drained.
    fn goes_on(&self, evidence: &Evidence) -> Option<(Drain, Step)> {
        let kept = self.kept(evidence);
        Some((self.adopted(kept.first()?, Phase::Drained), Step::Wait(None, None)))
    }

    fn adopted(&self, node: &str, phase: Phase) -> Drain {
        // No host is known for it.
        let of = Leaving { host: node.into(), uid: "".into(), cause: Cause::Leaves };
        Drain { of, phase, started: self.now, clear_since: None, blocked: None }
    }

    /// From now on all is taken back. A vote that was to be taken, and is not yet, may be taken late.
    pub(super) fn turn_back(&self, drain: &mut Drain, exclusion: &Exclusion) {
        if drain.phase != Phase::Withdraw {
            let may_come_late = drain.phase == Phase::Vote && !exclusion.silences(drain.of.node());
            drain.clear_since = may_come_late.then_some(self.now);
            drain.phase = Phase::Withdraw;
        }
    }

    /// Takes back what was set for the drain, and leaves what is kept of others.
    pub(super) fn withdraw(&self, drain: &Drain, evidence: &Evidence) -> Step {
        let (node, exclusion) = (drain.of.node(), &evidence.exclusion);
        let mark = exclusion.mark_of(self.owner);
        let kept: Vec<&str> = self.kept(evidence).into_iter().filter(|it| *it != node).collect();
        let is_own = |it: &str| it == node || mark.is_some_and(|mark| mark.has(it));
        if exclusion.voting.iter().any(|it| is_own(it) && !kept.contains(&&**it)) {
            if exclusion.silences_only_of(self.owner, node) {
                return Step::Do(Act::Unsilence(node.into()));
            }
            return Step::Wait(Some(beside(node)), None);
        }
        if drain.clear_since.is_some_and(|it| since(it, self.now) < LATE) {
            let why = format!(
                "the request to take the vote of {node} may be carried out yet: that is waited for before \
                 all is taken back"
            );
            return Step::Wait(Some(why), None);
        }
        match exclusion.kept_for(self.owner) {
            None => Step::Over,
            Some(prior) if kept.is_empty() => Step::Do(Act::Include(prior)),
            Some(_) if self.keeps_only(evidence) && mark.is_some_and(|it| !it.has(node)) => {
                Step::Over
            }
            Some(prior) => Step::Do(Act::Exclude(kept.join(",").into(), prior)),
        }
    }
}

/// Elasticsearch gives all votes back at once.
fn beside(node: &str) -> String {
    format!(
        "the vote of {node} can't be given back: somebody else has taken votes too, which would come back \
         with it. Give those back with DELETE _cluster/voting_config_exclusions once nothing needs that"
    )
}
