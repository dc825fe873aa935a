//! Which hosts do not reach which. Pure.

use std::fmt::Write as _;

use super::{
    observe::{Member, Observed},
    plan::{Plan, others},
};
use crate::{
    api::network::UnreachablePair,
    chain::chain,
    ssh::reach::{Outcome, Peer},
};

/// The most pairs that a message names.
const NAMED: usize = 5;

/// What the hosts told of each other.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mesh {
    /// Pairs of which one gets no answer from the other, by name.
    pub apart: Vec<Apart>,
    /// Hosts that have not told all yet, and will.
    pub pending: Vec<String>,
    /// Hosts that can't be asked now.
    pub mute: Vec<String>,
    /// Hosts that could not try, and why.
    pub unable: Vec<(String, String)>,
}

/// One host that gets no answer from another.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Apart {
    /// The pair.
    pub pair: UnreachablePair,
    /// Whether it knows a way there at all.
    pub knows_a_way: bool,
}

/// Puts together what the hosts told.
#[must_use]
pub fn mesh(seen: &Observed, plan: &Plan, ports: &[u16]) -> Mesh {
    let mut mesh = Mesh::default();
    for member in &seen.members {
        if plan.questions.get(&member.key).is_some_and(|it| !it.is_empty()) {
            mesh.hear(member, &seen.members, ports);
        }
    }
    mesh.apart.sort_unstable();
    mesh
}

impl Mesh {
    fn hear(&mut self, member: &Member, members: &[Member], ports: &[u16]) {
        let name = || member.key.name.clone();
        if !member.answers {
            self.mute.push(name());
            return;
        }
        let told = match member.reached.as_deref().map(|it| &it.result) {
            None => return self.pending.push(name()),
            Some(Err(error)) => return self.unable.push((name(), chain(error))),
            Some(Ok(told)) => told,
        };
        let mut is_whole = true;
        for other in others(member, members) {
            for port in ports {
                let outcome = Peer::new(&other.address, *port).and_then(|it| told.get(&it));
                is_whole &= outcome.is_some();
                if let Some(outcome) = outcome.filter(|it| !it.is_reached()) {
                    let pair =
                        UnreachablePair { from: name(), to: other.key.name.clone(), port: *port };
                    self.apart.push(Apart { pair, knows_a_way: *outcome != Outcome::Lost });
                }
            }
        }
        if !is_whole {
            self.pending.push(name());
        }
    }

    /// The first pairs, one after the other.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = String::new();
        for Apart { pair, knows_a_way } in self.apart.iter().take(NAMED) {
            let UnreachablePair { from, to, port } = pair;
            let how = if *knows_a_way { "gets no answer from" } else { "knows no way to" };
            let comma = if words.is_empty() { "" } else { ", " };
            // A String takes all that is written.
            let _ = write!(words, "{comma}{from} {how} {to} at port {port}");
        }
        if NAMED < self.apart.len() {
            words += ", and others";
        }
        words
    }
}
