use std::sync::{Mutex, atomic::AtomicUsize};

use secrecy::SecretString;

use super::*;
use crate::elasticsearch::{
    error::Category,
    names::OneIndex,
    reason::Refusal,
    scripted::{NoMeter, Reply, Server, client, connection, header, json, with_headers},
};

const SECRET: &str = "s3cret-pa55word";

fn read() -> Read {
    Read::new("health", "/_cluster/health?level=indices", "drover/es/logs")
}

fn write() -> Write {
    Write::delete_index(&OneIndex::new("logs").unwrap(), "drover/es/logs")
}

fn basic() -> Auth {
    Auth::Basic { username: "drover".into(), password: SECRET.into() }
}

/// An address where nobody listens.
async fn nobody() -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap()
}

#[tokio::test]
async fn a_read_carries_who_asks_and_no_wish_for_compression() {
    let server = Server::http(|_| json(200, "{}")).await;
    client(connection(&[&server])).read(&read()).await.unwrap();
    let requests = server.requests();
    let request = requests.first().unwrap();
    assert!(request.starts_with("GET /_cluster/health?level=indices HTTP/1.1\r\n"), "{request}");
    assert_eq!(header(request, "x-opaque-id"), Some("drover/es/logs"));
    let agent = concat!("drover/", env!("CARGO_PKG_VERSION"));
    assert_eq!(header(request, "user-agent"), Some(agent));
    assert_eq!(header(request, "accept-encoding"), None);
    assert_eq!(header(request, "authorization"), None);
}

#[tokio::test]
async fn every_kind_of_credentials_goes_into_its_header() {
    let bearer = Auth::Bearer("token".into());
    let api_key = Auth::ApiKey("aWQ6a2V5".into());
    let user = Auth::Basic { username: "Aladdin".into(), password: "open sesame".into() };
    let cases = [
        (bearer, "Bearer token"),
        (api_key, "ApiKey aWQ6a2V5"),
        (user, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
    ];
    for (auth, expected) in cases {
        let server = Server::http(|_| json(200, "{}")).await;
        let client = client(Connection { auth, ..connection(&[&server]) });
        client.read(&read()).await.unwrap();
        assert_eq!(header(&server.requests()[0], "authorization"), Some(expected));
    }
}

#[tokio::test]
async fn twenty_requests_take_one_connection() {
    let server = Server::http(|_| json(200, "{}")).await;
    let client = client(connection(&[&server]));
    for _ in 0..20 {
        client.read(&read()).await.unwrap();
    }
    assert_eq!((server.accepted(), server.requests().len()), (1, 20));
}

#[tokio::test]
async fn a_read_goes_on_to_the_next_endpoint_and_stays_there() {
    let busy = Server::http(|_| json(503, r#"{"error":{"type":"x","reason":"y"}}"#)).await;
    let good = Server::http(|_| json(200, "{}")).await;
    let mut connection = connection(&[&busy, &good]);
    connection.endpoints.insert(0, nobody().await);
    let client = client(connection);
    for _ in 0..3 {
        let endpoint = client.read(&read()).await.unwrap().endpoint;
        assert_eq!(client.endpoint_ids().nth(2), Some(endpoint));
        assert_eq!(format!("{}/", client.origin(endpoint)), good.url().as_str());
    }
    assert_eq!((busy.requests().len(), good.requests().len()), (1, 3));
}

#[tokio::test]
async fn a_read_comes_back_to_the_first_endpoint_when_the_last_one_fails() {
    let first = Server::http(|_| json(200, "{}")).await;
    let last = Server::http(|_| json(200, "{}")).await;
    let client = client(connection(&[&first, &last]));
    client.pass_on();
    assert_eq!(client.read(&read()).await.unwrap().endpoint, EndpointId(1));
    drop(last);
    assert_eq!(client.read(&read()).await.unwrap().endpoint, EndpointId(0));
}

#[tokio::test]
async fn an_endpoint_that_hangs_is_left_after_the_timeout() {
    let hung = Server::http(|_| Reply::Stall(String::new())).await;
    let good = Server::http(|_| json(200, "{}")).await;
    let timeout = Duration::from_secs(1);
    let client = client(Connection { timeout, ..connection(&[&hung, &good]) });
    assert_eq!(client.read(&read()).await.unwrap().endpoint, EndpointId(1));
}

#[tokio::test]
async fn all_endpoints_together_take_three_timeouts_at_most() {
    let mut servers = Vec::new();
    for _ in 0..6 {
        servers.push(Server::http(|_| Reply::Stall(String::new())).await);
    }
    let timeout = Duration::from_millis(400);
    let client = client(Connection { timeout, ..connection(&servers.iter().collect::<Vec<_>>()) });
    let start = Instant::now();
    let error = client.read(&read()).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
    assert!(timeout * 3 <= start.elapsed());
    let asked = servers.iter().filter(|it| !it.requests().is_empty()).count();
    assert!(asked <= 4, "{asked}");
}

#[tokio::test]
async fn of_several_failures_the_one_that_came_farthest_is_told() {
    let body = r#"{"error":{"type":"master_not_discovered_exception","reason":null},"status":503}"#;
    let server = Server::http(move |_| json(503, body)).await;
    let mut connection = connection(&[&server]);
    connection.endpoints.insert(0, nobody().await);
    connection.endpoints.push(nobody().await);
    let error = client(connection).read(&read()).await.unwrap_err();
    let Error::Unavailable { refusal, status, .. } = error else { panic!("{error:?}") };
    let kind = "master_not_discovered_exception".into();
    assert_eq!((status, *refusal), (503, Refusal { kind, reason: "".into() }));
}

#[tokio::test]
async fn what_one_endpoint_refuses_is_not_asked_of_another() {
    for status in [400, 401, 403, 404, 429, 500] {
        let first = Server::http(move |_| json(status, "{}")).await;
        let other = Server::http(|_| json(200, "{}")).await;
        client(connection(&[&first, &other])).read(&read()).await.unwrap_err();
        assert_eq!((first.requests().len(), other.requests().len()), (1, 0), "{status}");
    }
}

#[tokio::test]
async fn a_read_is_repeated_once_on_a_fresh_connection_when_a_kept_one_breaks() {
    let count = AtomicUsize::new(0);
    let server = Server::http(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        1 => Reply::Cut(String::new()),
        _ => json(200, "{}"),
    });
    let server = server.await;
    let client = client(connection(&[&server]));
    client.read(&read()).await.unwrap();
    client.read(&read()).await.unwrap();
    assert_eq!((server.accepted(), server.requests().len()), (2, 3));
}

#[tokio::test]
async fn a_read_is_not_repeated_when_a_fresh_connection_breaks() {
    let server = Server::http(|_| Reply::Cut(String::new())).await;
    let client = client(connection(&[&server]));
    for count in 1..=2 {
        let error = client.read(&read()).await.unwrap_err();
        assert!(matches!(error, Error::Interrupted { .. }), "{error:?}");
        assert_eq!(server.requests().len(), count);
    }
}

#[tokio::test]
async fn a_write_is_sent_once_to_one_endpoint_however_it_ends() {
    let ends: [fn() -> Reply; 4] = [
        || Reply::Cut(String::new()),
        || Reply::Stall(String::new()),
        || json(503, "{}"),
        || Reply::Cut("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".into()),
    ];
    for end in ends {
        let count = AtomicUsize::new(0);
        let server = Server::http(move |_| match count.fetch_add(1, Ordering::SeqCst) {
            0 => json(200, "{}"),
            _ => end(),
        });
        let (server, other) = (server.await, Server::http(|_| json(200, "{}")).await);
        let timeout = Duration::from_secs(1);
        let client = client(Connection { timeout, ..connection(&[&server, &other]) });
        let endpoint = client.read(&read()).await.unwrap().endpoint;
        let error = client.write_at(endpoint, &write()).await.unwrap_err();
        let silent = [Category::Unreachable, Category::WrongServer];
        assert!(silent.contains(&error.category()), "{error:?}");
        assert_eq!((server.requests().len(), other.requests().len()), (2, 0), "{error:?}");
    }
}

#[tokio::test]
async fn a_write_tells_elasticsearch_to_give_up_before_the_client_does() {
    let server = Server::http(|_| json(200, r#"{"acknowledged":true}"#)).await;
    let client = client(Connection { auth: basic(), ..connection(&[&server]) });
    let name = OneIndex::new("größe").unwrap();
    let write = Write::create_index(&name, r#"{"settings":{}}"#.into(), "drover/es/größe");
    client.write_at(EndpointId(0), &write).await.unwrap().acknowledged().unwrap();
    let request = &server.requests()[0];
    let line = "PUT /gr%C3%B6%C3%9Fe?master_timeout=2250ms&timeout=2250ms HTTP/1.1\r\n";
    assert!(request.starts_with(line), "{request}");
    assert!(request.ends_with(r#"{"settings":{}}"#), "{request}");
    assert_eq!(header(request, "content-type"), Some("application/json"));
    assert_eq!(header(request, "x-opaque-id"), Some("drover/es/gre"));
}

#[tokio::test]
async fn a_change_that_not_all_nodes_confirmed_is_no_success() {
    let server = Server::http(|_| json(200, r#"{"acknowledged":false}"#)).await;
    let client = client(connection(&[&server]));
    let answer = client.write_at(EndpointId(0), &write()).await.unwrap();
    let error = answer.acknowledged().unwrap_err();
    assert!(matches!(error, Error::NotAcknowledged { .. }), "{error:?}");
}

#[tokio::test]
async fn nothing_is_written_through_a_closed_gate() {
    let server = Server::http(|_| json(200, r#"{"acknowledged":true}"#)).await;
    let gate = WriteGate::shut();
    let client = Client::new(connection(&[&server]), gate.clone(), Arc::new(NoMeter)).unwrap();
    let error = client.write_at(EndpointId(0), &write()).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error:?}");
    assert_eq!(server.accepted(), 0);
    client.read(&read()).await.unwrap();
    gate.open_for(std::time::Instant::now(), Duration::from_secs(30));
    client.write_at(EndpointId(0), &write()).await.unwrap();
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Server::http(|_| json(200, "{}")).await;
    let location = format!("location: {}", other.url());
    let server = Server::http(move |_| with_headers(302, &location, "")).await;
    let client = client(Connection { auth: basic(), ..connection(&[&server]) });
    let error = client.read(&read()).await.unwrap_err();
    assert!(matches!(error, Error::Redirected { .. }), "{error:?}");
    assert_eq!((server.requests().len(), other.accepted()), (1, 0));
}

#[test]
fn a_proxy_from_the_environment_is_not_used() {
    // A process sees its environment as it started, so the test runs again as a child.
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "elasticsearch::client::tests::twenty_requests_take_one_connection"])
        .envs(
            ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
                .map(|it| (it, "http://127.0.0.1:9")),
        )
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 passed"), "{text}");
}

#[tokio::test]
async fn a_sick_cluster_holds_no_more_than_eight_requests() {
    let server = Server::http(|_| Reply::Stall(String::new())).await;
    let timeout = Duration::from_secs(30);
    let client = Arc::new(client(Connection { timeout, ..connection(&[&server]) }));
    let mut stuck = tokio::task::JoinSet::new();
    for _ in 0..CONCURRENT {
        let client = Arc::clone(&client);
        stuck.spawn(async move { client.read(&read()).await });
    }
    while server.requests().len() < CONCURRENT {
        tokio::task::yield_now().await;
    }
    let soon = Instant::now() + Duration::from_millis(100);
    let error = client.read_until(EndpointId(0), &read(), soon).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
    assert_eq!(server.requests().len(), CONCURRENT);
}

#[tokio::test]
async fn every_request_is_metered() {
    #[derive(Default)]
    struct Log(Mutex<Vec<(&'static str, &'static str)>>);
    impl Meter for Log {
        fn request(&self, operation: &'static str, code_class: &'static str, seconds: f64) {
            assert!(0.0 <= seconds);
            self.0.lock().unwrap().push((operation, code_class));
        }
    }
    let server = Server::http(|it| match header(it, "x-opaque-id") {
        Some("bad") => json(404, "{}"),
        Some("cut") => Reply::Cut(String::new()),
        _ => json(200, "{}"),
    });
    let server = server.await;
    let log = Arc::new(Log::default());
    let meter: Arc<dyn Meter> = Arc::clone(&log) as _;
    let client = Client::new(connection(&[&server]), WriteGate::always_open(), meter).unwrap();
    for caller in ["good", "bad", "cut"] {
        _ = client.read(&Read::new("health", "/", caller)).await;
    }
    assert_eq!(*log.0.lock().unwrap(), ["2xx", "4xx", "error"].map(|it| ("health", it)));
}

#[test]
fn endpoints_that_can_not_be_used_are_named_without_their_password() {
    let cases = [
        ("http://u:s3cret-pa55word@es.example", "carries user-info"),
        ("http://es.example/path", "carries a path"),
        ("http://es.example/?q", "carries a query"),
    ];
    for (url, problem) in cases {
        let endpoints = vec![Url::parse(url).unwrap()];
        let connection = Connection { endpoints, ..connection(&[]) };
        let error = Client::new(connection, WriteGate::shut(), Arc::new(NoMeter)).unwrap_err();
        assert_eq!(error.to_string(), format!("the endpoint 'http://es.example' {problem}"));
    }
    let error = Client::new(connection(&[]), WriteGate::shut(), Arc::new(NoMeter)).unwrap_err();
    assert_eq!(error, ConnectionError::NoEndpoint);
}

#[test]
fn credentials_that_can_not_be_used_make_no_client() {
    let auth = Auth::ApiKey(SecretString::from("two\nlines"));
    let endpoints = vec![Url::parse("http://es.example").unwrap()];
    let connection = Connection { endpoints, auth, ..connection(&[]) };
    let error = Client::new(connection, WriteGate::shut(), Arc::new(NoMeter)).unwrap_err();
    assert!(matches!(error, ConnectionError::Credentials { .. }));
}

#[tokio::test]
async fn a_client_shows_no_secret() {
    let server = Server::http(|_| json(200, "{}")).await;
    let client = client(Connection { auth: basic(), ..connection(&[&server]) });
    assert!(!format!("{client:?}").contains(SECRET));
}

impl EndpointId {
    /// The first endpoint of every client.
    pub const FIRST: Self = Self(0);
}
