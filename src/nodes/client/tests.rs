use http::Method;
use serde_json::json;

use super::*;
use crate::{
    chain::chain,
    kubernetes::scripted::api_server,
    nodes::error::Category,
    tls::CertificateProblem,
    transport::scripted::{Reply, Server, authority::Authority, header, with_headers},
};

const TOKEN: &str = "t0ken-that-nobody-may-see";

fn json_reply(status: u16, body: &str) -> Reply {
    with_headers(status, "content-type: application/json", body)
}

/// A server that `authority` vouches for, and a connection to it below `path`.
async fn serve(
    authority: &Authority,
    path: &str,
    reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
) -> (Server, Connection) {
    let server = Server::https(authority.issue("127.0.0.1").server(), reply).await;
    let connection = Connection {
        server: server.url().join(path).unwrap(),
        ca: Some(authority.pem()),
        server_name: None,
        auth: Auth::Token(TOKEN.into()),
    };
    (server, connection)
}

fn client(connection: &Connection) -> Client {
    Client::new(connection, WriteGate::always_open()).unwrap()
}

async fn ask(client: &Client) -> Result<(), Error> {
    client.read(|| "read the Node a".into(), client.nodes().get("a")).await.map(drop)
}

/// The error that `reply` becomes, checked to show no secret.
async fn error(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Error {
    let (_server, connection) = serve(&Authority::new("one"), "", reply).await;
    let error = ask(&client(&connection)).await.unwrap_err();
    let text = format!("{error:?} {}", chain(&error));
    assert!(!text.contains(TOKEN), "{text}");
    assert!(chain(&error).len() < 2500, "{}", text.len());
    error
}

fn node() -> String {
    json!({"metadata": {"name": "a"}}).to_string()
}

#[tokio::test]
async fn the_token_goes_to_the_server_that_its_authority_vouches_for() {
    let reply = |_: &str| json_reply(200, &node());
    let (server, connection) = serve(&Authority::new("one"), "k8s/clusters/c-1/", reply).await;
    ask(&client(&connection)).await.unwrap();
    let request = &server.requests()[0];
    assert!(request.starts_with("GET /k8s/clusters/c-1/api/v1/nodes/a HTTP/1.1"), "{request}");
    assert_eq!(header(request, "authorization"), Some(&*format!("Bearer {TOKEN}")));
    let agent = concat!("drover/", env!("CARGO_PKG_VERSION"));
    assert_eq!(header(request, "user-agent"), Some(agent));
    assert_eq!(header(request, "accept-encoding"), None);
}

#[tokio::test]
async fn no_other_server_gets_anything() {
    let (one, other) = (Authority::new("one"), Authority::new("other"));
    let (server, connection) = serve(&one, "", |_| json_reply(200, &node())).await;
    for ca in [Some(other.pem()), None] {
        let error = ask(&client(&Connection { ca, ..connection.clone() })).await.unwrap_err();
        let Error::Failed { failure, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*failure, Failure::Certificate(CertificateProblem::UnknownAuthority));
        assert_eq!(error.category(), Category::Tls);
    }
    let server_name = Some("nodes.example".to_owned());
    let error = ask(&client(&Connection { server_name, ..connection })).await.unwrap_err();
    assert_eq!(error.category(), Category::Tls);
    assert_eq!(server.requests(), [""; 0], "nothing was sent");
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_a_server_that_wants_one() {
    let authority = Authority::new("one");
    let settings = authority.issue("127.0.0.1").server_for_clients_of(&authority);
    let server = Server::https(settings, |_| json_reply(200, &node())).await;
    let shown = authority.issue("drover");
    let key = shown.key.serialize_pem().into_bytes().into();
    let connection = Connection {
        server: server.url(),
        ca: Some(authority.pem()),
        server_name: None,
        auth: Auth::ClientCertificate { certificate: shown.pem, key },
    };
    ask(&client(&connection)).await.unwrap();
    assert_eq!(header(&server.requests()[0], "authorization"), None);

    let auth = Auth::Token(TOKEN.into());
    let error = ask(&client(&Connection { auth, ..connection })).await.unwrap_err();
    assert_eq!(error.category(), Category::Tls);
}

#[tokio::test]
async fn a_redirect_takes_the_token_nowhere() {
    let authority = Authority::new("one");
    let (sink, _) = serve(&authority, "", |_| json_reply(200, &node())).await;
    let location = format!("location: {}", sink.url());
    let error = error(move |_| with_headers(302, &location, "")).await;
    let Error::Failed { failure, .. } = &error else { panic!("{error:?}") };
    assert_eq!((failure, error.category()), (&Failure::Redirected, Category::WrongServer));
    assert_eq!(sink.accepted(), 0);
}

#[tokio::test]
async fn an_endless_answer_is_left_unread() {
    let endless = 64 * 1024 * 1024;
    let authority = Authority::new("one");
    let (server, connection) = serve(&authority, "", move |_| Reply::Stream(endless)).await;
    let error = ask(&client(&connection)).await.unwrap_err();
    assert!(matches!(error, Error::Failed { failure: Failure::TooLarge { .. }, .. }), "{error:?}");
    assert!(server.sent() < endless);
}

#[tokio::test]
async fn what_no_api_server_says_is_told_as_such() {
    let html = |_: &str| with_headers(200, "content-type: text/html", "<html>");
    let error_of_html = error(html).await;
    assert_eq!(error_of_html.category(), Category::WrongServer);
    let cut = |_: &str| Reply::Cut("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{".into());
    let error_of_cut = error(cut).await;
    assert!(
        matches!(error_of_cut, Error::Failed { failure: Failure::BrokenOff, .. }),
        "{error_of_cut:?}"
    );
}

#[tokio::test]
async fn a_token_that_comes_back_is_blotted_out_and_long_words_are_cut() {
    let status = |code: u16, message: &str| {
        json!({"kind": "Status", "status": "Failure", "message": message, "reason": message,
               "code": code})
        .to_string()
    };
    let escaped = TOKEN.replace('t', "\\u0074");
    for text in [TOKEN.to_owned(), format!("{TOKEN}\n{}", "x".repeat(10_000))] {
        for code in [401, 403, 409, 429, 500] {
            let body = status(code, &text);
            error(move |_| json_reply(code, &body)).await;
        }
        error(move |_| with_headers(502, "content-type: text/plain", &text)).await;
    }
    let body = status(401, "x").replace("\"x\"", &format!("\"{escaped}\""));
    let error = error(move |_| json_reply(401, &body)).await;
    assert!(error.to_string().ends_with("does not take the credentials: [redacted]"), "{error}");
}

#[tokio::test]
async fn whom_the_server_takes_for_nobody_is_not_authenticated() {
    let message = r#"nodes is forbidden: User \"system:anonymous\" cannot list resource"#;
    let body = format!(r#"{{"kind":"Status","message":"{message}","code":403}}"#);
    let error = error(move |_| json_reply(403, &body)).await;
    assert_eq!(error.category(), Category::Unauthorized);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up_after_ten_seconds() {
    let (kube, mut script) = api_server();
    let client = Client::scripted(kube);
    let (answer, _held) = tokio::join!(ask(&client), script.next());
    let error = answer.unwrap_err();
    assert!(matches!(error, Error::Timeout { after: CALL, .. }), "{error:?}");
    assert_eq!(error.category(), Category::Unreachable);
}

#[tokio::test]
async fn a_shut_gate_lets_reads_pass_and_no_write() {
    let (kube, mut script) = api_server();
    let client = Client::scripted(kube).with_gate(WriteGate::shut());
    let delete = async {
        let (nodes, parameters) = (client.nodes(), kube::api::DeleteParams::default());
        client.write(|| "delete the Node a".into(), nodes.delete("a", &parameters)).await
    };
    let error = delete.await.unwrap_err();
    assert_eq!(
        (error.category(), error.to_string()),
        (Category::Closed, "did not delete the Node a".into())
    );
    let (read, ()) = tokio::join!(ask(&client), async {
        let asked = script.next().await;
        assert_eq!(asked.method, Method::GET);
        asked.answer(&json!({"metadata": {"name": "a"}}));
    });
    read.unwrap();
}
