//! A network of the hosts' own addresses.

use serde_json::json;

use super::scene::{Scene, member, peer};

#[test]
fn each_host_is_asked_for_the_others_of_its_cluster_that_serve() {
    let mut scene = Scene::of_hosts();
    scene.members[2].serves = false;
    scene.members.push(member("es-4"));
    scene.members.push(member("other-1"));
    scene.members[4].cluster = "other".into();
    let questions = scene.turn().plan.questions;
    let of = |name: &str| questions.get(&member(name).key).cloned();
    let both = |name: &str| [peer(name, 9200), peer(name, 9300)];
    assert_eq!(of("es-1"), Some([both("es-2"), both("es-4")].concat()));
    assert_eq!(of("es-2"), Some([both("es-1"), both("es-4")].concat()));
    assert_eq!(of("es-3"), None, "out of service");
    assert_eq!(of("other-1"), Some(vec![]), "nobody else is in its Cluster");
    scene.spec(&json!({ "type": "HostNetwork", "options": { "ports": [9301] } }));
    let questions = scene.turn().plan.questions;
    assert_eq!(questions[&member("es-1").key], [peer("es-2", 9301), peer("es-4", 9301)]);
    assert_eq!(scene.status().hosts, Some(5));
}

#[test]
fn hosts_that_reach_each_other_make_a_network_ready_and_a_closed_port_is_an_answer() {
    let mut scene = Scene::of_hosts();
    scene.settle();
    scene.check("Reachable", "Unknown", "NotChecked");
    scene.check("Reconciling", "True", "NotChecked");
    scene.tell(&[]);
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    let message = &scene.condition("Reachable").message;
    assert!(message.contains("at port 9200, 9300; a closed port is an answer too"), "{message}");
}

#[test]
fn a_network_that_nobody_or_one_host_uses_is_ready() {
    let mut scene = Scene::of_hosts();
    scene.members.truncate(1);
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    assert_eq!(scene.status().hosts, Some(1));
    scene.members.clear();
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    assert_eq!(scene.status().hosts, Some(0));
}

#[test]
fn hosts_that_do_not_reach_each_other_are_told_by_name_until_they_do() {
    let mut scene = Scene::of_hosts();
    scene.tell(&[("es-1", "es-2", 9300), ("es-3", "es-1", 9200), ("es-1", "es-2", 9200)]);
    scene.settle();
    scene.check("Reachable", "False", "Unreachable");
    scene.check("Ready", "False", "Unreachable");
    scene.check("Reconciling", "True", "Unreachable");
    let pairs: Vec<_> =
        scene.status().unreachable.iter().map(|it| (&*it.from, &*it.to, it.port)).collect();
    assert_eq!(pairs, [("es-1", "es-2", 9200), ("es-1", "es-2", 9300), ("es-3", "es-1", 9200)]);
    let message = &scene.condition("Reachable").message;
    let words = "es-1 gets no answer from es-2 at port 9200, es-1 gets no answer from es-2 at port \
                 9300, es-3 gets no answer from es-1 at port 9200: see status.unreachable";
    assert!(message.starts_with(words), "{message}");
    scene.tell(&[]);
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    assert!(scene.status().unreachable.is_empty());
}

#[test]
fn of_many_pairs_fifty_are_listed_and_the_rest_is_counted() {
    let mut scene = Scene::of_hosts();
    scene.members = (10..40).map(|it| member(&format!("es-{it}"))).collect();
    let names: Vec<String> = (11..40).map(|it| format!("es-{it}")).collect();
    let apart: Vec<_> = names
        .iter()
        .flat_map(|it| [("es-10", it.as_str(), 9200), ("es-10", it.as_str(), 9300)])
        .collect();
    scene.tell(&apart);
    scene.settle();
    assert_eq!(scene.status().unreachable.len(), 50);
    assert_eq!(scene.status().unreachable_omitted, Some(8));
    let message = scene.condition("Reachable").message.clone();
    assert!(message.contains("es-13 at port 9200, and others: see"), "{message}");
    scene.tell(&apart[..50]);
    scene.settle();
    assert_eq!(scene.status().unreachable_omitted, None);
    assert_eq!(scene.condition("Reachable").message, message, "no moving numbers");
}

#[test]
fn a_host_that_can_not_be_asked_leaves_it_unknown_and_one_that_can_not_try_is_told() {
    let mut scene = Scene::of_hosts();
    scene.tell(&[]);
    scene.members[1].answers = false;
    scene.settle();
    scene.check("Reachable", "Unknown", "Waiting");
    let message = &scene.condition("Reachable").message;
    assert!(message.starts_with("Host es-2 can't be asked"), "{message}");
    scene.members[1].answers = true;
    scene.fail("es-2");
    scene.settle();
    scene.check("Reachable", "False", "CommandFailed");
    scene.check("Stalled", "True", "CommandFailed");
    let message = &scene.condition("Reachable").message;
    assert!(message.contains("es-2") && message.contains("no bash"), "{message}");
    // Known to be apart counts for more than not known.
    scene.members[1].answers = false;
    scene.tell(&[("es-1", "es-3", 9300)]);
    scene.settle();
    scene.check("Reachable", "False", "Unreachable");
}

#[test]
fn a_restart_of_the_operator_writes_nothing_before_the_hosts_tell_or_after() {
    for apart in [&[][..], &[("es-1", "es-2", 9300)][..]] {
        let mut scene = Scene::of_hosts();
        scene.tell(apart);
        scene.settle();
        scene.restart();
        assert!(!scene.turn().wrote);
        scene.tell(apart);
        assert!(!scene.turn().wrote);
        // What is new is told at once, though others have not told yet.
        scene.restart();
        scene.tell(&[("es-2", "es-3", 9200)]);
        scene.members[0].reached = None;
        assert!(scene.turn().wrote);
        scene.check("Reachable", "False", "Unreachable");
    }
}

#[test]
fn a_host_that_joins_is_waited_for_and_one_that_leaves_is_not() {
    let mut scene = Scene::of_hosts();
    scene.tell(&[]);
    scene.settle();
    scene.members.remove(0);
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    scene.members.push(member("es-9"));
    scene.settle();
    scene.check("Reachable", "Unknown", "NotChecked");
    assert_eq!(scene.status().hosts, Some(3));
    scene.tell(&[]);
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn other_ports_are_not_taken_for_checked() {
    let mut scene = Scene::of_hosts();
    scene.tell(&[]);
    scene.settle();
    scene.spec(&json!({ "type": "HostNetwork", "options": { "ports": [9200, 9400] } }));
    scene.settle();
    scene.check("Reachable", "Unknown", "NotChecked");
    assert_eq!(scene.status().observed_generation, Some(2));
    scene.tell(&[]);
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
}
