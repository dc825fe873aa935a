//! Which archive a host unpacks, and how it knows that it is the right one.

use super::Problem;
use crate::{api::elasticsearch::Distribution, elasticsearch::version::Version};

/// The archive for one kind of machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Where hosts get it.
    pub url: Box<str>,
    /// The name that the URL ends with.
    pub file: Box<str>,
    /// How it is known.
    pub sha512: Sha512,
}

/// The SHA-512 of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sha512 {
    /// In 128 lower-case hexadecimal digits.
    Given(Box<str>),
    /// It has to be read from this https URL first, by [`read`].
    At(Box<str>),
}

/// The archive of `version` for machines of this architecture.
///
/// # Errors
/// Why there is none.
pub fn archive(
    distribution: &Distribution,
    version: Version,
    architecture: &str,
) -> Result<Archive, Problem> {
    let architecture = match architecture {
        "x86_64" | "amd64" => "x86_64",
        "aarch64" | "arm64" => "aarch64",
        other => {
            let message =
                format!("there is no Elasticsearch for {}", crate::foreign::capped(other));
            return Err(Problem::new("elasticsearch.distribution.url", message));
        }
    };
    let filled = |template: &str| -> Box<str> {
        template.replace("{version}", &version.to_string()).replace("{arch}", architecture).into()
    };
    let url = filled(&distribution.url.0);
    let file: Box<str> = url.rsplit('/').next().unwrap_or_default().into();
    let given = distribution.sha512.as_ref().and_then(|it| it.0.get(&*file));
    let sha512 = match (given, &distribution.sha512_url) {
        (Some(digest), _) => Sha512::Given(digest.to_ascii_lowercase().into()),
        (None, Some(template)) => Sha512::At(filled(&template.0)),
        (None, None) if url.starts_with("https://") => Sha512::At(format!("{url}.sha512").into()),
        (None, None) => {
            let message = format!("has no digest of '{file}', which comes over http");
            return Err(Problem::new("elasticsearch.distribution.sha512", message));
        }
    };
    Ok(Archive { url, file, sha512 })
}

/// The digest of `file` in a text as `sha512sum` writes it, or in one that is nothing but a digest.
#[must_use]
pub fn read(text: &str, file: &str) -> Option<Box<str>> {
    let digest = |word: &str| {
        let is_digest = word.len() == 128 && word.bytes().all(|it| it.is_ascii_hexdigit());
        is_digest.then(|| word.to_ascii_lowercase().into())
    };
    let mut words = text.split_whitespace();
    if let (Some(alone), None) = (words.next(), words.next()) {
        return digest(alone);
    }
    text.lines().find_map(|line| {
        let (sum, name) = line.trim().split_once([' ', '\t'])?;
        // An asterisk says that it was read as binary.
        let name = name.trim_start().trim_start_matches('*');
        let name = name.rsplit('/').next().unwrap_or(name);
        (name == file).then(|| digest(sum))?
    })
}
