//! What the object of a host says of its place in the cluster.

use drover::rollout::roles::Roles;

use super::Host;
use crate::elasticsearch::Elasticsearch;

/// What became of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It names the Cluster.
    Member,
    /// It names another one.
    Moved,
    /// It is to go, with Elasticsearch on its machine where `reset` says so.
    Deleted { reset: bool },
    /// It is gone.
    Gone,
}

/// One host, as the Cluster knows it.
#[derive(Clone, Debug)]
pub struct Known {
    pub name: Box<str>,
    pub uid: Box<str>,
    pub address: Box<str>,
    /// Whether it names the Cluster.
    pub names: bool,
    /// Whether it does, and is not to go.
    pub stays: bool,
    /// Whether its node is to be drained before it goes.
    pub leaves: bool,
    pub skips: bool,
}

impl Host {
    pub fn name(&self) -> Box<str> {
        format!("host-{}", self.number).into()
    }

    /// Another object of the name has another one.
    pub fn uid(&self) -> Box<str> {
        format!("uid-{}-{}", self.number, self.generation).into()
    }

    /// Whether runs are over it, too.
    pub fn is_member(&self) -> bool {
        match self.life {
            Life::Member => true,
            // Nothing is waited for where a person lets it go without.
            Life::Deleted { .. } => self.skips,
            Life::Moved | Life::Gone => false,
        }
    }

    /// How its Cluster knows it; a host that is gone, or has nothing of it, it does not.
    pub fn known(&self, elasticsearch: &Elasticsearch) -> Option<Known> {
        let is_home = !elasticsearch.removed.contains(&self.number);
        let runs = elasticsearch.running[self.number].is_some();
        let goes = match self.life {
            Life::Member | Life::Gone => false,
            Life::Moved => runs,
            Life::Deleted { .. } => true,
        };
        let is_known = self.life != Life::Gone && (is_home || self.life != Life::Moved);
        is_known.then(|| Known {
            name: self.name(),
            uid: self.uid(),
            address: Elasticsearch::address(self.number),
            names: self.life != Life::Moved,
            stays: self.life == Life::Member,
            leaves: goes && is_home && !self.skips,
            skips: self.skips,
        })
    }

    /// The roles that its node is to have.
    pub(super) fn roles(&self) -> Roles {
        Roles::Named(self.wanted.roles())
    }

    /// Whether its node is to do less than it would.
    pub fn loses(&self, elasticsearch: &Elasticsearch) -> bool {
        let now = elasticsearch.configured[self.number];
        now.data && !self.wanted.data || now.master && !self.wanted.master
    }

    /// Whether it is done with what it had begun, so that its object may go.
    pub fn is_idle(&self) -> bool {
        !self.stopped
    }

    /// Another object is made for the machine: what is there joins as it is, or a new node does.
    pub fn make_anew(&mut self, target: u64, elasticsearch: &mut Elasticsearch) {
        let fresh = Self {
            generation: self.generation + 1,
            boots: self.boots,
            wanted: elasticsearch.configured[self.number],
            ..Self::new(self.number, elasticsearch)
        };
        *self = fresh;
        if elasticsearch.removed.contains(&self.number) {
            (self.reached, self.in_place) = (target, target);
            elasticsearch.join(self.number);
        }
    }
}
