use super::*;
use crate::{
    elasticsearch::evidence::{Allocation, Prior},
    rollout::hosts::{Answer, Progress},
};

/// Two hosts: `a` was taken down by the run, and `b` waits.
struct Scene {
    run: Run,
    evidence: Evidence,
    members: [Member; 2],
    on_failure: OnFailure,
    target: &'static str,
    /// The hosts that are not there yet.
    left: Vec<Box<str>>,
    resume: Option<Box<str>>,
    now: Timestamp,
}

impl Scene {
    /// `a` was started as the run has it, and does not stay up.
    fn down(kind: Kind) -> Self {
        let mut run = run(kind, &[("a", Step::Rejoin), ("b", Step::Waiting)]);
        run.hosts[0].before = [("a".into(), "start-1".into())].into();
        run.hosts[0].touched = true;
        let mut evidence = evidence();
        evidence.nodes.remove(&NodeId::from("a"));
        evidence.health.nodes = 1;
        evidence.allocation = Allocation {
            persistent: Some("primaries".into()),
            transient: None,
            prior: Some(Prior::Unset),
            owner: Some("uid".into()),
        };
        let mut members =
            ["a", "b"].map(|it| Member { nodes: Match::unit([it.into()]), ..member(it) });
        (members[0].nodes, members[0].is_failing) = (Match::Stopped, true);
        let now = NOW + Duration::from_mins(2);
        let (on_failure, target) = (OnFailure::Rollback, "8.19.0/a");
        let left = vec!["a".into(), "b".into()];
        Self { run, evidence, members, on_failure, target, left, resume: None, now }
    }

    fn decide(&self) -> Decision {
        let wanted = Wanted {
            id: "r-2".into(),
            kind: self.run.kind,
            target: self.target.into(),
            hosts: self.left.clone(),
        };
        let permitted = Permitted { unavailable: 2, downtime: false, single_copies: false };
        let pace = Pace {
            pause_after: PauseAfter::Never,
            host_timeout: Duration::from_mins(20),
            min_ready: Duration::ZERO,
            on_failure: self.on_failure,
        };
        next(&World {
            evidence: Ok(&self.evidence),
            owner: "uid",
            members: &self.members,
            permitted: &permitted,
            protection: Protection::AllocationSettings,
            pace: &pace,
            wanted: Some(&wanted),
            hold: None,
            is_given_up: false,
            drain: None,
            resume: self.resume.as_deref(),
            run: Some(&self.run),
            now: self.now,
        })
    }

    /// One decision; what it writes to Elasticsearch.
    fn turn(&mut self) -> Option<Act> {
        let decision = self.decide();
        self.run = decision.run.unwrap_or_else(|| panic!("the run goes on"));
        assert_eq!(self.run.hosts[1].step, Step::Waiting, "no other host is begun");
        decision.act
    }

    fn a(&self) -> &HostRun {
        &self.run.hosts[0]
    }

    fn answers(&mut self, step: Step, progress: Progress) {
        let answer = Answer { run: "r-1".into(), step, attempt: self.a().attempt, progress };
        self.members[0].answer = Some(answer);
    }

    /// What ran before runs there again, in another start.
    fn is_back(&mut self) {
        let (address, roles) = ("10.0.0.1".into(), ["data".into()].into());
        let node = Node {
            address,
            roles,
            ephemeral_id: "start-9".into(),
            serves: true,
            ..Node::default()
        };
        self.evidence.nodes.insert("a".into(), node);
        self.evidence.health.nodes = 2;
        let member = &mut self.members[0];
        (member.nodes, member.is_failing) = (Match::unit(["a".into()]), false);
    }

    fn pause(&self) -> &str {
        self.run.pause.as_ref().map_or("", |it| &it.reason)
    }
}

#[test]
fn what_does_not_come_up_is_left_to_a_person_unless_the_spec_has_it_rolled_back() {
    for kind in [Kind::ElasticsearchConfig, Kind::ElasticsearchVersion] {
        let mut paused = Scene::down(kind);
        paused.on_failure = OnFailure::Pause;
        assert_eq!(paused.turn(), None, "what protects the cluster stays");
        assert_eq!((paused.a().step, paused.a().rollback.is_some()), (Step::Rejoin, false));
        assert!(paused.pause().contains("does not stay up"), "{}", paused.pause());

        let mut scene = Scene::down(kind);
        assert_eq!(scene.turn(), None);
        assert_eq!(scene.a().step, Step::Rollback);
        let why = scene.a().rollback.as_deref().unwrap();
        assert!(why.starts_with("Rejoin failed: Elasticsearch does not stay up"), "{why}");
        assert!(scene.pause().ends_with("what ran there before comes back"), "{}", scene.pause());
        assert!(scene.a().touched && scene.a().may_be_down() && scene.a().is_in_hand());
    }
    let mut restart = Scene::down(Kind::ElasticsearchRestart);
    restart.turn();
    assert_eq!(restart.a().step, Step::Rejoin, "nothing else ran before a restart");
}

#[test]
fn a_host_that_was_rolled_back_is_let_go_and_stays_so_until_a_person_resumes() {
    let mut scene = Scene::down(Kind::ElasticsearchConfig);
    scene.turn();
    scene.answers(Step::Rollback, Progress::Working { touched: true });
    assert_eq!((scene.turn(), scene.a().step), (None, Step::Rollback));
    scene.answers(Step::Rollback, Progress::Done);
    assert_eq!((scene.turn(), scene.a().step), (None, Step::Rejoin));
    assert_eq!((scene.turn(), scene.a().step), (None, Step::Rejoin), "it is waited for");
    scene.is_back();
    assert_eq!((scene.turn(), scene.a().step), (None, Step::Unprotect));
    assert_eq!(scene.turn(), Some(Act::Unprotect(Prior::Unset)));
    scene.evidence.allocation = Allocation::default();
    assert_eq!((scene.turn(), scene.a().step), (None, Step::Uncordon));
    for _ in 0..3 {
        assert_eq!(scene.turn(), None);
        assert_eq!((scene.a().step, scene.a().rollback.is_some()), (Step::RolledBack, false));
        let why = scene.a().trouble.as_deref().unwrap();
        assert!(why.contains("does not stay up"), "{why}");
        assert!(why.ends_with("what ran there before runs again"), "{why}");
        assert!(scene.pause().starts_with("a at RolledBack: "), "{}", scene.pause());
        assert!(!scene.run.is_busy());
    }
    let (attempt, before) = (scene.a().attempt, scene.run.clone());
    scene.resume = scene.run.pause.as_ref().map(|it| it.token.clone());
    let run = scene.decide().run.unwrap();
    assert!(run.hosts[0].step <= Step::Stage && run.hosts[0].attempt == attempt + 1);
    assert_eq!(run.pause, None);
    // Another spec ends the run, as it does between hosts.
    (scene.run, scene.resume, scene.target) = (before, None, "8.19.0/b");
    assert_eq!(scene.decide().ended.map(|it| it.0), Some(End::Superseded));
}

#[test]
fn where_what_ran_before_can_not_come_back_all_stays_as_under_pause_and_says_why() {
    let mut scene = Scene::down(Kind::ElasticsearchVersion);
    scene.turn();
    let going_back = scene.run.pause.as_ref().map(|it| it.token.clone());
    let reason = "8.19.0 may have opened the data".into();
    scene.answers(Step::Rollback, Progress::Failed { reason, touched: true });
    scene.resume.clone_from(&going_back);
    for _ in 0..3 {
        assert_eq!((scene.turn(), scene.a().step), (None, Step::Rollback));
        let why = scene.pause();
        assert!(why.contains("does not stay up") && why.contains("opened the data"), "{why}");
        let token = scene.run.pause.as_ref().map(|it| it.token.clone());
        assert_ne!(token, going_back, "who let it go on before has not heard of this");
    }
    // Another target takes the host over, as it is down.
    scene.members[0].runs = false;
    scene.target = "8.19.0/b";
    scene.turn();
    assert_eq!((scene.a().step, scene.a().rollback.is_some()), (Step::Stage, false));
}

#[test]
fn a_host_whose_node_is_in_the_cluster_or_that_is_at_work_is_not_rolled_back() {
    let mut scene = Scene::down(Kind::ElasticsearchConfig);
    scene.is_back();
    let node = scene.evidence.nodes.get_mut(&NodeId::from("a")).unwrap();
    node.serves = false;
    scene.now = NOW + Duration::from_mins(21);
    scene.turn();
    assert_eq!(scene.a().step, Step::Rejoin);
    assert!(scene.a().trouble.is_some() && scene.run.pause.is_some());

    let mut scene = Scene::down(Kind::ElasticsearchConfig);
    scene.run.hosts[0].step = Step::Stop;
    scene.answers(Step::Stop, Progress::Working { touched: true });
    scene.now = NOW + Duration::from_mins(21);
    scene.turn();
    assert_eq!(scene.a().step, Step::Stop, "the job on the machine comes to its end first");
    scene.answers(Step::Stop, Progress::Failed { reason: "it fails".into(), touched: true });
    scene.turn();
    assert_eq!(scene.a().step, Step::Rollback);
}

#[test]
fn what_the_spec_asks_for_by_now_comes_before_what_ran_before() {
    let mut scene = Scene::down(Kind::ElasticsearchConfig);
    scene.target = "8.19.0/b";
    scene.members[0].runs = false;
    scene.turn();
    assert_eq!(scene.a().rollback, None);
}

#[test]
fn a_host_that_was_left_as_it_was_half_way_is_let_go_as_soon_as_it_says_what_runs() {
    let mut scene = Scene::down(Kind::ElasticsearchVersion);
    scene.is_back();
    scene.run.hosts[0].step = Step::Stop;
    let reason = "its keystore can't be made: no room".into();
    scene.answers(Step::Stop, Progress::Failed { reason, touched: true });
    // Nothing was stopped for it.
    scene.run.hosts[0].before = [("a".into(), "start-9".into())].into();
    assert_eq!((scene.turn(), scene.a().step), (None, Step::Rollback));
    scene.answers(Step::Rollback, Progress::Done);
    assert_eq!((scene.turn(), scene.a().step), (None, Step::Unprotect));
    assert!(scene.a().rollback.as_deref().unwrap().starts_with("Stop failed: its keystore"));
}

#[test]
fn a_host_that_comes_back_by_itself_before_it_takes_its_permit_is_not_stopped_again() {
    let mut scene = Scene::down(Kind::ElasticsearchConfig);
    scene.turn();
    let attempt = scene.a().attempt;
    scene.is_back();
    assert_eq!((scene.turn(), scene.a().step), (None, Step::Rollback), "it may have begun");
    scene.now += PERMIT + Duration::from_secs(1);
    assert_eq!((scene.turn(), scene.a().step), (None, Step::Rejoin));
    assert_eq!((scene.a().rollback.is_some(), scene.a().attempt), (false, attempt + 1));
    assert_eq!((scene.turn(), scene.a().step), (None, Step::Unprotect));

    // One that is down waits for its permit as ever.
    let mut scene = Scene::down(Kind::ElasticsearchConfig);
    scene.turn();
    scene.now += PERMIT + Duration::from_secs(1);
    assert_eq!((scene.turn(), scene.a().step), (None, Step::Rollback));
}

#[test]
fn a_host_that_can_not_take_a_permit_now_gets_none_to_go_back() {
    for is_reachable in [true, false] {
        let mut scene = Scene::down(Kind::ElasticsearchConfig);
        scene.members[0].in_maintenance = is_reachable;
        if !is_reachable {
            scene.members[0].fit = Err("Reachable: it does not answer".into());
        }
        assert_eq!((scene.turn(), scene.a().step), (None, Step::Rejoin));
        assert!(scene.pause().contains("does not stay up"), "{}", scene.pause());
        (scene.members[0].in_maintenance, scene.members[0].fit) = (false, Ok(()));
        assert_eq!((scene.turn(), scene.a().step), (None, Step::Rollback));
    }
}

#[test]
fn a_host_that_can_not_go_back_goes_on_once_it_serves_as_it_is_wanted() {
    let mut scene = Scene::down(Kind::ElasticsearchVersion);
    scene.turn();
    let reason = "8.19.0 may have opened the data".into();
    scene.answers(Step::Rollback, Progress::Failed { reason, touched: true });
    scene.left = vec!["b".into()];
    assert_eq!((scene.turn(), scene.a().step), (None, Step::Rollback), "it does not serve");
    scene.is_back();
    scene.left = vec!["a".into(), "b".into()];
    assert_eq!((scene.turn(), scene.a().step), (None, Step::Rollback), "it runs what ran before");
    scene.left = vec!["b".into()];
    assert_eq!((scene.turn(), scene.a().step), (None, Step::Rejoin));
    assert_eq!((scene.a().rollback.is_some(), scene.pause()), (false, ""));
    assert_eq!((scene.turn(), scene.a().step), (None, Step::Unprotect));
    assert_eq!(scene.turn(), Some(Act::Unprotect(Prior::Unset)));
    scene.evidence.allocation = Allocation::default();
    assert_eq!((scene.turn(), scene.a().step), (None, Step::Uncordon));
    assert_eq!((scene.turn(), scene.a().step), (None, Step::Settle));
}

#[test]
fn a_host_that_serves_in_another_start_is_not_stopped_though_it_says_that_the_swap_failed() {
    let mut scene = Scene::down(Kind::ElasticsearchVersion);
    scene.is_back();
    scene.run.hosts[0].step = Step::Stop;
    let reason = "it was not up in time".into();
    scene.answers(Step::Stop, Progress::Failed { reason, touched: true });
    for _ in 0..2 {
        assert_eq!((scene.turn(), scene.a().step), (None, Step::Stop));
        assert_eq!(scene.pause(), "a at Stop: it was not up in time");
    }
}

#[test]
fn where_the_version_is_set_back_what_ran_before_comes_back_and_the_run_ends() {
    let mut scene = Scene::down(Kind::ElasticsearchVersion);
    scene.target = "8.18.0/a";
    scene.members[0].runs = false;
    // The trouble may have been known before the spec was changed.
    scene.run.hosts[0].trouble = Some("it does not come up".into());
    assert_eq!((scene.turn(), scene.a().step), (None, Step::Rollback));
    scene.answers(Step::Rollback, Progress::Done);
    assert_eq!((scene.turn(), scene.a().step), (None, Step::Rejoin));
    scene.is_back();
    assert_eq!((scene.turn(), scene.a().step), (None, Step::Unprotect));
    assert_eq!(scene.turn(), Some(Act::Unprotect(Prior::Unset)));
    scene.evidence.allocation = Allocation::default();
    assert_eq!((scene.turn(), scene.a().step), (None, Step::Uncordon));
    assert_eq!(scene.decide().ended.map(|it| it.0), Some(End::Superseded));

    // A later version may be the cure.
    let mut scene = Scene::down(Kind::ElasticsearchVersion);
    scene.target = "8.19.1/a";
    scene.members[0].runs = false;
    scene.turn();
    assert_eq!(scene.a().rollback, None);
}
