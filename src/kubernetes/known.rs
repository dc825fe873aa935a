//! What a watch has shown so far. A watch that had to list everything again does not say what went
//! meanwhile; this does.

use std::collections::{HashMap, HashSet};

use kube::api::ObjectMeta;

/// An object by name, within one kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl From<&ObjectMeta> for ObjectName {
    fn from(meta: &ObjectMeta) -> Self {
        Self {
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
        }
    }
}

/// The objects of one watch, each with a value that tells whether it changed. There may be
/// thousands, so names are kept in one piece: namespace and name, with a slash between.
#[derive(Debug)]
pub struct Known<V> {
    objects: HashMap<Box<str>, V>,
    /// What a list that is under way has shown.
    listed: Option<HashSet<Box<str>>>,
}

fn path(it: &ObjectName) -> Box<str> {
    format!("{}/{}", it.namespace, it.name).into_boxed_str()
}

/// Neither part can hold a slash.
fn object(path: &str) -> ObjectName {
    let (namespace, name) = path.split_once('/').unwrap_or_default();
    ObjectName { namespace: namespace.to_owned(), name: name.to_owned() }
}

impl<V> Default for Known<V> {
    fn default() -> Self {
        Self { objects: HashMap::new(), listed: None }
    }
}

impl<V> Known<V> {
    /// A list begins.
    pub fn begin(&mut self) {
        self.listed = Some(HashSet::new());
    }

    /// The object is there; returns the value it had before, or nothing when it is new.
    pub fn show(&mut self, name: &ObjectName, value: V) -> Option<V> {
        let path = path(name);
        if let Some(listed) = &mut self.listed {
            listed.insert(path.clone());
        }
        self.objects.insert(path, value)
    }

    /// The object was deleted; returns whether it was known.
    pub fn remove(&mut self, name: &ObjectName) -> bool {
        self.objects.remove(&path(name)).is_some()
    }

    /// The list is complete; returns what went unseen.
    pub fn end(&mut self) -> Vec<ObjectName> {
        let Some(listed) = self.listed.take() else { return Vec::new() };
        let gone = self.objects.keys().filter(|it| !listed.contains(&**it));
        let gone: Vec<_> = gone.map(|it| object(it)).collect();
        self.objects.retain(|it, _| listed.contains(it));
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> ObjectName {
        ObjectName { namespace: "ns".into(), name: name.into() }
    }

    #[test]
    fn a_second_list_tells_what_is_new_what_it_was_and_what_went_unseen() {
        let mut known = Known::default();
        known.begin();
        for it in ["changed", "went"] {
            assert_eq!(known.show(&name(it), 1), None);
        }
        assert!(known.end().is_empty());
        known.begin();
        assert_eq!(known.show(&name("changed"), 2), Some(1));
        assert_eq!(known.show(&name("new"), 1), None);
        assert_eq!(known.end(), [name("went")]);
        assert!(!known.remove(&name("went")) && known.remove(&name("new")));
    }

    #[test]
    fn a_list_that_breaks_off_takes_nothing_away() {
        let mut known = Known::default();
        known.begin();
        known.show(&name("a"), 1);
        known.end();
        known.begin();
        known.begin();
        known.show(&name("a"), 1);
        assert!(known.end().is_empty());
    }
}
