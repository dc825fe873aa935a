//! A cluster that places the copies of a few indices as Elasticsearch does.

mod placement;
mod votes;

use std::collections::{BTreeMap, BTreeSet};

use drover::elasticsearch::{
    cluster_reads::HealthStatus,
    evidence::{
        Allocation, Copy, CopyState, Counts, Evidence, Exclusion, Node, NodeId, Prior, Record,
        Shutdowns,
    },
};

/// Names for as many as there are at most: they are asked for all the time.
const IDS: [&str; 8] =
    ["node-0", "node-1", "node-2", "node-3", "node-4", "node-5", "node-6", "node-7"];
const ADDRESSES: [&str; 7] =
    ["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"];
const INDICES: [&str; 7] =
    ["index-0", "index-1", "index-2", "index-3", "index-4", "index-5", "index-6"];

/// What the process of a node does, or would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duties {
    pub data: bool,
    pub master: bool,
}

/// The nodes that run, the copies, and the settings.
#[derive(Clone, Debug)]
pub struct Elasticsearch {
    /// By number of the node: the start that runs, nothing where none does. The first ones are those
    /// of the hosts' units, in their order.
    pub running: Vec<Option<u64>>,
    /// The host that each runs on.
    machines: Vec<usize>,
    /// What each does, or did when it last ran; and what it would do after its next start.
    duties: Vec<Duties>,
    pub configured: Vec<Duties>,
    /// The nodes whose majority elects masters.
    voters: BTreeSet<usize>,
    /// The nodes of units that were removed from their machine, with their data.
    pub removed: BTreeSet<usize>,
    starts: u64,
    copies: Vec<Held>,
    pub persistent: Option<Box<str>>,
    pub prior: Option<Prior>,
    /// Which nodes are announced to go down.
    pub announced: BTreeMap<NodeId, Record>,
    /// Who is taken out by name.
    pub excluded: Exclusion,
    pub snapshot: bool,
    /// Whether somebody keeps shards from nodes by something else than their names.
    pub filtered: bool,
    /// Nodes whose disk is full.
    pub full: BTreeSet<usize>,
    pub answers: bool,
}

/// One copy, and where its data lies.
#[derive(Clone, Debug)]
struct Held {
    index: usize,
    is_primary: bool,
    state: CopyState,
    node: usize,
    /// Where it moves to.
    target: Option<usize>,
    /// Whether it lacks nothing that was acknowledged.
    is_in_sync: bool,
    /// Events until it is looked for elsewhere.
    delay: u32,
}

impl Elasticsearch {
    /// A node on each of `hosts`, the first of which may be masters, and on some host a second one;
    /// each index has up to three copies, no two of them on one machine. `alone` says that some have
    /// one only.
    pub fn new(hosts: usize, alone: bool, rng: &mut fastrand::Rng) -> Self {
        let mut machines: Vec<usize> = (0..hosts).collect();
        machines.extend(rng.bool().then(|| rng.usize(0..hosts)));
        let mut copies: Vec<Held> = Vec::new();
        for index in 0..rng.usize(1..8) {
            let least = if alone && rng.u8(0..4) == 0 { 1 } else { 2 };
            let count = rng.usize(least..=3.min(hosts));
            let mut homes: Vec<usize> = (0..machines.len()).collect();
            rng.shuffle(&mut homes);
            let mut taken = BTreeSet::new();
            homes.retain(|it| taken.insert(machines[*it]));
            for (at, node) in homes.into_iter().take(count).enumerate() {
                copies.push(Held {
                    index,
                    is_primary: at == 0,
                    state: CopyState::Started,
                    node,
                    target: None,
                    is_in_sync: true,
                    delay: 0,
                });
            }
        }
        let persistent = [None, Some("all".into())][rng.usize(0..2)].clone();
        let named: Option<Box<str>> = [None, Some("".into())][rng.usize(0..2)].clone();
        let masters = 3 + 2 * usize::from(5 <= hosts && rng.bool());
        let duties: Vec<Duties> =
            (0..machines.len()).map(|it| Duties { data: true, master: it < masters }).collect();
        let starts = machines.len() as u64;
        Self {
            running: (1..=starts).map(Some).collect(),
            machines,
            configured: duties.clone(),
            duties,
            voters: (0..masters).collect(),
            removed: BTreeSet::new(),
            starts,
            copies,
            persistent,
            prior: None,
            announced: BTreeMap::new(),
            excluded: Exclusion { persistent: named, ..Exclusion::default() },
            snapshot: false,
            filtered: false,
            full: BTreeSet::new(),
            answers: true,
        }
    }

    pub fn id(node: usize) -> NodeId {
        IDS[node].into()
    }

    /// `node.name`: Drover calls those of units as their hosts.
    pub fn name(&self, node: usize) -> Box<str> {
        let kind = if self.machines[node] == node { "host" } else { "beside" };
        format!("{kind}-{node}").into()
    }

    /// The nodes of a host: that of its unit first.
    pub fn nodes_of(&self, host: usize) -> Vec<usize> {
        (0..self.machines.len()).filter(|it| self.machines[*it] == host).collect()
    }

    pub fn address(host: usize) -> Box<str> {
        ADDRESSES[host].into()
    }

    /// Whether these nodes may go without any index going with them, and the masters too. Indices
    /// with one copy count where `all` do.
    pub fn can_spare(&self, nodes: &[usize], all: bool) -> Result<(), String> {
        for held in self.copies.iter().filter(|it| nodes.contains(&it.node) && it.serves()) {
            let of_index = || self.copies.iter().filter(|it| it.index == held.index);
            let mut elsewhere = of_index().filter(|it| !nodes.contains(&it.node) && it.serves());
            if elsewhere.next().is_none() && (all || 1 < of_index().count()) {
                return Err(format!("index {} has its only copy on {nodes:?}", held.index));
            }
        }
        let mut without = self.clone();
        for node in nodes {
            without.running[*node] = None;
        }
        if self.majority() && !without.majority() {
            return Err(format!("without {nodes:?} there is no majority"));
        }
        Ok(())
    }

    /// A copy that a node has, or had when it last ran and that is nowhere else since.
    pub fn copy_on(&self, node: usize) -> Option<usize> {
        let is_here =
            |it: &&Held| it.node == node && (it.state != CopyState::Unassigned || it.is_in_sync);
        self.copies.iter().find(is_here).map(|it| it.index)
    }

    /// Whether every index has a copy that lacks nothing, on whatever host.
    pub fn lost(&self) -> Option<usize> {
        let is_there =
            |index: usize| self.copies.iter().any(|it| it.index == index && it.is_in_sync);
        self.copies.iter().map(|it| it.index).find(|it| !is_there(*it))
    }

    pub fn start(&mut self, node: usize) {
        if self.running[node].is_none() && !self.removed.contains(&node) {
            self.starts += 1;
            self.running[node] = Some(self.starts);
            self.duties[node] = self.configured[node];
        }
    }

    /// The node goes from its machine, with its data.
    pub fn remove(&mut self, node: usize) {
        self.stop(node);
        self.removed.insert(node);
        for held in self.copies.iter_mut().filter(|it| it.node == node) {
            held.is_in_sync = false;
        }
    }

    /// A node without data is made on the machine.
    pub fn join(&mut self, node: usize) {
        self.removed.remove(&node);
        self.start(node);
    }

    pub fn stop(&mut self, node: usize) {
        if self.running[node].take().is_none() {
            return;
        }
        for at in 0..self.copies.len() {
            let held = &mut self.copies[at];
            if held.target == Some(node) {
                (held.state, held.target) = (CopyState::Started, None);
            }
            if held.node == node && held.state != CopyState::Unassigned {
                (held.state, held.target, held.delay) = (CopyState::Unassigned, None, 6);
                if held.is_primary {
                    self.promote(at);
                }
            }
        }
    }

    pub fn is_green(&self) -> bool {
        self.copies.iter().all(|it| it.state == CopyState::Started)
    }

    /// Whether it can be asked, and told anything.
    pub fn is_there(&self) -> bool {
        self.answers && self.majority()
    }

    pub fn allocation(&self) -> Allocation {
        Allocation {
            persistent: self.persistent.clone(),
            transient: None,
            prior: self.prior.clone(),
            owner: self.prior.is_some().then(|| super::operator::OWNER.into()),
        }
    }

    /// Whether the copies on a node wait for it while it is down.
    pub fn waits_for(&self, node: usize) -> bool {
        self.announced.contains_key(&Self::id(node))
    }

    /// What it says of itself, where it answers.
    pub fn evidence(&self) -> Option<Evidence> {
        if !self.is_there() {
            return None;
        }
        let nodes: BTreeMap<NodeId, Node> = self
            .running
            .iter()
            .enumerate()
            .filter_map(|(node, start)| Some((Self::id(node), self.node(node, (*start)?))))
            .collect();
        let master = self.voters.iter().find(|it| self.may_vote(**it)).map(|it| Self::id(*it));
        let copies: Vec<Copy> = self.copies.iter().map(Held::shown).collect();
        let count = |state| copies.iter().filter(|it| it.state == state).count();
        let unassigned = count(CopyState::Unassigned);
        let is_red = self.copies.iter().any(|it| it.is_primary && !it.serves());
        let status = match (is_red, unassigned + count(CopyState::Initializing)) {
            (true, _) => HealthStatus::Red,
            (false, 0) => HealthStatus::Green,
            (false, _) => HealthStatus::Yellow,
        };
        let waits = |it: &&Held| it.state == CopyState::Unassigned && 0 < it.delay;
        let health = Counts {
            status,
            nodes: nodes.len(),
            active: count(CopyState::Started) + count(CopyState::Relocating),
            relocating: count(CopyState::Relocating),
            initializing: count(CopyState::Initializing),
            unassigned,
            delayed: self.copies.iter().filter(waits).count(),
            fetches: 0,
        };
        Some(Evidence {
            uuid: "the cluster".into(),
            nodes,
            master,
            voters: self.voters.iter().map(|it| Self::id(*it)).collect(),
            copies,
            health,
            allocation: self.allocation(),
            exclusion: self.excluded.clone(),
            expanding: BTreeSet::new(),
            shutdowns: Shutdowns { records: self.announced.clone(), unusable: None },
            origins: BTreeMap::new(),
            foreign: self.foreign(),
            snapshots: self.snapshot.then(|| "nightly".into()).into_iter().collect(),
            full: self.full.iter().map(|it| Self::id(*it)).collect(),
            ..Evidence::default()
        })
    }

    /// What others hold back or take out. What Drover has marked is not among them.
    fn foreign(&self) -> Vec<Box<str>> {
        let excluded = &self.excluded;
        let all = [&excluded.persistent, &excluded.transient].into_iter().flatten();
        let named = all
            .filter(|it| !it.is_empty() && !excluded.keeps_shards_away())
            .map(|it| format!("exclude._name: {it}").into());
        let is_own = |name: &str| excluded.marked().is_some_and(|it| it.has(name));
        let votes = excluded.voting.iter().filter(|it| !is_own(it));
        let votes = votes.map(|it| format!("a voting exclusion of {it}").into());
        let filtered = self.filtered.then(|| "exclude._ip: 192.0.2.1".into());
        named.chain(votes).chain(filtered).collect()
    }

    fn node(&self, node: usize, start: u64) -> Node {
        Node {
            name: self.name(node),
            ephemeral_id: format!("start-{start}").into(),
            address: Self::address(self.machines[node]),
            roles: self.duties[node].roles(),
            version: "8.19.0".into(),
            process: None,
            serves: true,
        }
    }
}

impl Duties {
    /// By Elasticsearch's names.
    pub fn roles(self) -> BTreeSet<Box<str>> {
        let roles = [("data", self.data), ("master", self.master)];
        roles.into_iter().filter(|it| it.1).map(|it| it.0.into()).collect()
    }
}

impl Held {
    fn serves(&self) -> bool {
        matches!(self.state, CopyState::Started | CopyState::Relocating)
    }

    fn shown(&self) -> Copy {
        let is_held = self.state != CopyState::Unassigned;
        Copy {
            index: INDICES[self.index].into(),
            shard: 0,
            is_primary: self.is_primary,
            state: self.state,
            node: is_held.then(|| Elasticsearch::id(self.node)),
            unassigned: (!is_held).then(|| "NODE_LEFT".into()),
            is_mounted: false,
        }
    }
}
