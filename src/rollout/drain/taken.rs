//! What is taken of a node: all that it has where its host leaves, and what it needs the roles for that it
//! loses where it is to be started without them.

use super::{Act, Cause, Fate, Leaving, Scene};
use crate::elasticsearch::evidence::{Copy, Evidence, Exclusion, Node, NodeId};

impl Scene<'_> {
    /// Whether its copies are.
    pub(super) fn takes_copies(&self, of: &Leaving) -> bool {
        of.cause == Cause::Leaves || self.lost.is_none_or(|it| !it.data.is_empty())
    }

    /// Whether its vote is.
    pub(super) fn takes_vote(&self, of: &Leaving) -> bool {
        of.cause == Cause::Leaves || self.lost.is_none_or(|it| it.vote)
    }

    /// What a drain begins with: from then on the node is marked.
    pub(super) fn first(&self, of: &Leaving, evidence: &Evidence) -> Act {
        if !self.takes_copies(of) {
            return Act::Mark(of.node().into());
        }
        let exclusion = &evidence.exclusion;
        let prior = exclusion.kept_for(self.owner).unwrap_or_else(|| exclusion.as_prior());
        Act::Exclude(self.together(evidence, of.node()).join(",").into(), prior)
    }

    /// Whether the drain is left as it is: nobody can say what the node loses, since it is down, or what it
    /// shall run is not known; or what it loses is no longer wanted, and it may go down yet.
    pub(super) fn rests(&self, of: &Leaving) -> bool {
        let is_held = self.fate == Fate::Held;
        of.cause == Cause::Roles && self.lost.is_none_or(|it| is_held && it.is_nothing())
    }

    /// Whether more is to be taken by now than was when the drain began, or less: it begins anew.
    pub(super) fn is_outgrown(&self, of: &Leaving, exclusion: &Exclusion) -> bool {
        let is_begun = exclusion.is_of(self.owner, of.node());
        is_begun && self.takes_copies(of) != exclusion.keeps_shards_away()
    }

    /// Whether the vote of the node is to be taken, and counts.
    pub(super) fn has_vote_left(
        &self,
        of: &Leaving,
        evidence: &Evidence,
        member: Option<(&NodeId, &Node)>,
    ) -> bool {
        let counts = |(id, node): (&NodeId, &Node)| {
            node.is_master_eligible()
                && (evidence.voters.contains(id) || !evidence.exclusion.silences(of.node()))
        };
        self.takes_vote(of) && member.is_some_and(counts)
    }

    /// Whether what was taken does not come back.
    pub(super) fn is_kept_empty(
        &self,
        of: &Leaving,
        evidence: &Evidence,
        member: Option<(&NodeId, &Node)>,
    ) -> bool {
        let Some((id, _)) = member else { return true };
        let holds = |it: &Copy| it.node.as_ref() == Some(id);
        evidence.exclusion.is_of(self.owner, of.node())
            && !(self.takes_copies(of) && evidence.copies.iter().any(holds))
            && !self.has_vote_left(of, evidence, member)
    }
}
