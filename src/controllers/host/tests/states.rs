//! The one word for where a machine is, derived from the conditions.

use serde_json::{Value, json};

use super::super::status::state;
use super::scene::{Scene, fault, host};
use crate::{
    api::{
        condition::{Condition, Finding, Reason, conditions},
        host::conditions as kinds,
        host_status::HostState,
    },
    controllers::host::observe::ClusterView,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// A condition with its status and reason.
type Told = (&'static str, Option<bool>, Reason);

/// All conditions are True but those given.
fn told(differing: &[Told]) -> Vec<Condition> {
    let all = [
        kinds::ACCEPTED,
        kinds::RESOLVED_REFS,
        kinds::HOST_KEY_VERIFIED,
        kinds::REACHABLE,
        kinds::INSPECTED,
        kinds::PREPARED,
        kinds::ELASTICSEARCH_INSTALLED,
        kinds::HEALTHY,
    ];
    let findings = all.into_iter().map(|kind| {
        let differs = differing.iter().find(|it| it.0 == kind);
        let (status, reason) = differs.map_or((Some(true), Reason::AsExpected), |it| (it.1, it.2));
        Finding { kind, status, reason, message: "a message".into() }
    });
    conditions(&[], findings.collect(), Some(1), Timestamp::UNIX_EPOCH)
}

#[test]
fn the_state_is_read_off_the_conditions() {
    let no = Some(false);
    let member = json!({ "clusterRef": { "name": "es" } });
    let resting = json!({ "clusterRef": { "name": "es" }, "maintenance": true });
    let alone = json!({});
    let installed = kinds::ELASTICSEARCH_INSTALLED;
    let table: &[(&Value, &[Told], HostState)] = &[
        (&member, &[], HostState::Active),
        (&alone, &[], HostState::Disassociated),
        (&member, &[(kinds::RESOLVED_REFS, no, Reason::ClusterNotFound)], HostState::Disassociated),
        (&member, &[(kinds::RESOLVED_REFS, no, Reason::SecretNotFound)], HostState::Failed),
        (&member, &[(kinds::ACCEPTED, no, Reason::Unapproved)], HostState::Investigating),
        (&resting, &[(kinds::ACCEPTED, no, Reason::Unapproved)], HostState::Investigating),
        (&member, &[(kinds::ACCEPTED, no, Reason::InvalidSpec)], HostState::Failed),
        (&member, &[(kinds::ACCEPTED, no, Reason::HostReplaced)], HostState::Failed),
        (&member, &[(kinds::ACCEPTED, no, Reason::Conflict)], HostState::Failed),
        (&member, &[(kinds::ACCEPTED, no, Reason::Unsupported)], HostState::Failed),
        (&member, &[(kinds::HOST_KEY_VERIFIED, no, Reason::HostKeyMismatch)], HostState::Failed),
        (&member, &[(kinds::REACHABLE, no, Reason::Unreachable)], HostState::Unreachable),
        (&member, &[(kinds::REACHABLE, no, Reason::AuthenticationFailed)], HostState::Failed),
        (&member, &[(kinds::REACHABLE, None, Reason::NotChecked)], HostState::Investigating),
        (&member, &[(kinds::INSPECTED, None, Reason::InProgress)], HostState::Investigating),
        (&member, &[(kinds::INSPECTED, no, Reason::CommandFailed)], HostState::Failed),
        (&member, &[(kinds::PREPARED, None, Reason::InProgress)], HostState::Bootstrapping),
        (&member, &[(kinds::PREPARED, no, Reason::InProgress)], HostState::Bootstrapping),
        (&member, &[(kinds::PREPARED, no, Reason::Paused)], HostState::Bootstrapping),
        (&member, &[(kinds::PREPARED, no, Reason::PrivilegeMissing)], HostState::Failed),
        (&member, &[(installed, None, Reason::Waiting)], HostState::Bootstrapping),
        (&member, &[(installed, no, Reason::Paused)], HostState::Bootstrapping),
        (&member, &[(installed, no, Reason::CommandFailed)], HostState::Failed),
        (&member, &[(kinds::HEALTHY, no, Reason::Waiting)], HostState::Failed),
        (&resting, &[], HostState::Maintenance),
        (&resting, &[(kinds::REACHABLE, no, Reason::Unreachable)], HostState::Maintenance),
    ];
    for (fields, differing, expected) in table {
        let mut host = host();
        let mut spec = serde_json::to_value(&host.spec).unwrap();
        let fields = fields.as_object().unwrap().clone();
        spec.as_object_mut().unwrap().extend(fields.clone());
        host.spec = serde_json::from_value(spec).unwrap();
        let is_out = host.spec.maintenance;
        assert_eq!(state(&host, &told(differing), is_out), *expected, "{fields:?} {differing:?}");
        host.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        assert_eq!(state(&host, &told(differing), is_out), HostState::Deleting);
    }
}

#[test]
fn a_machine_goes_through_its_life_and_comes_back_by_itself() {
    let mut scene = Scene::new();
    let state = |scene: &Scene| scene.status().state.unwrap();
    scene.turn();
    assert_eq!(state(&scene), HostState::Investigating);
    scene.settle();
    assert_eq!(state(&scene), HostState::Disassociated);
    scene.spec(&json!({ "clusterRef": { "name": "es" } }));
    scene.cluster = Some(ClusterView::Present);
    scene.settle();
    assert_eq!(state(&scene), HostState::Active);
    scene.machine.fault = Some(fault("connect"));
    scene.settle();
    assert_eq!(state(&scene), HostState::Unreachable);
    scene.machine.fault = Some(fault("unauthorized"));
    scene.settle();
    assert_eq!(state(&scene), HostState::Failed);
    scene.machine.fault = None;
    scene.settle();
    assert_eq!(state(&scene), HostState::Active);
    scene.spec(&json!({ "maintenance": true }));
    scene.settle();
    assert_eq!(state(&scene), HostState::Maintenance);
    scene.check("Ready", "True", "AsExpected");
    scene.spec(&json!({ "maintenance": false }));
    scene.settle();
    assert_eq!(state(&scene), HostState::Active);
    scene.delete();
    scene.turn();
    assert_eq!(state(&scene), HostState::Deleting);
}
