//! Sends one request and reads its answer, bounded in size, or says what came instead.

use std::{error::Error as StdError, io, time::Duration};

use reqwest::{
    RequestBuilder, Response,
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
};
use rustls::Error as TlsError;

use super::{
    answer::{Answer, EndpointId},
    error::{Cause, Error},
    redaction::Secrets,
    refusal::{self, Answered},
    tls,
};

/// The most that is read of an answer that is no success, in bytes.
const ERROR_LIMIT: usize = 256 * 1024;

/// What was sent, and to whom.
pub(super) struct Sent<'a> {
    pub(super) endpoint: &'a str,
    pub(super) id: EndpointId,
    pub(super) operation: &'static str,
    /// The most that is read of the answer, in bytes.
    pub(super) limit: usize,
    /// What no error may show.
    pub(super) secrets: &'a Secrets,
}

/// The HTTP status, as soon as there was one, and the answer or what came instead.
pub(super) async fn answer(
    request: RequestBuilder,
    sent: &Sent<'_>,
) -> (Option<u16>, Result<Answer, Error>) {
    let (client, request) = request.build_split();
    let request = match request {
        Ok(request) => request,
        Err(error) => return (None, Err(sent.failed(&error))),
    };
    let response = match client.execute(request).await {
        Ok(response) => response,
        Err(error) => return (None, Err(sent.failed(&error))),
    };
    let status = response.status();
    let result = if status.is_success() {
        sent.success(response).await
    } else {
        Err(sent.refused(response).await)
    };
    (Some(status.as_u16()), result)
}

impl Sent<'_> {
    async fn success(&self, response: Response) -> Result<Answer, Error> {
        let header = |name: &str| text(response.headers(), name).unwrap_or_default().to_owned();
        let from_elasticsearch = header("x-elastic-product") == "Elasticsearch";
        let kind = header(CONTENT_TYPE.as_str());
        let body = self.body(response, self.limit).await?;
        if !body.is_empty() && !kind.contains("json") {
            let kind = self.secrets.blotted(&kind);
            return Err(self.unexpected(&format!("the answer is not JSON but '{kind}'")));
        }
        Ok(Answer {
            endpoint: self.id,
            body,
            from_elasticsearch,
            origin: self.endpoint.into(),
            operation: self.operation,
        })
    }

    async fn refused(&self, response: Response) -> Error {
        let status = response.status().as_u16();
        let seconds = text(response.headers(), RETRY_AFTER.as_str()).and_then(|it| it.parse().ok());
        // The status says enough where the body can't be read.
        let body = self.body(response, ERROR_LIMIT).await.unwrap_or_default();
        refusal::error(&Answered {
            endpoint: self.endpoint,
            operation: self.operation,
            status,
            retry_after: seconds.map(Duration::from_secs),
            body: &String::from_utf8_lossy(&body),
            secrets: self.secrets,
        })
    }

    /// The whole body, or an error as soon as it is longer than `limit`.
    async fn body(&self, mut response: Response, limit: usize) -> Result<Vec<u8>, Error> {
        let too_large =
            || Error::TooLarge { endpoint: self.endpoint.into(), operation: self.operation, limit };
        let announced = response.content_length().unwrap_or(0);
        let announced = usize::try_from(announced).unwrap_or(usize::MAX);
        if limit < announced {
            return Err(too_large());
        }
        let mut body = Vec::with_capacity(announced);
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if limit - body.len() < chunk.len() => return Err(too_large()),
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(body),
                Err(_) => return Err(self.unexpected("the answer broke off")),
            }
        }
    }

    fn failed(&self, error: &reqwest::Error) -> Error {
        let endpoint = self.endpoint.into();
        match find::<TlsError>(error) {
            Some(TlsError::InvalidCertificate(error)) => {
                return Error::Certificate { endpoint, problem: tls::problem(error) };
            }
            Some(TlsError::AlertReceived(alert)) => {
                let alert = Cause::new(&format!("it sent the alert {alert:?}"));
                return Error::TlsByServer { endpoint, alert };
            }
            Some(TlsError::InvalidMessage(_)) => {
                return Error::Connect { endpoint, cause: Cause::new("it does not speak TLS") };
            }
            _ => {}
        }
        if error.is_connect() {
            let cause = if error.is_timeout() {
                Cause::new("no connection within the time limit")
            } else {
                Cause::new(&innermost(error))
            };
            return Error::Connect { endpoint, cause };
        }
        let mut cause = innermost(error);
        if self.endpoint.starts_with("http:") {
            cause += " (it may want https)";
        }
        let operation = self.operation;
        Error::Interrupted { endpoint, operation, cause: Cause::new(&cause) }
    }

    fn unexpected(&self, problem: &str) -> Error {
        let cause = Cause::new(problem);
        Error::UnexpectedAnswer { endpoint: self.endpoint.into(), operation: self.operation, cause }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|it| it.to_str().ok())
}

fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = cause(error);
    }
    None
}

fn innermost(error: &reqwest::Error) -> String {
    let mut last: &(dyn StdError + 'static) = error;
    while let Some(next) = cause(last) {
        last = next;
    }
    last.to_string()
}

/// The cause of `error`. What an `io::Error` wraps is not its source.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.map_or_else(|| error.source(), |it| Some(it))
}

#[cfg(test)]
mod tests;
