//! Versions of Elasticsearch.

use std::fmt;

/// `major.minor.patch`; what follows, such as `-SNAPSHOT`, is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// Reads `8.19.0` or `9.2.0-SNAPSHOT`; nothing when the text is no version.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let numbers = text.split_once('-').map_or(text, |(numbers, _)| numbers);
        let mut parts = numbers.split('.').map(|it| it.parse().ok());
        let version = Self(parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_ordered_by_number() {
        let parsed = Version::parse("8.19.0").unwrap();
        assert_eq!(parsed, Version(8, 19, 0));
        assert_eq!(parsed.to_string(), "8.19.0");
        assert_eq!(Version::parse("9.2.0-SNAPSHOT"), Some(Version(9, 2, 0)));
        assert!(Version(7, 17, 29) < Version(8, 7, 0));
        assert!(Version(8, 9, 0) < Version(8, 19, 0));
        for text in ["", "8", "8.1", "8.1.x", "8.1.2.3", "-1.0.0"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
