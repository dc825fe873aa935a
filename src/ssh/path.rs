//! Paths of files on a host.

use std::fmt;

/// The longest path that is taken, in bytes.
const LENGTH: usize = 1024;

/// An absolute path on a host, in its plainest spelling: no `.`, no `..`, no empty part.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RemotePath(Box<str>);

/// Why a text is no such path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not begin with a slash.
    #[error("it is not absolute")]
    Relative,
    /// The root of all.
    #[error("it names no file or directory below /")]
    Root,
    /// It could lead elsewhere than it seems to.
    #[error("it holds '.', '..' or an empty part")]
    Indirect,
    /// It could not be shown.
    #[error("it holds control characters")]
    Control,
    /// No host needs that.
    #[error("it is longer than {LENGTH} bytes")]
    TooLong,
}

impl RemotePath {
    /// Takes `text` for a path.
    ///
    /// # Errors
    /// Why it is none.
    pub fn new(text: &str) -> Result<Self, PathError> {
        let Some(below) = text.strip_prefix('/') else { return Err(PathError::Relative) };
        if below.is_empty() {
            return Err(PathError::Root);
        }
        if LENGTH < text.len() {
            return Err(PathError::TooLong);
        }
        if below.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(PathError::Indirect);
        }
        if text.chars().any(char::is_control) {
            return Err(PathError::Control);
        }
        Ok(Self(text.into()))
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_absolute_path_is_taken() {
        assert_eq!(RemotePath::new("/etc/a b/..c").unwrap().as_str(), "/etc/a b/..c");
        for (text, error) in [
            ("", PathError::Relative),
            ("etc", PathError::Relative),
            ("-rf", PathError::Relative),
            ("/", PathError::Root),
            ("/etc/", PathError::Indirect),
            ("//etc", PathError::Indirect),
            ("/etc/../root", PathError::Indirect),
            ("/etc/.", PathError::Indirect),
            ("/etc/..", PathError::Indirect),
            ("/etc\n/a", PathError::Control),
            ("/etc\0", PathError::Control),
        ] {
            assert_eq!(RemotePath::new(text), Err(error), "{text:?}");
        }
        assert_eq!(RemotePath::new(&format!("/{}", "a".repeat(1024))), Err(PathError::TooLong));
    }
}
