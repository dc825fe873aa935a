//! What hosts do by the permits that a run gives them.

use drover::rollout::hosts::{Answer, Progress};

use super::World;

impl World {
    pub(super) fn host(&mut self, troubled: bool) {
        // One whose Cluster tells it something is woken by that.
        let told = self.status.run.iter().flat_map(|it| &it.hosts).find(|it| it.step.is_permit());
        let woken = told.and_then(|told| self.hosts.iter().position(|it| it.uid() == told.uid));
        let at = match woken {
            Some(at) if self.rng.u8(0..4) < 3 => at,
            _ => self.rng.usize(0..self.hosts.len()),
        };
        if self.asleep.get(&at).is_some_and(|it| self.now < *it) {
            return;
        }
        // A cache may be behind.
        let seen = match self.before.back() {
            Some((old, _)) if troubled && self.rng.u8(..) < 40 => old.run.clone(),
            _ => self.status.run.clone(),
        };
        let before = self.elasticsearch.configured[at];
        let host = &mut self.hosts[at];
        let said = host.answer.clone();
        let (seen, run) = (seen.as_ref(), (self.status.run.as_ref(), self.spec.target));
        let stopped =
            host.reconcile(seen, run, &mut self.elasticsearch, &mut self.rng, troubled, self.now);
        self.check_duties(at, before);
        self.note_answer(at, said, troubled);
        if let Some(id) = stopped {
            self.stopped(at, &id);
        }
        self.part(at);
    }

    /// It may end when it has acted, and has not said so. `before` is what it said last.
    fn note_answer(&mut self, at: usize, before: Option<Answer>, troubled: bool) {
        let host = &mut self.hosts[at];
        let (Some(was), Some(is)) = (before, &host.answer) else { return };
        let is_same = (&was.run, was.step, was.attempt) == (&is.run, is.step, is.attempt);
        if !is_same || was.progress == is.progress {
            return;
        }
        if troubled && host.may_forget() && self.rng.u8(0..16) == 0 {
            let step = is.step.as_str();
            host.answer = Some(was);
            self.tally.add(("a host ends after", step));
            return self.tell(format!("host {at} ends before it says what it has done"));
        }
        self.tally.add(("a host is done with", is.step.as_str()));
        if matches!(is.progress, Progress::Late { .. }) {
            self.tally.add(("all", "permits that come late"));
        }
    }

    /// A host stops Elasticsearch by a permit: nothing may be lost by that.
    fn stopped(&mut self, at: usize, id: &str) {
        self.tell(format!("host {at} stops for {id}"));
        let run = self.status.run.as_ref().unwrap();
        let permit = run.hosts.iter().find(|it| it.uid == self.hosts[at].uid()).unwrap();
        if self.fault_at < permit.since
            && let Err(why) = self.elasticsearch.can_spare(&self.elasticsearch.nodes_of(at), false)
        {
            panic!("seed {}: {why}\n{}", self.seed, self.story());
        }
        let kind = run.kind;
        let mut going = self.hosts[at].going(kind, &self.elasticsearch);
        going.retain(|it| self.elasticsearch.running[*it].is_some());
        let is_announced = going.iter().all(|it| self.elasticsearch.waits_for(*it));
        assert!(
            self.elasticsearch.prior.is_some() || is_announced,
            "seed {}: stopped without protection\n{}",
            self.seed,
            self.story()
        );
        let drained = self.moving.as_ref().filter(|it| it.0 < permit.since);
        assert!(
            drained.is_none_or(|it| it.1 == permit.uid),
            "seed {}: host {at} stops while another one is drained\n{}",
            self.seed,
            self.story()
        );
        let stops = self.hosts[at].stops.entry(id.into()).or_default();
        *stops += 1;
        let stops = *stops;
        let run = self.status.run.as_ref().unwrap();
        let host = run.hosts.iter().find(|it| it.uid == self.hosts[at].uid()).unwrap();
        assert!(
            stops <= host.attempt as usize,
            "seed {}: host {at} stopped {stops} times in {} attempts\n{}",
            self.seed,
            host.attempt,
            self.story()
        );
        let others = self.down.keys().filter(|it| **it != at).count();
        assert!(
            others < self.allowed,
            "seed {}: host {at} goes down beside {:?}\n{}",
            self.seed,
            self.down,
            self.story()
        );
        for node in &going {
            self.elasticsearch.stop(*node);
        }
        self.down.insert(at, going);
    }
}
