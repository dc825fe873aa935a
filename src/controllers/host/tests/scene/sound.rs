//! What holds of every status of a Host, whatever happened.

use crate::api::{condition::find, host_status::HostStatus};

/// What holds of every status that follows another.
pub(super) fn assert_sound(before: Option<&HostStatus>, after: &HostStatus) {
    let is = |kind: &str| find(&after.conditions, kind).map(|it| it.status.as_str());
    let kinds: Vec<&str> = after.conditions.iter().map(|it| it.type_.as_str()).collect();
    let always = [
        "Ready",
        "Accepted",
        "ResolvedRefs",
        "HostKeyVerified",
        "Reachable",
        "Inspected",
        "Prepared",
        "Healthy",
    ];
    assert_eq!(kinds[..always.len()], always, "all conditions are there from the first status on");
    let ready = is("Ready") == Some("True");
    match (is("Reconciling"), is("Stalled")) {
        (None, None) => assert!(ready, "not Ready, and neither at work nor stalled"),
        (Some("True"), None) | (None, Some("True")) => assert!(!ready, "Ready and still at work"),
        both => panic!("Reconciling and Stalled are {both:?}"),
    }
    let parts = ["Deleting", "Draining"];
    let deleting = find(&after.conditions, "Ready").is_some_and(|it| parts.contains(&&*it.reason));
    if !deleting {
        let needed = || always[1..].iter();
        let is_node = is("Registered").is_none_or(|it| it == "True");
        let is_there = is("ElasticsearchInstalled").is_none_or(|it| it == "True");
        let is_right = is_node && is_there && needed().all(|it| is(it) == Some("True"));
        // A Node on its way out of service, or back, is all that may keep back the rest.
        let record = after.container_manager.as_ref();
        let is_between = is_node && is_there && record.is_some_and(|it| it.node.is_some());
        assert!(ready == is_right || (is_right && is_between), "what Ready means");
    }
    for condition in &after.conditions {
        assert!(!condition.reason.is_empty() && !condition.message.is_empty(), "{condition:?}");
        let earlier = before.and_then(|it| find(&it.conditions, &condition.type_));
        if let Some(earlier) = earlier {
            let moved = earlier.last_transition_time != condition.last_transition_time;
            let flipped = earlier.status != condition.status;
            assert_eq!(moved, flipped, "{}: the transition time", condition.type_);
        }
    }
    let generation = before.and_then(|it| it.observed_generation);
    assert!(generation <= after.observed_generation, "the observed generation went back");
    let check = before.and_then(|it| it.last_check.as_ref());
    assert!(check <= after.last_check.as_ref(), "the last check went back");
}
