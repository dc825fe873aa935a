//! Which nodes elect the master, and when there is none.

use std::collections::BTreeSet;

use super::Elasticsearch;

impl Elasticsearch {
    pub(super) fn may_vote(&self, node: usize) -> bool {
        self.running[node].is_some() && self.duties[node].master
    }

    pub(super) fn majority(&self) -> bool {
        let live = self.voters.iter().filter(|it| self.may_vote(**it)).count();
        self.voters.len() < 2 * live
    }

    /// Whether a node has no part in it.
    pub fn is_silent(&self, node: usize) -> bool {
        !self.voters.contains(&node)
    }

    /// The configuration follows the nodes that are there, and those whose vote was taken: an odd
    /// number of them, and not fewer than three where there were as many.
    pub(super) fn elect(&mut self) {
        let retired = |node: &usize| self.excluded.voting.contains(&self.name(*node));
        let all = (0..self.running.len()).filter(|it| !retired(it));
        let live: Vec<usize> = all.clone().filter(|it| self.may_vote(*it)).collect();
        let least = if self.voters.len() < 3 { 1 } else { 3 };
        let odd = live.len() - usize::from(live.len().is_multiple_of(2) && !live.is_empty());
        let (had, new): (Vec<usize>, Vec<usize>) =
            live.iter().copied().partition(|it| self.voters.contains(it));
        let gone = all.filter(|it| self.voters.contains(it) && !live.contains(it));
        let next = had.into_iter().chain(new).chain(gone).take(odd.max(least));
        let next: BTreeSet<usize> = next.collect();
        if next.len() < 2 * next.iter().filter(|it| live.contains(it)).count() {
            self.voters = next;
        }
    }
}
