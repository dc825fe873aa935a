use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::{
    kubernetes::scripted::{Asked, Script, api_server},
    shutdown,
};

fn candidate() -> (Candidate, Script, WriteGate) {
    let (client, script) = api_server();
    let gate = WriteGate::shut();
    (Candidate::new(client, "ns", "me".into(), gate.clone()), script, gate)
}

fn lease(holder: &str, version: u32) -> Value {
    json!({
        "metadata": { "name": NAME, "namespace": "ns", "resourceVersion": version.to_string() },
        "spec": {
            "holderIdentity": holder, "leaseDurationSeconds": 15, "leaseTransitions": version,
            "renewTime": "2026-01-01T00:00:00.000000Z",
        },
    })
}

/// What was written, as the API server hands it back.
fn accept(asked: Asked, version: u32) {
    let mut lease = asked.body.clone();
    lease["metadata"]["resourceVersion"] = json!(version.to_string());
    asked.answer(&lease);
}

/// A candidate that took a Lease which nobody held.
async fn holder() -> (Candidate, Script, WriteGate) {
    let (mut candidate, mut script, gate) = candidate();
    tokio::join!(candidate.acquire(|| {}), async {
        script.next().await.answer(&lease("", 1));
        accept(script.next().await, 2);
    });
    assert!(gate.check().is_ok());
    (candidate, script, gate)
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_not_there_is_made_and_opens_the_gate() {
    let (mut candidate, mut script, gate) = candidate();
    tokio::join!(candidate.acquire(|| {}), async {
        let asked = script.next().await;
        assert_eq!(asked.target, "/apis/coordination.k8s.io/v1/namespaces/ns/leases/drover");
        asked.refuse(404, "NotFound");
        assert!(gate.check().is_err(), "shut until the Lease is held");
        let asked = script.next().await;
        assert_eq!(asked.method, Method::POST);
        assert_eq!(asked.body["spec"]["holderIdentity"], "me");
        assert_eq!(asked.body["spec"]["leaseDurationSeconds"], 15);
        accept(asked, 1);
    });
    assert!(gate.check().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_another_is_taken_only_when_it_stood_still_by_our_own_clock() {
    let (mut candidate, mut script, _gate) = candidate();
    let start = Instant::now();
    let stood_by = std::cell::Cell::new(false);
    tokio::join!(candidate.acquire(|| stood_by.set(true)), async {
        script.next().await.answer(&lease("other", 1));
        // Renewed once more while we looked on.
        while start.elapsed() < Duration::from_secs(6) {
            script.next().await.answer(&lease("other", 1));
        }
        let renewed = Instant::now();
        let taken = loop {
            let asked = script.next().await;
            if asked.method == Method::PUT {
                break asked;
            }
            asked.answer(&lease("other", 2));
        };
        assert!(DURATION <= renewed.elapsed(), "{:?}", renewed.elapsed());
        assert!(renewed.elapsed() <= DURATION + LOOK * 2, "{:?}", renewed.elapsed());
        assert_eq!(taken.body["metadata"]["resourceVersion"], "2");
        assert_eq!(taken.body["spec"]["leaseTransitions"], 3);
        accept(taken, 3);
    });
    assert!(stood_by.get());
}

#[tokio::test(start_paused = true)]
async fn of_two_that_take_it_at_once_the_slower_one_stands_by() {
    let (mut candidate, mut script, gate) = candidate();
    let mut waits = std::pin::pin!(candidate.acquire(|| {}));
    let other = async {
        script.next().await.answer(&lease("", 1));
        script.next().await.refuse(409, "Conflict");
        script.next().await.answer(&lease("other", 2));
        script.next().await
    };
    tokio::select! {
        () = &mut waits => panic!("it was taken by another"),
        asked = other => assert_eq!(asked.method, Method::GET),
    }
    assert!(gate.check().is_err());
}

#[tokio::test(start_paused = true)]
async fn the_holder_renews_every_five_seconds_with_one_request() {
    let (mut candidate, mut script, gate) = holder().await;
    let (stopper, stop) = shutdown::channel();
    let (result, ()) = tokio::join!(candidate.hold(stop), async {
        for version in 3..6 {
            let before = Instant::now();
            let asked = script.next().await;
            assert_eq!(asked.method, Method::PUT);
            assert_eq!(before.elapsed(), RENEW);
            accept(asked, version);
        }
        stopper.stop();
    });
    assert!(result.is_ok() && gate.check().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_can_not_renew_in_time_gives_up_before_another_may_take_it() {
    let (mut candidate, mut script, gate) = holder().await;
    let start = Instant::now();
    let (_stopper, stop) = shutdown::channel();
    let silence = async {
        let mut open = Vec::new();
        loop {
            open.push(script.next().await);
        }
    };
    let result = tokio::select! {
        result = candidate.hold(stop) => result,
        () = silence => panic!("the script never ends"),
    };
    assert!(matches!(result, Err(Lost::Late)));
    assert!(start.elapsed() < DURATION, "{:?}", start.elapsed());
    assert!(gate.check().is_err());
    gate.open_for(std::time::Instant::now(), DURATION);
    assert!(gate.check().is_err(), "shut for good");
}

#[tokio::test(start_paused = true)]
async fn a_holder_lives_through_a_short_absence_of_the_api_server() {
    let (mut candidate, mut script, gate) = holder().await;
    let (stopper, stop) = shutdown::channel();
    let (result, ()) = tokio::join!(candidate.hold(stop), async {
        script.next().await.refuse(503, "ServiceUnavailable");
        script.next().await.refuse(500, "InternalError");
        accept(script.next().await, 3);
        let before = Instant::now();
        accept(script.next().await, 4);
        assert_eq!(before.elapsed(), RENEW);
        stopper.stop();
    });
    assert!(result.is_ok() && gate.check().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_holder_whose_lease_was_taken_stops_at_once() {
    let (mut candidate, mut script, gate) = holder().await;
    let (_stopper, stop) = shutdown::channel();
    let (result, ()) = tokio::join!(candidate.hold(stop), async {
        script.next().await.refuse(409, "Conflict");
        script.next().await.answer(&lease("other", 3));
    });
    assert!(matches!(result, Err(Lost::Taken(holder)) if holder == "other"));
    assert!(gate.check().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_holder_goes_on_when_somebody_only_touched_the_lease_or_deleted_it() {
    let (mut candidate, mut script, gate) = holder().await;
    let (stopper, stop) = shutdown::channel();
    let (result, ()) = tokio::join!(candidate.hold(stop), async {
        script.next().await.refuse(409, "Conflict");
        script.next().await.answer(&lease("me", 7));
        let asked = script.next().await;
        assert_eq!(asked.body["metadata"]["resourceVersion"], "7");
        accept(asked, 8);
        script.next().await.refuse(404, "NotFound");
        script.next().await.refuse(404, "NotFound");
        let asked = script.next().await;
        assert_eq!(asked.method, Method::POST);
        accept(asked, 9);
        stopper.stop();
    });
    assert!(result.is_ok() && gate.check().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_given_back_shuts_the_gate_first_and_names_nobody() {
    let (candidate, mut script, gate) = holder().await;
    tokio::join!(candidate.release(), async {
        let asked = script.next().await;
        assert!(gate.check().is_err());
        assert_eq!(asked.method, Method::PUT);
        assert_eq!(asked.body["metadata"]["resourceVersion"], "2");
        assert_eq!(asked.body["spec"]["holderIdentity"], "");
        accept(asked, 3);
    });
}

#[tokio::test(start_paused = true)]
async fn who_never_held_it_gives_nothing_back() {
    let (candidate, script, _gate) = candidate();
    drop(script);
    candidate.release().await;
}
