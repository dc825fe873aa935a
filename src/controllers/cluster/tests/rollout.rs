//! A restart of the hosts, from the request to the end.

mod absent;
mod deletion;
mod image;
mod neighbours;
mod planned;
mod protection;
mod quiet;
mod requests;
mod returns;
mod troubles;
mod upgrade;

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    super::rollout::observe::Seen,
    scene::{Scene, Turn, UUID},
};
use crate::{
    api::{host_status::RunStatus, rollout_status::RolloutStep},
    elasticsearch::{
        cluster_reads::HealthStatus,
        evidence::{Allocation, Counts, Evidence, Node, NodeId, Prior, Record},
    },
    kubernetes::events::Notice,
    rollout::{
        gate::Gate,
        hosts::{Answer, Match, Member, Progress},
        planner::Act,
        roles::Roles,
        run::Step,
    },
};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Three hosts, each with a node that may be elected and holds no copies.
struct Roll {
    scene: Scene,
    starts: [u32; 3],
    /// Hosts that do what they are told without a restart of anything.
    spared: Vec<usize>,
    /// Hosts that are as they are to be before anything is done.
    ready: Vec<usize>,
}

impl Roll {
    fn new() -> Self {
        let mut roll =
            Self { scene: Scene::settled(), starts: [1; 3], spared: Vec::new(), ready: Vec::new() };
        roll.scene.look = Some(roll.look());
        roll
    }

    fn look(&self) -> Seen {
        let node = |at: usize| Node {
            name: NAMES[at].into(),
            ephemeral_id: format!("start-{}", self.starts[at]).into(),
            address: format!("10.0.0.{at}").into(),
            roles: ["data".into(), "master".into()].into(),
            serves: true,
            ..Node::default()
        };
        let id = |at: usize| NodeId::from(format!("node-{at}"));
        let evidence = Evidence {
            uuid: UUID.into(),
            nodes: (0..3).map(|at| (id(at), node(at))).collect(),
            master: Some(id(0)),
            voters: (0..3).map(id).collect(),
            health: Counts { status: HealthStatus::Green, nodes: 3, ..Counts::default() },
            ..Evidence::default()
        };
        let member = |at: usize| Member {
            name: NAMES[at].into(),
            uid: format!("uid-{at}").into(),
            addresses: [format!("10.0.0.{at}").into()].into(),
            nodes: Match::unit([id(at)]),
            is_home: true,
            is_failing: false,
            roles: Roles::Every,
            runs: true,
            others_run: false,
            fit: Ok(()),
            may_hold_shards: false,
            has_images: Some(true),
            in_maintenance: false,
            is_cordoned: false,
            answer: None,
        };
        let members = (0..3).map(member).collect();
        Seen { evidence: Ok(evidence), members, known: Vec::new(), took: Duration::ZERO }
    }

    fn ask(&mut self, request: &str) {
        self.spec("operations", json!({ "restart": { "requestId": request } }));
    }

    fn spec(&mut self, field: &str, value: Value) {
        self.scene.edit(|it| {
            let mut spec = serde_json::to_value(&it.spec).unwrap();
            spec[field] = value;
            it.spec = serde_json::from_value(spec).unwrap();
        });
    }

    fn seen(&mut self) -> &mut Seen {
        self.scene.look.as_mut().unwrap()
    }

    fn evidence(&mut self) -> &mut Evidence {
        self.seen().evidence.as_mut().unwrap()
    }

    /// One reconcile; Elasticsearch and the hosts do by the next one what they are told.
    fn turn(&mut self) -> Turn {
        let turn = self.scene.turn();
        let owner = self.scene.cluster.metadata.uid.as_deref().map(Into::into);
        match &turn.decided.act {
            Some(Act::Protect(prior)) => {
                let allocation = &mut self.evidence().allocation;
                allocation.prior = Some(prior.clone());
                (allocation.persistent, allocation.owner) = (Some("primaries".into()), owner);
            }
            Some(Act::Unprotect(_)) => self.evidence().allocation = Allocation::default(),
            Some(Act::Announce { node, run, .. }) => {
                let reason = format!("drover {} {run}", owner.unwrap_or_default());
                self.record(node, "restart", &reason);
            }
            Some(Act::Retract(node)) => {
                self.evidence().shutdowns.records.remove(node);
            }
            None => {}
        }
        self.obey();
        turn
    }

    /// Elasticsearch has a shutdown record.
    fn record(&mut self, node: &str, kind: &str, reason: &str) {
        let record = Record { kind: kind.into(), reason: reason.into(), is_stalled: false };
        self.evidence().shutdowns.records.insert(node.into(), record);
    }

    fn obey(&mut self) {
        let Some(run) = self.scene.status().rollout.clone() else { return };
        for (at, uid) in (0..3).map(|at| (at, format!("uid-{at}"))) {
            let Some(host) = run.hosts.iter().find(|it| it.host_uid == uid) else { continue };
            if self.member(at).is_none() {
                continue;
            }
            let step = super::super::rollout::record::step(host.step);
            if !step.is_permit() {
                continue;
            }
            let is_spared = match step {
                Step::Stage => self.ready.contains(&at),
                Step::Stop => self.spared.contains(&at),
                _ => false,
            };
            let is_new = self.answered(at) != Some((host.attempt, Step::Stop));
            if step == Step::Stop && is_new && !is_spared {
                self.starts[at] += 1;
                self.start(at);
            }
            self.seen().members[at].answer = Some(Answer {
                run: run.run_id.as_str().into(),
                step,
                attempt: host.attempt,
                progress: if is_spared { Progress::Spared } else { Progress::Done },
            });
        }
    }

    /// The node of a host runs, in its newest start.
    fn start(&mut self, at: usize) {
        let fresh = self.look();
        let id = NodeId::from(format!("node-{at}"));
        let node = fresh.evidence.unwrap().nodes.remove(&id).unwrap();
        self.evidence().nodes.insert(id.clone(), node);
        self.evidence().health.nodes = self.evidence().nodes.len();
        let Some(member) = self.member(at) else { return };
        member.runs = true;
        member.nodes = match &member.nodes {
            Match::Nodes { others, .. } => {
                Match::Nodes { of_unit: [id].into(), others: others.clone() }
            }
            Match::Stopped | Match::Unknown(_) => Match::unit([id]),
        };
    }

    /// The host, as long as it is a member.
    fn member(&mut self, at: usize) -> Option<&mut Member> {
        self.seen().members.get_mut(at)
    }

    /// A data node is the first to come to its turn: here it is the one of the last host.
    fn last_first(&mut self) {
        self.evidence().nodes.get_mut("node-2").unwrap().roles = ["data".into()].into();
    }

    /// What keeps the run waiting for a person.
    fn pause(&self) -> Option<&str> {
        let run = self.scene.status().rollout.as_ref()?;
        Some(run.pause.as_ref()?.reason.as_str())
    }

    /// The node of a host does not run.
    fn stop(&mut self, at: usize) {
        self.evidence().nodes.remove(&NodeId::from(format!("node-{at}")));
        self.evidence().health.nodes = self.evidence().nodes.len();
        let Some(member) = self.member(at) else { return };
        member.runs = false;
        member.nodes = match &member.nodes {
            Match::Nodes { others, .. } if !others.is_empty() => {
                Match::Nodes { of_unit: [].into(), others: others.clone() }
            }
            _ => Match::Stopped,
        };
    }

    /// A host says of its Stop that it went wrong on the way.
    fn fail(&mut self, at: usize, attempt: u32) {
        let run = self.scene.status().rollout.as_ref().unwrap().run_id.as_str().into();
        self.seen().members[at].answer = Some(Answer {
            run,
            step: Step::Stop,
            attempt,
            progress: Progress::Failed { reason: "the unit fails".into(), touched: true },
        });
    }

    fn resume(&mut self) {
        let pause = self.scene.status().rollout.as_ref().unwrap().pause.clone();
        let token = pause.expect("it waits for a person").token;
        self.scene.edit(|it| {
            let annotations = it.metadata.annotations.get_or_insert_default();
            annotations.insert(crate::api::RESUME.into(), token);
        });
    }

    fn answered(&mut self, at: usize) -> Option<(u32, Step)> {
        self.seen().members[at].answer.as_ref().map(|it| (it.attempt, it.step))
    }

    /// Reconciles until the run is over; the reasons of the events on the way.
    fn finish(&mut self) -> Vec<&'static str> {
        let mut reasons = Vec::new();
        for _ in 0..100 {
            let turn = self.turn();
            reasons.extend(turn.notices.iter().map(Notice::reason));
            if self.scene.status().rollout.is_none() && !turn.wrote {
                return reasons;
            }
        }
        panic!("never comes to its end: {:?}", self.scene.status().rollout);
    }

    fn steps(&self) -> Vec<RolloutStep> {
        let run = self.scene.status().rollout.as_ref();
        run.map(|it| it.hosts.iter().map(|it| it.step).collect()).unwrap_or_default()
    }

    fn turn_until(&mut self, step: RolloutStep) {
        for _ in 0..30 {
            if self.steps().contains(&step) {
                return;
            }
            self.turn();
        }
        panic!("no host comes to {step:?}: {:?}", self.steps());
    }
}

#[test]
fn a_request_restarts_each_host_once_and_leaves_all_as_it_was() {
    let mut roll = Roll::new();
    roll.ask("one");
    let reasons = roll.finish();
    assert_eq!(roll.starts, [2; 3]);
    assert_eq!(roll.evidence().allocation.prior, None);
    let status = roll.scene.status();
    let restart = status.restart.as_ref().unwrap();
    assert_eq!((restart.status, restart.request_id.as_str()), (RunStatus::Finished, "one"));
    assert_eq!(restart.restarted, NAMES);
    assert!(restart.in_process.is_empty() && restart.failed.is_empty());
    assert_eq!(status.history.len(), 1);
    assert_eq!((status.history[0].done, status.history[0].total), (3, 3));
    assert_eq!(status.requests.as_ref().unwrap().restart.as_deref(), Some("one"));
    roll.scene.check("Ready", "True", "AsExpected");
    assert_eq!(reasons.first(), Some(&"RolloutBegun"));
    assert_eq!(reasons.last(), Some(&"RolloutFinished"));
    assert_eq!(reasons.iter().filter(|it| **it == "HostRejoined").count(), 3);
    // The same request again is none.
    roll.finish();
    assert_eq!(roll.starts, [2; 3]);
}

#[test]
fn the_status_tells_of_a_step_before_it_is_taken() {
    let mut roll = Roll::new();
    roll.ask("one");
    for _ in 0..40 {
        let turn = roll.scene.turn();
        let steps = roll.steps();
        match turn.decided.act {
            Some(Act::Protect(_)) => assert!(steps.contains(&RolloutStep::Protect), "{steps:?}"),
            Some(Act::Unprotect(_)) => assert!(steps.contains(&RolloutStep::Unprotect)),
            Some(Act::Announce { .. } | Act::Retract(_)) => panic!("the spec asks for no records"),
            None => {}
        }
        if let Some(Act::Protect(prior)) = &turn.decided.act {
            assert_eq!(*prior, Prior::Unset);
            assert!(!turn.wrote, "it was in the status already");
        }
        // The world goes on.
        let owner = roll.scene.cluster.metadata.uid.as_deref().map(Into::into);
        match turn.decided.act {
            Some(Act::Protect(prior)) => {
                let allocation = &mut roll.evidence().allocation;
                (allocation.prior, allocation.owner) = (Some(prior), owner);
                allocation.persistent = Some("primaries".into());
            }
            Some(Act::Unprotect(_)) => roll.evidence().allocation = Allocation::default(),
            Some(Act::Announce { .. } | Act::Retract(_)) | None => {}
        }
        roll.obey();
    }
    assert_eq!(roll.starts, [2; 3]);
}

#[test]
fn the_elected_master_is_the_last_and_only_one_host_is_down_at_a_time() {
    let mut roll = Roll::new();
    roll.ask("one");
    let mut order = Vec::new();
    for _ in 0..60 {
        roll.turn();
        let run = roll.scene.status().rollout.clone();
        let down: Vec<String> = run
            .iter()
            .flat_map(|it| &it.hosts)
            .filter(|it| it.step == RolloutStep::Stop)
            .map(|it| it.name.clone())
            .collect();
        assert!(down.len() <= 1, "{down:?}");
        if let Some(name) = down.first()
            && order.last() != Some(name)
        {
            order.push(name.clone());
        }
    }
    assert_eq!(order, ["b", "c", "a"]);
}

#[test]
fn a_gate_that_is_shut_is_in_the_status_with_what_would_open_it() {
    let mut roll = Roll::new();
    roll.evidence().snapshots = vec!["nightly".into()];
    roll.ask("one");
    for _ in 0..6 {
        roll.turn();
    }
    let run = roll.scene.status().rollout.clone().unwrap();
    let [block] = &run.blocked_by[..] else { panic!("{:?}", run.blocked_by) };
    assert_eq!(block.gate, Gate::Snapshot.as_str());
    assert!(block.message.as_str().contains("nightly"), "{}", block.message);
    roll.scene.check("Ready", "False", "Blocked");
    roll.scene.check("Reconciling", "True", "Blocked");
    assert_eq!(roll.starts, [1; 3]);
    // Since when does not move.
    let wrote = roll.turn().wrote;
    assert!(!wrote);
    roll.evidence().snapshots.clear();
    roll.finish();
    assert_eq!(roll.starts, [2; 3]);
}

#[test]
fn elasticsearch_that_can_not_be_asked_keeps_every_host_up() {
    let mut roll = Roll::new();
    roll.ask("one");
    roll.turn();
    roll.seen().evidence = Err("Elasticsearch can't be asked: 500".into());
    for _ in 0..10 {
        roll.turn();
    }
    let run = roll.scene.status().rollout.clone().unwrap();
    assert_eq!(run.blocked_by[0].gate, "Evidence");
    assert_eq!(roll.starts, [1; 3]);
}

#[test]
fn paused_brings_the_host_in_hand_back_and_begins_no_other() {
    let mut roll = Roll::new();
    roll.ask("one");
    roll.turn_until(RolloutStep::Stop);
    roll.spec("paused", json!(true));
    for _ in 0..12 {
        roll.turn();
    }
    assert_eq!(roll.steps().iter().filter(|it| **it == RolloutStep::Done).count(), 1);
    assert_eq!(roll.steps().iter().filter(|it| **it == RolloutStep::Waiting).count(), 2);
    assert_eq!(roll.evidence().allocation.prior, None);
    roll.scene.check("Ready", "False", "Paused");
    roll.scene.check("Paused", "True", "Paused");
    roll.spec("paused", json!(false));
    roll.finish();
    assert_eq!(roll.starts, [2; 3]);
}

#[test]
fn a_paused_object_begins_nothing_and_says_so() {
    let mut roll = Roll::new();
    roll.spec("paused", json!(true));
    roll.ask("one");
    roll.turn();
    assert_eq!(roll.scene.status().rollout, None);
    roll.scene.check("Ready", "False", "Paused");
}

#[test]
fn a_setting_that_was_left_behind_is_put_back_and_that_of_another_run_is_not() {
    let mut roll = Roll::new();
    let allocation = &mut roll.evidence().allocation;
    allocation.prior = Some(Prior::Value("new_primaries".into()));
    allocation.owner = Some("uid-es".into());
    allocation.persistent = Some("primaries".into());
    let act = roll.scene.turn().decided.act;
    assert_eq!(act, Some(Act::Unprotect(Prior::Value("new_primaries".into()))));
    roll.evidence().allocation.owner = Some("another".into());
    assert_eq!(roll.scene.turn().decided.act, None);
    roll.ask("one");
    for _ in 0..6 {
        roll.scene.turn();
        roll.obey();
    }
    let run = roll.scene.status().rollout.clone().unwrap();
    assert!(run.blocked_by.iter().any(|it| it.gate == "OtherRun"), "{:?}", run.blocked_by);
    assert_eq!(roll.starts, [1; 3]);
}
