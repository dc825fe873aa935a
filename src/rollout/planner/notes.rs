//! What is kept of a look beside the steps: how the cluster looks, what is shut, why the run waits. It
//! stays as it is as long as nothing has changed that anybody goes by.

use super::{PauseAfter, Planner, steps};
use crate::rollout::{
    gate::{Gate, headline},
    run::{Blocked, HostRun, Pause, Run, Step},
    safety,
};

impl Planner<'_> {
    /// Takes note of how the cluster looks, as far as a step waits for it.
    pub(super) fn look(&mut self) {
        let (settled, well_since) = (self.run.settled.take(), self.run.well_since.take());
        let Ok(evidence) = self.world.evidence else { return };
        if self.is_resting() {
            return;
        }
        self.run.settled = safety::looks(evidence, settled.as_ref(), self.now());
        let is_settling = self.run.hosts.iter().any(|it| it.step == Step::Settle);
        if is_settling && self.scene(evidence).recovered().is_empty() {
            self.run.well_since = Some(well_since.unwrap_or_else(|| self.now()));
        }
    }

    /// Whether no host is begun, and none is about to be.
    fn is_resting(&self) -> bool {
        let is_held = self.run.pause.is_some() || self.world.hold.is_some();
        is_held && !self.run.is_busy()
    }

    /// A run pauses where a host has trouble, and where the spec says so; what has passed by itself
    /// is no longer waited for.
    pub(super) fn note_pause(&mut self) {
        let limit = self.world.pace.host_timeout;
        let is_tried_again = |it: &HostRun| steps::is_tried_again(it, limit, self.now());
        let is_for_person = |it: &&HostRun| it.trouble.is_some() && !is_tried_again(it);
        let trouble = self.run.hosts.iter().find(is_for_person);
        let done = self.done();
        let reason = match (trouble, self.world.pace.pause_after) {
            (None, _) if self.is_rolling_back() => self.going_back(),
            (Some(host), _) => {
                let trouble = host.trouble.as_deref().unwrap_or_default();
                Some((
                    format!(
                        "{}/{}/{}/{}",
                        self.run.id,
                        host.name,
                        host.step.as_str(),
                        host.attempt
                    ),
                    format!("{} at {}: {trouble}", host.name, host.step.as_str()),
                ))
            }
            (None, PauseAfter::First) if 1 <= done && self.run.passed == 0 => {
                Some(self.after(done))
            }
            (None, PauseAfter::Each) if self.run.passed < done => Some(self.after(done)),
            _ => None,
        };
        self.run.pause =
            reason.map(|(token, reason)| Pause { token: token.into(), reason: reason.into() });
    }

    fn after(&self, done: usize) -> (String, String) {
        (format!("{}/{done}", self.run.id), format!("{done} hosts are done: rollout.pauseAfter"))
    }

    /// Keeps since when a gate is shut, and which were since a host last went on. `last` is the run as
    /// it was before this look.
    pub(super) fn note_blocks(&mut self, last: &Run) {
        let before = std::mem::take(&mut self.run.blocked);
        let now = self.now();
        let blocked = std::mem::take(&mut self.blocks).into_iter().map(|(gate, message)| {
            let known = before.get(&gate);
            let since = known.map_or(now, |it| it.since);
            // Which endpoint failed last, and how, is no news as long as all of it fails.
            let same = known
                .filter(|it| gate == Gate::Evidence && headline(&it.message) == headline(&message));
            (gate, Blocked { message: same.map_or(message, |it| it.message.clone()), since })
        });
        self.run.blocked = blocked.collect();
        let places = |run: &Run| -> Vec<(Box<str>, Step)> {
            run.hosts.iter().map(|it| (it.uid.clone(), it.step)).collect()
        };
        if places(last) != places(&self.run) {
            self.run.told.clear();
        }
        self.run.told.extend(self.run.blocked.keys());
    }
}
