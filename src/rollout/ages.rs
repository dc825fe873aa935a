//! What is too old for a version, or too young: indices that it can't read, and releases that were
//! built after it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::elasticsearch::{evidence::Origin, version::Version};

/// The names of indices that `target` could not open. It reads what its own major version and the one
/// before have made; from 9 on also what the one before that has made, if nobody can write to it.
#[must_use]
pub fn unreadable(target: Version, indices: &BTreeMap<Box<str>, Origin>) -> Vec<&str> {
    let target = u64::from(target.0);
    let is_readable = |index: &Origin| {
        let age = target.saturating_sub(index.version / 1_000_000);
        age <= 1 || (age == 2 && 9 <= target && index.verified_read_only)
    };
    indices.iter().filter(|(_, it)| !is_readable(it)).map(|(name, _)| &**name).collect()
}

/// Whether a release was built before another, by the dates that both tell of themselves: one that
/// was can't follow, whatever their numbers, since it may not know what the other writes. A date that
/// can't be read is no proof of the right order.
#[must_use]
pub fn is_built_before(target: &str, running: &str) -> bool {
    match (target.parse::<Timestamp>(), running.parse::<Timestamp>()) {
        (Ok(target), Ok(running)) => target < running,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_reads_what_the_one_before_has_made_and_9_older_ones_that_nobody_writes() {
        let cases = [
            (8, 7_172_999, false, true),
            (8, 6_082_399, false, false),
            (8, 6_082_399, true, false),
            (9, 8_536_000, false, true),
            (9, 7_172_999, false, false),
            (9, 7_172_999, true, true),
            (9, 6_082_399, true, false),
            (9, 9_033_000, false, true),
            (8, 8_536_000, false, true),
            (7, 8_536_000, false, true),
        ];
        for (major, version, verified_read_only, readable) in cases {
            let indices = [(".old".into(), Origin { version, verified_read_only })].into();
            let found = unreadable(Version(major, 19, 0), &indices);
            assert_eq!(found.is_empty(), readable, "{indices:?} in {major}");
        }
    }

    #[test]
    fn what_was_built_earlier_or_nobody_knows_when_can_not_follow() {
        let (older, newer) = ("2025-06-19T01:37:57.847711500Z", "2025-07-23T22:10:18.138212839Z");
        assert!(is_built_before(older, newer));
        assert!(!is_built_before(newer, older) && !is_built_before(newer, newer));
        assert!(is_built_before("", newer) && is_built_before(newer, "unknown"));
    }
}
