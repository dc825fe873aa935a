//! Files of an Elasticsearch that Drover runs: what they are, not what is in them.

use secrecy::{ExposeSecret as _, SecretSlice};

use super::layout::{self, NEXT};
use crate::ssh::{
    path::RemotePath,
    steps::{HEADER, Step},
    upload::{Upload, sum_of},
};

/// Who owns what Elasticsearch may read and not write.
const READABLE: &str = "root:elasticsearch";

/// A file as it shall be.
#[derive(Clone, Debug)]
pub struct File {
    /// Where, one of those of [`layout`].
    pub path: &'static str,
    /// What is in it.
    pub content: SecretSlice<u8>,
    mode: u16,
    owner: &'static str,
}

impl PartialEq for File {
    fn eq(&self, other: &Self) -> bool {
        (self.path, self.mode, self.owner) == (other.path, other.mode, other.owner)
            && self.content.expose_secret() == other.content.expose_secret()
    }
}

impl Eq for File {}

impl File {
    /// One that Elasticsearch reads.
    #[must_use]
    pub fn readable(path: &'static str, content: impl Into<SecretSlice<u8>>) -> Self {
        Self { path, content: content.into(), mode: 0o640, owner: READABLE }
    }

    /// One of systemd's.
    #[must_use]
    pub fn of_systemd(path: &'static str, content: impl Into<SecretSlice<u8>>) -> Self {
        Self { path, content: content.into(), mode: 0o644, owner: "root:root" }
    }

    /// Certificates, or a key. Whoever reads them passes over what comes before.
    #[must_use]
    pub fn pem(path: &'static str, pem: &[u8]) -> Self {
        Self::readable(path, [HEADER.as_bytes(), b"\n", pem.trim_ascii(), b"\n"].concat())
    }

    /// Its SHA-256.
    pub(super) fn sum(&self) -> String {
        sum_of(self.content.expose_secret())
    }

    /// As `stat` tells it.
    pub(super) fn state(&self) -> String {
        format!("regular file|{:o}|{}", self.mode, self.owner.replace(':', "|"))
    }

    /// Writes it at `path`, which is its own place or where it waits.
    pub(super) fn write(&self, path: &str) -> Option<Step> {
        let upload = Upload {
            what: "write file",
            path: RemotePath::new(path).ok()?,
            content: self.content.clone(),
            mode: self.mode,
            owner: self.owner,
            sudo: false,
        };
        Some(Step::Write(upload))
    }
}

/// Files that Elasticsearch reads when it starts.
const AT_START: [&str; 3] = [layout::SETTINGS, layout::JAVA_OPTIONS, layout::UNIT_FILE];
/// Files that it reads again whenever they change.
const LIVE: [&str; 6] = [
    layout::AUTHORITIES,
    layout::KEY,
    layout::CERTIFICATE,
    layout::SEEDS,
    layout::USERS,
    layout::USERS_ROLES,
];

/// Every place where a file of Drover's may be.
pub(super) fn all_places() -> impl Iterator<Item = String> {
    let places = AT_START.into_iter().chain(LIVE).map(str::to_owned);
    places.chain(AT_START.into_iter().map(waiting_place))
}

/// Where a file waits for the next start.
pub(super) fn waiting_place(path: &str) -> String {
    format!("{NEXT}/{}", path.rsplit('/').next().unwrap_or_default())
}
