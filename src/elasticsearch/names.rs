//! Names of indices, safe to put into a path.

use crate::transport::segment;

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
        match problem(name) {
            None => Ok(Self(name.into())),
            Some(_) => Err(NotOneIndex(crate::foreign::capped(name))),
        }
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

/// What is wrong with `name` as that of an index or of an alias: what Elasticsearch refuses, and
/// control characters, which would break the lines of its logs.
#[must_use]
pub fn problem(name: &str) -> Option<&'static str> {
    let forbidden = |it: char| r#"\/*?"<>|,#: "#.contains(it) || it.is_control();
    if name.is_empty() {
        Some("must not be empty")
    } else if matches!(name, "." | "..") {
        Some("must not be '.' or '..'")
    } else if name.starts_with(['_', '-', '+']) {
        Some("must not start with '_', '-' or '+'")
    } else if name.contains(forbidden) {
        Some(r#"must not contain a space, a control character or one of \ / * ? " < > | , # :"#)
    } else if 255 < name.len() {
        Some("must not be longer than 255 bytes")
    } else {
        None
    }
}

/// What is wrong with `name` as that of an index to make. An alias may have such a name, and an
/// index of Elasticsearch itself may begin with a dot.
#[must_use]
pub fn new_index_problem(name: &str) -> Option<&'static str> {
    if name.starts_with('.') {
        Some("must not start with '.': such names belong to Elasticsearch itself")
    } else if name.to_lowercase() != name {
        Some("must be lower case")
    } else {
        problem(name)
    }
}

/// What asks for some names at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch<'a> {
    pub(super) path: String,
    pub(super) names: Vec<&'a str>,
}

/// What asks for all `names`, in as few requests as the length of a path allows. A name that is not
/// that of one index is left out: no index has it.
pub(super) fn batches<'a>(before: &str, names: &[&'a str], after: &str) -> Vec<Batch<'a>> {
    let mut batches: Vec<Batch> = Vec::new();
    for name in names.iter().filter(|it| OneIndex::new(it).is_ok()) {
        let segment = segment(name);
        match batches.last_mut() {
            Some(it) if it.path.len() + segment.len() + after.len() < PATH_LIMIT => {
                it.path = format!("{},{segment}", it.path);
                it.names.push(name);
            }
            _ => batches.push(Batch { path: format!("{before}{segment}"), names: vec![name] }),
        }
    }
    for batch in &mut batches {
        batch.path += after;
    }
    batches
}

/// Two that ask for the one half of the names of `batch` and the other; nothing where it is one
/// name.
pub(super) fn halves<'a>(batch: &Batch<'a>, before: &str, after: &str) -> Option<Vec<Batch<'a>>> {
    if batch.names.len() < 2 {
        return None;
    }
    let (one, other) = batch.names.split_at(batch.names.len() / 2);
    Some([one, other].iter().flat_map(|it| batches(before, it, after)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_elasticsearch_would_not_read_as_one_index_is_no_target_of_a_write() {
        let wrong =
            ["", ".", "..", "*", "a*", "a,b", "_all", "-a", "+a", "a/b", "a b", "a\nb", "<a>"];
        for name in wrong {
            assert!(OneIndex::new(name).is_err(), "{name}");
        }
        assert!(OneIndex::new(&"é".repeat(128)).is_err());
        for control in ["a\u{7f}", "a\u{80}b", "a\u{9f}"] {
            assert!(OneIndex::new(control).is_err(), "{control:?}");
        }
        for name in ["a", "größe", "a.b-c_d+e", "日本語", "A", ".a", "a\u{a0}"] {
            assert_eq!(OneIndex::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn a_new_index_may_not_be_named_as_only_aliases_and_elasticsearch_s_own_are() {
        for name in ["A", "größE", ".a", "ǅ", "a b", ""] {
            assert!(new_index_problem(name).is_some(), "{name}");
        }
        assert_eq!(new_index_problem("größe.a"), None);
    }

    #[test]
    fn names_are_asked_for_in_batches_that_fit_a_request_line() {
        let names: Vec<String> = (0..1000).map(|it| format!("größe-{it}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let batches = batches("/", &names, "?q");
        assert!(batches.len() < 10, "{}", batches.len());
        assert!(batches.iter().flat_map(|it| &it.names).eq(&names));
        let paths: Vec<_> = batches.iter().map(|it| &it.path).collect();
        let asked = paths.iter().flat_map(|it| it.trim_matches(['/', '?', 'q']).split(','));
        assert!(asked.eq(names.iter().map(|it| segment(it))));
        assert!(paths.iter().all(|it| it.len() < PATH_LIMIT), "{paths:?}");
    }

    #[test]
    fn a_batch_is_halved_down_to_one_name() {
        let whole = batches("/", &["a", "b", "c"], "?q").remove(0);
        let halves_of = |it: &Batch| {
            halves(it, "/", "?q").map(|it| it.into_iter().map(|it| it.path).collect::<Vec<_>>())
        };
        assert_eq!(halves_of(&whole).unwrap(), ["/a?q", "/b,c?q"]);
        assert_eq!(halves_of(&batches("/", &["a"], "?q")[0]), None);
    }

    #[test]
    fn patterns_are_not_asked_for() {
        let batch = Batch { path: "/a?q".into(), names: vec!["a"] };
        assert_eq!(batches("/", &["*", "a", "b,c"], "?q"), [batch]);
        assert!(batches("/", &["*"], "?q").is_empty());
        assert!(batches("/", &[], "?q").is_empty());
    }
}
