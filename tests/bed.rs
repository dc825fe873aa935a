//! The test bed's own promises, as far as they can be kept without a server.
#![allow(clippy::unwrap_used)]

#[path = "common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::certificates::Authority;
use common::process::{Process, Signal};
use common::proxy::{Answer, Fault, Moment, Outcome, Payload, Proxy, Upstream};
use common::wait::eventually;
use serde_json::json;

const SOON: Duration = Duration::from_secs(5);

fn client() -> reqwest::Client {
    common::init();
    let authority = reqwest::Certificate::from_pem(Authority::shared().pem().as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([authority]).no_proxy().timeout(SOON).build().unwrap()
}

/// A server behind a proxy, both with TLS.
fn pair() -> (Proxy, Proxy) {
    let certificate = Authority::shared().server();
    let server = Proxy::scripted(Some(&certificate), |request| {
        Answer::json(200, &json!({"path": request.path, "body": request.json()}))
    });
    (Proxy::start(Some(&certificate), Some(behind(&server))), server)
}

fn behind(server: &Proxy) -> Upstream {
    Upstream { address: server.address().to_string(), authority: Some(Authority::shared().file()) }
}

#[tokio::test]
async fn the_proxy_forwards_and_keeps_the_ledger() {
    let (proxy, server) = pair();
    let client = client();
    for path in ["/a", "/b?pretty=true"] {
        let request = client.put(proxy.url() + path).header("authorization", "Basic x");
        let answer = request.json(&json!({"k": 1})).send().await.unwrap();
        let answer: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(answer["body"], json!({"k": 1}));
    }
    client.get(proxy.url()).send().await.unwrap();
    let writes = proxy.ledger().writes();
    assert_eq!(writes.len(), 2, "{}", proxy.ledger().text());
    assert_eq!(writes[1].query, "pretty=true");
    assert_eq!(writes[1].json(), json!({"k": 1}));
    assert_eq!(writes[1].authorization.as_deref(), Some("Basic x"));
    assert_eq!(writes[1].outcome, Outcome::Answered(200));
    assert_eq!(server.ledger().all().len(), 3);
    // Kept alive on both sides: fewer connections than requests.
    let connections = (proxy.connections().accepted, server.connections().accepted);
    assert!(connections.0 < 3 && connections.1 < 3, "{connections:?}");
}

#[tokio::test]
async fn a_cut_before_forwarding_never_reaches_the_server_and_one_after_it_does() {
    let (proxy, server) = pair();
    let client = client();
    proxy.inject_times(1, |_| true, Fault::Cut(Moment::BeforeForward));
    client.put(proxy.url()).send().await.unwrap_err();
    assert_eq!(server.ledger().all().len(), 0);
    proxy.inject_times(1, |_| true, Fault::Cut(Moment::AfterAnswer));
    client.put(proxy.url()).send().await.unwrap_err();
    assert_eq!(server.ledger().all().len(), 1);
    proxy.inject_times(1, |_| true, Fault::Cut(Moment::MidBody));
    let answer = client.get(proxy.url()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap_err();
    let outcomes: Vec<_> = proxy.ledger().all().iter().map(|entry| entry.outcome).collect();
    assert_eq!(outcomes, [Outcome::CutBefore, Outcome::CutAfter(200), Outcome::CutAfter(200)]);
}

#[tokio::test]
async fn a_crash_point_strikes_at_the_write_that_was_named() {
    let (proxy, server) = pair();
    let client = client();
    let (crashed, crash) = std::sync::mpsc::channel();
    let point = proxy.crash_at(2, Moment::AfterAnswer, |_| true, move || crashed.send(()).unwrap());
    client.put(proxy.url() + "/first").send().await.unwrap();
    client.get(proxy.url() + "/question").send().await.unwrap();
    assert!(point.reached().is_none());
    client.put(proxy.url() + "/second").send().await.unwrap_err();
    crash.try_recv().unwrap();
    assert_eq!(point.reached().unwrap().path, "/second");
    assert_eq!(server.ledger().writes().len(), 2);
    client.put(proxy.url() + "/third").send().await.unwrap();
}

#[tokio::test]
async fn bad_certificates_are_refused_before_a_byte_is_sent() {
    let authority = Authority::shared();
    let stranger = Authority::new();
    let bad =
        [authority.expired(), authority.not_yet_valid(), authority.wrong_name(), stranger.server()];
    for certificate in bad {
        let proxy = Proxy::scripted(Some(&certificate), |_| Answer::empty(200));
        let name = certificate.certificate.display();
        let refused = client().get(proxy.url()).header("authorization", "Basic x").send().await;
        assert!(refused.is_err(), "{name}");
        eventually("the handshake fails", SOON, async || {
            match proxy.connections().handshake_failures.len() {
                0 => Err("not yet"),
                _ => Ok(()),
            }
        })
        .await;
        assert_eq!(proxy.connections().bytes_received, 0, "{name}");
        assert_eq!(proxy.ledger().all().len(), 0, "{name}");
    }
}

#[tokio::test]
async fn answers_can_be_held_slowed_rewritten_and_endless() {
    let (proxy, server) = pair();
    let client = client();
    let short = |path: &str| client.get(proxy.url() + path).timeout(Duration::from_millis(300));

    let rule = proxy.inject(|request| request.path == "/hold", Fault::Hold);
    assert!(short("/hold").send().await.unwrap_err().is_timeout());
    assert_eq!(proxy.hits(rule), 1);
    proxy.remove(rule);
    assert_eq!(short("/hold").send().await.unwrap().status(), 200);
    assert_eq!(server.ledger().all().len(), 1);

    proxy.inject(|request| request.path == "/slow", Fault::Trickle(1, Duration::from_secs(1)));
    assert!(short("/slow").send().await.unwrap().bytes().await.unwrap_err().is_timeout());

    let page = Answer::html(200, "<h1>hello</h1>");
    proxy.inject(|request| request.path == "/html", Fault::Answer(page));
    assert_eq!(short("/html").send().await.unwrap().text().await.unwrap(), "<h1>hello</h1>");

    let upper = |body: Vec<u8>| String::from_utf8(body).unwrap().to_uppercase().into_bytes();
    proxy.inject(|request| request.path == "/x", Fault::Rewrite(std::sync::Arc::new(upper)));
    assert_eq!(
        short("/x").send().await.unwrap().text().await.unwrap(),
        r#"{"BODY":NULL,"PATH":"/X"}"#
    );

    let big = Answer::payload(200, Payload::Spaces(3_000_000));
    proxy.inject(|request| request.path == "/big", Fault::Answer(big));
    let answer = client.get(proxy.url() + "/big").send().await.unwrap();
    assert_eq!(answer.bytes().await.unwrap().len(), 3_000_000);

    proxy.inject(
        |request| request.path == "/endless",
        Fault::Answer(Answer::payload(200, Payload::Endless)),
    );
    let mut answer = client.get(proxy.url() + "/endless").send().await.unwrap();
    let mut read = 0;
    while read < 10_000_000 {
        read += answer.chunk().await.unwrap().unwrap().len();
    }
}

#[tokio::test]
async fn a_frozen_proxy_answers_nothing_until_it_thaws() {
    let (proxy, _server) = pair();
    let client = client();
    client.get(proxy.url()).send().await.unwrap();
    proxy.freeze();
    let patience = Duration::from_millis(300);
    assert!(client.get(proxy.url()).timeout(patience).send().await.unwrap_err().is_timeout());
    let began = Instant::now();
    let mut later = tokio::spawn(client.get(proxy.url()).send());
    assert!(tokio::time::timeout(patience, &mut later).await.is_err());
    proxy.thaw();
    assert_eq!(later.await.unwrap().unwrap().status(), 200);
    assert!(began.elapsed() < SOON);
}

#[tokio::test]
async fn the_server_and_the_connections_can_be_swapped_under_the_client() {
    let (proxy, _server) = pair();
    let client = client();
    client.get(proxy.url()).send().await.unwrap();
    let other = Proxy::scripted(Some(&Authority::shared().server()), |_| Answer::empty(204));
    proxy.set_upstream(behind(&other));
    assert_eq!(client.get(proxy.url()).send().await.unwrap().status(), 204);
    // How many connections a client opens ahead of need is its own affair.
    let before = proxy.connections().accepted;
    proxy.cut_connections();
    // The client may take the old connection once more.
    eventually("a new connection", SOON, async || client.get(proxy.url()).send().await).await;
    assert!(before < proxy.connections().accepted);
}

#[tokio::test]
async fn a_process_ends_with_its_handle_and_tells_its_status() {
    let log = common::paths::scratch("process").join("log");
    let sleeper = Process::spawn("sleeper", &log, "sleep", ["60"], &[]);
    let pid = sleeper.pid();
    sleeper.signal(Signal::Stop);
    drop(sleeper);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    let polite = Process::spawn(
        "polite",
        &log,
        "sh",
        ["-c", "trap 'echo bye; exit 3' TERM; echo hi; sleep 60 & wait"],
        &[],
    );
    eventually("it says hi", SOON, async || {
        if polite.log_tail(1) == "hi" { Ok(()) } else { Err("not yet") }
    })
    .await;
    polite.signal(Signal::Term);
    assert_eq!(polite.ended(SOON).await, 3);
    assert_eq!(polite.log_tail(1), "bye");
}

#[tokio::test]
async fn a_process_ends_with_its_guard_too() {
    let log = common::paths::scratch("process").join("log");
    let sleeper = Process::spawn("sleeper", &log, "sleep", ["60"], &[]);
    let folder = format!("/proc/{}", sleeper.pid());
    let status = std::fs::read_to_string(format!("{folder}/status")).unwrap();
    let guard = status.lines().find_map(|line| line.strip_prefix("PPid:\t")).unwrap();
    // A guard that is killed before its child is tied to it would be the machine's trouble, not ours.
    eventually("it sleeps", SOON, async || {
        let command = std::fs::read_to_string(format!("{folder}/comm")).unwrap();
        if command == "sleep\n" { Ok(()) } else { Err(command) }
    })
    .await;
    common::process::send(Signal::Kill, guard.parse().unwrap());
    eventually("it has ended", SOON, async || {
        if std::path::Path::new(&folder).exists() { Err("still there") } else { Ok(()) }
    })
    .await;
}
