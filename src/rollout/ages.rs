//! What is too old for a version, or too young: indices that it can't read, and releases that were
//! built after it.

use jiff::Timestamp;

use crate::elasticsearch::version::Version;

/// An index as the cluster state tells of it; hidden, closed and system ones are such too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created<'a> {
    /// Its name.
    pub name: &'a str,
    /// `index.version.created`: a number whose millions are the major version.
    pub version: u64,
    /// `index.verified_read_only`: Elasticsearch itself has seen that nobody writes to it.
    pub verified_read_only: bool,
}

/// The names of indices that `target` could not open. It reads what its own major version and the one
/// before have made; from 9 on also what the one before that has made, if nobody can write to it.
#[must_use]
pub fn unreadable<'a>(target: Version, indices: &[Created<'a>]) -> Vec<&'a str> {
    let target = u64::from(target.0);
    let is_readable = |index: &&Created| {
        let age = target.saturating_sub(index.version / 1_000_000);
        age <= 1 || (age == 2 && 9 <= target && index.verified_read_only)
    };
    indices.iter().filter(|it| !is_readable(it)).map(|it| it.name).collect()
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
            let index = Created { name: ".old", version, verified_read_only };
            let found = unreadable(Version(major, 19, 0), std::slice::from_ref(&index));
            assert_eq!(found.is_empty(), readable, "{index:?} in {major}");
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
