//! A member that a run has taken down, and that does not come up as it was to run. Both sides of the
//! run are joined here: what the Cluster decides, and what the Host does about it.

use std::time::Duration;

use super::*;
use crate::{
    controllers::cluster::rollout::{members, record},
    rollout::{
        planner::{self, OnFailure, Pace, PauseAfter, Wanted as Asked, World},
        run::{Kind, Run, Step as At},
        safety::Permitted,
    },
};

/// A cluster of one host, which nobody can ask as long as that is down.
struct Joined {
    scene: Scene,
    run: Run,
    kind: Kind,
    target: &'static str,
    resume: Option<Box<str>>,
    on_failure: OnFailure,
}

/// The host was told to stop, and its Elasticsearch has not come up.
fn down() -> Joined {
    let mut scene = staged();
    scene.pace = 2;
    permits(&mut scene, RolloutStep::Stop, 1);
    while scene.machine.begun == 0 {
        scene.turn();
    }
    scene.turn();
    assert!(operation(&scene).touched);
    scene.machine.outcome = Worked::Failed("the unit fails".into());
    scene.turn();
    assert_eq!(operation(&scene).status, Some(RunStatus::Failed));
    // That is seen when all is looked into again.
    scene.machine.elasticsearch.stop("failed");
    scene.machine.service.unit.active = "failed".into();
    scene.machine.service.processes.clear();
    scene.settle();
    // Whatever comes next is another work.
    scene.machine.outcome = Worked::NotBegun { is_as_before: true };
    let then = "1970-01-01T00:16:40Z";
    let run = json!({
        "runId": "r-1", "kind": "ElasticsearchVersion", "target": "8.19.1/a",
        "hosts": [{
            "name": "es-1", "hostUid": "uid-1", "step": "Stop", "attempt": 1, "startedAt": then,
            "touched": true,
        }],
        "startedAt": then,
    });
    let run = record::run(&serde_json::from_value(run).unwrap());
    let kind = Kind::ElasticsearchVersion;
    let on_failure = OnFailure::Pause;
    let mut joined = Joined { scene, run, kind, target: "8.19.1/a", resume: None, on_failure };
    joined.turn();
    assert_eq!(joined.host().trouble.as_deref(), Some("the unit fails"));
    assert!(joined.run.pause.is_some(), "a person is asked");
    joined
}

impl Joined {
    /// One reconcile of each side.
    fn turn(&mut self) {
        let member = members::member(&self.scene.host, None);
        let uid = member.uid.clone();
        let wanted = Asked {
            id: format!("r-{}", self.target.replace(['/', '.'], "-")).into(),
            kind: self.kind,
            target: self.target.into(),
            hosts: vec![uid],
        };
        let permitted = Permitted { unavailable: 1, downtime: true, single_copies: true };
        let pace = Pace {
            pause_after: PauseAfter::Never,
            host_timeout: Duration::from_mins(20),
            min_ready: Duration::ZERO,
            on_failure: self.on_failure,
        };
        let world = World {
            evidence: Err("Elasticsearch can't be asked"),
            owner: "uid",
            members: &[member],
            permitted: &permitted,
            pace: &pace,
            protection: planner::Protection::AllocationSettings,
            wanted: Some(&wanted),
            hold: None,
            is_given_up: false,
            drain: None,
            resume: self.resume.as_deref(),
            run: Some(&self.run),
            now: Timestamp::from_second(self.scene.now).unwrap(),
        };
        self.run = planner::next(&world).run.expect("it goes on");
        let host = self.run.hosts[0].clone();
        self.scene.errand = Some(Errand {
            run: self.run.id.to_string(),
            kind: record::word_of_kind(self.run.kind),
            step: record::word(host.step),
            attempt: host.attempt,
            started_at: host.since,
            touched: host.touched,
            image: None,
        });
        self.scene.turn();
    }

    fn host(&self) -> &crate::rollout::run::HostRun {
        &self.run.hosts[0]
    }

    /// Turns until a second job was begun there.
    fn begins_again(&mut self) {
        for _ in 0..20 {
            if self.scene.machine.begun == 2 {
                return;
            }
            self.turn();
        }
        panic!("nothing is begun: {:#?} {:#?}", self.run, self.scene.status().operation);
    }

    /// Turns until the swap was begun so often, and it is up as the Cluster asks.
    fn comes_up(mut self, begun: usize) {
        for _ in 0..40 {
            self.turn();
            if self.scene.machine.begun == begun {
                let next = deployment(&self.scene);
                assert!(next.is_staged(&self.scene.machine.elasticsearch), "all of it waits there");
                self.scene.machine.elasticsearch.swap(&next, "cured");
                self.scene.machine.service.unit.active = "active".into();
                self.scene.machine.outcome = Worked::Done;
            }
            if self.host().step == At::Rejoin {
                let revision = &deployment(&self.scene).revision;
                let told = deployed(&self.scene.host).unwrap().revision.clone().unwrap();
                return assert_eq!(told.as_str(), &**revision);
            }
        }
        panic!("it never comes up: {:#?} {:#?}", self.run, self.scene.status().operation);
    }
}

#[test]
fn settings_that_keep_a_host_down_are_cured_by_the_next_ones_whether_anybody_can_be_asked_or_not() {
    let mut joined = down();
    joined.target = "8.19.1/b";
    amend(&mut joined.scene, |it| {
        it.plan = node("8.19.1", "2");
        it.deployment = it.plan.deployment(None).unwrap();
    });
    // What a permit takes to come there is no matter any more: it can't go down by it.
    joined.scene.pace = 20;
    joined.turn();
    assert_eq!((&*joined.run.id, joined.host().step), ("r-8-19-1-b", At::Stage));
    assert!(joined.host().is_in_hand() && joined.host().may_be_down(), "it is protected still");
    while operation(&joined.scene).step != "Stop" || operation(&joined.scene).attempt == 1 {
        joined.turn();
    }
    assert_eq!(operation(&joined.scene).status, Some(RunStatus::InProcess));
    joined.scene.pace = 10;
    joined.comes_up(2);
}

#[test]
fn what_systemd_was_trying_once_more_when_the_permit_came_is_started_once_it_is_down() {
    let mut joined = down();
    joined.target = "8.19.1/b";
    amend(&mut joined.scene, |it| {
        it.plan = node("8.19.1", "2");
        it.deployment = it.plan.deployment(None).unwrap();
    });
    let says = |joined: &mut Joined, state: &str| {
        joined.scene.machine.service.unit.active = state.into();
        joined.scene.machine.elasticsearch.stop(state);
    };
    while joined.host().step != At::Stop || joined.run.id.starts_with("r-1") {
        joined.turn();
    }
    says(&mut joined, "activating");
    for _ in 0..5 {
        joined.turn();
    }
    assert_eq!(operation(&joined.scene).step, "Stage", "it may come up by itself");
    says(&mut joined, "failed");
    joined.comes_up(2);
}

#[test]
fn what_has_come_up_by_itself_is_not_stopped_by_a_permit_to_start_it() {
    let mut joined = down();
    joined.target = "8.19.1/b";
    while joined.host().step != At::Stop || joined.run.id.starts_with("r-1") {
        joined.turn();
    }
    joined.scene.machine.service.unit.active = "active".into();
    joined.scene.errand.as_mut().unwrap().started_at =
        Timestamp::from_second(joined.scene.now).unwrap();
    for _ in 0..5 {
        joined.scene.turn();
    }
    assert_eq!((operation(&joined.scene).step.as_str(), joined.scene.machine.begun), ("Stage", 1));
}

#[test]
fn what_was_used_up_half_way_is_brought_again_when_a_person_lets_the_run_go_on() {
    let mut joined = down();
    // Some of what waited was moved to its place, and the rest was not.
    joined.scene.machine.elasticsearch.next = None;
    for _ in 0..5 {
        joined.turn();
        assert_eq!(joined.host().step, At::Stop, "a person is waited for");
    }
    joined.resume = joined.run.pause.as_ref().map(|it| it.token.clone());
    joined.comes_up(2);
}

#[test]
fn without_elasticsearchs_word_a_host_that_is_down_gets_a_later_patch_alone() {
    for (target, may_follow) in
        [("8.19.2/b", true), ("8.20.0/b", false), ("9.0.0/b", false), ("8.19.0/b", false)]
    {
        let mut joined = down();
        joined.target = target;
        joined.turn();
        assert_eq!(joined.host().step == At::Stage, may_follow, "{target}");
        let blocked = joined.run.blocked.get(&crate::rollout::gate::Gate::Version);
        assert_eq!(blocked.is_none(), may_follow, "{blocked:?}");
    }
}

/// A member that goes back to what it ran before, as far as the permit for that was taken.
fn going_back() -> Joined {
    let mut joined = down();
    joined.on_failure = OnFailure::Rollback;
    // A version goes back only where Elasticsearch tells that it may join the others.
    (joined.kind, joined.run.kind) = (Kind::ElasticsearchConfig, Kind::ElasticsearchConfig);
    for _ in 0..10 {
        if operation(&joined.scene).step == "Rollback" {
            return joined;
        }
        joined.turn();
    }
    panic!("it does not go back: {:#?}", joined.run);
}

#[test]
fn what_does_not_come_up_gives_way_to_what_ran_before_by_another_job_and_by_proof() {
    let before = deployment(&member());
    let mut joined = going_back();
    assert_eq!(joined.host().step, At::Rollback);
    assert!(joined.run.pause.is_some(), "no other host is begun");
    assert_eq!(joined.host().rollback.as_deref(), Some("Stop failed: the unit fails"));
    let target = operation(&joined.scene).target.clone().unwrap();
    assert_eq!((target.version.as_str(), target.revision.as_str()), ("8.19.0", &*before.revision));
    assert_eq!(operation(&joined.scene).unit.as_deref(), Some("drover-r-1-recall-1.service"));
    joined.begins_again();
    joined.scene.machine.elasticsearch.swap(&before, "back");
    joined.scene.machine.service.unit.active = "active".into();
    joined.scene.machine.outcome = Worked::Done;
    for _ in 0..20 {
        joined.turn();
    }
    assert_eq!(joined.host().step, At::Rejoin);
    assert_eq!(operation(&joined.scene).status, Some(RunStatus::RolledBack));
    let told = deployed(&joined.scene.host).unwrap();
    assert_eq!(told.version.as_ref().unwrap().as_str(), "8.19.0");
    assert_eq!(joined.scene.machine.begun, 2, "it is not tried again by itself");
}
