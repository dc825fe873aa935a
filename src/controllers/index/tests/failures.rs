//! What a call that failed comes to: the reason, Elasticsearch's words, and what is tried next.

use serde_json::json;

use super::{
    super::{
        apply::{self, Failure, Outcome, PutOff},
        decision::Step,
        plan, status,
    },
    fixtures::index,
    scene::Scene,
};
use crate::{
    api::condition::find,
    elasticsearch::{
        error::Error,
        fixtures::{error, every_error, refused},
    },
};

fn with_work(refusal: Error) -> Scene {
    let mut scene = Scene::settled(index("books"));
    scene.calls();
    scene.edit(|it| it.settings(json!({ "priority": 7 })).aliases(json!({ "all": {} })));
    scene.refusal = Some((|it| matches!(it, Step::Settings(_)), refusal));
    scene
}

fn reason_of(word: &str) -> &'static str {
    match word {
        "401" => "AuthenticationFailed",
        "403" => "PrivilegeMissing",
        "400" | "404" => "Rejected",
        "429" => "TooManyRequests",
        "certificate" | "tls by server" => "CertificateRefused",
        "too large" | "unexpected" | "redirected" | "another product" => "UnexpectedAnswer",
        "closed" => "Waiting",
        _ => "Unavailable",
    }
}

#[test]
fn each_failure_has_its_reason_and_goes_away_by_itself() {
    for (word, error) in every_error() {
        let reason = reason_of(word);
        let mut scene = with_work(error.clone());
        scene.turn();
        scene.check("Synced", "False", reason);
        scene.check("Ready", "False", reason);
        let person = matches!(reason, "Rejected" | "PrivilegeMissing");
        let progress = if person { "Stalled" } else { "Reconciling" };
        scene.check(progress, "True", reason);
        let message = &scene.condition("Synced").message;
        assert!(message.contains("could not change settings: "), "{message}");
        assert!(message.contains(&error.told()), "{message}");
        assert!(!scene.turn().wrote, "{word}: the same failure is the same status");
        scene.refusal = None;
        scene.settle();
        scene.check("Ready", "True", "AsExpected");
    }
}

#[test]
fn elasticsearchs_own_reason_reaches_the_condition() {
    let mut scene = with_work(refused(
        "put_settings",
        400,
        "illegal_argument_exception",
        "unknown setting [index.priority]",
    ));
    scene.turn();
    let message = &scene.condition("Ready").message;
    assert!(message.contains("unknown setting [index.priority]"), "{message}");
}

#[test]
fn a_missing_privilege_is_named() {
    let reason = "action [indices:admin/settings/update] is unauthorized for user [drover] on \
                  indices [books], this action is granted by the index privileges [manage,all]";
    let mut scene = with_work(refused("put_settings", 403, "security_exception", reason));
    scene.turn();
    scene.check("Synced", "False", "PrivilegeMissing");
    let message = &scene.condition("Synced").message;
    assert!(message.contains("one of the index privileges manage, all on books"), "{message}");
}

#[test]
fn a_block_on_the_index_is_a_refusal_and_no_missing_privilege() {
    let reason = "index [books] blocked by: [FORBIDDEN/5/index read-only (api)];";
    let mut scene = with_work(refused("put_settings", 403, "cluster_block_exception", reason));
    scene.turn();
    scene.check("Synced", "False", "Rejected");
}

#[test]
fn a_refusal_does_not_hold_back_the_other_calls_and_an_unsure_world_does() {
    let mut scene = with_work(error("400"));
    scene.turn();
    assert_eq!(scene.calls(), ["POST /_aliases"]);
    for word in ["401", "429", "503", "timeout", "closed"] {
        let mut scene = with_work(error(word));
        scene.turn();
        assert_eq!(scene.calls(), [""; 0], "{word}");
    }
}

#[test]
fn a_refusal_that_only_another_index_would_end_is_a_required_reindex() {
    let reasons = [
        "Can't update non dynamic settings [[index.priority]] for open indices [[books/u]]",
        "final books setting [index.priority], not updateable",
        "mapper [title] cannot be changed from type [text] to [long]",
        "Mapper for [title] conflicts with existing mapper:\n\tCannot update parameter [index]",
        "can't merge a non object mapping [title] with an object mapping",
    ];
    for reason in reasons {
        let refusal = refused("put_settings", 400, "illegal_argument_exception", reason);
        let mut scene = with_work(refusal);
        scene.turn();
        scene.check("ReindexRequired", "True", "ImmutableChange");
        scene.check("Synced", "False", "Rejected");
        scene.check("Ready", "False", "ImmutableChange");
        scene.check("Stalled", "True", "ImmutableChange");
        assert!(!scene.turn().wrote);
    }
    let mut scene = with_work(refused("put_settings", 400, "x", "unknown setting"));
    scene.turn();
    scene.check("ReindexRequired", "False", "AsExpected");
    let busy = "Can't update non dynamic settings";
    let mut scene = with_work(refused("put_settings", 503, "x", busy));
    scene.turn();
    scene.check("ReindexRequired", "False", "AsExpected");
}

#[test]
fn a_refusal_is_told_once_and_another_one_again() {
    let mut scene = with_work(error("400"));
    let told = |scene: &mut Scene| {
        let notices = scene.turn().notices;
        notices.iter().filter(|it| format!("{it:?}").contains("IndexUpdateRejected")).count()
    };
    assert_eq!(told(&mut scene), 1);
    assert_eq!(told(&mut scene), 0);
    assert_eq!(told(&mut scene), 0);
    let other = refused("put_settings", 400, "illegal_argument_exception", "another reason");
    scene.refusal = Some((|it| matches!(it, Step::Settings(_)), other));
    assert_eq!(told(&mut scene), 1);
    assert_eq!(told(&mut scene), 0);
}

#[test]
fn a_failed_create_is_told_and_tried_again() {
    let mut scene = Scene::new(index("books"), None);
    scene.refusal = Some((|it| matches!(it, Step::Create), error("403")));
    scene.turn();
    scene.check("Synced", "False", "PrivilegeMissing");
    scene.check("Available", "False", "IndexMissing");
    assert_eq!(scene.status().uuid, None);
    scene.refusal = None;
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn a_failed_deletion_is_told_and_the_index_stays_known() {
    let mut scene =
        Scene::settled(index("books").deletion(crate::api::index::DeletionPolicy::Delete));
    scene.edit(crate::api::index::Index::deleted);
    scene.refusal = Some((|_| true, error("403")));
    scene.turn();
    scene.check("Ready", "False", "Deleting");
    assert!(scene.condition("Ready").message.contains("could not delete the index"));
    assert_eq!(scene.status().uuid.as_deref(), Some("made-1"));
    assert_eq!(scene.plan().steps, [Step::Delete]);
}

#[test]
fn another_cluster_that_answers_in_its_place_is_told_and_nothing_counts_as_done() {
    let mut scene = Scene::settled(index("books").settings(json!({ "priority": 7 })));
    scene.edit(|it| it.settings(json!({})));
    let seen = scene.seen();
    let plan = plan::next(&scene.index, &seen);
    let outcome = Outcome { foreign: Some("stranger".into()), ..Outcome::default() };
    let now = jiff::Timestamp::from_second(5_000).unwrap();
    let after = status::after(&scene.index, &seen, &plan, &outcome, now).unwrap();
    let resolved = find(&after.conditions, "ResolvedRefs").unwrap();
    assert_eq!((&*resolved.status, &*resolved.reason), ("False", "ClusterNotReady"));
    assert!(resolved.message.contains("stranger"));
    assert_eq!(find(&after.conditions, "Ready").unwrap().status, "False");
    assert_eq!(after.applied.unwrap().settings, ["index.priority"], "not taken back yet");
    assert_eq!(status::notices(&scene.index, &plan, &outcome), []);
}

#[test]
fn work_that_was_put_off_leaves_the_status_as_it_is() {
    let mut scene = Scene::settled(index("books"));
    scene.edit(|it| it.settings(json!({ "priority": 7 })));
    let seen = scene.seen();
    let plan = plan::next(&scene.index, &seen);
    let outcome = Outcome { put_off: Some(PutOff::NoSlot), ..Outcome::default() };
    let now = jiff::Timestamp::UNIX_EPOCH;
    assert_eq!(status::after(&scene.index, &seen, &plan, &outcome, now), None);
    assert_eq!(status::notices(&scene.index, &plan, &outcome), []);
}

#[test]
fn what_was_done_before_the_rest_was_put_off_is_on_record() {
    let adopted = index("books").adoption(crate::api::index::AdoptionPolicy::Always);
    let mut scene = Scene::new(adopted, Some(super::fixtures::live("books", "theirs")));
    scene.settle();
    scene.edit(|it| it.settings(json!({ "priority": 7 })).aliases(json!({ "all": {} })));
    let seen = scene.seen();
    let plan = plan::next(&scene.index, &seen);
    let outcome = Outcome {
        done: vec!["change settings"],
        written_settings: vec!["index.priority".into()],
        put_off: Some(PutOff::Moved),
        ..Outcome::default()
    };
    let now = jiff::Timestamp::from_second(5_000).unwrap();
    let after = status::after(&scene.index, &seen, &plan, &outcome, now).unwrap();
    assert_eq!(after.applied.unwrap().settings, ["index.priority"]);
    let synced = find(&after.conditions, "Synced").unwrap();
    assert_eq!((&*synced.status, &*synced.reason), ("False", "InProgress"));
    let notices = format!("{:?}", status::notices(&scene.index, &plan, &outcome));
    assert!(notices.contains("change settings of index") && !notices.contains("aliases"));
}

#[test]
fn a_message_names_some_failures_and_not_a_hundred() {
    let scene = with_work(error("400"));
    let failures = || Failure { what: "change settings", error: error("400") };
    let outcome = Outcome {
        failures: std::iter::repeat_with(failures).take(100).collect(),
        ..apply::Outcome::default()
    };
    let seen = scene.seen();
    let now = jiff::Timestamp::UNIX_EPOCH;
    let after = status::after(&scene.index, &seen, &scene.plan(), &outcome, now).unwrap();
    let message = &find(&after.conditions, "Synced").unwrap().message;
    assert_eq!(message.matches("could not").count(), 20);
}

#[test]
fn which_endpoint_answered_and_what_moves_in_its_words_makes_no_other_status() {
    let full = |open: u16| {
        let reason = format!("this action would add [2] shards, has [{open}]/[1000] open");
        refused("put_settings", 400, "validation_exception", &reason)
    };
    let at = |endpoint: &str, error: &Error| match error.clone() {
        Error::Rejected { operation, status, refusal, .. } => {
            Error::Rejected { endpoint: endpoint.into(), operation, status, refusal }
        }
        other => panic!("{other:?}"),
    };
    let mut scene = with_work(full(999));
    let first = scene.turn();
    let told = format!("{:?}", first.notices);
    assert!(told.contains(r#""change aliases of index 'books'"#), "what was done: {told}");
    assert!(told.contains("could not change settings: Elasticsearch rejected"), "{told}");
    assert!(!scene.condition("Synced").message.contains("https://"));
    scene.refusal = Some((|it| matches!(it, Step::Settings(_)), at("https://b:9200", &full(1000))));
    let again = scene.turn();
    assert!(!again.wrote, "{:#?}", scene.status());
    assert_eq!(again.notices, []);
}

#[test]
fn of_a_hundred_failures_each_is_told_once() {
    let scene = with_work(error("400"));
    let plan = scene.plan();
    let failures: Vec<Failure> = (0..100)
        .map(|it| {
            let reason = format!("unknown setting [index.a{it}]");
            let error = refused("put_settings", 400, "illegal_argument_exception", &reason);
            Failure { what: "change settings", error }
        })
        .collect();
    let outcome = Outcome { failures, ..Outcome::default() };
    let mut index = scene.index.clone();
    assert_eq!(status::notices(&index, &plan, &outcome).len(), 20);
    let now = jiff::Timestamp::UNIX_EPOCH;
    index.status = status::after(&index, &scene.seen(), &plan, &outcome, now);
    assert_eq!(status::notices(&index, &plan, &outcome), []);
}
