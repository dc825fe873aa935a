//! An API server that answers by script, for tests of the order and content of requests.

use std::time::Duration;

use http::{Method, Request, Response};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tower_test::mock::{self, SendResponse};

/// The side of the API server.
pub struct Script(mock::Handle<Request<Body>, Response<Body>>);

/// A request that waits for its answer.
pub struct Asked {
    pub method: Method,
    /// Path and query.
    pub target: String,
    pub content_type: String,
    pub body: Value,
    send: SendResponse<Response<Body>>,
}

/// A client, and who answers it.
pub fn api_server() -> (Client, Script) {
    let (service, handle) = mock::pair::<Request<Body>, Response<Body>>();
    (Client::new(service, "default"), Script(handle))
}

impl Script {
    /// The next request; panics when none comes.
    pub async fn next(&mut self) -> Asked {
        let next = tokio::time::timeout(Duration::from_secs(30), self.0.next_request()).await;
        let (request, send) = next.expect("a request comes").expect("the client lives");
        let (parts, body) = request.into_parts();
        let bytes = body.collect_bytes().await.unwrap();
        let content_type = parts.headers.get("content-type").map(|it| it.to_str().unwrap());
        Asked {
            method: parts.method,
            target: parts.uri.to_string(),
            content_type: content_type.unwrap_or_default().to_owned(),
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
            send,
        }
    }
}

impl Asked {
    pub fn answer(self, body: &Value) {
        self.respond(200, body);
    }

    pub fn refuse(self, code: u16, reason: &str) {
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "no", "reason": reason, "code": code,
        });
        self.respond(code, &status);
    }

    /// Any answer.
    pub fn respond(self, code: u16, body: &Value) {
        let body = Body::from(body.to_string().into_bytes());
        self.send.send_response(Response::builder().status(code).body(body).unwrap());
    }
}
