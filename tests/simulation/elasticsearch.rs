//! A cluster that places the copies of a few indices as Elasticsearch does.

use std::collections::{BTreeMap, BTreeSet};

use drover::elasticsearch::{
    cluster_reads::HealthStatus,
    evidence::{Allocation, Copy, CopyState, Counts, Evidence, Node, NodeId, Prior},
};

/// The nodes that run, the copies, and the settings.
#[derive(Clone, Debug)]
pub struct Elasticsearch {
    /// By number of the host: the start that runs, nothing where none does.
    pub running: Vec<Option<u64>>,
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
    host: usize,
    /// Whether it lacks nothing that was acknowledged.
    is_in_sync: bool,
    /// Events until it is looked for elsewhere.
    delay: u32,
}

impl Elasticsearch {
    /// `hosts` nodes, the first of which may be masters; each index has two or three copies.
    pub fn new(hosts: usize, rng: &mut fastrand::Rng) -> Self {
        let mut copies = Vec::new();
        for index in 0..rng.usize(1..8) {
            let count = rng.usize(2..=3.min(hosts));
            let mut homes: Vec<usize> = (0..hosts).collect();
            rng.shuffle(&mut homes);
            for (at, host) in homes.into_iter().take(count).enumerate() {
                let state = CopyState::Started;
                copies.push(Held {
                    index,
                    is_primary: at == 0,
                    state,
                    host,
                    is_in_sync: true,
                    delay: 0,
                });
            }
        }
        let persistent = [None, Some("all".into())][rng.usize(0..2)].clone();
        let masters = 3.min(hosts);
        let running = (1..=hosts as u64).map(Some).collect();
        Self {
            running,
            masters,
            starts: hosts as u64,
            copies,
            persistent,
            prior: None,
            snapshot: false,
            exclusion: false,
            answers: true,
        }
    }

    pub fn id(host: usize) -> NodeId {
        format!("node-{host}").into()
    }

    pub fn address(host: usize) -> Box<str> {
        format!("10.0.0.{host}").into()
    }

    fn majority(&self) -> bool {
        self.masters < 2 * self.running[..self.masters].iter().flatten().count()
    }

    /// Whether the copies on `host` may go without any index going with them, and the masters too.
    pub fn can_spare(&self, host: usize) -> Result<(), String> {
        for held in self.copies.iter().filter(|it| it.host == host && it.is_started()) {
            let elsewhere =
                |it: &&Held| it.index == held.index && it.host != host && it.is_started();
            if self.copies.iter().find(elsewhere).is_none() {
                return Err(format!("index {} has its only copy on host {host}", held.index));
            }
        }
        let mut without = self.clone();
        without.running[host] = None;
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

    pub fn start(&mut self, host: usize) {
        if self.running[host].is_none() {
            self.starts += 1;
            self.running[host] = Some(self.starts);
        }
    }

    pub fn stop(&mut self, host: usize) {
        if self.running[host].take().is_none() {
            return;
        }
        for at in 0..self.copies.len() {
            if self.copies[at].host == host && self.copies[at].state != CopyState::Unassigned {
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
                    if self.running[held.host].is_some() && held.is_in_sync {
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
        if self.running[held.host].is_some() {
            self.copies[at].state = CopyState::Initializing;
        } else if 0 < held.delay {
            self.copies[at].delay -= 1;
        } else {
            let is_free = |host: &usize| {
                let has = |it: &Held| it.index == held.index && it.host == *host;
                self.running[*host].is_some() && !self.copies.iter().any(has)
            };
            let home = (0..self.running.len()).find(is_free);
            if let Some(host) = home {
                self.copies[at] =
                    Held { host, state: CopyState::Initializing, is_in_sync: false, ..held };
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
            .filter_map(|(host, start)| Some((Self::id(host), self.node(host, (*start)?))))
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
            origins: BTreeMap::new(),
            foreign: self.exclusion.then(|| "an exclusion".into()).into_iter().collect(),
            snapshots: self.snapshot.then(|| "nightly".into()).into_iter().collect(),
            full: BTreeSet::new(),
        })
    }

    fn node(&self, host: usize, start: u64) -> Node {
        let mut roles: BTreeSet<Box<str>> = ["data".into()].into();
        if host < self.masters {
            roles.insert("master".into());
        }
        Node {
            name: Self::id(host),
            ephemeral_id: format!("start-{start}").into(),
            address: Self::address(host),
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
            node: is_held.then(|| Elasticsearch::id(self.host)),
            unassigned: (!is_held).then(|| "NODE_LEFT".into()),
            is_mounted: false,
        }
    }
}
