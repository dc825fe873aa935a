//! Where copies come to be: those that lost their node, those that may not stay where they are, and
//! those that even out the load.

use drover::elasticsearch::evidence::CopyState;

use super::{Elasticsearch, Held};

impl Elasticsearch {
    pub(super) fn promote(&mut self, lost: usize) {
        let index = self.copies[lost].index;
        let next = self.copies.iter().position(|it| it.index == index && it.serves());
        if let Some(next) = next {
            self.copies[lost].is_primary = false;
            self.copies[next].is_primary = true;
            // Writes go on without it.
            self.copies[lost].is_in_sync = false;
        }
    }

    /// Moves one step on.
    pub fn work(&mut self, rng: &mut fastrand::Rng) {
        if !self.majority() {
            return;
        }
        self.elect();
        let only_primaries = self.persistent.as_deref() == Some("primaries");
        for at in 0..self.copies.len() {
            let held = self.copies[at].clone();
            let primary_serves = || {
                self.copies.iter().any(|it| it.index == held.index && it.is_primary && it.serves())
            };
            match held.state {
                CopyState::Initializing if rng.bool() && (held.is_primary || primary_serves()) => {
                    self.copies[at].state = CopyState::Started;
                    self.copies[at].is_in_sync = true;
                }
                CopyState::Unassigned if held.is_primary => {
                    // Where its data lies it is put even where it may not stay.
                    let is_there = self.running[held.node].is_some() && self.duties[held.node].data;
                    if is_there && held.is_in_sync {
                        self.copies[at].state = CopyState::Initializing;
                    } else {
                        self.promote(at);
                    }
                }
                CopyState::Unassigned if !only_primaries && primary_serves() => self.replace(at),
                CopyState::Relocating if rng.bool() => {
                    let node = held.target.unwrap_or(held.node);
                    self.copies[at] =
                        Held { node, target: None, state: CopyState::Started, ..held };
                }
                CopyState::Started if held.is_primary || !only_primaries => {
                    self.relocate(at, rng);
                }
                CopyState::Unassigned
                | CopyState::Initializing
                | CopyState::Started
                | CopyState::Relocating => {}
            }
        }
    }

    /// A replica comes back where it was, or after a while elsewhere.
    fn replace(&mut self, at: usize) {
        let held = self.copies[at].clone();
        if self.may_have(held.node) {
            self.copies[at].state = CopyState::Initializing;
        } else if 0 < held.delay && self.running[held.node].is_none() {
            self.copies[at].delay -= u32::from(!self.waits_for(held.node));
        } else if let Some(node) = (0..self.running.len()).find(|it| self.is_home_for(at, *it)) {
            self.copies[at] =
                Held { node, state: CopyState::Initializing, is_in_sync: false, ..held };
        }
    }

    /// A copy leaves a node that may not keep it, or one that has many more than another.
    fn relocate(&mut self, at: usize, rng: &mut fastrand::Rng) {
        let here = self.copies[at].node;
        let count = |node: usize| {
            let is_here = |it: &&Held| it.node == node || it.target == Some(node);
            self.copies.iter().filter(is_here).count()
        };
        let is_out = self.is_taken_out(here) || !self.duties[here].data;
        let mut homes = (0..self.running.len()).filter(|it| self.is_home_for(at, *it));
        let home = if is_out {
            homes.min_by_key(|it| count(*it))
        } else {
            let is_even = rng.u8(..) != 0 || !self.is_green();
            homes.find(|it| !is_even && count(*it) + 1 < count(here))
        };
        if let Some(home) = home {
            self.copies[at].target = Some(home);
            self.copies[at].state = CopyState::Relocating;
        }
    }

    /// Whether a copy that is elsewhere may come to a node: no other one is on its machine.
    fn is_home_for(&self, at: usize, node: usize) -> bool {
        let is_near = |it: usize| self.machines[it] == self.machines[node];
        let has = |(other, it): (usize, &Held)| {
            let is_other = other != at && it.index == self.copies[at].index;
            is_other && (is_near(it.node) || it.target.is_some_and(is_near))
        };
        self.copies[at].node != node
            && self.may_have(node)
            && !self.full.contains(&node)
            && !self.copies.iter().enumerate().any(has)
    }

    /// Whether a node may be given copies, as far as it itself is concerned.
    fn may_have(&self, node: usize) -> bool {
        self.running[node].is_some() && self.duties[node].data && !self.is_taken_out(node)
    }

    /// Whether copies are to leave a node by its name. What is transient wins.
    fn is_taken_out(&self, node: usize) -> bool {
        let names = self.excluded.transient.as_ref().or(self.excluded.persistent.as_ref());
        let name = self.name(node);
        names.is_some_and(|it| it.split(',').any(|it| *it == *name))
    }

    /// Why a node can't be emptied as the world is; nothing where it can.
    pub fn keeps(&self, node: usize) -> Option<&'static str> {
        let others =
            (0..self.running.len()).filter(|it| *it != node && self.running[*it].is_some());
        let data = others.clone().filter(|it| self.duties[*it].data).count();
        let most = (0..self.copies.len()).map(|at| {
            let index = self.copies[at].index;
            self.copies.iter().filter(|it| it.index == index).count()
        });
        if self.duties[node].data && data < most.max().unwrap_or_default() {
            return Some("there are too few nodes");
        }
        if self.duties[node].master && !others.clone().any(|it| self.duties[it].master) {
            return Some("it is the last master");
        }
        let is_stuck = |at: usize| {
            let held = &self.copies[at];
            let mut homes = 0..self.running.len();
            let is_here = held.node == node && held.state == CopyState::Started;
            // One that nobody has was this node's to take, before it was to be emptied.
            (is_here || held.state == CopyState::Unassigned)
                && !homes.any(|it| self.is_home_for(at, it))
        };
        let is_stuck = (0..self.copies.len()).any(is_stuck);
        is_stuck.then_some("a copy has no other place")
    }
}
