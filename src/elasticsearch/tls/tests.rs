use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::elasticsearch::{
    calls::Read,
    client::Client,
    error::{CertificateProblem, Error},
    scripted::{
        Server,
        authority::{Authority, Issued},
        client, connection, header, json,
    },
};

const PASSWORD: &str = "s3cret-pa55word";

/// A connection with credentials, which must never go out when the server is refused.
fn connect(server: &Server) -> Connection {
    let auth = Auth::Basic { username: "drover".into(), password: PASSWORD.into() };
    Connection { auth, ..connection(&[server]) }
}

async fn serve(issued: &Issued) -> Server {
    Server::https(issued.server(), |_| json(200, "{}")).await
}

async fn ask(client: &Client) -> Result<(), Error> {
    client.read(&Read::new("root", "/", "test")).await.map(|_| ())
}

async fn accepts(server: &Server, connection: Connection) {
    let asked = server.requests().len();
    ask(&client(connection)).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), asked + 1);
    assert!(header(&requests[asked], "authorization").is_some());
}

async fn refuses(server: &Server, connection: Connection, expected: CertificateProblem) {
    let error = ask(&client(connection)).await.unwrap_err();
    let Error::Certificate { problem, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*problem, expected);
    assert_eq!(server.requests(), [""; 0], "nothing was sent");
    assert!(!format!("{error:?} {error}").contains(PASSWORD));
}

fn wrong_name(expected: &str, presented: &str) -> CertificateProblem {
    CertificateProblem::WrongName { expected: expected.into(), presented: presented.into() }
}

#[tokio::test]
async fn a_server_is_trusted_by_the_given_authority_and_its_name() {
    let authority = Authority::new("one");
    let server = serve(&authority.issue("127.0.0.1")).await;
    accepts(&server, Connection { ca: Some(authority.pem()), ..connect(&server) }).await;
}

#[tokio::test]
async fn one_of_several_given_authorities_is_enough() {
    let (one, other) = (Authority::new("one"), Authority::new("other"));
    let server = serve(&one.issue("127.0.0.1")).await;
    let ca = Some([other.pem(), one.pem()].concat());
    accepts(&server, Connection { ca, ..connect(&server) }).await;
}

#[tokio::test]
async fn a_server_of_another_authority_gets_no_credentials() {
    let (one, other) = (Authority::new("one"), Authority::new("other"));
    let server = serve(&one.issue("127.0.0.1")).await;
    let unknown = CertificateProblem::UnknownAuthority;
    let ca = Some(other.pem());
    refuses(&server, Connection { ca, ..connect(&server) }, unknown.clone()).await;
    refuses(&server, connect(&server), unknown).await;
}

#[tokio::test]
async fn a_server_gets_no_credentials_outside_the_dates_of_its_certificate() {
    let authority = Authority::new("one");
    for (first, last) in [(2001, 2002), (2080, 2081)] {
        let issued = authority.issue_between("127.0.0.1", first, last);
        let server = serve(&issued).await;
        let problem = if first == 2001 {
            CertificateProblem::Expired("2002-01-01T00:00:00Z".parse().unwrap())
        } else {
            CertificateProblem::NotYetValid("2080-01-01T00:00:00Z".parse().unwrap())
        };
        let ca = Connection { ca: Some(authority.pem()), ..connect(&server) };
        refuses(&server, ca, problem.clone()).await;
        for place in 0..2 {
            let fingerprint = Some(issued.fingerprint(place));
            let connection = Connection { fingerprint, ..connect(&server) };
            refuses(&server, connection, problem.clone()).await;
        }
    }
}

#[tokio::test]
async fn a_server_with_another_name_gets_no_credentials() {
    let authority = Authority::new("one");
    let server = serve(&authority.issue("es.example")).await;
    let connection = Connection { ca: Some(authority.pem()), ..connect(&server) };
    refuses(&server, connection, wrong_name("127.0.0.1", "es.example")).await;
}

#[tokio::test]
async fn the_server_name_replaces_the_host_of_the_endpoint() {
    let authority = Authority::new("one");
    let server = serve(&authority.issue("es.example")).await;
    let connection = |name: &str| Connection {
        server_name: Some(name.into()),
        ca: Some(authority.pem()),
        ..connect(&server)
    };
    refuses(&server, connection("es.other"), wrong_name("es.other", "es.example")).await;
    accepts(&server, connection("es.example")).await;
}

#[tokio::test]
async fn a_pinned_certificate_is_trusted_whatever_its_name_and_authority() {
    let issued = Authority::new("one").issue("es.example");
    let server = serve(&issued).await;
    let fingerprint = Some(issued.fingerprint(0));
    accepts(&server, Connection { fingerprint, ..connect(&server) }).await;

    let issued = Issued::self_signed_authority();
    let server = serve(&issued).await;
    let fingerprint = Some(issued.fingerprint(0));
    accepts(&server, Connection { fingerprint, ..connect(&server) }).await;
}

#[tokio::test]
async fn a_pinned_authority_is_trusted_for_the_names_that_it_signs() {
    let authority = Authority::new("one");
    let issued = authority.issue("127.0.0.1");
    let server = serve(&issued).await;
    let fingerprint = Some(issued.fingerprint(1));
    accepts(&server, Connection { fingerprint, ..connect(&server) }).await;

    let issued = authority.issue("es.example");
    let server = serve(&issued).await;
    let connection = Connection { fingerprint, ..connect(&server) };
    refuses(&server, connection, wrong_name("127.0.0.1", "es.example")).await;
}

#[tokio::test]
async fn a_pinned_authority_that_did_not_sign_is_of_no_use() {
    let (one, other) = (Authority::new("one"), Authority::new("other"));
    let mut issued = one.issue("127.0.0.1");
    // Anybody can send along the certificate of an authority that they do not own.
    issued.chain.push(other.der());
    let server = serve(&issued).await;
    let connection = Connection { fingerprint: Some(issued.fingerprint(2)), ..connect(&server) };
    refuses(&server, connection, CertificateProblem::UnknownAuthority).await;
}

#[tokio::test]
async fn another_fingerprint_is_refused() {
    let server = serve(&Authority::new("one").issue("127.0.0.1")).await;
    let connection = Connection { fingerprint: Some([7; 32]), ..connect(&server) };
    refuses(&server, connection, CertificateProblem::WrongFingerprint).await;
}

#[tokio::test]
async fn authority_and_fingerprint_must_both_hold() {
    let (one, other) = (Authority::new("one"), Authority::new("other"));
    let issued = one.issue("127.0.0.1");
    let server = serve(&issued).await;
    for place in 0..2 {
        let both = |ca: &Authority, fingerprint| Connection {
            ca: Some(ca.pem()),
            fingerprint: Some(fingerprint),
            ..connect(&server)
        };
        let right = issued.fingerprint(place);
        refuses(&server, both(&other, right), CertificateProblem::UnknownAuthority).await;
        refuses(&server, both(&one, [7; 32]), CertificateProblem::WrongFingerprint).await;
    }
    for place in 0..2 {
        let fingerprint = Some(issued.fingerprint(place));
        accepts(&server, Connection { ca: Some(one.pem()), fingerprint, ..connect(&server) }).await;
    }
}

#[tokio::test]
async fn a_pinned_authority_may_be_given_where_the_server_does_not_send_it() {
    let (one, other) = (Authority::new("one"), Authority::new("other"));
    let mut issued = one.issue("127.0.0.1");
    let fingerprint = Some(issued.fingerprint(1));
    issued.chain.truncate(1);
    let server = serve(&issued).await;
    let connection = |ca: Option<Vec<u8>>| Connection { ca, fingerprint, ..connect(&server) };
    refuses(&server, connection(None), CertificateProblem::WrongFingerprint).await;
    refuses(&server, connection(Some(other.pem())), CertificateProblem::WrongFingerprint).await;
    accepts(&server, connection(Some([other.pem(), one.pem()].concat()))).await;
}

#[tokio::test]
async fn a_self_signed_certificate_can_be_given_as_the_authority() {
    let issued = Issued::self_signed_authority();
    let server = serve(&issued).await;
    let ca = Some(issued.pem.clone());
    accepts(&server, Connection { ca: ca.clone(), ..connect(&server) }).await;
    let server_name = Some("es.example".to_owned());
    let fresh = serve(&issued).await;
    let connection = Connection { ca, server_name, ..connect(&fresh) };
    refuses(&fresh, connection, wrong_name("es.example", "127.0.0.1")).await;
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_a_server_that_wants_one() {
    let authority = Authority::new("one");
    let settings = authority.issue("127.0.0.1").server_for_clients_of(&authority);
    let server = Server::https(settings, |_| json(200, "{}")).await;
    let ca = Some(authority.pem());
    let without = Connection { ca: ca.clone(), ..connect(&server) };
    let error = ask(&client(without)).await.unwrap_err();
    let Error::TlsByServer { alert, .. } = error else { panic!("{error:?}") };
    assert_eq!(alert.to_string(), "it sent the alert CertificateRequired");

    let shown = authority.issue("drover");
    let key = shown.key.serialize_pem().into_bytes();
    let auth = Auth::ClientCertificate { certificate: shown.pem, key: key.into() };
    ask(&client(Connection { auth, ca, ..connect(&server) })).await.unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn the_expiry_of_the_certificate_that_was_shown_is_told() {
    let authority = Authority::new("one");
    let server = serve(&authority.issue_between("127.0.0.1", 2020, 2061)).await;
    let client = client(Connection { ca: Some(authority.pem()), ..connect(&server) });
    assert_eq!(client.certificate_expires(), None);
    ask(&client).await.unwrap();
    assert_eq!(client.certificate_expires(), Some("2061-01-01T00:00:00Z".parse().unwrap()));
}

#[tokio::test]
async fn of_several_endpoints_the_certificate_that_expires_first_is_told() {
    let authority = Authority::new("one");
    let later = serve(&authority.issue_between("127.0.0.1", 2020, 2063)).await;
    let sooner = serve(&authority.issue_between("127.0.0.1", 2020, 2061)).await;
    let connection = Connection { ca: Some(authority.pem()), ..connect(&later) };
    let client = client(Connection { endpoints: vec![sooner.url(), later.url()], ..connection });
    let year = |it: &Client| it.certificate_expires().map(|it| it.to_string()[..4].to_owned());
    for _ in 0..2 {
        let all = client.endpoint_ids().map(async |id| {
            let read = Read::new("root", "/", "test");
            client.read_afresh_at(id, &read).await.map(drop)
        });
        let asked = client.see_certificates(futures::future::join_all(all)).await;
        assert!(asked.iter().all(Result::is_ok));
        assert_eq!(year(&client).as_deref(), Some("2061"));
    }
    drop(sooner);
    drop(later);
    client.see_certificates(async {}).await;
    assert_eq!(year(&client).as_deref(), Some("2061"), "kept while nobody shows any");
}

#[tokio::test]
async fn plain_http_where_tls_is_expected_is_said_so() {
    let authority = Authority::new("one");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        hello
    });
    let connection = Connection { endpoints: vec![url.parse().unwrap()], ..connection(&[]) };
    let error = ask(&client(Connection { ca: Some(authority.pem()), ..connection })).await;
    let Err(Error::Connect { cause, .. }) = error else { panic!("{error:?}") };
    assert_eq!(cause.to_string(), "it does not speak TLS");
    assert_eq!(asked.await.unwrap()[..2], [0x16, 0x03], "only a handshake was sent");
}

#[tokio::test]
async fn a_server_that_never_finishes_the_handshake_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let endpoints = vec![url.parse().unwrap()];
    let timeout = Duration::from_millis(200);
    let error = ask(&client(Connection { endpoints, timeout, ..connection(&[]) })).await;
    let Err(Error::Connect { cause, .. }) = error else { panic!("{error:?}") };
    assert_eq!(cause.to_string(), "no connection within the time limit");
}

#[test]
fn what_can_not_be_used_is_named() {
    let authority = Authority::new("one");
    let issued = authority.issue("drover");
    let other_key = authority.issue("other").key.serialize_pem().into_bytes();
    let key = issued.key.serialize_pem().into_bytes();
    let with_certificate = |certificate: &[u8], key: &[u8]| Auth::ClientCertificate {
        certificate: certificate.to_vec(),
        key: key.to_vec().into(),
    };
    let base = || connection(&[]);
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
    let cases = [
        (
            Connection { ca: Some(b"nothing".to_vec()), ..base() },
            "the CA certificates can't be used: no PEM certificate found",
        ),
        (
            Connection { ca: Some(broken), ..base() },
            "the CA certificates can't be used: one is no X.509 certificate",
        ),
        (
            Connection { auth: with_certificate(b"", &key), ..base() },
            "the client certificate can't be used: no PEM certificate found",
        ),
        (
            Connection { auth: with_certificate(&issued.pem, b""), ..base() },
            "the key of the client certificate can't be used: no unencrypted PEM private key found",
        ),
        (
            Connection { auth: with_certificate(&issued.pem, &other_key), ..base() },
            "the client certificate can't be used: it does not belong to the key",
        ),
        (
            Connection { server_name: Some("-".into()), ..base() },
            "the server name '-' is neither a DNS name nor an IP address",
        ),
    ];
    for (connection, message) in cases {
        let error = config(&connection, Expiry::unseen()).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}
