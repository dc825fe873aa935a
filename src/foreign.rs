//! Text that somebody else wrote, made fit for errors, events and statuses.

/// The most of it that an error keeps, in bytes.
pub(crate) const CAP: usize = 1024;

/// `text` without control characters, cut to the length that an error may keep.
pub(crate) fn capped(text: &str) -> Box<str> {
    let text = text.trim();
    let mut end = text.len().min(CAP);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
}

/// Words of a library or of the system about a failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Cause(Box<str>);

impl Cause {
    pub(crate) fn new(text: &str) -> Self {
        Self(capped(text))
    }
}
