//! What stands under kube's client: the HTTP client that Drover uses for everybody, so that TLS,
//! redirects, proxies and the size of answers are dealt with as everywhere.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, Uri, header::AUTHORIZATION};
use kube::client::Body;
use reqwest::Url;
use secrecy::ExposeSecret as _;
use tower::{BoxError, Service};

use super::connection::{Auth, Connection, ConnectionError};
use crate::transport::{self, Failure};

/// The most that is read of an answer, in bytes. A page of pods is the longest that is asked for.
const LIMIT: usize = 16 * 1024 * 1024;
/// The most that is read of an answer that is no success, in bytes.
const ERROR_LIMIT: usize = 256 * 1024;
/// The longest that connecting may take, TLS included.
const CONNECT: std::time::Duration = std::time::Duration::from_secs(5);
/// Idle connections kept.
const KEPT: usize = 4;

/// Sends requests to one server. Whatever goes wrong on the way is a [`Failure`].
#[derive(Clone)]
pub(super) struct Wire {
    http: reqwest::Client,
    base: Url,
    authorization: Option<HeaderValue>,
}

impl Wire {
    /// # Errors
    /// Which part of `connection` can't be used.
    pub(super) fn new(connection: &Connection) -> Result<Self, ConnectionError> {
        connection.check()?;
        let http = transport::client(connection.tls()?, CONNECT, KEPT)
            .map_err(|_| ConnectionError::Setup)?;
        let authorization = match &connection.auth {
            Auth::Token(token) => {
                let value = format!("Bearer {}", token.expose_secret());
                let mut value = HeaderValue::try_from(value)
                    .map_err(|_| ConnectionError::Token("can't stand in a header"))?;
                value.set_sensitive(true);
                Some(value)
            }
            Auth::Anonymous | Auth::ClientCertificate { .. } => None,
        };
        Ok(Self { http, base: connection.server.clone(), authorization })
    }

    async fn send(self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let (mut parts, body) = request.into_parts();
        if let Some(authorization) = self.authorization {
            parts.headers.insert(AUTHORIZATION, authorization);
        }
        let mut sent = reqwest::Request::new(parts.method, target(&self.base, &parts.uri));
        *sent.headers_mut() = parts.headers;
        *sent.body_mut() = Some(body.collect_bytes().await?.to_vec().into());
        let answer = self.http.execute(sent).await.map_err(|it| Failure::of(&it))?;

        let status = answer.status();
        if status.is_redirection() {
            return Err(Failure::Redirected.into());
        }
        let mut head = Response::new(());
        *head.status_mut() = status;
        head.headers_mut().clone_from(answer.headers());
        let body = if status.is_success() {
            transport::body(answer, LIMIT).await?
        } else {
            // The status says enough where the body can't be read.
            transport::body(answer, ERROR_LIMIT).await.unwrap_or_default()
        };
        Ok(head.map(|()| Body::from(body)))
    }
}

impl Service<Request<Body>> for Wire {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}

/// `uri`, which begins at the root, below the path of `base`.
fn target(base: &Url, uri: &Uri) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{}", base.path().trim_end_matches('/'), uri.path()));
    url.set_query(uri.query());
    url
}
