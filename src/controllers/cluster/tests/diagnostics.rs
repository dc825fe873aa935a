//! What people are advised to do.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::json;

use super::{
    super::{
        diagnostics::diagnostics, managed::observe::Seen as Managed, observe::Observed, plan,
        rollout,
    },
    scene::{Scene, UUID},
};
use crate::{
    api::cluster_status::DiagnosticLevel,
    controllers::deployment::tests::{cluster, found, host},
    elasticsearch::{
        cluster_reads::HealthStatus,
        endpoints::EndpointIdentity,
        fixtures::{snapshot, view},
        health_report::Diagnosis,
    },
};

fn diagnosis(indicator: &str, status: HealthStatus) -> Diagnosis {
    Diagnosis {
        indicator: indicator.into(),
        status,
        symptom: "it hurts".into(),
        cause: Some("a cause".into()),
        action: Some("do this".into()),
        affected: vec!["a".into(), "b".into()],
    }
}

fn rules(scene: &Scene) -> Vec<&str> {
    scene.status().diagnostics.iter().map(|it| it.rule.as_str()).collect()
}

#[test]
fn a_finding_is_told_with_cause_subjects_and_advice() {
    let mut scene = Scene::settled();
    scene.change(|it| it.report = vec![diagnosis("disk", HealthStatus::Yellow)]);
    scene.settle();
    let told = &scene.status().diagnostics[0];
    assert_eq!((&*told.rule, told.level), ("disk", DiagnosticLevel::Warning));
    assert_eq!(told.subject, "it hurts: a cause (a, b)");
    assert_eq!(told.advice, "do this");
    scene.change(|it| it.report.clear());
    scene.settle();
    assert_eq!(rules(&scene), [""; 0]);
}

#[test]
fn the_worst_come_first_then_by_name_whatever_order_they_were_told_in() {
    let report = [
        diagnosis("z", HealthStatus::Yellow),
        diagnosis("b", HealthStatus::Red),
        diagnosis("a", HealthStatus::Unknown),
        diagnosis("c", HealthStatus::Red),
    ];
    let mut scene = Scene::settled();
    scene.change(|it| it.report = report.to_vec());
    scene.settle();
    assert_eq!(rules(&scene), ["b", "c", "a", "z"]);
    scene.change(|it| it.report.reverse());
    assert!(!scene.turn().wrote);
}

#[test]
fn diagnostics_are_cut_at_fifty_with_the_number_of_the_rest_and_the_worst_stay() {
    for (count, omitted) in [(49, None), (50, Some(1)), (80, Some(31))] {
        let mut scene = Scene::settled();
        scene.change(|it| {
            it.report = (0..count)
                .map(|it| diagnosis(&format!("rule-{it:02}"), HealthStatus::Yellow))
                .chain([diagnosis("worst", HealthStatus::Red)])
                .collect();
        });
        scene.settle();
        let status = scene.status();
        assert_eq!(status.diagnostics.len(), 50);
        assert_eq!(status.diagnostics_omitted, omitted);
        assert_eq!(status.diagnostics[0].rule, "worst");
    }
}

#[test]
fn an_endpoint_that_does_not_answer_beside_others_is_told() {
    let mut scene = Scene::settled();
    scene.change(|it| {
        it.endpoints.push(EndpointIdentity {
            endpoint: "https://quiet.example:9200".into(),
            cluster_uuid: None,
        });
    });
    scene.settle();
    assert_eq!(rules(&scene), ["endpoint"]);
    assert!(scene.status().diagnostics[0].subject.contains("https://quiet.example:9200"));
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn a_certificate_is_warned_of_thirty_days_before_its_end() {
    let day = 24 * 3600;
    for (days, warned) in [(31, false), (29, true), (-1, true)] {
        let mut scene = Scene::settled();
        let end = Timestamp::from_second(scene.now + days * day).unwrap();
        scene.change(|it| it.certificate_expires = Some(end));
        scene.settle();
        assert_eq!(rules(&scene) == ["certificate"], warned, "{days} days");
    }
}

#[test]
fn credentials_over_http_are_warned_of_and_a_client_certificate_or_none_is_not() {
    let cases = [
        (json!({ "basic": { "secretName": "a" } }), true),
        (json!({ "apiKey": { "secretName": "a" } }), true),
        (json!({ "bearer": { "secretName": "a" } }), true),
        (json!({ "clientCertificate": { "secretName": "a" } }), false),
        (json!(null), false),
    ];
    for (auth, warned) in cases {
        for (scheme, plain) in [("http", true), ("HTTP", true), ("https", false)] {
            let mut scene = Scene::new(snapshot(view(UUID)));
            let connection = json!({ "endpoints": [format!("{scheme}://a:9200")], "auth": auth });
            scene.cluster.spec.connection = Some(serde_json::from_value(connection).unwrap());
            scene.settle();
            assert_eq!(rules(&scene) == ["plaintext"], warned && plain, "{scheme} {auth}");
        }
    }
}

#[test]
fn another_cluster_behind_the_endpoint_has_no_say_in_what_to_do() {
    let mut scene = Scene::settled();
    let mut stranger = view("stranger");
    stranger.report = vec![diagnosis("disk", HealthStatus::Red)];
    scene.poll = snapshot(stranger);
    scene.settle();
    assert_eq!(rules(&scene), [""; 0]);
}

#[test]
fn the_end_of_what_signs_the_certificates_of_nodes_is_told_in_time() {
    let cluster = cluster(&json!({}));
    let managed = Some(Managed::new(&cluster, found(), Vec::new()));
    let seen = Observed { managed, ..Scene::settled().seen() };
    let rules = |years: u64| {
        let now = Timestamp::now() + Duration::from_hours(24 * 365 * years);
        let plan = plan::next(&cluster, &seen, now);
        let decided = rollout::plan::next(&cluster, None, None, None, now);
        let told = diagnostics(&cluster, &seen, &plan, &decided, now);
        told.into_iter().map(|it| (it.rule, it.advice)).collect::<Vec<_>>()
    };
    assert_eq!(rules(6), []);
    let told = rules(8);
    assert!(told[0].0 == "authority" && told[0].1.contains("'logs-ca-key'"), "{told:?}");
}

#[test]
fn the_way_to_another_authority_is_told_with_the_hosts_that_are_waited_for() {
    let cluster = cluster(&json!({}));
    let mut object = serde_json::to_value(&*host("a", &json!({}), true)).unwrap();
    object["status"]["elasticsearch"] = json!({ "unit": "u", "state": "active", "deployed": {
        "staged": ["8.19.0"], "signedBy": "old", "trusts": ["old"],
    } });
    let hosts = vec![Arc::new(serde_json::from_value(object).unwrap())];
    let managed = Some(Managed::new(&cluster, found(), hosts));
    let seen = Observed { managed, ..Scene::settled().seen() };
    let now = Timestamp::now();
    let plan = plan::next(&cluster, &seen, now);
    let decided = rollout::plan::next(&cluster, None, None, None, now);
    let told = diagnostics(&cluster, &seen, &plan, &decided, now);
    let told = told.iter().find(|it| it.rule == "certificates").unwrap();
    assert!(told.subject.ends_with("yet: 'a'"), "{}", told.subject);
    assert!(told.advice.contains("which these do not: 'a'"), "{}", told.advice);
    assert!(!told.advice.contains("  "), "{}", told.advice);
}
