//! What a host is made to be, one step after the other: what differs, what is done about it, and how
//! Drover knows its own files again.

use super::{
    command::Command,
    error::{Category, Error},
    session::Session,
    upload::Upload,
};

const DIRECTORY: &str = include_str!("steps/directory.sh");
const REMOVE: &str = include_str!("steps/remove.sh");

/// The first line of Drover's files. Without it a file is not Drover's.
pub(crate) const HEADER: &str = "# Drover made this file, keeps it as it is, and removes it.";

/// One thing that is not as it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// What, such as `sysctls.vm.max_map_count`.
    pub path: Box<str>,
    /// As it shall be.
    pub desired: Box<str>,
    /// As it is.
    pub live: Box<str>,
}

/// A file in a place of Drover's, as a script told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct File {
    /// `regular file|600|root|root`.
    pub(super) state: Box<str>,
    /// Its first line.
    pub(super) first: Box<str>,
    /// Its SHA-256.
    pub(super) sum: Box<str>,
}

impl File {
    pub(super) fn is_ours(&self) -> bool {
        &*self.first == HEADER
    }
}

/// What came of preparing a host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prepared {
    /// What was not as it shall be, before.
    pub before: Vec<Drift>,
    /// What still is not, after.
    pub left: Vec<Drift>,
    /// What could not be changed, and why.
    pub failures: Vec<Error>,
    /// Kernel parameters that keep what Drover set, since nobody knows their values of before.
    pub lost: Vec<Box<str>>,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Run(Command),
    Write(Upload),
}

/// Runs chains of steps. A failure ends its chain, whose later steps build on the earlier ones; the
/// other chains do not.
///
/// # Errors
/// Why the host could not be told on the way; what only failed there is the inner list.
pub(super) async fn run(
    session: &Session,
    chains: Vec<Vec<Step>>,
    sudo: bool,
) -> Result<Vec<Error>, Error> {
    let mut failures = Vec::new();
    for chain in chains {
        match follow(session, chain, sudo).await {
            Ok(()) => {}
            Err(error) if error.category() == Category::Failed => failures.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok(failures)
}

async fn follow(session: &Session, chain: Vec<Step>, sudo: bool) -> Result<(), Error> {
    for step in chain {
        match step {
            Step::Run(command) => {
                session.run(&command.sudo(sudo)).await?.succeeded()?;
            }
            Step::Write(upload) => {
                session.upload(&Upload { sudo, ..upload }).await?;
            }
        }
    }
    Ok(())
}

/// Makes a directory, for all to read.
pub(super) fn make_directory(path: &str) -> Step {
    Step::Run(Command::script("make directory", DIRECTORY, [path]))
}

/// Removes a file of Drover's; its directory too, where `directory` is that word and it is empty then.
pub(super) fn remove(path: &str, directory: &str) -> Step {
    Step::Run(Command::script("remove file", REMOVE, [path, HEADER, directory]))
}

/// Makes systemd read its units anew.
pub(super) fn reload() -> Step {
    Step::Run(Command::new("reload units", "systemctl", ["daemon-reload"]))
}
