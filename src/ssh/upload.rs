//! Writes small files on a host, whole or not at all.

use ring::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretSlice};

use super::{command::Command, error::Error, path::RemotePath, session::Session};
use crate::digest::hex;

const SCRIPT: &str = include_str!("upload.sh");

/// A file as it shall be on a host. Its directory has to be there.
#[derive(Clone, Debug)]
pub struct Upload {
    /// What the upload is called in metrics and errors.
    pub what: &'static str,
    /// Where. What is there is replaced; a link there is replaced itself, not what it leads to.
    pub path: RemotePath,
    /// What is in it. It goes over standard input and shows nowhere.
    pub content: SecretSlice<u8>,
    /// Such as `0o644`.
    pub mode: u16,
    /// Such as `root:root`; both have to exist.
    pub owner: &'static str,
    /// Whether sudo is needed to write it.
    pub sudo: bool,
}

/// What an upload came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uploaded {
    /// The file was as it shall be already.
    Same,
    /// It is now.
    Written,
}

impl Session {
    /// Makes sure that a file is as it shall be. Safe to repeat.
    ///
    /// # Errors
    /// Why it is not; what was there before is untouched then.
    pub async fn upload(&self, upload: &Upload) -> Result<Uploaded, Error> {
        let output = self.run(&upload.command()).await?.succeeded()?;
        match &*output.last_line() {
            "same" => Ok(Uploaded::Same),
            "written" => Ok(Uploaded::Written),
            _ => Err(output.unexpected("it is neither 'same' nor 'written'")),
        }
    }
}

impl Upload {
    fn command(&self) -> Command {
        let content = self.content.expose_secret();
        let mode = format!("{:o}", self.mode);
        let arguments =
            [self.path.as_str().to_owned(), mode, self.owner.to_owned(), sum_of(content)];
        Command::script(self.what, SCRIPT, arguments).stdin(content.to_vec()).sudo(self.sudo)
    }
}

/// The SHA-256 of a file, as sha256sum prints it.
pub(super) fn sum_of(content: &[u8]) -> String {
    hex(digest(&SHA256, content).as_ref())
}
