use super::*;

const NAME: &str = "search.max_buckets";

/// One setting in the spec, in the files, on record, and in the running cluster.
#[derive(Clone, Default)]
struct World {
    declared: Option<&'static str>,
    file: Option<&'static str>,
    known: Vec<LiveSetting>,
    current: Current,
    policy: DriftPolicy,
}

fn map(value: Option<&str>) -> BTreeMap<String, String> {
    value.map(|it| (NAME.to_owned(), it.to_owned())).into_iter().collect()
}

impl World {
    /// It is declared, and no file has it.
    fn declared(value: &'static str) -> Self {
        Self { declared: Some(value), ..Self::default() }
    }

    fn set(mut self, persistent: Option<&str>) -> Self {
        self.current.set.persistent = map(persistent);
        self
    }

    fn transient(mut self, value: &str) -> Self {
        self.current.set.transient = map(Some(value));
        self
    }

    fn known(mut self, value: &str, before: Option<&str>, state: LiveState) -> Self {
        self.known = vec![change(NAME, value, before.map(Into::into), state)];
        self
    }

    fn reported(self) -> Self {
        Self { policy: DriftPolicy::Report, ..self }
    }

    fn changes(&self) -> Vec<LiveSetting> {
        let record = LiveSettings { files: map(self.file), changes: self.known.clone() };
        changes(&map(self.declared), &record, &self.current, self.policy)
    }

    /// What is on record of the setting, without words.
    fn stands(&self) -> Option<(String, Option<String>, LiveState)> {
        let changes = self.changes();
        assert!(changes.len() <= 1, "{changes:?}");
        let again = Self { known: changes.clone(), ..self.clone() }.changes();
        let is_seen = changes.iter().all(|it| it.state != LiveState::Withdrawn);
        assert!(!is_seen || again == changes, "it does not come to rest: {changes:?} {again:?}");
        changes.into_iter().next().map(|it| (it.value, it.before, it.state))
    }

    #[track_caller]
    fn check(&self, value: &str, before: Option<&str>, state: LiveState) {
        let expected = (value.to_owned(), before.map(str::to_owned), state);
        assert_eq!(self.stands(), Some(expected));
    }
}

#[test]
fn what_is_declared_otherwise_than_the_files_have_it_is_to_be_set_and_then_is() {
    let new = World::declared("5");
    new.check("5", None, LiveState::Pending);
    let same = World { file: Some("5"), ..World::declared("5") };
    assert_eq!(same.stands(), None);
    let set = new.known("5", None, LiveState::Pending).set(Some("5"));
    set.check("5", None, LiveState::Live);
    set.known("5", None, LiveState::Live).check("5", None, LiveState::Live);
}

#[test]
fn values_are_compared_as_elasticsearch_means_them() {
    let live = World::declared("1m").known("60s", None, LiveState::Live).set(Some("60s"));
    live.check("60s", None, LiveState::Live);
}

#[test]
fn a_later_value_takes_the_place_of_the_one_that_drover_has_set() {
    let live = World::declared("6").known("5", None, LiveState::Live).set(Some("5"));
    live.check("6", Some("5"), LiveState::Pending);
    let back = World { file: Some("6"), ..live };
    back.check("5", None, LiveState::Withdrawn);
}

#[test]
fn only_what_drover_has_set_is_taken_back() {
    let gone = |state, set| World::default().known("5", None, state).set(set);
    gone(LiveState::Live, Some("5")).check("5", None, LiveState::Withdrawn);
    gone(LiveState::Pending, Some("5")).check("5", None, LiveState::Withdrawn);
    gone(LiveState::Refused, Some("5")).check("5", None, LiveState::Withdrawn);
    gone(LiveState::Withdrawn, Some("5")).check("5", None, LiveState::Withdrawn);
    for (state, set) in [
        (LiveState::Live, Some("9")),
        (LiveState::Live, None),
        (LiveState::Withdrawn, None),
        (LiveState::Withdrawn, Some("9")),
        (LiveState::Pending, None),
        (LiveState::Pending, Some("9")),
        (LiveState::Foreign, Some("5")),
        (LiveState::Drifted, Some("5")),
        (LiveState::Restart, Some("5")),
    ] {
        assert_eq!(gone(state, set).stands(), None, "{state:?} {set:?}");
    }
    let between = World::default().known("6", Some("5"), LiveState::Pending).set(Some("5"));
    between.check("5", None, LiveState::Withdrawn);
}

#[test]
fn a_value_that_was_there_before_is_somebody_elses() {
    World::declared("5").set(Some("5")).check("5", None, LiveState::Foreign);
    World::declared("5").set(Some("9")).reported().check("5", None, LiveState::Drifted);
    World::declared("5").set(Some("9")).check("5", None, LiveState::Pending);
    World::declared("5").transient("5").set(Some("5")).check("5", None, LiveState::Foreign);
    World::declared("5").transient("9").check("5", None, LiveState::Drifted);
}

#[test]
fn drift_is_put_back_or_told_by_the_policy() {
    for set in [None, Some("9")] {
        let drifted = World::declared("5").known("5", None, LiveState::Live).set(set);
        drifted.check("5", None, LiveState::Pending);
        drifted.reported().check("5", None, LiveState::Drifted);
    }
    let back = World::declared("5").known("5", None, LiveState::Drifted).reported();
    back.clone().set(Some("5")).check("5", None, LiveState::Foreign);
    back.set(None).check("5", None, LiveState::Drifted);
}

#[test]
fn what_a_transient_setting_hides_is_still_drovers() {
    let hidden = World::declared("5").known("5", None, LiveState::Live).set(Some("5"));
    let hidden = hidden.transient("9");
    hidden.check("5", Some("5"), LiveState::Drifted);
    let known = hidden.known("5", Some("5"), LiveState::Drifted);
    World { declared: None, ..known.clone() }.check("5", None, LiveState::Withdrawn);
    let mut shown = known;
    shown.current.set.transient.clear();
    shown.check("5", None, LiveState::Live);
}

#[test]
fn what_elasticsearch_refuses_takes_a_restart_or_another_value() {
    let refused = |cause| {
        let mut world = World::declared("x").known("x", None, LiveState::Pending);
        world.current.refused =
            vec![Refused { name: NAME.into(), value: "x".into(), cause, why: "words".into() }];
        world
    };
    refused(Cause::Restart).check("x", None, LiveState::Restart);
    let mut value = refused(Cause::Value);
    value.check("x", None, LiveState::Refused);
    let message = value.changes()[0].message.clone().unwrap();
    assert_eq!(message.as_str(), "words");
    value.declared = Some("5");
    value.check("5", None, LiveState::Pending);
    let mut other = refused(Cause::Restart);
    other.declared = Some("y");
    other.check("y", None, LiveState::Restart);
    // What a process before has learned is not asked again.
    for state in [LiveState::Restart, LiveState::Refused] {
        World::declared("x").known("x", None, state).check("x", None, state);
    }
}

#[test]
fn what_was_refused_and_is_seen_set_after_all_is_live() {
    for state in [LiveState::Refused, LiveState::Unseen] {
        let known = World::declared("5").known("5", None, state);
        known.clone().set(Some("5")).check("5", None, LiveState::Live);
        known.clone().set(Some("9")).check("5", None, state);
        known.check("5", None, state);
    }
}

#[test]
fn a_value_that_nobody_sees_stays_on_record_when_it_leaves_the_spec_with_what_to_do_about_it() {
    let mut world = World::declared("5").known("5", None, LiveState::Pending);
    world.current.refused = vec![Refused {
        name: NAME.into(),
        value: "5".into(),
        cause: Cause::Unseen,
        why: "it is not shown".into(),
    }];
    world.check("5", None, LiveState::Unseen);
    let asked_again = world.clone().known("5", None, LiveState::Refused);
    asked_again.check("5", None, LiveState::Unseen);
    world.known = world.changes();
    world.declared = None;
    for _ in 0..2 {
        world.known = world.changes();
        let [gone] = world.known.as_slice() else { panic!("{:?}", world.known) };
        assert!(gone.is_left_to_people() && gone.value == "5");
        let message = gone.message.as_ref().unwrap().as_str();
        let request = r#"PUT _cluster/settings {"persistent":{"search.max_buckets":null}}"#;
        assert!(message.contains(request), "{message}");
    }
    let seen = world.clone().set(Some("5")).changes();
    assert!(seen[0].state == LiveState::Withdrawn && !seen[0].is_left_to_people());
    assert_eq!(world.clone().set(Some("9")).changes(), []);
    world.declared = Some("6");
    world.check("6", None, LiveState::Pending);
}
