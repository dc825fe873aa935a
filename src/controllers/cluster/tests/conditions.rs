//! Each thing that can go wrong shows in one condition, and the others stay as they should be.

use super::scene::{Scene, UUID};
use crate::elasticsearch::{
    cluster_reads::HealthStatus,
    fixtures::{every_error, snapshot, view},
    snapshot::Snapshot,
    version::Version,
};

/// The condition that tells of an error, its reason, and whether a person must act.
fn told(word: &str) -> (&'static str, &'static str, bool) {
    match word {
        "connect" | "interrupted" | "timeout" => ("Reachable", "Unreachable", false),
        "certificate" | "tls by server" => ("Reachable", "CertificateRefused", true),
        "another product" => ("Reachable", "NotElasticsearch", true),
        "too large" | "unexpected" | "redirected" => ("Reachable", "UnexpectedAnswer", false),
        "401" => ("Authenticated", "AuthenticationFailed", true),
        "403" => ("Authenticated", "PrivilegeMissing", true),
        "429" => ("Available", "TooManyRequests", false),
        "503" | "500" | "404" | "400" | "not acknowledged" => ("Available", "Unavailable", false),
        "closed" => ("Available", "HealthUnknown", false),
        other => panic!("what does {other} come to?"),
    }
}

#[test]
fn every_error_shows_in_its_condition_and_leaves_the_others_as_they_should_be() {
    for (word, error) in every_error() {
        let (kind, reason, person) = told(word);
        let mut scene = Scene::settled();
        scene.fail(word);
        scene.settle();
        let expected = |it: &str| match (it, kind) {
            _ if it == kind && reason == "HealthUnknown" => "Unknown",
            _ if it == kind => "False",
            ("Authenticated", "Reachable") | ("Available" | "Healthy", _) => "Unknown",
            _ => "True",
        };
        let all = ["Accepted", "ResolvedRefs", "Reachable", "Authenticated", "IdentityMatches"];
        for other in all.into_iter().chain(["Available", "Healthy"]) {
            let found = scene.condition(other);
            assert_eq!(found.status, expected(other), "{word}: {other}: {}", found.message);
        }
        let found = scene.condition(kind);
        assert_eq!(found.reason, reason, "{word}");
        if reason != "HealthUnknown" {
            assert!(
                found.message.contains(&crate::chain::chain(&error)),
                "{word}: {}",
                found.message
            );
        }
        scene.check("Ready", "False", reason);
        scene.check(if person { "Stalled" } else { "Reconciling" }, "True", reason);
        scene.recover();
        scene.settle();
        scene.check("Ready", "True", "AsExpected");
    }
}

#[test]
fn an_error_before_the_first_answer_shows_in_the_same_condition() {
    for word in every_error().into_keys() {
        let (kind, reason, _) = told(word);
        let mut scene = Scene::new(Snapshot::default());
        scene.fail(word);
        scene.settle();
        assert_eq!(scene.condition(kind).reason, reason, "{word}");
        scene.check("IdentityMatches", "Unknown", "NotChecked");
        assert!(scene.status().elasticsearch.is_none());
    }
}

#[test]
fn the_last_good_figures_stay_with_health_unknown() {
    for word in every_error().into_keys() {
        let mut scene = Scene::settled();
        let before = scene.status().clone();
        scene.fail(word);
        scene.settle();
        let after = scene.status();
        let mut shown = after.elasticsearch.clone().unwrap();
        assert_eq!(shown.health.as_str(), "unknown", "{word}");
        shown.health = shown.last_health.take().expect("the last one is known");
        assert_eq!(Some(shown), before.elasticsearch);
        assert_eq!(after.nodes, before.nodes);
    }
}

#[test]
fn a_missing_privilege_is_named() {
    let mut scene = Scene::settled();
    scene.fail("403");
    scene.settle();
    let message = &scene.condition("Authenticated").message;
    assert!(message.contains("one of the cluster privileges monitor, manage, all"), "{message}");
}

#[test]
fn health_decides_available_healthy_and_ready() {
    let cases = [
        (HealthStatus::Green, "True", "True", true),
        (HealthStatus::Yellow, "True", "False", true),
        (HealthStatus::Red, "False", "False", false),
        (HealthStatus::Unknown, "Unknown", "Unknown", false),
    ];
    for (health, available, healthy, ready) in cases {
        let mut scene = Scene::settled();
        scene.change(|it| it.health.status = health);
        scene.settle();
        assert_eq!(scene.condition("Available").status, available, "{health:?}");
        assert_eq!(scene.condition("Healthy").status, healthy, "{health:?}");
        assert_eq!(scene.condition("Ready").status == "True", ready, "{health:?}");
    }
}

#[test]
fn versions_out_of_range_are_said_to_be() {
    let cases = [
        (Version(7, 16, 3), false),
        (Version(7, 17, 0), true),
        (Version(8, 0, 0), true),
        (Version(9, 9, 9), true),
        (Version(10, 0, 0), false),
    ];
    for (version, supported) in cases {
        let mut view = view(UUID);
        view.root.version = version;
        let mut scene = Scene::new(snapshot(view));
        scene.settle();
        let reason = if supported { "AsExpected" } else { "Unsupported" };
        scene.check("Reachable", if supported { "True" } else { "False" }, reason);
        if !supported {
            scene.check("Stalled", "True", "Unsupported");
            let message = &scene.condition("Reachable").message;
            assert!(message.contains(&version.to_string()), "{message}");
        }
    }
}

#[test]
fn ready_tells_what_is_wrong_and_not_what_follows_from_it() {
    let mut scene = Scene::settled();
    scene.fail("503");
    scene.settle();
    assert!(scene.condition("Ready").message.starts_with("Available: "));
    scene.poll = snapshot(view("stranger"));
    scene.settle();
    assert!(scene.condition("Ready").message.starts_with("IdentityMatches: "));
}

#[test]
fn transition_times_stay_while_reasons_change() {
    let mut scene = Scene::settled();
    scene.fail("connect");
    scene.settle();
    let since = scene.condition("Reachable").last_transition_time.clone();
    scene.fail("certificate");
    scene.settle();
    scene.check("Reachable", "False", "CertificateRefused");
    assert_eq!(scene.condition("Reachable").last_transition_time, since);
}

#[test]
fn a_changed_spec_is_observed_once_its_connection_has_answered() {
    let mut scene = Scene::settled();
    scene.edit(|_| {});
    scene.connection = Ok(Some(super::scene::connection("https://elsewhere.example:9200")));
    assert!(!scene.turn().wrote, "nothing is known yet");
    assert_eq!(scene.status().observed_generation, Some(1));
    scene.settle();
    assert_eq!(scene.status().observed_generation, Some(2));
}
