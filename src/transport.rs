//! HTTP as Drover speaks it, whoever the other side is: over verified TLS, without redirects,
//! proxies and compression, each answer bounded in size, and each failure told in the same words.

mod category;
mod credentials;
mod failover;
mod failure;
#[cfg(test)]
pub(crate) mod scripted;

use std::{fmt::Write as _, time::Duration};

use reqwest::{Client, Response, Url, redirect, retry};
use rustls::ClientConfig;

pub use category::Category;
pub(crate) use credentials::{check_text, check_token};
pub(crate) use failover::Failover;
pub use failure::Failure;

/// How long a kept connection may be idle. Load balancers often end one after a minute.
const IDLE: Duration = Duration::from_secs(50);

/// An HTTP client that keeps at most `kept` idle connections to one server, and gives up a
/// connection that did not come up, TLS included, within `connect`.
///
/// # Errors
/// What the HTTP library says.
pub(crate) fn client(tls: ClientConfig, connect: Duration, kept: usize) -> reqwest::Result<Client> {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("drover/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .no_proxy()
        .http1_only()
        .referer(false)
        .connect_timeout(connect)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(kept)
        .build()
}

/// The whole body, or an error as soon as it is longer than `limit`.
///
/// # Errors
/// [`Failure::TooLarge`] or [`Failure::BrokenOff`].
pub(crate) async fn body(mut response: Response, limit: usize) -> Result<Vec<u8>, Failure> {
    let announced = response.content_length().unwrap_or(0);
    let announced = usize::try_from(announced).unwrap_or(usize::MAX);
    if limit < announced {
        return Err(Failure::TooLarge { limit });
    }
    let mut body = Vec::with_capacity(announced);
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if limit - body.len() < chunk.len() => {
                return Err(Failure::TooLarge { limit });
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(_) => return Err(Failure::BrokenOff),
        }
    }
}

/// Scheme, host and port of `url`: what an error or a log line may show of it.
pub(crate) fn origin(url: &Url) -> Box<str> {
    url.origin().ascii_serialization().into_boxed_str()
}

/// That `url` names a server over HTTP and nothing more.
///
/// # Errors
/// What is wrong with it, such as `carries a path`.
pub(crate) fn check_endpoint(url: &Url) -> Result<(), &'static str> {
    let bare = url.username().is_empty() && url.password().is_none();
    match url.scheme() {
        "http" | "https" if !bare => Err("carries user-info"),
        "http" | "https" if url.path() != "/" => Err("carries a path"),
        "http" | "https" if url.query().is_some() => Err("carries a query"),
        "http" | "https" => Ok(()),
        _ => Err("is neither http nor https"),
    }
}

/// `text` escaped as one segment of a path.
#[must_use]
pub fn segment(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            // Writing to a string can't fail.
            _ => _ = write!(escaped, "%{byte:02X}"),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_escapes_everything_that_has_a_meaning_in_a_url() {
        assert_eq!(segment("logs-2024.01_a~"), "logs-2024.01_a~");
        assert_eq!(segment("a/b?c#d%e f,g"), "a%2Fb%3Fc%23d%25e%20f%2Cg");
        assert_eq!(segment("größe"), "gr%C3%B6%C3%9Fe");
    }
}
