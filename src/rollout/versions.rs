//! Which version may follow which, as Elastic documents its upgrades.

use std::{collections::BTreeSet, fmt};

use super::{ages::unreadable, run::version_of, safety::named};
use crate::elasticsearch::{evidence::Evidence, version::Version};

/// Why a version may not follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is older than what runs.
    Downgrade {
        /// What runs.
        from: Version,
    },
    /// Another one has to come first.
    Between {
        /// What runs.
        from: Version,
        /// What has to come first.
        first: &'static str,
    },
    /// Nodes run several versions, and this is none of them.
    Mixed,
    /// It is of a major version that Drover knows nothing of.
    Unknown,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Downgrade { from } => {
                write!(f, "nodes run {from}, and Elasticsearch can't go back to an older version")
            }
            Self::Between { from, first } => {
                write!(f, "nodes run {from}: upgrade to {first} first")
            }
            Self::Mixed => f.write_str(
                "nodes run several versions: let the upgrade under way come to its end first",
            ),
            Self::Unknown => f.write_str("Drover does not know this major version"),
        }
    }
}

/// Whether `target` may follow what runs: from 7.17 to 8, from 8.18 to 9.0, from 8.19 or 9.0 to 9.1
/// and later. While an upgrade is under way two versions run, of which one is the target.
///
/// # Errors
/// Why it may not.
pub fn may_follow(running: &BTreeSet<Version>, target: Version) -> Result<(), Refusal> {
    if target.0 != 7 && target.0 != 8 && target.0 != 9 {
        return Err(Refusal::Unknown);
    }
    if let Some(from) = running.iter().rev().find(|it| target < **it) {
        return Err(Refusal::Downgrade { from: *from });
    }
    let older: Vec<&Version> = running.iter().filter(|it| **it != target).collect();
    let [from] = older[..] else {
        return if older.is_empty() { Ok(()) } else { Err(Refusal::Mixed) };
    };
    let first = match (from.0, target.0) {
        (before, after) if before == after => return Ok(()),
        (7, 8) if (7, 17) <= (from.0, from.1) => return Ok(()),
        (8, 9) if 19 <= from.1 || (from.1 == 18 && target.1 == 0) => return Ok(()),
        (8, 9) => "the last 8.19",
        (7, 9) => "the last 8.19, by way of 7.17",
        _ => "the last 7.17",
    };
    Err(Refusal::Between { from: *from, first })
}

/// Why the version that a run with this target leads to may not follow what runs, or could not read
/// what is there, or what Elasticsearch itself says stands in its way; nothing where it may.
#[must_use]
pub fn barred(target: &str, evidence: &Evidence) -> Option<String> {
    let Some(target) = Version::parse(version_of(target)) else {
        return Some("the run leads to no version".into());
    };
    let versions = evidence.nodes.values().map(|it| Version::parse(&it.version));
    let Some(running) = versions.collect::<Option<BTreeSet<Version>>>() else {
        return Some("a node does not tell which version it runs".into());
    };
    if let Err(refusal) = may_follow(&running, target) {
        return Some(format!("{target} may not follow: {refusal}"));
    }
    let unreadable = unreadable(target, &evidence.origins);
    if !unreadable.is_empty() {
        return Some(format!(
            "{target} can't read indices that an older version has made: {}. Reindex or delete them: \
             Drover does neither by itself",
            named(unreadable.iter().copied())
        ));
    }
    if !evidence.is_of_older_major(target) {
        return None;
    }
    match &evidence.deprecations {
        Some(Ok(critical)) if critical.is_empty() => None,
        Some(Ok(critical)) => Some(format!(
            "Elasticsearch calls critical before {target}: {}. `GET /_migration/deprecations` says what \
             to do about each",
            named(critical.iter().map(|it| &**it))
        )),
        Some(Err(why)) => Some(format!(
            "Elasticsearch does not tell what stands in the way of {target}: `GET \
             /_migration/deprecations`: {why}"
        )),
        None => Some(format!("Elasticsearch has not told yet what stands in the way of {target}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elasticsearch::evidence::{Node, Origin};

    #[test]
    fn a_version_that_may_not_follow_or_could_not_read_an_index_is_barred() {
        let evidence = |versions: &[&str], created: u64| {
            let node = |(at, version): (usize, &&str)| {
                let node = Node { version: (*version).into(), ..Node::default() };
                (at.to_string().into(), node)
            };
            let origin = Origin { version: created, verified_read_only: false };
            Evidence {
                nodes: versions.iter().enumerate().map(node).collect(),
                origins: [(".hidden".into(), origin)].into(),
                deprecations: Some(Ok(Vec::new())),
                ..Evidence::default()
            }
        };
        let cases: [(&str, &[&str], u64, Option<&str>); 7] = [
            ("8.19.0/abc", &["7.17.29"], 7_172_999, None),
            ("8.19.0/abc", &["7.17.29", "8.19.0"], 7_172_999, None),
            ("8.19.0/abc", &["7.17.29"], 6_082_399, Some("can't read indices")),
            ("8.19.0/abc", &["7.17.29"], 0, Some(".hidden")),
            ("8.17.0/abc", &["8.19.0"], 8_536_000, Some("8.17.0 may not follow")),
            ("8.19.0/abc", &["8.17.0", ""], 8_536_000, Some("does not tell")),
            ("abc", &["8.17.0"], 8_536_000, Some("no version")),
        ];
        for (target, running, created, words) in cases {
            let found = barred(target, &evidence(running, created));
            assert_eq!(found.is_some(), words.is_some(), "{target}: {found:?}");
            let (found, words) = (found.unwrap_or_default(), words.unwrap_or_default());
            assert!(found.contains(words), "{found}");
        }
    }

    #[test]
    fn another_major_version_waits_for_what_elasticsearch_calls_critical_until_a_node_runs_it() {
        let evidence = |versions: &[&str], critical: Option<&[&str]>| {
            let node = |(at, version): (usize, &&str)| {
                let node = Node { version: (*version).into(), ..Node::default() };
                (at.to_string().into(), node)
            };
            Evidence {
                nodes: versions.iter().enumerate().map(node).collect(),
                deprecations: critical.map(|it| Ok(it.iter().map(|it| (*it).into()).collect())),
                ..Evidence::default()
            }
        };
        let words = |target: &str, versions: &[&str], critical| {
            barred(target, &evidence(versions, critical)).unwrap_or_default()
        };
        let old = ["7.17.29", "7.17.29"];
        let said = words("8.19.0/abc", &old, Some(&["logs: a setting"]));
        assert!(said.contains("critical before 8.19.0: logs: a setting."), "{said}");
        let said = words("8.19.0/abc", &old, None);
        assert!(said.contains("has not told yet"), "{said}");
        let untold =
            Evidence { deprecations: Some(Err("no right".into())), ..evidence(&old, None) };
        let said = barred("8.19.0/abc", &untold).unwrap();
        assert!(said.contains("does not tell") && said.ends_with(": no right"), "{said}");
        assert_eq!(words("8.19.0/abc", &old, Some(&[])), "");
        assert_eq!(words("8.19.0/abc", &["7.17.29", "8.19.0"], None), "", "it is on its way");
        assert_eq!(words("8.19.0/abc", &["8.17.0"], None), "", "the same major version");
    }

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn a_version_follows_only_where_elastic_says_that_it_may() {
        let cases: [(&[&str], &str, Option<&str>); 17] = [
            (&["7.17.9"], "8.0.0", None),
            (&["7.17.9"], "8.19.0", None),
            (&["7.16.3"], "8.19.0", Some("the last 7.17")),
            (&["7.17.29"], "9.0.0", Some("by way of 7.17")),
            (&["8.17.9"], "9.0.0", Some("the last 8.19")),
            (&["8.18.0"], "9.0.1", None),
            (&["8.18.0"], "9.1.0", Some("the last 8.19")),
            (&["8.19.0"], "9.2.0", None),
            (&["9.0.0"], "9.2.0", None),
            (&["8.15.0"], "8.19.0", None),
            (&["8.19.0"], "8.19.0", None),
            (&["8.19.0"], "8.15.0", Some("go back")),
            (&["8.15.0", "8.19.0"], "8.19.0", None),
            (&["8.15.0", "8.19.0"], "8.18.0", Some("go back")),
            (&["8.14.0", "8.15.0"], "8.19.0", Some("under way")),
            (&[], "8.19.0", None),
            (&["9.2.0"], "10.0.0", Some("does not know")),
        ];
        for (running, target, refusal) in cases {
            let running = running.iter().map(|it| version(it)).collect();
            let result = may_follow(&running, version(target));
            match refusal {
                None => assert_eq!(result, Ok(()), "{running:?} to {target}"),
                Some(words) => {
                    let said = result.unwrap_err().to_string();
                    assert!(said.contains(words), "{running:?} to {target}: {said}");
                }
            }
        }
    }
}
