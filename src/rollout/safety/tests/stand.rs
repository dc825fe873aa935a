//! A cluster of three hosts whose every gate is open, and what it takes to shut one.

use super::super::*;
use crate::{
    elasticsearch::evidence::{Copy, CopyState, Counts, Node},
    rollout::{
        hosts::Match,
        roles::Roles,
        run::{HostRun, Kind, Step},
    },
};

/// A cluster of the hosts `one`, `two` and `three`, with a node each, which are all masters. The
/// index `a` has copies on the first two, `b` on the last two. Every gate is open.
pub(super) struct Stand {
    pub(super) evidence: Evidence,
    pub(super) members: Vec<Member>,
    pub(super) permitted: Permitted,
    pub(super) run: Run,
    pub(super) drain: Option<Drain>,
    pub(super) now: Timestamp,
}

/// The uid of the Cluster object whose run it is.
pub(super) const OWNER: &str = "uid-cluster";

pub(super) const NAMES: [&str; 3] = ["one", "two", "three"];

pub(super) fn node_of(host: &str) -> NodeId {
    format!("node-{host}").into()
}

pub(super) fn copy(index: &str, is_primary: bool, host: Option<&str>) -> Copy {
    Copy {
        index: index.into(),
        shard: 0,
        is_primary,
        state: if host.is_some() { CopyState::Started } else { CopyState::Unassigned },
        node: host.map(node_of),
        unassigned: host.is_none().then(|| "NODE_LEFT".into()),
        is_mounted: false,
    }
}

pub(super) fn member(name: &str, address: &str) -> Member {
    Member {
        name: name.into(),
        uid: format!("uid-{name}").into(),
        addresses: [address.into()].into(),
        nodes: Match::unit([node_of(name)]),
        is_home: true,
        is_failing: false,
        roles: Roles::Every,
        runs: true,
        others_run: false,
        fit: Ok(()),
        may_hold_shards: false,
        has_images: None,
        in_maintenance: false,
        is_cordoned: false,
        answer: None,
    }
}

pub(super) fn node(name: &str, address: &str) -> Node {
    Node {
        name: name.into(),
        ephemeral_id: format!("start-{name}").into(),
        address: address.into(),
        roles: ["master".into(), "data".into()].into(),
        version: "8.19.0".into(),
        serves: true,
        process: None,
    }
}

impl Stand {
    pub(super) fn new() -> Self {
        let address = |at: usize| format!("10.0.0.{at}");
        let nodes = NAMES.iter().enumerate();
        let nodes = nodes.map(|(at, name)| (node_of(name), node(name, &address(at)))).collect();
        let members = NAMES.iter().enumerate();
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut stand = Self {
            evidence: Evidence {
                uuid: "the cluster".into(),
                nodes,
                master: Some(node_of("three")),
                voters: NAMES.map(node_of).into(),
                copies: vec![
                    copy("a", true, Some("one")),
                    copy("a", false, Some("two")),
                    copy("b", true, Some("two")),
                    copy("b", false, Some("three")),
                ],
                ..Evidence::default()
            },
            members: members.map(|(at, name)| member(name, &address(at))).collect(),
            permitted: Permitted { unavailable: 1, downtime: false, single_copies: false },
            run: Run {
                id: "run".into(),
                kind: Kind::ElasticsearchRestart,
                target: "target".into(),
                hosts: Vec::new(),
                pause: None,
                passed: 0,
                blocked: [].into(),
                told: [].into(),
                settled: None,
                well_since: None,
                started_at: now,
            },
            drain: None,
            now,
        };
        stand.count();
        stand
    }

    /// Lets health say what the copies say.
    pub(super) fn count(&mut self) {
        let copies = &self.evidence.copies;
        let count = |state| copies.iter().filter(|it| it.state == state).count();
        let relocating = count(CopyState::Relocating);
        let unassigned = count(CopyState::Unassigned);
        let initializing = count(CopyState::Initializing);
        let status = match (copies.iter().any(|it| it.is_primary && !it.serves()), unassigned) {
            (true, _) => HealthStatus::Red,
            (false, 0) if initializing == 0 => HealthStatus::Green,
            (false, _) => HealthStatus::Yellow,
        };
        self.evidence.health = Counts {
            status,
            nodes: self.evidence.nodes.len(),
            active: count(CopyState::Started) + relocating,
            relocating,
            initializing,
            unassigned,
            delayed: 0,
            fetches: 0,
        };
    }

    pub(super) fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut stand = Self::new();
        change(&mut stand);
        stand.count();
        stand
    }

    pub(super) fn scene(&self) -> Scene<'_> {
        let Self { evidence, members, permitted, run, drain, now } = self;
        let drain = drain.as_ref();
        Scene { evidence, members, permitted, run, drain, owner: OWNER, now: *now }
    }

    pub(super) fn member(&mut self, name: &str) -> &mut Member {
        self.members.iter_mut().find(|it| &*it.name == name).unwrap()
    }

    pub(super) fn judge(&self, host: &str) -> Vec<Block> {
        let host = self.members.iter().find(|it| &*it.name == host).unwrap();
        self.scene().judge(host)
    }

    /// The node of a host leaves the cluster; what it had waits for it.
    pub(super) fn leaves(&mut self, host: &str) {
        self.evidence.nodes.remove(&node_of(host));
        for at in 0..self.evidence.copies.len() {
            if self.evidence.copies[at].node == Some(node_of(host)) {
                let Copy { index, is_primary, .. } = self.evidence.copies[at].clone();
                self.evidence.copies[at] = copy(&index, false, None);
                let other = |it: &&mut Copy| it.index == index && it.serves();
                if let Some(next) = self.evidence.copies.iter_mut().find(other) {
                    next.is_primary |= is_primary;
                }
            }
        }
        if self.evidence.master == Some(node_of(host)) {
            self.evidence.master = self.evidence.nodes.keys().next().cloned();
        }
    }

    /// The run has a host in hand.
    pub(super) fn in_hand(&mut self, host: &str, step: Step) {
        self.run.hosts.push(HostRun {
            name: host.into(),
            uid: format!("uid-{host}").into(),
            step,
            revision: None,
            attempt: 1,
            since: self.now,
            before: [(node_of(host), "start".into())].into(),
            touched: false,
            withdrawn: false,
            rollback: None,
            trouble: None,
        });
    }

    /// Looks at the cluster, as each decision does.
    pub(super) fn look(&mut self) {
        self.run.settled = looks(&self.evidence, self.run.settled.as_ref(), self.now);
    }
}

#[track_caller]
pub(super) fn open(stand: &Stand, host: &str) {
    assert_eq!(stand.judge(host), [], "{host}");
}

/// Exactly this gate is shut, with these words.
#[track_caller]
pub(super) fn shut(stand: &Stand, host: &str, gate: Gate, words: &str) {
    match &stand.judge(host)[..] {
        [block] if block.gate == gate => {
            assert!(block.message.contains(words), "{}", block.message);
        }
        other => panic!("{other:?}"),
    }
}

/// This gate is shut, whichever others are.
#[track_caller]
pub(super) fn among(stand: &Stand, host: &str, gate: Gate, words: &str) {
    let blocks = stand.judge(host);
    let block = blocks.iter().find(|it| it.gate == gate);
    assert!(block.is_some_and(|it| it.message.contains(words)), "{blocks:?}");
}
