//! A cluster that places the copies of a few indices as Elasticsearch does.

use std::collections::{BTreeMap, BTreeSet};

use drover::elasticsearch::{
    cluster_reads::HealthStatus,
    evidence::{Allocation, Copy, CopyState, Counts, Evidence, Exclusion, Node, NodeId, Prior},
};

/// The nodes that run, the copies, and the settings.
#[derive(Clone, Debug)]
pub struct Elasticsearch {
    /// By number of the node: the start that runs, nothing where none does. The first ones are those
    /// of the hosts' units, in their order.
    pub running: Vec<Option<u64>>,
    /// The host that each runs on.
    machines: Vec<usize>,
    masters: usize,
    starts: u64,
    copies: Vec<Held>,
    pub persistent: Option<Box<str>>,
    pub prior: Option<Prior>,
    pub snapshot: bool,
    pub exclusion: bool,
    pub answers: bool,
}

/// One copy, and where its data lies.
#[derive(Clone, Debug)]
struct Held {
    index: usize,
    is_primary: bool,
    state: CopyState,
    node: usize,
    /// Whether it lacks nothing that was acknowledged.
    is_in_sync: bool,
    /// Events until it is looked for elsewhere.
    delay: u32,
}

impl Elasticsearch {
    /// A node on each of `hosts`, the first of which may be masters, and on some host a second one;
    /// each index has two or three copies, no two of them on one machine.
    pub fn new(hosts: usize, rng: &mut fastrand::Rng) -> Self {
        let mut machines: Vec<usize> = (0..hosts).collect();
        machines.extend(rng.bool().then(|| rng.usize(0..hosts)));
        let mut copies: Vec<Held> = Vec::new();
        for index in 0..rng.usize(1..8) {
            let count = rng.usize(2..=3.min(hosts));
            let mut homes: Vec<usize> = (0..machines.len()).collect();
            rng.shuffle(&mut homes);
            let mut taken = BTreeSet::new();
            homes.retain(|it| taken.insert(machines[*it]));
            for (at, node) in homes.into_iter().take(count).enumerate() {
                let state = CopyState::Started;
                copies.push(Held {
                    index,
                    is_primary: at == 0,
                    state,
                    node,
                    is_in_sync: true,
                    delay: 0,
                });
            }
        }
        let persistent = [None, Some("all".into())][rng.usize(0..2)].clone();
        let masters = 3.min(hosts);
        let starts = machines.len() as u64;
        Self {
            running: (1..=starts).map(Some).collect(),
            machines,
            masters,
            starts,
            copies,
            persistent,
            prior: None,
            snapshot: false,
            exclusion: false,
            answers: true,
        }
    }

    pub fn id(node: usize) -> NodeId {
        format!("node-{node}").into()
    }

    /// The nodes of a host: that of its unit first.
    pub fn nodes_of(&self, host: usize) -> Vec<usize> {
        (0..self.machines.len()).filter(|it| self.machines[*it] == host).collect()
    }

    pub fn address(host: usize) -> Box<str> {
        format!("10.0.0.{host}").into()
    }

    fn majority(&self) -> bool {
        self.masters < 2 * self.running[..self.masters].iter().flatten().count()
    }

    /// Whether the copies on `host` may go without any index going with them, and the masters too.
    pub fn can_spare(&self, host: usize) -> Result<(), String> {
        let is_here = |it: &Held| self.machines[it.node] == host;
        for held in self.copies.iter().filter(|it| is_here(it) && it.is_started()) {
            let elsewhere = |it: &&Held| it.index == held.index && !is_here(it) && it.is_started();
            if self.copies.iter().find(elsewhere).is_none() {
                return Err(format!("index {} has its only copy on host {host}", held.index));
            }
        }
        let mut without = self.clone();
        for node in self.nodes_of(host) {
            without.running[node] = None;
        }
        if self.majority() && !without.majority() {
            return Err(format!("without host {host} there is no majority"));
        }
        Ok(())
    }

    /// Whether every index has a copy that lacks nothing, on whatever host.
    pub fn lost(&self) -> Option<usize> {
        let indices: BTreeSet<usize> = self.copies.iter().map(|it| it.index).collect();
        indices
            .into_iter()
            .find(|index| !self.copies.iter().any(|it| it.index == *index && it.is_in_sync))
    }

    pub fn start(&mut self, node: usize) {
        if self.running[node].is_none() {
            self.starts += 1;
            self.running[node] = Some(self.starts);
        }
    }

    pub fn stop(&mut self, node: usize) {
        if self.running[node].take().is_none() {
            return;
        }
        for at in 0..self.copies.len() {
            if self.copies[at].node == node && self.copies[at].state != CopyState::Unassigned {
                self.copies[at].state = CopyState::Unassigned;
                self.copies[at].delay = 6;
                if self.copies[at].is_primary {
                    self.promote(at);
                }
            }
        }
    }

    fn promote(&mut self, lost: usize) {
        let index = self.copies[lost].index;
        let next = self.copies.iter().position(|it| it.index == index && it.is_started());
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
        let only_primaries = self.prior.is_some();
        for at in 0..self.copies.len() {
            let held = self.copies[at].clone();
            let primary_serves = || {
                self.copies
                    .iter()
                    .any(|it| it.index == held.index && it.is_primary && it.is_started())
            };
            match held.state {
                CopyState::Initializing if rng.bool() && (held.is_primary || primary_serves()) => {
                    self.copies[at].state = CopyState::Started;
                    self.copies[at].is_in_sync = true;
                }
                CopyState::Unassigned if held.is_primary => {
                    if self.running[held.node].is_some() && held.is_in_sync {
                        self.copies[at].state = CopyState::Initializing;
                    } else {
                        self.promote(at);
                    }
                }
                CopyState::Unassigned if !only_primaries && primary_serves() => self.replace(at),
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
        if self.running[held.node].is_some() {
            self.copies[at].state = CopyState::Initializing;
        } else if 0 < held.delay {
            self.copies[at].delay -= 1;
        } else {
            let is_free = |node: &usize| {
                let has = |(other, it): (usize, &Held)| {
                    let is_near = self.machines[it.node] == self.machines[*node];
                    other != at && it.index == held.index && is_near
                };
                self.running[*node].is_some() && !self.copies.iter().enumerate().any(has)
            };
            let home = (0..self.running.len()).find(is_free);
            if let Some(node) = home {
                self.copies[at] =
                    Held { node, state: CopyState::Initializing, is_in_sync: false, ..held };
            }
        }
    }

    pub fn is_green(&self) -> bool {
        self.copies.iter().all(Held::is_started)
    }

    /// What it says of itself, where it answers.
    pub fn evidence(&self) -> Option<Evidence> {
        if !self.answers || !self.majority() {
            return None;
        }
        let nodes: BTreeMap<NodeId, Node> = self
            .running
            .iter()
            .enumerate()
            .filter_map(|(node, start)| Some((Self::id(node), self.node(node, (*start)?))))
            .collect();
        let master = (0..self.masters).find(|it| self.running[*it].is_some()).map(Self::id);
        let copies: Vec<Copy> = self.copies.iter().map(Held::shown).collect();
        let count = |state| copies.iter().filter(|it| it.state == state).count();
        let unassigned = count(CopyState::Unassigned);
        let is_red = self.copies.iter().any(|it| it.is_primary && !it.is_started());
        let status = match (is_red, unassigned + count(CopyState::Initializing)) {
            (true, _) => HealthStatus::Red,
            (false, 0) => HealthStatus::Green,
            (false, _) => HealthStatus::Yellow,
        };
        let waits = |it: &&Held| it.state == CopyState::Unassigned && 0 < it.delay;
        let health = Counts {
            status,
            nodes: nodes.len(),
            active: count(CopyState::Started),
            relocating: 0,
            initializing: count(CopyState::Initializing),
            unassigned,
            delayed: self.copies.iter().filter(waits).count(),
            fetches: 0,
        };
        Some(Evidence {
            uuid: "the cluster".into(),
            nodes,
            master,
            voters: (0..self.masters).map(Self::id).collect(),
            copies,
            health,
            allocation: Allocation {
                persistent: self.persistent.clone(),
                transient: None,
                prior: self.prior.clone(),
                owner: self.prior.is_some().then(|| super::operator::OWNER.into()),
            },
            exclusion: Exclusion::default(),
            expanding: BTreeSet::new(),
            origins: BTreeMap::new(),
            foreign: self.exclusion.then(|| "an exclusion".into()).into_iter().collect(),
            snapshots: self.snapshot.then(|| "nightly".into()).into_iter().collect(),
            full: BTreeSet::new(),
            ..Evidence::default()
        })
    }

    fn node(&self, node: usize, start: u64) -> Node {
        let mut roles: BTreeSet<Box<str>> = ["data".into()].into();
        if node < self.masters {
            roles.insert("master".into());
        }
        Node {
            name: Self::id(node),
            ephemeral_id: format!("start-{start}").into(),
            address: Self::address(self.machines[node]),
            roles,
            version: "8.19.0".into(),
            process: None,
            serves: true,
        }
    }
}

impl Held {
    fn is_started(&self) -> bool {
        self.state == CopyState::Started
    }

    fn shown(&self) -> Copy {
        let is_held = self.state != CopyState::Unassigned;
        Copy {
            index: format!("index-{}", self.index).into(),
            shard: 0,
            is_primary: self.is_primary,
            state: self.state,
            node: is_held.then(|| Elasticsearch::id(self.node)),
            unassigned: (!is_held).then(|| "NODE_LEFT".into()),
            is_mounted: false,
        }
    }
}
