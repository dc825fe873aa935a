//! Names of indices, safe to put into a path.

use std::fmt::Write as _;

/// The longest path that is sent. Elasticsearch takes 4096 bytes for the whole request line.
const PATH_LIMIT: usize = 3500;

/// A name that Elasticsearch can't read as several indices, as a pattern or as one of its own
/// words. Every write on an index takes one: `DELETE /*` can't be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneIndex(Box<str>);

/// A name that is not that of one index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not the name of one index")]
pub struct NotOneIndex(Box<str>);

impl OneIndex {
    /// Takes the name of an index or of an alias.
    ///
    /// # Errors
    /// [`NotOneIndex`] where Elasticsearch would read the name as something else, or refuse it.
    pub fn new(name: &str) -> Result<Self, NotOneIndex> {
        let begins_wrong = name.starts_with(['_', '-', '+']) || matches!(name, "" | "." | "..");
        let forbidden = |it: char| r#"\/*?"<>|,#:"#.contains(it) || it == ' ' || it.is_control();
        if begins_wrong || 255 < name.len() || name.contains(forbidden) {
            return Err(NotOneIndex(crate::foreign::capped(name)));
        }
        Ok(Self(name.into()))
    }

    /// The name, not escaped.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of the index, with `rest` behind it.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/{}{rest}", segment(&self.0))
    }
}

/// `text` escaped as one segment of a path.
#[must_use]
pub fn segment(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            // Writing to a string can't fail.
            _ => _ = write!(escaped, "%{byte:02X}"),
        }
    }
    escaped
}

/// The paths that ask for all `names`, in as few requests as the length of a path allows. A name
/// that is not that of one index is left out: no index has it.
pub(super) fn batches(before: &str, names: &[&str], after: &str) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    let mut open: Option<String> = None;
    let names = names.iter().filter_map(|it| OneIndex::new(it).ok());
    for name in names.map(|it| segment(it.as_str())) {
        open = Some(match open.take() {
            Some(path) if path.len() + name.len() + after.len() < PATH_LIMIT => path + "," + &name,
            full => {
                paths.extend(full.map(|it| it + after));
                format!("{before}{name}")
            }
        });
    }
    paths.extend(open.map(|it| it + after));
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_escapes_everything_that_has_a_meaning_in_a_url() {
        assert_eq!(segment("logs-2024.01_a~"), "logs-2024.01_a~");
        assert_eq!(segment("a/b?c#d%e f,g"), "a%2Fb%3Fc%23d%25e%20f%2Cg");
        assert_eq!(segment("größe"), "gr%C3%B6%C3%9Fe");
    }

    #[test]
    fn what_elasticsearch_would_not_read_as_one_index_is_no_target_of_a_write() {
        let wrong =
            ["", ".", "..", "*", "a*", "a,b", "_all", "-a", "+a", "a/b", "a b", "a\nb", "<a>"];
        for name in wrong {
            assert!(OneIndex::new(name).is_err(), "{name}");
        }
        assert!(OneIndex::new(&"é".repeat(128)).is_err());
        for name in ["a", "größe", "a.b-c_d+e", "日本語"] {
            assert_eq!(OneIndex::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn names_are_asked_for_in_batches_that_fit_a_request_line() {
        let names: Vec<String> = (0..1000).map(|it| format!("größe-{it}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let paths = batches("/", &names, "?q");
        assert!(paths.len() < 10, "{}", paths.len());
        let asked = paths.iter().flat_map(|it| it.trim_matches(['/', '?', 'q']).split(','));
        assert!(asked.eq(names.iter().map(|it| segment(it))));
        assert!(paths.iter().all(|it| it.len() < PATH_LIMIT), "{paths:?}");
    }

    #[test]
    fn patterns_are_not_asked_for() {
        assert_eq!(batches("/", &["*", "a", "b,c"], "?q"), ["/a?q"]);
        assert!(batches("/", &["*"], "?q").is_empty());
        assert!(batches("/", &[], "?q").is_empty());
    }
}
