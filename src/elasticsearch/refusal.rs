//! Reads what Elasticsearch says when it says no.

use std::time::Duration;

use serde::Deserialize;

use super::{
    error::Error,
    reason::{MissingPrivilege, Moving, Refusal, steady},
};
use crate::{foreign::capped, redaction::Secrets};

/// The most causes of causes that are read.
const DEPTH: usize = 8;

/// An answer that is no success, with what is needed to tell what it means.
pub(super) struct Answered<'a> {
    pub(super) endpoint: &'a str,
    pub(super) operation: &'static str,
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    /// The body as text; empty when it was too long.
    pub(super) body: &'a str,
    /// What the error may not show. They are looked for once the body is read as JSON: there, they
    /// may be spelled in many ways.
    pub(super) secrets: &'a Secrets,
}

/// The error that an answer other than 2xx means.
pub(super) fn error(answered: &Answered) -> Error {
    let Answered { operation, status, retry_after, .. } = *answered;
    let endpoint = answered.endpoint.into();
    let moving = if matches!(status, 408 | 429 | 500..) { Moving::All } else { Moving::Some };
    let tidy = |text: &str| capped(&steady(&answered.secrets.blotted(text), moving));
    let refusal = Box::new(Refusal::read(answered.body, tidy));
    match status {
        300..400 => Error::Redirected { endpoint },
        401 => Error::Unauthorized { endpoint, reason: without_path(&refusal) },
        // A block on an index is 403 too, and no matter of privileges.
        403 if matches!(&*refusal.kind, "security_exception" | "") => {
            let missing = Box::new(MissingPrivilege::read(&refusal));
            Error::Forbidden { endpoint, operation, missing }
        }
        429 => {
            let reason = refusal.to_string().into_boxed_str();
            Error::TooManyRequests { endpoint, operation, retry_after, reason }
        }
        408 | 502..=504 => Error::Unavailable { endpoint, operation, status, refusal },
        400..500 => Error::Rejected { endpoint, operation, status, refusal },
        _ => Error::ServerError { endpoint, operation, status, refusal },
    }
}

impl Refusal {
    /// What `body` tells, its texts made fit for an error by `tidy`.
    fn read(body: &str, tidy: impl Fn(&str) -> Box<str>) -> Self {
        let Ok(answer) = serde_json::from_str::<ErrorBody>(body) else { return Self::default() };
        let mut next = match answer.error {
            Some(ErrorField::Text(reason)) => {
                return Self { kind: "".into(), reason: tidy(&reason) };
            }
            Some(ErrorField::Structured(cause)) => Some(cause),
            None => None,
        };
        let kind = next.as_ref().and_then(|it| it.kind.as_deref()).map(&tidy).unwrap_or_default();
        let mut reasons: Vec<String> = Vec::new();
        while let Some(cause) = next {
            // An outer reason often repeats the inner one.
            let reason = cause.reason.unwrap_or_default();
            let known = reasons.iter().any(|it| it.contains(&reason));
            if !known && reasons.len() < DEPTH {
                reasons.push(reason);
            }
            next = cause.caused_by.map(|it| *it);
        }
        Self { kind, reason: tidy(&reasons.join(": ")) }
    }
}

impl MissingPrivilege {
    // Elasticsearch says: action [A] is unauthorized for user [U] ... on indices [i,j], this
    // action is granted by the index privileges [x,y].
    fn read(refusal: &Refusal) -> Self {
        let reason = &*refusal.reason;
        let action = between(reason, "action [", "]").map(Into::into);
        let granted = reason.rsplit_once("this action is granted by the ").map(|(_, it)| it);
        let scope = granted.and_then(|it| it.split_once(" privileges [")).map(|(it, _)| it.into());
        let names = granted.and_then(|it| between(it, "privileges [", "]"));
        let any_of = names.map(|it| it.split(',').map(|it| it.trim().into()).collect());
        let any_of = any_of.unwrap_or_default();
        let on = between(reason, " on indices [", "]").map(Into::into);
        Self { action, scope, any_of, on, reason: refusal.to_string().into_boxed_str() }
    }
}

/// The reason for a 401 without the path asked for: the path differs from request to request,
/// what is wrong does not.
fn without_path(refusal: &Refusal) -> Box<str> {
    let text = refusal.to_string();
    match text.split_once(" for REST request [") {
        Some((reason, _)) => reason.into(),
        None => text.into(),
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|(it, _)| it)
}

#[derive(Deserialize)]
struct ErrorBody {
    error: Option<ErrorField>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ErrorField {
    Text(String),
    Structured(ErrorCause),
}

#[derive(Deserialize)]
struct ErrorCause {
    #[serde(rename = "type")]
    kind: Option<String>,
    reason: Option<String>,
    caused_by: Option<Box<ErrorCause>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::chain;

    fn answered(status: u16, body: &str) -> Error {
        let retry_after = None;
        let endpoint = "https://es.example:9200";
        let secrets = &Secrets::new(&[]);
        error(&Answered { endpoint, operation: "put_mapping", status, retry_after, body, secrets })
    }

    fn check(status: u16, body: &str, message: &str) {
        assert_eq!(answered(status, body).to_string(), message);
    }

    #[test]
    fn the_reason_of_a_rejection_carries_its_causes_once_each() {
        check(
            400,
            r#"{"error":{"root_cause":[{"type":"x","reason":"outer"}],"type":"mapper_parsing_exception",
                "reason":"outer","caused_by":{"type":"y","reason":"middle",
                "caused_by":{"type":"z","reason":"outer"}}},"status":400}"#,
            "https://es.example:9200 rejected put_mapping (400): mapper_parsing_exception: outer: middle",
        );
        check(
            405,
            r#"{"error":"Incorrect HTTP method for uri [/]","status":405}"#,
            "https://es.example:9200 rejected put_mapping (405): Incorrect HTTP method for uri [/]",
        );
        check(
            404,
            r#"{"_index":"a","found":false}"#,
            "https://es.example:9200 rejected put_mapping (404): no reason given",
        );
        assert!(answered(404, "").is_not_found());
        assert!(!answered(400, "").is_not_found());
    }

    #[test]
    fn a_missing_privilege_is_named() {
        let reason = "action [cluster:monitor/state] is unauthorized for user [x] with effective \
            roles [y], this action is granted by the cluster privileges [read_ccr,monitor,manage,all]";
        let body = format!(
            r#"{{"error":{{"type":"security_exception","reason":"{reason}"}},"status":403}}"#
        );
        let Error::Forbidden { missing, .. } = answered(403, &body) else { panic!("{body}") };
        assert_eq!(missing.action.as_deref(), Some("cluster:monitor/state"));
        assert_eq!(missing.scope.as_deref(), Some("cluster"));
        assert_eq!(missing.any_of, ["read_ccr", "monitor", "manage", "all"].map(Box::from));
        check(
            403,
            &body,
            "https://es.example:9200 does not allow put_mapping: it takes one of the cluster \
             privileges read_ccr, monitor, manage, all",
        );
    }

    #[test]
    fn a_missing_privilege_on_an_index_is_named_with_the_index() {
        let reason = "action [indices:admin/aliases] is unauthorized for user [x] with effective \
            roles [y] on indices [zzz], this action is granted by the index privileges [manage,all]";
        let body = format!(
            r#"{{"error":{{"type":"security_exception","reason":"{reason}"}},"status":403}}"#
        );
        check(
            403,
            &body,
            "https://es.example:9200 does not allow put_mapping: it takes one of the index \
             privileges manage, all on zzz",
        );
    }

    #[test]
    fn a_block_on_an_index_is_no_matter_of_privileges() {
        let body = r#"{"error":{"type":"cluster_block_exception","reason":"index [a] blocked by: [FORBIDDEN/8/index write (api)];"}}"#;
        assert!(matches!(answered(403, body), Error::Rejected { status: 403, .. }));
    }

    #[test]
    fn refused_credentials_are_told_without_the_path_that_was_asked_for() {
        check(
            401,
            r#"{"error":{"type":"security_exception","reason":"unable to authenticate user [a] for REST request [/_cluster/health]"}}"#,
            "https://es.example:9200 does not take the credentials: security_exception: unable to \
             authenticate user [a]",
        );
    }

    #[test]
    fn the_status_tells_what_an_answer_without_a_reason_means() {
        assert!(matches!(answered(429, ""), Error::TooManyRequests { .. }));
        assert!(matches!(answered(503, "<html>"), Error::Unavailable { status: 503, .. }));
        assert!(matches!(answered(500, "null"), Error::ServerError { .. }));
        assert!(matches!(answered(403, "<html>"), Error::Forbidden { .. }));
        assert!(matches!(answered(302, ""), Error::Redirected { .. }));
        assert!(matches!(answered(413, ""), Error::Rejected { .. }));
    }

    #[test]
    fn a_reason_holds_no_figure_that_moves() {
        let answered = |status: u16, reason: &str| {
            let body = format!(r#"{{"error":{{"type":"x","reason":"{reason}"}}}}"#);
            chain(&answered(status, &body))
        };
        for status in [408, 429, 500, 503] {
            let (one, other) =
                (answered(status, "would be [70/60]"), answered(status, "would be [8/7]"));
            assert_eq!(one, other, "{status}");
        }
        let full = |it: u16| answered(400, &format!("would add [2] shards, has [{it}]/[1000]"));
        assert_eq!(full(999), full(1000));
        assert!(full(999).contains("would add [2] shards"));
    }

    #[test]
    fn a_long_reason_is_cut_and_has_no_control_characters() {
        let body = format!(
            r#"{{"error":{{"type":"x","reason":"a\nb{}"}},"status":400}}"#,
            "é".repeat(100_000)
        );
        let message = answered(400, &body).to_string();
        assert!(message.len() < crate::foreign::CAP + 200, "{}", message.len());
        assert!(message.contains("a b"), "{message}");
    }
}
