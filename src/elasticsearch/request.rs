//! Makes HTTP requests out of reads and writes.

use std::time::Duration;

use reqwest::{
    Method, RequestBuilder, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use secrecy::ExposeSecret;

use super::{
    answer::EndpointId,
    calls::{ANSWER_LIMIT, Read, Write},
    connection::Auth,
};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A read or a write on its way to one endpoint.
pub(super) struct Request<'a> {
    pub(super) id: EndpointId,
    pub(super) operation: &'static str,
    /// The most that is read of the answer, in bytes.
    pub(super) limit: usize,
    method: Method,
    url: Url,
    body: Option<&'a str>,
    opaque_id: &'a str,
}

impl<'a> Request<'a> {
    /// `timeout` is how long the client waits for the answer.
    pub(super) fn read(read: &'a Read, id: EndpointId, endpoint: &Url, timeout: Duration) -> Self {
        let wait = read.needs_master.then(|| format!("master_timeout={}", wait(timeout)));
        Self {
            id,
            operation: read.operation,
            limit: read.limit,
            method: Method::GET,
            url: url(endpoint, &read.path, wait.as_deref()),
            body: None,
            opaque_id: &read.opaque_id,
        }
    }

    /// `timeout` is how long the client waits for the answer.
    pub(super) fn write(
        write: &'a Write,
        id: EndpointId,
        endpoint: &Url,
        timeout: Duration,
    ) -> Self {
        let wait = wait(timeout);
        let waits = format!("master_timeout={wait}&timeout={wait}");
        let waits = write.is_cluster_change.then_some(waits.as_str());
        Self {
            id,
            operation: write.operation,
            limit: ANSWER_LIMIT,
            method: write.method.clone(),
            url: url(endpoint, &write.path, waits),
            body: write.body.as_deref(),
            opaque_id: &write.opaque_id,
        }
    }

    pub(super) fn build(&self, http: &reqwest::Client, auth: &Auth) -> RequestBuilder {
        let builder = http
            .request(self.method.clone(), self.url.clone())
            .header(ACCEPT, JSON)
            .header("x-opaque-id", opaque_id(self.opaque_id));
        let builder = authenticated(builder, auth);
        match self.body {
            Some(body) => builder.header(CONTENT_TYPE, JSON).body(body.to_owned()),
            None => builder,
        }
    }
}

/// A bit less than half of `timeout`, in Elasticsearch's spelling: waiting for the master and then
/// for the nodes ends before the client's own timeout.
fn wait(timeout: Duration) -> String {
    format!("{}ms", (timeout.as_millis() * 9 / 20).max(1))
}

fn url(endpoint: &Url, path: &str, more: Option<&str>) -> Url {
    let mut url = endpoint.clone();
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    url.set_path(path);
    let query: Vec<_> = [query, more].into_iter().flatten().collect();
    url.set_query((!query.is_empty()).then(|| query.join("&")).as_deref());
    url
}

fn authenticated(request: RequestBuilder, auth: &Auth) -> RequestBuilder {
    match auth {
        Auth::Anonymous | Auth::ClientCertificate { .. } => request,
        Auth::Basic { username, password } => {
            request.basic_auth(username, Some(password.expose_secret()))
        }
        Auth::Bearer(token) => request.bearer_auth(token.expose_secret()),
        Auth::ApiKey(key) => {
            let value = HeaderValue::from_str(&format!("ApiKey {}", key.expose_secret()));
            match value {
                Ok(mut value) => {
                    value.set_sensitive(true);
                    request.header(AUTHORIZATION, value)
                }
                // No client is made with such a key: see `Auth::check`.
                Err(_) => request,
            }
        }
    }
}

/// What a header can hold of `text`.
fn opaque_id(text: &str) -> HeaderValue {
    let text: String = text.chars().filter(char::is_ascii_graphic).take(256).collect();
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("drover"))
}
