//! A host leaves its cluster: the copies on its node move away first, then its vote goes, and only then
//! is the host let go. In the same way goes what the node of a host needs the roles for that a run is to
//! start it without. Like a run it is decided from the world as it is and from what the status says
//! was intended, and what changes something is in the status before it is done.

mod bearers;
mod kept;
mod left;
mod refusal;
mod taken;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use self::left::{left, member, overruled};
pub(super) use self::refusal::is_last_leader;
use self::refusal::last_master;
use super::{
    roles::Lost,
    safety::{SETTLED, named, since},
};
use crate::elasticsearch::evidence::{Copy, Evidence, Exclusion, Node, NodeId, Prior};

/// How long a node has to be without copies, at two looks at least, to be drained.
pub const CLEAR: Duration = Duration::from_secs(2);

/// A host that is drained, and its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// Name of the Host.
    pub host: Box<str>,
    /// Its uid.
    pub uid: Box<str>,
    /// Why.
    pub cause: Cause,
}

/// Why a host is drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It leaves the cluster.
    Leaves,
    /// A run is to start its node with fewer roles, and has it next.
    Roles,
}

impl Leaving {
    /// `node.name` of its node: Drover names nodes as their Hosts are.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.host
    }
}

/// How far a drain is, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// It can't begin yet.
    Waiting,
    /// The node is to be given no shards any more.
    Exclude,
    /// Its copies move.
    Move,
    /// Its vote is taken.
    Vote,
    /// Nothing is left on it. It is given nothing as long as it is in the cluster.
    Drained,
    /// All that was set is taken back.
    Withdraw,
}

/// One drain, as the status has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Who is drained.
    pub of: Leaving,
    /// How far it is.
    pub phase: Phase,
    /// When it was begun, or asked for as long as it waits.
    pub started: Timestamp,
    /// Since when nothing is left on the node; absent while something is.
    pub clear_since: Option<Timestamp>,
    /// What keeps it back, in words for people.
    pub blocked: Option<String>,
}

impl Drain {
    /// Whether anything of it may be set in Elasticsearch, and is not settled.
    #[must_use]
    pub fn is_in_flight(&self) -> bool {
        !matches!(self.phase, Phase::Waiting | Phase::Drained)
    }

    /// Whether anything of it may be set in Elasticsearch.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.phase != Phase::Waiting
    }
}

/// What became of the host that the drain is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is there, and leaves, or is to have fewer roles.
    Leaves,
    /// It may be down with the run by which it is to have them: whatever is wanted by now, nothing is taken
    /// back before it is up.
    Held,
    /// It has left.
    Left,
    /// It is, or is again, a member, its node has the roles that it shall, or nobody wants it to be
    /// drained any more.
    Stays,
}

/// What a decision rests on.
#[derive(Clone, Debug)]
pub struct Scene<'a> {
    /// What Elasticsearch says; why it could not be read in full.
    pub evidence: Result<&'a Evidence, &'a str>,
    /// Whose drain it is: the uid of the Cluster object.
    pub owner: &'a str,
    /// The drain that the status tells of.
    pub drain: Option<&'a Drain>,
    /// What became of its host.
    pub fate: Fate,
    /// The hosts that are to be drained, in their order. Of those that are to have fewer roles only the
    /// one that the run has next is among them.
    pub leaving: &'a [Leaving],
    /// The hosts of the Cluster by name, those that leave too, each with the addresses of its machine, as
    /// far as it has told them.
    pub hosts: &'a BTreeMap<Box<str>, BTreeSet<Box<str>>>,
    /// What the node of the host that is to have fewer roles loses; absent where that is not known, or
    /// the node is not in the cluster.
    pub lost: Option<&'a Lost>,
    /// Why no host that leaves is drained.
    pub hold: Option<&'a str>,
    /// Whether the Cluster goes, or runs no Elasticsearch any more: then it keeps nobody out.
    pub ends: bool,
    /// When.
    pub now: Timestamp,
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The drain, as the status has to tell it before anything is done.
    pub drain: Option<Drain>,
    /// What is to be written to Elasticsearch, after the status was.
    pub act: Option<Act>,
    /// A copy that does not move: Elasticsearch can tell why.
    pub stuck: Option<Copy>,
}

/// A change in Elasticsearch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// The nodes of these names, joined as the setting has it, are given no shards, and no others are
    /// taken out by name; what was there before is kept beside it.
    Exclude(Box<str>, Prior),
    /// It is noted that the vote of the node of this name alone is taken.
    Mark(Box<str>),
    /// The node of this name loses its vote.
    Silence(Box<str>),
    /// The vote of the node of this name comes back, and those of others that are taken out for the same
    /// Cluster with it.
    Unsilence(Box<str>),
    /// What was there before the first comes back.
    Include(Prior),
}

impl Act {
    /// Whether that is what is to be done still, where `now` is so: what somebody else has written
    /// since is not written over.
    #[must_use]
    pub fn is_decided_on(&self, now: &Exclusion, owner: &str) -> bool {
        match self {
            Self::Exclude(names, prior) => {
                let is_begun = now.is_free() && now.as_prior() == *prior;
                let is_kept =
                    now.keeps_shards_away() && now.kept_for(owner).as_ref() == Some(prior);
                is_begun || is_kept && now.persistent.as_ref() != Some(names)
            }
            Self::Mark(_) => now.is_free(),
            Self::Silence(node) => {
                now.is_of(owner, node) && !now.silences(node) && now.silences_only_of(owner, node)
            }
            Self::Unsilence(node) => !now.voting.is_empty() && now.silences_only_of(owner, node),
            Self::Include(prior) => now.kept_for(owner).as_ref() == Some(prior),
        }
    }

    /// Whether it puts back what was before.
    #[must_use]
    pub fn undoes(&self) -> bool {
        matches!(self, Self::Unsilence(_) | Self::Include(_))
    }
}

/// Decides.
#[must_use]
pub fn next(scene: &Scene<'_>) -> Decision {
    let evidence = scene.evidence.and_then(|it| match it.check() {
        Ok(()) => Ok(it),
        Err(_) => Err("Elasticsearch's answers do not agree"),
    });
    let told = scene.drain.filter(|it| it.is_set() && !scene.makes_way(it, evidence));
    let (mut drain, step) = match told {
        Some(drain) => {
            let mut drain = Drain { blocked: None, ..drain.clone() };
            let step = match evidence {
                Ok(evidence) => scene.advance(&mut drain, evidence),
                Err(why) => {
                    if drain.phase != Phase::Withdraw {
                        drain.clear_since = None;
                    }
                    Step::Wait(Some(why.to_owned()), None)
                }
            };
            (drain, step)
        }
        None => match scene.anew(evidence) {
            Some(begun) => begun,
            None => return Decision { drain: None, act: None, stuck: None },
        },
    };
    match step {
        Step::Over => Decision { drain: None, act: None, stuck: None },
        Step::Do(act) => Decision { drain: Some(drain), act: Some(act), stuck: None },
        Step::Wait(blocked, stuck) => {
            drain.blocked = blocked.map(|it| scene.in_the_same_words(it));
            Decision { drain: Some(drain), act: None, stuck }
        }
    }
}

enum Step {
    Over,
    Do(Act),
    Wait(Option<String>, Option<Copy>),
}

impl Scene<'_> {
    /// The first host that may be drained, or else the first, with what keeps it back.
    fn begin(&self, evidence: Result<&Evidence, &str>) -> Option<(Drain, Step)> {
        let kept = evidence.map(|it| self.kept(it)).unwrap_or_default();
        let leaving = self.leaving.iter().filter(|it| !kept.contains(&it.node()));
        let refusals = leaving.map(|it| match evidence {
            Ok(evidence) => (it, self.refusal(it, evidence)),
            Err(why) => (it, Some(why.to_owned())),
        });
        let refusals: Vec<_> = refusals.collect();
        let may = refusals.iter().find(|(_, why)| why.is_none());
        let (of, why) = may.or_else(|| refusals.first())?;
        let waited = self.drain.filter(|it| it.of == **of && why.is_some());
        let mut drain = Drain {
            of: (*of).clone(),
            phase: Phase::Waiting,
            started: waited.map_or(self.now, |it| it.started),
            clear_since: None,
            blocked: None,
        };
        let step = match (why, evidence) {
            (None, Ok(evidence)) => {
                drain.phase = Phase::Exclude;
                Step::Do(self.first(of, evidence))
            }
            (why, _) => Step::Wait(why.clone(), None),
        };
        Some((drain, step))
    }

    fn advance(&self, drain: &mut Drain, evidence: &Evidence) -> Step {
        let node = drain.of.node().to_owned();
        let member = member(evidence, &node);
        match self.fate {
            Fate::Leaves | Fate::Held
                if drain.phase != Phase::Withdraw && self.rests(&drain.of) =>
            {
                drain.clear_since = None;
                return Step::Wait(None, None);
            }
            Fate::Leaves if self.is_outgrown(&drain.of, &evidence.exclusion) => {
                self.turn_back(drain, &evidence.exclusion);
            }
            // Another one would be emptied with it.
            Fate::Leaves
                if drain.phase < Phase::Drained && self.mistaken(&drain.of, evidence).is_some() =>
            {
                self.turn_back(drain, &evidence.exclusion);
            }
            Fate::Leaves | Fate::Held => {}
            // It runs yet, and is kept empty until it does not.
            Fate::Left
                if drain.phase == Phase::Drained
                    && member.is_some()
                    && evidence.exclusion.is_of(self.owner, &node) =>
            {
                return Step::Wait(None, None);
            }
            Fate::Left | Fate::Stays => self.turn_back(drain, &evidence.exclusion),
        }
        match drain.phase {
            Phase::Exclude => self.exclude(drain, evidence),
            Phase::Move | Phase::Vote => self.empty(drain, evidence, member),
            // What somebody else writes may give it shards again.
            Phase::Drained if !self.is_kept_empty(&drain.of, evidence, member) => {
                (drain.phase, drain.clear_since) = (Phase::Move, None);
                self.empty(drain, evidence, member)
            }
            Phase::Waiting | Phase::Drained => Step::Wait(None, None),
            Phase::Withdraw => self.withdraw(drain, evidence),
        }
    }

    fn exclude(&self, drain: &mut Drain, evidence: &Evidence) -> Step {
        let (node, exclusion) = (drain.of.node().to_owned(), &evidence.exclusion);
        if exclusion.is_of(self.owner, &node) {
            drain.phase = Phase::Move;
            return self.empty(drain, evidence, member(evidence, &node));
        }
        let is_beside = exclusion.keeps_shards_away() && exclusion.mark_of(self.owner).is_some();
        if exclusion.is_free() || is_beside && self.takes_copies(&drain.of) {
            return Step::Do(self.first(&drain.of, evidence));
        }
        if is_beside {
            self.turn_back(drain, exclusion);
            return self.withdraw(drain, evidence);
        }
        Step::Wait(Some(overruled()), None)
    }

    /// Waits until nothing is left, and takes the vote. Until the node is drained each look begins anew.
    fn empty(
        &self,
        drain: &mut Drain,
        evidence: &Evidence,
        member: Option<(&NodeId, &Node)>,
    ) -> Step {
        let node = drain.of.node().to_owned();
        if !evidence.exclusion.is_of(self.owner, &node) {
            drain.clear_since = None;
            // All of it is gone: a request that took back an earlier one may have been carried out late.
            if evidence.exclusion.is_free() {
                drain.phase = Phase::Exclude;
                return Step::Do(self.first(&drain.of, evidence));
            }
            return Step::Wait(Some(overruled()), None);
        }
        if self.takes_copies(&drain.of)
            && let Some((why, stuck)) = left(evidence, &node, member)
        {
            (drain.clear_since, drain.phase) = (None, drain.phase.min(Phase::Move));
            return Step::Wait(Some(why), stuck);
        }
        let clear = *drain.clear_since.get_or_insert(self.now);
        // One that is away may come back with what it had, as after a restart.
        let needed = if member.is_some() { CLEAR } else { SETTLED };
        if since(clear, self.now) < needed {
            let why = member.is_none().then(|| {
                format!("the node {node} is not in the cluster: a minute is waited for it")
            });
            return Step::Wait(why, None);
        }
        if !self.has_vote_left(&drain.of, evidence, member) {
            drain.phase = Phase::Drained;
            return Step::Wait(None, None);
        }
        let kept = self.kept(evidence);
        let last = member.and_then(|(id, it)| last_master(evidence, id, it, &kept));
        if let Some(why) = last.filter(|_| !evidence.exclusion.silences(&node)) {
            return Step::Wait(Some(why), None);
        }
        drain.phase = Phase::Vote;
        let is_beside = !evidence.exclusion.silences_only_of(self.owner, &node);
        let is_taken = evidence.exclusion.silences(&node);
        if !is_taken && !is_beside {
            return Step::Do(Act::Silence(node.into()));
        }
        let why = if is_taken {
            format!("the other masters are to do without the vote of {node}: this ends by itself")
        } else {
            "somebody takes votes from other nodes, which would come back with this one's: see \
             _cluster/voting_config_exclusions"
                .into()
        };
        Step::Wait(Some(why), None)
    }
}

#[cfg(test)]
mod tests;
