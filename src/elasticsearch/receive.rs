//! Sends one request and reads its answer, bounded in size, or says what came instead.

use std::time::Duration;

use reqwest::{
    RequestBuilder, Response,
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
};

use super::{
    answer::{Answer, EndpointId},
    error::{Cause, Error},
    refusal::{self, Answered},
};
use crate::{
    redaction::Secrets,
    transport::{self, Failure},
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
        Err(error) => return (None, Err(sent.failed(Failure::of(&error)))),
    };
    let response = match client.execute(request).await {
        Ok(response) => response,
        Err(error) => return (None, Err(sent.failed(Failure::of(&error)))),
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

    async fn body(&self, response: Response, limit: usize) -> Result<Vec<u8>, Error> {
        transport::body(response, limit).await.map_err(|it| self.failed(it))
    }

    fn failed(&self, failure: Failure) -> Error {
        let endpoint = self.endpoint.into();
        let operation = self.operation;
        match failure {
            Failure::Connect(cause) => Error::Connect { endpoint, cause },
            Failure::Interrupted(cause) => Error::Interrupted { endpoint, operation, cause },
            Failure::Certificate(problem) => Error::Certificate { endpoint, problem },
            Failure::TlsByServer(alert) => Error::TlsByServer { endpoint, alert },
            Failure::Redirected => Error::Redirected { endpoint },
            Failure::TooLarge { limit } => Error::TooLarge { endpoint, operation, limit },
            Failure::BrokenOff => self.unexpected(&failure.to_string()),
        }
    }

    fn unexpected(&self, problem: &str) -> Error {
        let cause = Cause::new(problem);
        Error::UnexpectedAnswer { endpoint: self.endpoint.into(), operation: self.operation, cause }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|it| it.to_str().ok())
}

#[cfg(test)]
mod tests;
