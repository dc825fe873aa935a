//! An object that goes while the run has a host in hand that does not come back; and what another one
//! has left behind.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{super::super::rollout::farewell, *};

impl Roll {
    /// A host is down for the run, and the object was asked to go a while ago.
    pub(super) fn leave(&mut self, seconds: i64) {
        self.last_first();
        self.ask("one");
        self.turn_until(RolloutStep::Stop);
        self.stop(2);
        self.fail(2, 1);
        let now = self.scene.time();
        self.scene.edit(|it| it.metadata.deletion_timestamp = Some(Time(now)));
        self.scene.now += seconds;
    }
}

fn leaving(seconds: i64) -> Roll {
    let mut roll = Roll::new();
    roll.leave(seconds);
    roll
}

fn told(turn: &Turn) -> Option<String> {
    farewell(&turn.decided, turn.plan.let_go).map(|mut it| it.note().clone())
}

#[test]
fn what_protects_the_host_is_put_right_before_the_object_goes_without_it() {
    let mut roll = leaving(1_000);
    let turn = roll.turn();
    assert!(!turn.plan.let_go && turn.decided.act.is_none(), "the host may come back");
    assert_eq!(told(&turn), None);
    roll.scene.now += 200;
    let turn = roll.turn();
    assert!(!turn.plan.let_go);
    assert_eq!(turn.decided.act, Some(Act::Unprotect(Prior::Unset)));
    let turn = roll.turn();
    let words = told(&turn).expect("a person has to know");
    assert!(words.contains("down on c") && words.contains("cordoned of c"), "{words}");
    assert!(!words.contains("cluster.metadata"), "that was put right: {words}");
    assert_eq!(roll.evidence().allocation.prior, None);
    let past = &roll.scene.status().history[0];
    assert!(past.reason.as_ref().unwrap().as_str().contains("not back in time"));
    let turn = roll.turn();
    assert!(turn.plan.let_go);
    assert_eq!(told(&turn), None, "told twice");
}

#[test]
fn where_elasticsearch_can_not_be_asked_the_object_goes_and_tells_what_it_leaves() {
    let mut roll = leaving(1_210);
    roll.seen().evidence = Err("Elasticsearch can't be asked".into());
    let turn = roll.turn();
    assert!(!turn.plan.let_go, "it is tried once more");
    roll.scene.now += 60;
    let turn = roll.turn();
    assert!(turn.plan.let_go);
    let words = told(&turn).expect("a person has to know");
    assert!(words.contains("down on c"), "{words}");
    assert!(words.contains("cluster.metadata.drover.*"), "{words}");
}

#[test]
fn what_another_object_holds_back_is_told_where_no_run_is_wanted() {
    let mut roll = Roll::new();
    let allocation = &mut roll.evidence().allocation;
    (allocation.prior, allocation.owner) = (Some(Prior::Unset), Some("uid-gone".into()));
    allocation.persistent = Some("primaries".into());
    assert_eq!(roll.scene.turn().decided.act, None);
    let told = |roll: &Roll| {
        let list = &roll.scene.status().diagnostics;
        list.iter().find(|it| it.rule == "allocation").map(|it| it.subject.clone())
    };
    assert!(told(&roll).unwrap().contains("uid-gone"));
    // As long as nobody has looked again it stands.
    let look = roll.scene.look.take();
    roll.scene.turn();
    assert!(told(&roll).is_some());
    roll.scene.look = look;
    roll.evidence().allocation = Allocation::default();
    roll.scene.turn();
    assert_eq!(told(&roll), None);
}

#[test]
fn an_object_that_is_deleted_in_the_middle_of_a_run_stays_until_its_host_is_back() {
    let mut roll = Roll::new();
    roll.ask("one");
    roll.turn_until(RolloutStep::Stop);
    roll.scene.edit(|it| {
        let now = k8s_openapi::jiff::Timestamp::from_second(2_000_000_000).unwrap();
        it.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now));
    });
    let mut turns = 0;
    while !roll.turn().plan.let_go {
        turns += 1;
        assert!(turns < 30, "it is never let go: {:?}", roll.steps());
    }
    assert!(0 < turns);
    assert_eq!(roll.evidence().allocation.prior, None);
    assert_eq!(roll.starts.iter().sum::<u32>(), 3 + 1);
}

#[test]
fn an_object_that_is_deleted_is_not_kept_for_ever_by_a_cluster_that_is_gone() {
    let mut roll = Roll::new();
    roll.ask("one");
    roll.turn_until(RolloutStep::Stop);
    roll.scene.delete();
    roll.scene.now += 10_000;
    assert!(roll.turn().plan.let_go, "it was asked to go long ago");
}
