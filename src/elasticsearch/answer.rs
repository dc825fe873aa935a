//! A whole answer with a success status.

use serde::Deserialize;
use serde_json::error::Category;

use super::error::{Cause, Error};

/// One of a client's endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EndpointId(pub(super) usize);

/// What Elasticsearch answered with 2xx.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The endpoint that answered.
    pub endpoint: EndpointId,
    /// The body, whole.
    pub body: Vec<u8>,
    /// Whether the answer says of itself that it comes from Elasticsearch.
    pub(super) from_elasticsearch: bool,
    pub(super) origin: Box<str>,
    pub(super) operation: &'static str,
}

impl Answer {
    /// The body as JSON. Fields that `T` does not know are passed over.
    ///
    /// # Errors
    /// [`Error::UnexpectedAnswer`] where it is no JSON, or lacks what `T` needs.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        // serde's own words hold a place that moves, and parts of what was sent.
        serde_json::from_slice(&self.body).map_err(|it| {
            self.unexpected(match it.classify() {
                Category::Eof => "the answer ends too soon",
                Category::Syntax | Category::Io => "the answer is not JSON",
                Category::Data => "the answer lacks what was asked for, or has it in another form",
            })
        })
    }

    /// That Elasticsearch did what a write asked for, on all nodes.
    ///
    /// # Errors
    /// [`Error::NotAcknowledged`] with `acknowledged: false`, [`Error::UnexpectedAnswer`] without
    /// the field.
    pub fn acknowledged(&self) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Acknowledgement {
            acknowledged: bool,
        }
        let answer: Acknowledgement = self.json()?;
        if answer.acknowledged {
            return Ok(());
        }
        Err(Error::NotAcknowledged { endpoint: self.origin.clone(), operation: self.operation })
    }

    /// The error that the answer is not what was asked for.
    pub(super) fn unexpected(&self, problem: &str) -> Error {
        Error::UnexpectedAnswer {
            endpoint: self.origin.clone(),
            operation: self.operation,
            cause: Cause::new(problem),
        }
    }
}
