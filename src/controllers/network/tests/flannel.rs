//! Networks of flannel.

use serde_json::{Value, json};

use super::scene::{Scene, fault, lease, member};
use crate::{
    api::{condition::Reason, host_status::OsFamily, line::Line},
    controllers::references::Problem,
    flannel::{config::Stored, error::Error, leases::Leases, network::Written},
};

fn stored(scene: &Scene) -> Value {
    serde_json::from_str(&scene.stored.as_ref().unwrap().text).unwrap()
}

/// The spec with another range.
fn moved(scene: &Scene) -> Value {
    let mut spec = serde_json::to_value(&scene.network.spec).unwrap();
    spec["options"]["config"]["network"] = json!("10.6.0.0/16");
    spec
}

#[test]
fn the_configuration_is_written_once_in_flannels_words() {
    let mut scene = Scene::of_flannel();
    assert!(scene.turn().configured);
    let backend = json!({ "Type": "vxlan", "VNI": 7 });
    assert_eq!(stored(&scene), json!({ "Network": "10.5.0.0/16", "Backend": backend }));
    scene.check("Ready", "True", "AsExpected");
    let message = &scene.condition("Configured").message;
    assert!(message.contains("status.leases shows where flanneld runs"), "{message}");
    let turn = scene.turn();
    assert!(!turn.configured && !turn.wrote, "a second time");
}

#[test]
fn each_backend_has_flannels_own_names() {
    let cases = [
        (json!({ "type": "HostGw" }), json!({ "Type": "host-gw" })),
        (json!({ "type": "Udp", "port": 8285 }), json!({ "Type": "udp", "Port": 8285 })),
        (
            json!({ "type": "WireGuard", "port": 51820 }),
            json!({ "Type": "wireguard", "ListenPort": 51820 }),
        ),
        (
            json!({ "type": "Vxlan", "port": 8472, "directRouting": true }),
            json!({ "Type": "vxlan", "Port": 8472, "DirectRouting": true }),
        ),
    ];
    for (declared, written) in cases {
        let mut scene = Scene::of_flannel();
        let mut spec = serde_json::to_value(&scene.network.spec).unwrap();
        spec["options"]["config"]["backend"] = declared;
        spec["options"]["config"]["subnetLen"] = json!(25);
        scene.spec(&spec);
        scene.settle();
        assert_eq!(stored(&scene)["Backend"], written);
        assert_eq!(stored(&scene)["SubnetLen"], 25);
    }
}

#[test]
fn leases_are_shown_by_subnet_with_the_host_that_has_the_address() {
    let mut scene = Scene::of_flannel();
    scene.members = vec![member("es-1"), member("es-2")];
    scene.members[1].address = "192.168.0.9".into();
    let known =
        vec![lease([192, 168, 0, 9], "10.5.40.0/24"), lease([192, 168, 0, 10], "10.5.34.0/24")];
    scene.leases = Leases { known, count: 3 };
    scene.settle();
    let status = scene.status();
    let shown: Vec<_> = status
        .leases
        .iter()
        .map(|it| (it.subnet.as_str(), it.address.as_str(), it.host.as_deref()))
        .collect();
    assert_eq!(
        shown,
        [("10.5.34.0/24", "192.168.0.10", None), ("10.5.40.0/24", "192.168.0.9", Some("es-2")),]
    );
    assert_eq!((status.leases_omitted, status.hosts), (Some(1), Some(2)));
    // What etcd last told stays while it does not answer.
    scene.fault = Some(fault());
    scene.settle();
    assert_eq!(scene.status().leases.len(), 2);
}

#[test]
fn hosts_that_drover_can_not_bring_flanneld_to_are_named_until_they_hold_a_subnet() {
    let mut scene = Scene::of_flannel();
    scene.members = vec![member("es-1"), member("es-2"), member("es-3")];
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    scene.members[1].without_flannel = Some(OsFamily::Debian);
    scene.members[1].address = "192.168.0.9".into();
    scene.members[2].without_flannel = Some(OsFamily::Ostree);
    let notices = scene.settle();
    assert!(format!("{notices:?}").contains("NotAccepted"));
    scene.check("Accepted", "False", "UnsupportedHosts");
    scene.check("Ready", "False", "UnsupportedHosts");
    scene.check("Stalled", "True", "UnsupportedHosts");
    // The others have their network all the same.
    for kind in ["ResolvedRefs", "Reachable", "Configured"] {
        scene.check(kind, "True", "AsExpected");
    }
    assert!(scene.stored.is_some());
    let message = scene.condition("Accepted").message.clone();
    for part in ["es-2 (Debian), es-3 (ostree).", "--etcd-prefix=/coreos.com/network"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(!message.contains("es-1"), "{message}");
    scene.leases = Leases { known: vec![lease([192, 168, 0, 9], "10.5.34.0/24")], count: 1 };
    scene.settle();
    let message = scene.condition("Accepted").message.clone();
    assert!(!message.contains("es-2") && message.contains("es-3 (ostree)"), "{message}");
    scene.members.pop();
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    // What etcd last told counts while it does not answer.
    scene.fault = Some(fault());
    scene.settle();
    scene.check("Accepted", "True", "AsExpected");
}

#[test]
fn of_many_such_hosts_the_first_are_named() {
    let mut scene = Scene::of_flannel();
    scene.members = (0..9).map(|it| member(&format!("es-{it}"))).collect();
    for member in &mut scene.members {
        member.without_flannel = Some(OsFamily::Rhel);
    }
    scene.settle();
    let message = &scene.condition("Accepted").message;
    assert!(message.contains("es-4 (RHEL), and others.") && !message.contains("es-5"), "{message}");
}

#[test]
fn of_many_leases_the_first_are_listed_and_the_rest_is_counted() {
    let mut scene = Scene::of_flannel();
    let one = |it: u16| {
        let [high, low] = it.to_be_bytes();
        lease([192, 168, high, low], &format!("10.5.{low}.0/24"))
    };
    scene.leases = Leases { known: (0..300).map(one).collect(), count: 5000 };
    scene.settle();
    assert_eq!(scene.status().leases.len(), 256);
    assert_eq!(scene.status().leases_omitted, Some(4744));
}

#[test]
fn a_range_that_hosts_hold_parts_of_is_not_moved() {
    let mut scene = Scene::of_flannel();
    scene.settle();
    let before = scene.stored.clone();
    let known = vec![lease([192, 168, 0, 9], "10.5.34.0/24")];
    scene.leases = Leases { known, count: 1 };
    scene.spec(&moved(&scene));
    scene.settle();
    assert_eq!(scene.stored, before);
    scene.check("Configured", "False", "ImmutableChange");
    scene.check("Stalled", "True", "ImmutableChange");
    scene.check("Reachable", "True", "AsExpected");
    let message = &scene.condition("Configured").message;
    assert!(message.contains("10.5.34.0/24 of 192.168.0.9."), "{message}");
    scene.leases = Leases::default();
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    assert_eq!(stored(&scene)["Network"], "10.6.0.0/16");
}

#[test]
fn what_is_no_configuration_is_left_alone() {
    let mut scene = Scene::of_flannel();
    scene.stored = Some(Stored { text: "a note of somebody".into(), revision: 3 });
    scene.settle();
    scene.check("Configured", "False", "UnexpectedAnswer");
    scene.check("Stalled", "True", "UnexpectedAnswer");
    assert_eq!(scene.stored.as_ref().unwrap().revision, 3);
}

#[test]
fn an_etcd_that_does_not_answer_leaves_open_what_stands_there() {
    let endpoint = || "https://etcd.example:2379".into();
    let reason = || "its words".into();
    let attempt = "read the network's configuration";
    let cases = [
        (fault(), "Unreachable", "Reconciling"),
        (
            Error::Unauthorized { endpoint: endpoint(), reason: reason() },
            "AuthenticationFailed",
            "Stalled",
        ),
        (
            Error::Forbidden { endpoint: endpoint(), attempt, reason: reason() },
            "PrivilegeMissing",
            "Stalled",
        ),
        (
            Error::Busy { endpoint: endpoint(), attempt, reason: reason() },
            "TooManyRequests",
            "Reconciling",
        ),
    ];
    for (fault, reason, progress) in cases {
        let mut scene = Scene::of_flannel();
        scene.settle();
        scene.fault = Some(fault);
        scene.settle();
        scene.check("Reachable", "False", reason);
        scene.check("Configured", "Unknown", "Waiting");
        scene.check(progress, "True", reason);
        assert_eq!(scene.seen().is_put_off(), progress == "Reconciling");
        scene.fault = None;
        scene.settle();
        scene.check("Ready", "True", "AsExpected");
    }
}

#[test]
fn a_write_that_fails_or_is_overtaken_is_tried_again() {
    let mut scene = Scene::of_flannel();
    scene.write = Some(Ok(Written::Overtaken));
    scene.turn();
    scene.check("Configured", "False", "InProgress");
    scene.check("Reconciling", "True", "InProgress");
    scene.write = Some(Err(fault()));
    scene.turn();
    scene.check("Configured", "False", "Unreachable");
    scene.write = None;
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn what_the_spec_names_and_is_missing_or_useless_is_told() {
    let cases = [
        (Reason::SecretNotFound, "ResolvedRefs", "Reconciling"),
        (Reason::InvalidContent, "ResolvedRefs", "Stalled"),
        (Reason::InvalidSpec, "Accepted", "Stalled"),
    ];
    for (reason, kind, progress) in cases {
        let mut scene = Scene::of_flannel();
        scene.problem = Some(Problem { reason, message: "spec.options.tls: why".into() });
        scene.settle();
        scene.check(kind, "False", reason.as_str());
        scene.check(progress, "True", reason.as_str());
        scene.check("Reachable", "Unknown", "Waiting");
        scene.check("Configured", "Unknown", "Waiting");
        scene.problem = None;
        scene.settle();
        scene.check("Ready", "True", "AsExpected");
    }
}

#[test]
fn the_younger_of_two_networks_in_one_place_writes_nothing() {
    let mut scene = Scene::of_flannel();
    scene.claimed_by = Some("shop/older".into());
    scene.settle();
    assert_eq!(scene.stored, None);
    scene.check("Accepted", "False", "Conflict");
    scene.check("Stalled", "True", "Conflict");
    let message = &scene.condition("Accepted").message;
    assert!(message.starts_with("Network shop/older is older"), "{message}");
    scene.claimed_by = None;
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    // By this another one is known to stand in the same etcd, whatever it calls it.
    let id = scene.status().etcd_cluster_id.as_ref().map(Line::as_str);
    assert_eq!(id, Some("cdf8"));
}

#[test]
fn a_flannel_server_is_not_worked_with_and_the_way_out_is_told() {
    let options = json!({ "address": "192.0.2.1:8472" });
    let mut scene = Scene::new(&json!({ "type": "FlannelServer", "options": options }));
    scene.members = vec![member("es-1"), member("es-2")];
    let questions = scene.turn().plan.questions;
    assert!(questions.is_empty());
    scene.check("Accepted", "False", "Unsupported");
    scene.check("Stalled", "True", "Unsupported");
    scene.check("Ready", "False", "Unsupported");
    let message = &scene.condition("Accepted").message;
    assert!(message.contains("FlannelEtcd") && message.contains("HostNetwork"), "{message}");
    assert!(!scene.turn().wrote);
}
