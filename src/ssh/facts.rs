//! What a host is and how it is: read with what a minimal system has, as any user, in one go.

use std::time::Duration;

use jiff::Timestamp;

use super::{command::Command, error::Error, families::Family, path::RemotePath, session::Session};

mod parse;

pub(super) use parse::booted_names;

const SCRIPT: &str = include_str!("facts/gather.sh");
/// For all facts: some commands of package managers take their time.
const ALL: Duration = Duration::from_mins(1);
/// For what takes a host no time at all.
const FEW: Duration = Duration::from_secs(20);

/// What a host is. A field is absent where the host does not tell, or tells nonsense.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The operating system.
    pub os: Os,
    /// The release of the running kernel.
    pub kernel: Option<Box<str>>,
    /// Such as `x86_64`.
    pub architecture: Option<Box<str>>,
    /// Its own name for itself.
    pub hostname: Option<Box<str>>,
    /// Whether it is still the same host, and still up.
    pub identity: Identity,
    /// Processors that are online.
    pub cpus: Option<u32>,
    /// Memory in all.
    pub memory_bytes: Option<u64>,
    /// The file system of `/`.
    pub root_disk: Option<Disk>,
    /// The file system of the data directory, or of where that will be.
    pub data_disk: Option<Disk>,
    /// Such as `dnf`; with images, `rpm-ostree`.
    pub package_manager: Option<Box<str>>,
    /// Whether it was booted from an image, and which.
    pub ostree: Option<Ostree>,
    /// The version that is installed, where Drover put it or else as a package.
    pub elasticsearch_version: Option<Box<str>>,
    /// Whether systemd runs it.
    pub has_systemd: bool,
    /// Whether commands can be run as units of systemd's.
    pub runs_units: bool,
    /// Whether it is shutting down.
    pub is_stopping: bool,
    /// Whether it has to be restarted for what was installed. Absent where nothing there can tell.
    pub reboot_required: Option<bool>,
    /// How far its clock is ahead, in seconds; 0 where the network's delay explains it.
    pub clock_skew_seconds: Option<i64>,
}

/// What tells one host from another, and one run of it from the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// 32 hexadecimal digits that the system got when it was installed.
    pub machine_id: Option<Box<str>>,
    /// Another one after each boot; in a container, that of the machine outside.
    pub boot_id: Option<Box<str>>,
    /// When its first process began, in ticks after the machine's boot: tells the boots of a
    /// container.
    pub init_started: Option<u64>,
}

/// An operating system, as its os-release has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Os {
    /// Such as `debian`.
    pub id: Option<Box<str>>,
    /// Such as `12`.
    pub version: Option<Box<str>>,
    /// Such as `server` or `coreos`.
    pub variant: Option<Box<str>>,
    /// Whose commands it has; absent where Drover knows none.
    pub family: Option<Family>,
}

/// The size of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// In all.
    pub total_bytes: u64,
    /// For users other than root.
    pub free_bytes: u64,
}

/// The images of a host. Each by its version, or its checksum where it has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ostree {
    /// The one that runs.
    pub booted: Option<Box<str>>,
    /// The one that will run after the next restart.
    pub staged: Option<Box<str>>,
}

/// Where to look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The directory for Elasticsearch's data, whether it is there or not.
    pub data: Option<RemotePath>,
    /// The directory of an Elasticsearch that is no package.
    pub elasticsearch: Option<RemotePath>,
}

/// Asks a host for all facts.
///
/// # Errors
/// Why it could not be asked.
pub async fn gather(session: &Session, places: &Places) -> Result<Facts, Error> {
    let (text, asked) = ask(session, "gather facts", "all", places, ALL).await?;
    Ok(parse::facts(&text, asked))
}

/// Asks a host only for what changes when it is another one, or was restarted.
///
/// # Errors
/// Why it could not be asked.
pub async fn probe(session: &Session) -> Result<Facts, Error> {
    let (text, asked) = ask(session, "probe", "probe", &Places::default(), FEW).await?;
    Ok(parse::facts(&text, asked))
}

/// When a host was asked.
#[derive(Clone, Copy, Debug)]
struct Asked {
    before: Timestamp,
    after: Timestamp,
}

async fn ask(
    session: &Session,
    what: &'static str,
    extent: &str,
    places: &Places,
    limit: Duration,
) -> Result<(String, Asked), Error> {
    let place = |it: &Option<RemotePath>| it.as_ref().map_or("", RemotePath::as_str).to_owned();
    let arguments = [extent.to_owned(), place(&places.data), place(&places.elasticsearch)];
    let command = Command::script(what, SCRIPT, arguments).read_only().deadline(limit);
    let before = Timestamp::now();
    let output = session.run(&command).await?.succeeded()?;
    let asked = Asked { before, after: Timestamp::now() };
    Ok((output.text().into_owned(), asked))
}

/// Makes sure that commands run as root, by sudo where `sudo` is true.
///
/// # Errors
/// Why they do not.
pub async fn check_root(session: &Session, sudo: bool) -> Result<(), Error> {
    let command = Command::new("check for root", "id", ["-u"]).read_only().sudo(sudo).deadline(FEW);
    let output = session.run(&command).await?.succeeded()?;
    match &*output.last_line() {
        "0" => Ok(()),
        _ => Err(output.unexpected("the user is not root; log in as root or allow sudo")),
    }
}

#[cfg(test)]
mod tests;
