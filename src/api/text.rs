//! Texts that stand in many objects alike, kept once: the words and messages of conditions.

use std::{
    borrow::{Borrow, Cow},
    collections::HashSet,
    fmt,
    ops::Deref,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How many texts are kept before the first look for those that nobody uses any more.
const FEW: usize = 1024;

static SHARED: LazyLock<Mutex<Shared>> =
    LazyLock::new(|| Mutex::new(Shared { texts: HashSet::new(), limit: FEW }));

struct Shared {
    texts: HashSet<Text>,
    /// At this length those that nobody uses go first.
    limit: usize,
}

/// A text that equal ones share their memory with.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(Arc<Box<str>>); // one word in each place, where an Arc<str> takes two

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl Text {
    /// `text`, in the memory of those that are equal to it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        // Nothing in here panics half-way, so a poisoned set is whole.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shared.texts.get(text) {
            return known.clone();
        }
        if shared.limit <= shared.texts.len() {
            shared.texts.retain(|it| 1 < Arc::strong_count(&it.0));
            shared.limit = (2 * shared.texts.len()).max(FEW);
        }
        let text = Self(Arc::new(text.into()));
        shared.texts.insert(text.clone());
        text
    }

    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer).map(|it| Self::new(&it))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_kept_once_and_go_when_nobody_uses_them() {
        let (one, other) = (Text::new("kept once"), Text::new("kept once"));
        assert!(Arc::ptr_eq(&one.0, &other.0));
        assert_eq!(one, "kept once");
        for number in 0..3 * FEW {
            drop(Text::new(&format!("used once {number}")));
        }
        let shared = SHARED.lock().unwrap();
        assert!(shared.texts.len() < 2 * FEW, "{}", shared.texts.len());
        assert!(shared.texts.contains("kept once"));
    }

    #[test]
    fn a_text_survives_a_round_trip() {
        let json = r#""a \"quoted\" é""#;
        let text: Text = serde_json::from_str(json).unwrap();
        assert_eq!(text, r#"a "quoted" é"#);
        assert_eq!(serde_json::to_string(&text).unwrap(), json);
    }
}
