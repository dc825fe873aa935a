//! Lists of a status, and other parts of it, are cut and say so.

/// How much of something of `length` is left out when it is cut at `limit`; nothing where it fits.
#[must_use]
pub fn omitted(length: usize, limit: usize) -> Option<u32> {
    let more = length.saturating_sub(limit);
    (more > 0).then(|| u32::try_from(more).unwrap_or(u32::MAX))
}
