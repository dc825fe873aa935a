use serde_json::{Value, json};

use super::*;
use crate::{
    flannel::connection::ClientCertificate,
    tls::CertificateProblem,
    transport::{
        Category,
        scripted::{Reply, Server, authority::Authority, with_headers},
    },
};

const ATTEMPT: &str = "read a test";

fn reply(status: u16, body: &Value) -> Reply {
    with_headers(status, "content-type: application/json", &body.to_string())
}

/// What etcd answers to a read of one key that is not there.
fn nothing() -> Value {
    json!({"header": {"cluster_id": "1"}, "succeeded": true, "responses": [{"response_range": {}}]})
}

fn swapped(succeeded: bool) -> Value {
    json!({"header": {"cluster_id": "1"}, "succeeded": succeeded, "responses": []})
}

fn connection(servers: &[&Server]) -> Connection {
    Connection {
        endpoints: servers.iter().map(|it| it.url()).collect(),
        ca: None,
        server_name: None,
        certificate: None,
        timeout: Duration::from_secs(5),
    }
}

fn client(connection: &Connection) -> Client {
    Client::new(connection, WriteGate::always_open()).unwrap()
}

async fn ask(client: &Client) -> Result<EndpointId, Error> {
    client.read(ATTEMPT, &[Range::key("/a")]).await.map(|it| it.endpoint)
}

async fn swap(client: &Client, id: EndpointId) -> Result<bool, Error> {
    let swap = Swap { key: b"/a", seen: Some(3), value: "{}", none_below: None };
    client.swap(id, "write a test", &swap).await
}

/// The error that `answer` becomes.
async fn error(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Error {
    let server = Server::http(answer).await;
    ask(&client(&connection(&[&server]))).await.unwrap_err()
}

#[tokio::test]
async fn several_ranges_are_read_at_one_moment() {
    let answer = json!({"header": {"cluster_id": "1"}, "responses": [
        {"response_range": {"count": "1",
            "kvs": [{"key": "L2E=", "value": "e30=", "mod_revision": "7"}]}},
        {"response_range": {"count": "3",
            "kvs": [{"key": "L2IvMQ==", "mod_revision": "8"}]}},
    ]});
    let server = Server::http(move |_| reply(200, &answer)).await;
    let client = client(&connection(&[&server]));
    let ranges = [Range::key("/a"), Range::below("/b/", 1)];
    let Reading { cluster, found, .. } = client.read(ATTEMPT, &ranges).await.unwrap();
    assert_eq!(cluster.to_string(), "1");
    let entry = Entry { key: b"/a".to_vec(), value: b"{}".to_vec(), revision: 7 };
    assert_eq!(found[0], Found { entries: vec![entry], count: 1 });
    assert_eq!((found[1].entries.len(), found[1].count), (1, 3));
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].starts_with("POST /v3/kv/txn HTTP/1.1\r\n"), "{}", requests[0]);
}

#[tokio::test]
async fn a_read_goes_on_to_the_next_member_and_stays_there() {
    let leaderless = json!({"code": 14, "message": "etcdserver: no leader"});
    let bad = Server::http(move |_| reply(503, &leaderless)).await;
    let good = Server::http(|_| reply(200, &nothing())).await;
    let gone = Server::http(|_| reply(200, &nothing())).await;
    let mut connection = connection(&[&gone, &bad, &good]);
    connection.timeout = Duration::from_secs(3);
    drop(gone);
    let client = client(&connection);
    for _ in 0..3 {
        assert_eq!(ask(&client).await.unwrap(), EndpointId(2));
    }
    assert_eq!((bad.requests().len(), good.requests().len()), (1, 3));
    drop(good);
    let error = ask(&client).await.unwrap_err();
    let Error::Unavailable { status: 503, reason, .. } = &error else { panic!("{error:?}") };
    assert_eq!(&**reason, "etcdserver: no leader", "the member that came farthest");
}

#[tokio::test]
async fn a_member_that_hangs_is_left_after_the_timeout() {
    let hung = Server::http(|_| Reply::Stall(String::new())).await;
    let good = Server::http(|_| reply(200, &nothing())).await;
    let timeout = Duration::from_secs(1);
    let client = client(&Connection { timeout, ..connection(&[&hung, &good]) });
    assert_eq!(ask(&client).await.unwrap(), EndpointId(1));
}

#[tokio::test]
async fn a_write_goes_to_the_named_member_once_and_tells_whether_it_was_done() {
    for succeeded in [true, false] {
        let one = Server::http(|_| reply(200, &nothing())).await;
        let other = Server::http(move |_| reply(200, &swapped(succeeded))).await;
        let client = client(&connection(&[&one, &other]));
        assert_eq!(swap(&client, EndpointId(1)).await.unwrap(), succeeded);
        assert_eq!((one.requests().len(), other.requests().len()), (0, 1));
    }
    let broken = Server::http(|_| Reply::Cut(String::new())).await;
    let other = Server::http(|_| reply(200, &swapped(true))).await;
    let client = client(&connection(&[&broken, &other]));
    let error = swap(&client, EndpointId(0)).await.unwrap_err();
    assert_eq!(error.category(), Category::Unreachable);
    assert_eq!((broken.requests().len(), other.requests().len()), (1, 0));
}

#[tokio::test]
async fn nothing_is_written_when_this_process_may_not() {
    let server = Server::http(|_| reply(200, &swapped(true))).await;
    let client = Client::new(&connection(&[&server]), WriteGate::shut()).unwrap();
    let error = swap(&client, EndpointId(0)).await.unwrap_err();
    assert_eq!(error.category(), Category::Closed);
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn each_refusal_falls_into_its_class() {
    let cases = [
        (400, "etcdserver: user name is empty", Category::Unauthorized),
        (400, "etcdserver: key is not provided", Category::Rejected),
        (401, "etcdserver: invalid auth token", Category::Unauthorized),
        (403, "etcdserver: permission denied", Category::Forbidden),
        (429, "etcdserver: mvcc: database space exceeded", Category::Busy),
        (504, "etcdserver: request timed out", Category::Unreachable),
    ];
    for (status, message, category) in cases {
        let body = json!({"code": 1, "message": message});
        let error = error(move |_| reply(status, &body)).await;
        assert_eq!(error.category(), category, "{error}");
        assert!(error.to_string().ends_with(message), "{error}");
    }
    let text = error(|_| with_headers(500, "content-type: text/plain", "<html>")).await;
    assert!(text.to_string().ends_with("(500): no reason given"), "{text}");
}

#[tokio::test]
async fn what_is_no_etcd_is_told_as_such() {
    let one_too_few = json!({"header": {"cluster_id": "1"}, "responses": []});
    for body in [json!({}), json!([]), json!({"header": {}}), one_too_few] {
        let error = error(move |_| reply(200, &body)).await;
        assert_eq!(error.category(), Category::WrongServer, "{error:?}");
    }
    let html = error(|_| with_headers(200, "content-type: text/html", "<html>")).await;
    assert_eq!(html.category(), Category::WrongServer);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_an_endless_answer_not_read() {
    let sink = Server::http(|_| reply(200, &nothing())).await;
    let location = format!("location: {}", sink.url());
    let redirected = error(move |_| with_headers(307, &location, "")).await;
    assert!(
        matches!(redirected, Error::Failed { failure: Failure::Redirected, .. }),
        "{redirected:?}"
    );
    assert_eq!(sink.accepted(), 0);
    let endless = error(|_| Reply::Stream(64 * 1024 * 1024)).await;
    let Error::Failed { failure, .. } = endless else { panic!("{endless:?}") };
    assert_eq!(failure, Failure::TooLarge { limit: LIMIT });
}

#[tokio::test]
async fn etcd_is_trusted_by_its_authority_and_drover_by_its_certificate() {
    let (one, other) = (Authority::new("one"), Authority::new("other"));
    let settings = one.issue("127.0.0.1").server_for_clients_of(&one);
    let server = Server::https(settings, |_| reply(200, &nothing())).await;
    let shown = one.issue("drover");
    let key = shown.key.serialize_pem().into_bytes().into();
    let certificate = Some(ClientCertificate { certificate: shown.pem, key });
    let good = Connection { ca: Some(one.pem()), certificate, ..connection(&[&server]) };
    ask(&client(&good)).await.unwrap();

    let without = Connection { certificate: None, ..good.clone() };
    assert_eq!(ask(&client(&without)).await.unwrap_err().category(), Category::Tls);
    let error = ask(&client(&Connection { ca: Some(other.pem()), ..good })).await.unwrap_err();
    let Error::Failed { failure: Failure::Certificate(problem), .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(problem, CertificateProblem::UnknownAuthority);
    assert_eq!(server.requests().len(), 1);
}
