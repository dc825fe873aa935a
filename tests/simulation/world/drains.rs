//! Nodes that are taken out of the cluster, and hosts that go once that is done.

use std::time::Duration;

use drover::{
    elasticsearch::evidence::Mark,
    rollout::drain::{Act, Cause, Drain, Phase},
};
use jiff::Timestamp;

use super::{
    super::operator::{OWNER, Spec, Status, setting},
    Life, World,
};

/// What is written to Elasticsearch, in a word.
pub(super) fn name(act: &Act) -> &'static str {
    match act {
        Act::Exclude(..) => "exclude",
        Act::Mark(_) => "mark",
        Act::Silence(_) => "silence",
        Act::Unsilence(_) => "unsilence",
        Act::Include(_) => "include",
    }
}

impl World {
    /// What was decided is written after a last look at the object and at what is set. `crash` says
    /// what becomes of the request.
    pub(super) fn take_out(&mut self, act: Act, spec: &Spec, decided: &Status, crash: u8) {
        let is_same = self.status.drain == decided.drain && (act.undoes() || *spec == self.spec);
        let excluded = &self.elasticsearch.excluded;
        if !is_same || !self.elasticsearch.is_there() || !act.is_decided_on(excluded, OWNER) {
            return;
        }
        match crash {
            4 => self.tally.add(("ends before", name(&act))),
            5 => self.tally.add(("ends after", name(&act))),
            6 => self.tally.add(("comes late", name(&act))),
            _ => self.tally.add(("written", name(&act))),
        }
        match crash {
            4 => self.tell(format!("{act:?}, which never comes there")),
            5 => self.tell(format!("{act:?}, and the answer is lost")),
            6 => {
                self.tell(format!("{act:?}, and nothing is heard of it"));
                let delay = Duration::from_secs(self.rng.u64(1..30));
                self.late.push((self.now + delay, act));
                return;
            }
            _ => self.tell(format!("{act:?}")),
        }
        if crash != 4 {
            self.write(&act);
        }
    }

    /// What nobody waits for any more is carried out all the same.
    pub(super) fn land(&mut self) {
        let now = self.now;
        let (due, late): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.late).into_iter().partition(|it| it.0 <= now);
        self.late = late;
        for (_, act) in due {
            self.tell(format!("{act:?} comes late"));
            if let Act::Exclude(names, _) | Act::Mark(names) | Act::Silence(names) = &act {
                self.stray.extend(names.split(',').map(Into::into));
            }
            self.write(&act);
        }
    }

    fn write(&mut self, act: &Act) {
        let excluded = &mut self.elasticsearch.excluded;
        match act {
            Act::Exclude(node, prior) => {
                excluded.persistent = Some(node.clone());
                let prior = Some(prior.clone());
                excluded.mark = Some(Mark { node: node.clone(), prior, owner: OWNER.into() });
            }
            Act::Mark(node) => {
                let prior = excluded.mark.take().and_then(|it| it.prior);
                excluded.mark = Some(Mark { node: node.clone(), prior, owner: OWNER.into() });
            }
            Act::Silence(node) => {
                if !excluded.voting.contains(node) {
                    excluded.voting.push(node.clone());
                }
            }
            Act::Unsilence(_) => excluded.voting.clear(),
            Act::Include(prior) => {
                excluded.persistent = setting(prior);
                excluded.mark = None;
            }
        }
    }

    /// Whether the status says that nothing is left on the node of a host that leaves.
    pub(super) fn is_drained(&self, at: usize) -> bool {
        let drain = self.status.drain.as_ref().filter(|it| it.of.uid == self.hosts[at].uid());
        drain.is_some_and(|it| it.phase == Phase::Drained && it.of.cause == Cause::Leaves)
    }

    /// People go by what they were told: that nothing is left on the node of a host that has left. It is
    /// kept empty also while another one is drained.
    pub(super) fn note_let_go(&mut self, status: &Status, looked: Timestamp) {
        for at in 0..self.hosts.len() {
            let host = &self.hosts[at];
            let drain = status.drain.as_ref().filter(|it| it.of.host == host.name());
            // Of one that was let go before no uid is told: people look for themselves then.
            let is_empty = self.elasticsearch.copy_on(at).is_none();
            let is_it = |it: &Drain| it.of.uid == host.uid() || it.of.uid.is_empty() && is_empty;
            let is_drained = |it: &Drain| it.phase == Phase::Drained && is_it(it);
            let is_away = matches!(host.life, Life::Moved | Life::Gone);
            if !is_away || drain.is_some_and(|it| it.phase != Phase::Drained) {
                self.not_let_go(at);
            } else if drain.is_some_and(is_drained) {
                self.let_go.entry(at).or_insert(looked);
            }
        }
    }

    /// The object of a host goes once its node is drained, or a person lets it go without.
    pub(super) fn part(&mut self, at: usize) {
        let host = &self.hosts[at];
        let Life::Deleted { reset } = host.life else { return };
        let is_home = !self.elasticsearch.removed.contains(&at);
        if !host.is_idle() || !host.fit {
            return;
        }
        if is_home && !host.skips {
            if !self.is_drained(at) {
                return;
            }
            if reset {
                self.tell(format!("Elasticsearch is removed from host {at}"));
                return self.remove(at, self.drained_at);
            }
            self.check_parting(at, self.drained_at);
            self.let_go.insert(at, self.drained_at);
        }
        self.tell(format!("host {at} is gone"));
        self.hosts[at].life = Life::Gone;
    }

    /// What is set for its node yet is nobody's until that is taken back.
    pub(super) fn not_let_go(&mut self, at: usize) {
        if self.let_go.remove(&at).is_some() {
            self.stray.insert(self.hosts[at].name());
        }
    }

    /// Elasticsearch goes from a machine of which it was seen at `drained` that its node is drained.
    pub(super) fn remove(&mut self, at: usize, drained: Timestamp) {
        self.check_parting(at, drained);
        self.elasticsearch.remove(at);
        self.not_let_go(at);
        self.down.remove(&at);
    }
}
