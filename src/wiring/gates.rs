//! What of an object others care about: they are woken only when that changes.

use std::collections::HashMap;

use crate::kubernetes::known::ObjectName;

/// What was last seen of each object of a kind.
pub(super) struct Gates<V>(HashMap<ObjectName, V>);

impl<V> Default for Gates<V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<V: Clone + PartialEq> Gates<V> {
    /// Takes note of an object as it is now, nothing where it is gone. Tells whether that is news.
    pub(super) fn turn(&mut self, name: &ObjectName, now: Option<V>) -> Turn<V> {
        let Some(now) = now else { return Turn::News { before: self.0.remove(name) } };
        let before = self.0.insert(name.clone(), now.clone());
        if before.as_ref() == Some(&now) { Turn::Same } else { Turn::News { before } }
    }
}

/// Whether an object changed, as far as others care.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn<V> {
    /// It did not.
    Same,
    /// It did.
    News {
        /// What it was before; nothing where it is new.
        before: Option<V>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_change_passes_and_what_is_gone_is_forgotten() {
        let mut gates = Gates::default();
        let name = ObjectName { namespace: "shop".into(), name: "a".into() };
        let news = |before| Turn::News { before };
        assert_eq!(gates.turn(&name, Some(1)), news(None));
        assert_eq!(gates.turn(&name, Some(1)), Turn::Same);
        assert_eq!(gates.turn(&name, Some(2)), news(Some(1)));
        assert_eq!(gates.turn(&name, None), news(Some(2)));
        assert_eq!(gates.turn(&name, Some(2)), news(None));
    }
}
