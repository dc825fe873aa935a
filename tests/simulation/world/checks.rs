//! What must never be so.

use drover::{
    elasticsearch::evidence::{CopyState, Mark},
    rollout::{
        drain::{CLEAR, Cause, Drain, Phase},
        planner::PauseAfter,
        run::{HostRun, Step},
        safety::{SETTLED, since},
    },
};
use jiff::Timestamp;

use super::{
    super::{
        elasticsearch::Duties,
        operator::{Look, Status, setting},
    },
    Host, MOST, World,
};

impl World {
    /// Whether all is as it is wanted, and nothing is left of the way there.
    pub fn is_at_rest(&self) -> bool {
        self.status.run.is_none()
            && self.members().all(|it| it.reached == self.spec.target && !it.cordoned)
            && self.elasticsearch.prior.is_none()
            && self.elasticsearch.announced.is_empty()
            && self.elasticsearch.is_green()
            && self.status.drain.is_none()
            && self.late.is_empty()
            && self.elasticsearch.excluded.mark.is_none()
            && self.elasticsearch.excluded.voting.is_empty()
            && !(self.managed && self.hosts.iter().any(|it| self.leaves(it)))
    }

    fn leaves(&self, host: &Host) -> bool {
        host.known(&self.elasticsearch).is_some_and(|it| it.leaves)
    }

    fn must(&self, is_so: bool, what: &str) {
        assert!(is_so, "seed {}: {what}\n{}", self.seed, self.story());
    }

    /// What others take out is as they have it, and what Drover has put in its place is known to come
    /// back, and by whom.
    fn check_exclusion(&self) {
        let (excluded, theirs) = (&self.elasticsearch.excluded, &self.theirs);
        self.must(excluded.transient == theirs.transient, "a transient exclusion was changed");
        let prior = excluded.mark.as_ref().and_then(|it| Some((&it.node, it.prior.as_ref()?)));
        match prior {
            Some((node, prior)) if excluded.persistent.as_ref() == Some(node) => {
                self.must(setting(prior) == theirs.named, "what was excluded would not come back");
            }
            _ => self.must(excluded.persistent == theirs.named, "an exclusion was changed"),
        }
        let has_votes = theirs.votes.iter().all(|it| excluded.voting.contains(it));
        self.must(has_votes, "a voting exclusion was changed");
        let mut own = excluded.voting.iter().filter(|it| !theirs.votes.contains(*it));
        let drain = self.status.drain.as_ref().filter(|it| it.is_set());
        let is_of_drain = |it: &str| drain.is_some_and(|drain| drain.of.node() == it);
        // What was carried out late is found again, and so is what a host has left that was let go.
        let is_known = |it: &str| {
            let is_let_go = |at: &usize| *self.hosts[*at].name() == *it;
            is_of_drain(it) || self.stray.contains(it) || self.let_go.keys().any(is_let_go)
        };
        self.must(own.all(|it| is_known(it)), "a vote is taken by nobody's drain");
        let mut names = excluded.mark.iter().flat_map(Mark::names);
        self.must(names.all(is_known), "a node is taken out by no drain");
    }

    /// What was carried out late is nobody's until a drain is of it, or it is taken back.
    fn note_stray(&mut self) {
        let excluded = &self.elasticsearch.excluded;
        let drain = self.status.drain.as_ref().filter(|it| it.is_set());
        let is_set =
            |it: &str| excluded.mark.as_ref().is_some_and(|m| m.has(it)) || excluded.silences(it);
        self.stray.retain(|it| is_set(it) && drain.is_none_or(|drain| drain.of.node() != &**it));
    }

    /// A node is drained once nothing is on it, and nothing on none, at two looks.
    pub(super) fn check_drained(&self, look: &Look, after: &Status) {
        let phase = |it: &Status| it.drain.as_ref().map(|it| it.phase);
        let is_over = |it: &Status| phase(it) == Some(Phase::Drained);
        let (Some(drain), Some(evidence)) = (&after.drain, &look.evidence) else { return };
        // Of one that was let go before, nothing is told but that it is.
        if !is_over(after) || is_over(&look.status) || drain.of.uid.is_empty() {
            return;
        }
        let node = evidence.nodes.iter().find(|it| *it.1.name == *drain.of.node());
        let host = self.hosts.iter().find(|it| it.uid() == drain.of.uid);
        let wanted = match drain.of.cause {
            Cause::Leaves => Duties { data: false, master: false },
            Cause::Roles => host.map_or(Duties { data: true, master: true }, |it| it.wanted),
        };
        let clear = look.status.drain.as_ref().and_then(|it| it.clear_since);
        let needed = if node.is_some() { CLEAR } else { SETTLED };
        let is_late = clear.is_some_and(|it| needed <= since(it, look.now));
        self.must(is_late, "a node is drained at one look");
        if !wanted.data {
            let mut copies = evidence.copies.iter();
            let is_left = copies.any(|it| {
                it.state == CopyState::Unassigned || it.node.as_ref() == node.map(|it| it.0)
            });
            self.must(!is_left, "a node is drained that has copies, or may have had one");
        }
        let votes = node.is_some_and(|it| evidence.voters.contains(it.0));
        self.must(wanted.master || !votes, "a node is drained that has a vote");
    }

    /// A host is begun only where the pace lets one, and a person where the spec has the run wait for one.
    pub(super) fn check_pace(&self, after: &Status) {
        let (Some(now), Some(was)) = (&after.run, &self.status.run) else { return };
        let waited =
            |uid: &str| was.hosts.iter().any(|it| *it.uid == *uid && it.step == Step::Waiting);
        let is_any_begun = now.hosts.iter().any(|it| it.step.is_begun() && waited(&it.uid));
        if now.id != was.id || !is_any_begun {
            return;
        }
        let begun = now.hosts.iter().filter(|it| it.step.is_begun()).count();
        self.must(begun <= self.spec.unavailable, "more hosts are begun than may be at once");
        let done = now.hosts.iter().filter(|it| it.step == Step::Done).count();
        let is_let_go_on = match self.spec.pace.pause_after {
            PauseAfter::Never => true,
            PauseAfter::First => done == 0 || 0 < now.passed,
            PauseAfter::Each => done <= now.passed,
        };
        self.must(is_let_go_on && now.pause.is_none(), "a host is begun that waits for a person");
        self.must(!self.spec.paused, "a host is begun while the Cluster is paused");
    }

    /// Since when a drain has been under way in which something moves yet.
    pub(super) fn note_drain(&mut self, status: &Status, looked: Timestamp) {
        let moves = |it: &&Drain| matches!(it.phase, Phase::Exclude | Phase::Move | Phase::Vote);
        let drain = status.drain.as_ref();
        let uid = drain.filter(moves).map(|it| it.of.uid.clone());
        if self.moving.as_ref().map(|it| &it.1) != uid.as_ref() {
            self.moving = uid.map(|it| (self.now, it));
        }
        self.note_let_go(status, looked);
        let was = self.status.drain.as_ref().map(|it| it.phase);
        if drain.map(|it| it.phase) != was && drain.is_some_and(|it| it.phase == Phase::Drained) {
            self.drained_at = looked;
        }
    }

    /// What the node of a host does no more had to go before.
    pub(super) fn check_duties(&self, at: usize, before: Duties) {
        let after = self.elasticsearch.configured[at];
        if self.theirs.is_overruled_since(self.drained_at) {
            return;
        }
        if before.data && !after.data {
            let copy = self.elasticsearch.copy_on(at);
            self.must(copy.is_none(), &format!("host {at} loses data with {copy:?}"));
        }
        if before.master && !after.master {
            let is_silent = self.elasticsearch.is_silent(at);
            self.must(is_silent, &format!("host {at} loses its vote, and has it yet"));
        }
    }

    /// A host is let go: nothing may be on its node that is nowhere else.
    pub(super) fn check_parting(&self, at: usize, drained: Timestamp) {
        if !self.theirs.is_overruled_since(drained)
            && let Err(why) = self.elasticsearch.can_spare(&[at], true)
        {
            panic!("seed {}: host {at} is let go: {why}\n{}", self.seed, self.story());
        }
    }

    /// What must never be so.
    pub fn check(&mut self) {
        let mut hosts = self.status.run.iter().flat_map(|it| &it.hosts);
        let before = if hosts.any(HostRun::is_in_hand) { self.allowed } else { 0 };
        self.allowed = self.spec.unavailable.max(before);
        let running = &self.elasticsearch.running;
        self.down.retain(|_, nodes| nodes.iter().any(|it| running[*it].is_none()));
        if let Some(index) = self.elasticsearch.lost() {
            panic!("seed {}: index {index} is lost\n{}", self.seed, self.story());
        }
        let is_back = self.elasticsearch.persistent == self.original;
        assert!(
            self.elasticsearch.prior.is_some() || is_back,
            "seed {}: the setting did not come back\n{}",
            self.seed,
            self.story()
        );
        self.note_stray();
        self.check_exclusion();
        let Some(run) = &self.status.run else { return };
        let away = run.hosts.iter().filter(|it| it.may_be_down()).count();
        assert!(away <= MOST, "seed {}: {away} hosts at once\n{}", self.seed, self.story());
    }
}
