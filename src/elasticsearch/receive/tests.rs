use std::time::Duration;

use crate::elasticsearch::{
    answer::Answer,
    calls::Read,
    connection::{Auth, Connection},
    error::Error,
    scripted::{Reply, Server, client, connection, header, json, with_headers},
};

const SECRET: &str = "s3cret-pa55word";

async fn ask(server: &Server) -> Result<Answer, Error> {
    let auth = Auth::Basic { username: "drover".into(), password: SECRET.into() };
    let timeout = Duration::from_secs(5);
    let client = client(Connection { auth, timeout, ..connection(&[server]) });
    client.read(&Read::new("health", "/_cluster/health", "test")).await
}

/// The error that `reply` becomes, checked to show no secret.
async fn error(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Error {
    let error = ask(&Server::http(reply).await).await.unwrap_err();
    let mut text = format!("{error:?}");
    let mut next: Option<&dyn std::error::Error> = Some(&error);
    while let Some(it) = next {
        text += &it.to_string();
        next = it.source();
    }
    assert!(!text.contains(SECRET) && !text.contains("ZHJvdmVyO"), "{text}");
    error
}

fn cause(error: &Error) -> String {
    std::error::Error::source(error).unwrap().to_string()
}

#[tokio::test]
async fn refused_credentials_are_unauthorized() {
    let body = r#"{"error":{"type":"security_exception","reason":"unable to authenticate user [drover] for REST request [/]"},"status":401}"#;
    let error = error(move |_| json(401, body)).await;
    let Error::Unauthorized { reason, .. } = error else { panic!("{error:?}") };
    assert_eq!(&*reason, "security_exception: unable to authenticate user [drover]");
}

#[tokio::test]
async fn a_server_that_wants_patience_says_for_how_long() {
    let headers = "retry-after: 7\r\ncontent-type: application/json";
    let error = error(move |_| with_headers(429, headers, "{}")).await;
    let Error::TooManyRequests { retry_after, .. } = error else { panic!("{error:?}") };
    assert_eq!(retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn a_proxy_s_page_for_503_is_unavailable() {
    let error = error(|_| with_headers(503, "content-type: text/html", "<html>")).await;
    assert!(matches!(error, Error::Unavailable { status: 503, .. }), "{error:?}");
}

#[tokio::test]
async fn html_with_200_is_unexpected() {
    let error = error(|_| with_headers(200, "content-type: text/html", "<html>")).await;
    assert!(matches!(error, Error::UnexpectedAnswer { .. }), "{error:?}");
    assert_eq!(cause(&error), "the answer is not JSON but 'text/html'");
}

#[tokio::test]
async fn half_a_body_is_unexpected() {
    let text = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
    let error = error(move |_| Reply::Cut(text.into())).await;
    assert!(matches!(error, Error::UnexpectedAnswer { .. }), "{error:?}");
    assert_eq!(cause(&error), "the answer broke off");
}

#[tokio::test]
async fn a_body_that_never_ends_is_a_timeout() {
    let text = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
    let server = Server::http(move |_| Reply::Stall(text.into())).await;
    let timeout = Duration::from_secs(1);
    let client = client(Connection { timeout, ..connection(&[&server]) });
    let error = client.read(&Read::new("health", "/", "test")).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { operation: "health", .. }), "{error:?}");
}

#[tokio::test]
async fn a_body_that_is_announced_too_long_is_not_read() {
    let text =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 209715200\r\n\r\n";
    let error = error(move |_| Reply::Stall(text.into())).await;
    assert!(matches!(error, Error::TooLarge { limit: 16_777_216, .. }), "{error:?}");
}

#[tokio::test]
async fn a_body_of_200_mb_is_left_once_it_is_too_long() {
    let server = Server::http(|_| Reply::Stream(200 << 20)).await;
    let error = ask(&server).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
    // The client's cap, and what the two systems' buffers take.
    assert!(server.sent() < 64 << 20, "{}", server.sent());
}

#[tokio::test]
async fn a_refusal_of_200_mb_is_told_by_its_status() {
    let headers = "content-type: application/json";
    let body = " ".repeat(1 << 20);
    let error = error(move |_| with_headers(403, headers, &body)).await;
    assert!(matches!(error, Error::Forbidden { .. }), "{error:?}");
}

#[tokio::test]
async fn broken_json_and_missing_fields_are_unexpected() {
    #[derive(Debug, serde::Deserialize)]
    struct Body {
        #[expect(dead_code)]
        status: String,
    }
    for body in ["{", "[]", "{}", r#"{"status":1}"#] {
        let answer = ask(&Server::http(move |_| json(200, body)).await).await.unwrap();
        let error = answer.json::<Body>().unwrap_err();
        assert!(matches!(error, Error::UnexpectedAnswer { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn credentials_that_a_server_sends_back_are_not_shown() {
    let echo = |it: &str| {
        let authorization = header(it, "authorization").unwrap();
        let reason = format!("{authorization} {SECRET}");
        json(400, &format!(r#"{{"error":{{"type":"x","reason":"{reason}"}}}}"#))
    };
    let error = error(echo).await;
    let Error::Rejected { refusal, .. } = error else { panic!("{error:?}") };
    assert_eq!(&*refusal.reason, "Basic [redacted] [redacted]");
}

#[tokio::test]
async fn a_secret_is_not_shown_however_the_server_spells_it() {
    // In JSON any character may be an escape, and a reason may hold JSON itself.
    let escape = |it: char| format!("\\u{:04x}", u32::from(it));
    let escaped = SECRET.chars().map(escape).collect::<Vec<_>>().concat();
    for spelling in [escaped, format!(r#"{{\"password\":\"{SECRET}\"}}"#)] {
        let body = format!(r#"{{"error":{{"type":"{spelling}","reason":"{spelling}"}}}}"#);
        for status in [400, 401, 403, 429, 500] {
            let body = body.clone();
            error(move |_| json(status, &body)).await;
        }
    }
    // A reason is cut where it is too long, not through a secret.
    let reason = "x".repeat(1024 - 5) + SECRET;
    let cut = error(move |_| json(400, &format!(r#"{{"error":"{reason}"}}"#))).await;
    assert!(!cut.to_string().contains(&SECRET[..4]), "{cut}");
    let page = format!("content-type: text/{SECRET}");
    error(move |_| with_headers(200, &page, "<html>")).await;
}

#[tokio::test]
async fn a_good_answer_of_the_wrong_form_is_told_without_what_it_says() {
    #[derive(Debug, serde::Deserialize)]
    struct Body {
        #[expect(dead_code)]
        status: u8,
    }
    for (body, problem) in [
        (
            format!(r#"{{"status":"{SECRET}"}}"#),
            "the answer lacks what was asked for, or has it in another form",
        ),
        (format!(r#"{{"status":{SECRET}"#), "the answer is not JSON"),
        (r#"{"status":"#.to_owned(), "the answer ends too soon"),
    ] {
        let answer = ask(&Server::http(move |_| json(200, &body)).await).await.unwrap();
        let error = answer.json::<Body>().unwrap_err();
        assert_eq!(cause(&error), problem);
    }
}

#[tokio::test]
async fn what_does_not_speak_http_is_said_so() {
    let error = error(|_| Reply::Cut("\x15\x03\x03\x00\x02\x02\x50".into())).await;
    assert!(matches!(error, Error::Interrupted { .. }), "{error:?}");
    assert!(cause(&error).ends_with("(it may want https)"), "{}", cause(&error));
}
