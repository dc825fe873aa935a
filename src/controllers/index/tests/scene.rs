//! One Index object and its index, from reconcile to reconcile. Each turn holds what must hold of
//! every status, whatever happened.

use jiff::Timestamp;

use super::{
    super::{
        apply::{self, Failure, Fate, Outcome},
        cluster_gate::ClusterGate,
        decision::{Plan, Step},
        observe::Observed,
        plan, status,
    },
    fixtures::{Physical, observed},
    model::Model,
};
use crate::{
    api::{
        condition::{Condition, find},
        index::{Index, IndexStatus},
    },
    elasticsearch::{
        error::{Category, Error},
        names::OneIndex,
        snapshot::IndexView,
    },
    kubernetes::events::Notice,
};

/// Picks calls.
pub type WhichStep = fn(&Step) -> bool;

/// What came of one reconcile.
pub struct Turn {
    pub plan: Plan,
    pub notices: Vec<Notice>,
    /// Whether the status was written.
    pub wrote: bool,
}

/// The object, the world, and the clock.
#[derive(Clone)]
pub struct Scene {
    pub index: Index,
    pub model: Model,
    pub gate: ClusterGate,
    pub rival: Option<String>,
    pub marked_for: Option<String>,
    /// Seconds.
    pub now: i64,
    /// Which calls Elasticsearch refuses, and how.
    pub refusal: Option<(WhichStep, Error)>,
}

impl Scene {
    /// The object was just applied; this is what is there.
    pub fn new(index: Index, live: Option<Physical>) -> Self {
        let Observed { gate, rival, marked_for, .. } = observed(IndexView::Missing);
        let model = live.map_or_else(Model::default, Model::with);
        Self { index, model, gate, rival, marked_for, now: 1_000, refusal: None }
    }

    /// The object was applied and its index was made.
    pub fn settled(index: Index) -> Self {
        let mut scene = Self::new(index, None);
        scene.settle();
        scene
    }

    /// A person changes the object.
    pub fn edit(&mut self, change: impl FnOnce(Index) -> Index) {
        self.index = change(self.index.clone());
        self.index.metadata.generation = self.index.metadata.generation.map(|it| it + 1);
    }

    pub fn seen(&self) -> Observed {
        Observed {
            gate: self.gate.clone(),
            rival: self.rival.clone(),
            live: self.model.index.as_ref().map_or(IndexView::Missing, Physical::view),
            marked_for: self.marked_for.clone(),
            rechecked: true,
        }
    }

    pub fn plan(&self) -> Plan {
        plan::next(&self.index, &self.seen())
    }

    /// One reconcile.
    pub fn turn(&mut self) -> Turn {
        let seen = self.seen();
        self.turn_with(&seen)
    }

    /// One reconcile that is told `seen` of the world.
    pub fn turn_with(&mut self, seen: &Observed) -> Turn {
        self.now += 10;
        let plan = plan::next(&self.index, seen);
        let outcome = self.carry_out(&plan);
        let notices = status::notices(&self.index, &plan, &outcome);
        let before = self.index.status.clone();
        let after = status::after(&self.index, seen, &plan, &outcome, self.time());
        let wrote = after.as_ref().is_some_and(|it| before.as_ref() != Some(it));
        if let Some(after) = after {
            assert_sound(before.as_ref(), &after);
            // What the API server gives back.
            let stored = serde_json::from_value(serde_json::to_value(&after).unwrap()).unwrap();
            assert_eq!(after, stored, "comes back as it was written");
            self.index.status = Some(stored);
        }
        if plan.steps.is_empty() && outcome.foreign.is_none() {
            self.assert_at_rest(seen);
        }
        Turn { plan, notices, wrote }
    }

    /// Reconciles until there is nothing to do and nothing to write.
    pub fn settle(&mut self) -> Vec<Turn> {
        let mut turns = Vec::new();
        for _ in 0..8 {
            let turn = self.turn();
            let rests = turn.plan.steps.is_empty() && !turn.wrote;
            turns.push(turn);
            if rests {
                return turns;
            }
        }
        panic!("never comes to rest: {:?}", self.plan());
    }

    /// The calls that were made since the last time somebody asked.
    pub fn calls(&mut self) -> Vec<String> {
        std::mem::take(&mut self.model.calls)
    }

    pub fn status(&self) -> &IndexStatus {
        self.index.status.as_ref().expect("a status was written")
    }

    pub fn condition(&self, kind: &str) -> &Condition {
        find(&self.status().conditions, kind).expect("the condition is there")
    }

    /// Status and reason of a condition.
    #[track_caller]
    pub fn check(&self, kind: &str, status: &str, reason: &str) {
        let found = self.condition(kind);
        let message = &found.message;
        assert_eq!((&*found.status, &*found.reason), (status, reason), "{kind}: {message}");
    }

    fn time(&self) -> Timestamp {
        // Finer than what the API server keeps.
        Timestamp::new(self.now, 123_456_789).unwrap()
    }

    fn carry_out(&mut self, plan: &Plan) -> Outcome {
        let mut outcome = Outcome::default();
        let name = self.model.index.as_ref().map(|it| it.name.clone());
        let name = name.unwrap_or_else(|| self.index.public_name().to_owned());
        for step in &plan.steps {
            let refusal = self.refusal.as_ref().filter(|(is_meant, _)| is_meant(step));
            let result = match (refusal.map(|(_, error)| error.clone()), step) {
                (Some(error), _) => Err(error),
                (None, Step::DeleteIfEmpty { .. }) if self.model.index().documents > 0 => {
                    outcome.fate = Some(Fate::Kept);
                    Ok(())
                }
                (None, _) => self.model.answer(&apply::call(
                    step,
                    &self.index,
                    &OneIndex::new(&name).unwrap(),
                    "test",
                )),
            };
            match (result, step) {
                (Err(error), _) => {
                    let goes_on = error.category() == Category::Rejected;
                    outcome.failures.push(Failure { what: apply::what(step), error });
                    if !goes_on {
                        break;
                    }
                    continue;
                }
                (Ok(()), Step::Create) => outcome.fate = Some(Fate::Created),
                (Ok(()), Step::Delete) => outcome.fate = Some(Fate::Deleted),
                (Ok(()), Step::DeleteIfEmpty { .. }) => {
                    outcome.fate.get_or_insert(Fate::Deleted);
                }
                (Ok(()), Step::Aliases(_)) => outcome.written_aliases = true,
                (Ok(()), Step::Settings(changes)) => {
                    outcome.written_settings = changes.iter().map(|it| it.key.clone()).collect();
                }
                (Ok(()), _) => {}
            }
            outcome.did(apply::what(step));
        }
        outcome
    }

    /// The same look at the same world, later: nothing to write, nothing to tell.
    fn assert_at_rest(&self, seen: &Observed) {
        let plan = plan::next(&self.index, seen);
        let later = Timestamp::new(self.now + 1_000, 0).unwrap();
        let again = status::after(&self.index, seen, &plan, &Outcome::default(), later);
        if let Some(again) = again {
            assert_eq!(Some(&again), self.index.status.as_ref(), "the same world, another status");
        }
        if self.index.status.is_some() && self.index.metadata.deletion_timestamp.is_none() {
            let notices = status::notices(&self.index, &plan, &Outcome::default());
            assert_eq!(notices, [], "told twice");
        }
    }
}

/// What holds of every status that follows another.
fn assert_sound(before: Option<&IndexStatus>, after: &IndexStatus) {
    let is = |kind: &str| find(&after.conditions, kind).map(|it| it.status.as_str());
    let kinds: Vec<&str> = after.conditions.iter().map(|it| it.type_.as_str()).collect();
    let always =
        ["Ready", "Accepted", "ResolvedRefs", "Synced", "Available", "Drifted", "ReindexRequired"];
    assert_eq!(kinds[..7], always, "all conditions are there from the first status on");
    let ready = is("Ready") == Some("True");
    match (is("Reconciling"), is("Stalled")) {
        (None, None) => assert!(ready, "not Ready, and neither at work nor stalled"),
        (Some("True"), None) | (None, Some("True")) => assert!(!ready, "Ready and still at work"),
        both => panic!("Reconciling and Stalled are {both:?}"),
    }
    let deleting = find(&after.conditions, "Ready").is_some_and(|it| it.reason == "Deleting");
    if !deleting {
        let needed = ["Accepted", "ResolvedRefs", "Synced", "Available"];
        let all = needed.iter().all(|it| is(it) == Some("True"));
        assert_eq!(ready, all && is("ReindexRequired") == Some("False"), "what Ready means");
    }
    for condition in &after.conditions {
        assert!(!condition.reason.is_empty() && !condition.message.is_empty(), "{condition:?}");
        assert_eq!(condition.observed_generation, after.observed_generation);
        let earlier = before.and_then(|it| find(&it.conditions, &condition.type_));
        if let Some(earlier) = earlier {
            let moved = earlier.last_transition_time != condition.last_transition_time;
            let flipped = earlier.status != condition.status;
            assert_eq!(moved, flipped, "{}: the transition time", condition.type_);
        }
    }
    assert!(after.drift.len() <= 50 && after.plan.len() <= 50);
    let generation = before.and_then(|it| it.observed_generation);
    assert!(generation <= after.observed_generation, "the observed generation went back");
}
