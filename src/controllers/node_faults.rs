//! What the failures of the API servers that hosts are registered in are called.

use crate::{api::condition::Reason, nodes::error::Category};

/// The reason of a condition for a failure of this class.
#[must_use]
pub fn reason(category: Category) -> Reason {
    match category {
        Category::Unreachable => Reason::Unreachable,
        Category::Tls => Reason::CertificateRefused,
        Category::Unauthorized => Reason::AuthenticationFailed,
        Category::Forbidden => Reason::PrivilegeMissing,
        Category::Busy => Reason::TooManyRequests,
        Category::Conflict | Category::Closed => Reason::Waiting,
        Category::NotFound | Category::Rejected => Reason::Rejected,
        Category::WrongServer => Reason::UnexpectedAnswer,
        Category::NotOwned => Reason::NotOwned,
    }
}
