//! Elasticsearch on a host, as Drover runs it: versions unpacked side by side, a link to the one that
//! runs, settings that Elasticsearch can read and not write, and a unit of Drover's own.
//!
//! What needs no restart is written in place. All else waits in a folder of its own until the unit
//! is stopped, so that a node that starts again by itself starts as it was. Fetching a version, and
//! stopping and starting, are units of systemd: they go on without Drover.

pub mod care;
pub mod installation;
pub mod job;
pub mod layout;
pub mod report;

mod diff;
mod files;

use secrecy::{ExposeSecret as _, SecretSlice};

pub use self::files::File;
use self::{
    job::{Job, Progress},
    report::Report,
};
use super::{
    command::Command,
    error::Error,
    families::Family,
    path::RemotePath,
    preparation::ACCOUNT_NAME,
    session::Session,
    steps::{self, HEADER, Prepared, Step},
};
use crate::{
    authority::Issued,
    digest::{Digest, hex},
};

const INSPECT: &str = include_str!("deploy/inspect.sh");
const FOLDERS: &str = include_str!("deploy/folders.sh");
const PRUNE: &str = include_str!("deploy/prune.sh");
const FORMED: &str = include_str!("deploy/formed.sh");
const REMOVE: &str = include_str!("deploy/remove.sh");
/// Before the SHA-256 of the file of the key, in the file of the certificate of that.
const CERTIFIED: &str = "# The SHA-256 of node.key: ";
/// For stopping Elasticsearch for good, and removing all that it had.
const REMOVING: std::time::Duration = std::time::Duration::from_mins(10);

/// The Elasticsearch that shall run on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Its version.
    pub version: Box<str>,
    /// Where its data is.
    pub data: RemotePath,
    /// Files that it reads when it starts.
    pub at_start: Vec<File>,
    /// Files that it reads again whenever they change.
    pub live: Vec<File>,
    /// What it has to be started with.
    pub revision: Box<str>,
}

/// Where a version comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where the archive is; http or https, printable and without blanks.
    pub url: Box<str>,
    /// The archive's SHA-512, in 128 lower-case hexadecimal digits.
    pub sha512: Box<str>,
    /// The Java that runs it; absent for the archive's own.
    pub java_home: Option<RemotePath>,
    /// Whose commands the host has, for advice; absent where that is not known.
    pub family: Option<Family>,
}

impl Deployment {
    /// Looks at a host, and changes nothing; as root, by sudo where `sudo` is true.
    ///
    /// # Errors
    /// Why it could not be looked at.
    pub async fn inspect(&self, session: &Session, sudo: bool) -> Result<Report, Error> {
        let output = session.run(&self.look().sudo(sudo)).await?.succeeded()?;
        Ok(Report::read(&output.text()))
    }

    /// Writes what needs no restart: what a running Elasticsearch reads again by itself, and files of
    /// its next start that somebody else has changed. Safe to repeat.
    ///
    /// # Errors
    /// Why the host could not be asked, or not be told on the way. That one thing could not be
    /// changed is no error here.
    pub async fn settle(&self, session: &Session, sudo: bool) -> Result<Prepared, Error> {
        let report = self.inspect(session, sudo).await?;
        Ok(self.settle_seen(session, sudo, report).await?.0)
    }

    /// The same on a host that was just seen to be so; how it is then, too.
    async fn settle_seen(
        &self,
        session: &Session,
        sudo: bool,
        report: Report,
    ) -> Result<(Prepared, Report), Error> {
        let before = self.drift(&report);
        if before.is_empty() {
            return Ok((Prepared::default(), report));
        }
        let failures = steps::run(session, vec![self.steps(&report)], sudo).await?;
        let report = self.inspect(session, sudo).await?;
        let left = self.drift(&report);
        Ok((Prepared { before, left, failures, ..Prepared::default() }, report))
    }

    /// Puts the files of the next start where they wait, and begins to fetch and unpack the version,
    /// unless that is under way, or at its end and not forgotten. Nothing that runs is touched. Safe
    /// to repeat. Without a `source` nothing is fetched.
    ///
    /// # Errors
    /// Why it was not begun.
    pub async fn begin_stage(
        &self,
        session: &Session,
        sudo: bool,
        run: &str,
        source: Option<&Source>,
    ) -> Result<Job, Error> {
        let job = Job::stage(run);
        let report = self.inspect(session, sudo).await?;
        let Some(source) = source else {
            run_all(session, self.waiting(&report), sudo).await?;
            return Ok(job);
        };
        let mut steps = self.waiting(&report);
        if !report.trees.contains_key(&self.version) {
            steps.extend(job.begin_stage(&self.version, source).steps());
        }
        run_all(session, steps, sudo).await?;
        Ok(job)
    }

    /// Whether its node would form a cluster, if it finds no data.
    #[must_use]
    pub fn forms(&self) -> bool {
        let says_so = |it: &File| {
            let text = String::from_utf8_lossy(it.content.expose_secret());
            let mut keys = text.lines().filter_map(|it| it.split_once(':'));
            keys.any(|(key, _)| key == layout::FORMS)
        };
        self.at_start.iter().any(|it| it.path == layout::SETTINGS && says_so(it))
    }

    /// Names its files: changes whenever one of them does, but for the one that is made from a password,
    /// since anybody may see this.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut digest = Digest::new();
        let files = self.at_start.iter().chain(&self.live);
        for file in files.filter(|it| it.path != layout::USERS) {
            digest.field(file.path.as_bytes());
            digest.field(file.content.expose_secret());
        }
        hex(&digest.finish()[..16])
    }

    /// The same with another certificate for its node.
    #[must_use]
    pub fn with_certificate(mut self, issued: &Issued) -> Self {
        // The key first: Elasticsearch takes neither alone. Where the second is never written, or
        // another one's key comes between, the certificate tells that it is not this key's.
        let key = File::pem(layout::KEY, issued.key.expose_secret().as_bytes());
        let certificate = format!("{CERTIFIED}{}\n{}", key.sum(), issued.certificate);
        self.live.push(key);
        self.live.push(File::pem(layout::CERTIFICATE, certificate.as_bytes()));
        self
    }

    /// Begins to stop Elasticsearch, put in place what waits, and start it, unless that is under way,
    /// or at its end and not forgotten. A failure starts what there was. `attempt` makes another try
    /// of what was done.
    ///
    /// # Errors
    /// Why it was not begun.
    pub async fn begin_swap(
        &self,
        session: &Session,
        sudo: bool,
        run: &str,
        attempt: u32,
    ) -> Result<Job, Error> {
        let job = Job::swap(run, attempt);
        let beginning = job.begin_swap(&self.version, &self.revision, None);
        run_all(session, beginning.steps(), sudo).await?;
        Ok(job)
    }

    /// Removes versions that neither run nor shall, nor are in `keep`.
    ///
    /// # Errors
    /// Why they are still there.
    pub async fn prune(
        &self,
        session: &Session,
        sudo: bool,
        keep: &[Box<str>],
    ) -> Result<(), Error> {
        let kept = [layout::TREES, &*self.version].into_iter().chain(keep.iter().map(|it| &**it));
        let command = Command::script("remove versions", PRUNE, kept);
        session.run(&command.sudo(sudo)).await?.succeeded().map(drop)
    }

    fn look(&self) -> Command {
        let arguments = [layout::UNIT, layout::TREES, layout::CONFIG, self.data.as_str()];
        let arguments = arguments.into_iter().map(str::to_owned).chain(files::all_places());
        Command::script("inspect elasticsearch", INSPECT, arguments).read_only()
    }
}

/// How far a job is.
///
/// # Errors
/// Why the host could not be asked.
pub async fn progress(session: &Session, sudo: bool, job: &Job) -> Result<Progress, Error> {
    let output = session.run(&job.look().sudo(sudo)).await?.succeeded()?;
    Ok(Progress::read(&output.text()))
}

/// Forgets a job that has come to its end.
///
/// # Errors
/// Why it is still known.
pub async fn forget(session: &Session, sudo: bool, job: &Job) -> Result<(), Error> {
    session.run(&job.forget().sudo(sudo)).await?.succeeded().map(drop)
}

/// Writes down on a host that it is a member of the cluster with this uuid, once.
///
/// # Errors
/// Why it is not written down: the host may be a member of another one.
pub async fn note_cluster(session: &Session, sudo: bool, uuid: &str) -> Result<(), Error> {
    let arguments = [layout::CLUSTER_UUID, ACCOUNT_NAME, uuid, HEADER];
    let command = Command::script("write down the cluster", FORMED, arguments);
    session.run(&command.sudo(sudo)).await?.succeeded().map(drop)
}

/// Whether a difference at `path` is about an Elasticsearch that Drover runs.
#[must_use]
pub fn is_about(path: &str) -> bool {
    path.starts_with(layout::CONFIG) || path == layout::UNIT || path == layout::UNIT_FILE
}

/// What becomes of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// It stays.
    Kept,
    /// It goes, for ever.
    Removed,
}

/// The Elasticsearch that goes from a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The name of its cluster in Elasticsearch.
    pub name: Box<str>,
    /// The uuid of its cluster; absent where none was formed.
    pub uuid: Option<Box<str>>,
    /// Where its data is.
    pub path: RemotePath,
    /// What becomes of that.
    pub data: Data,
}

/// Stops Elasticsearch for good and removes what Drover put there; the user stays, as the owner of
/// the data. Nothing is done where the host says that it is a member of another cluster. Safe to
/// repeat.
///
/// # Errors
/// Why it is not gone.
pub async fn remove(session: &Session, sudo: bool, removal: &Removal) -> Result<(), Error> {
    session.run(&removal.command().sudo(sudo)).await?.succeeded().map(drop)
}

impl Removal {
    fn command(&self) -> Command {
        let word = match self.data {
            Data::Kept => "",
            Data::Removed => "data",
        };
        let arguments = [
            layout::UNIT,
            layout::UNIT_FILE,
            layout::TREES,
            layout::CONFIG,
            layout::LOGS,
            HEADER,
            self.path.as_str(),
            word,
            ACCOUNT_NAME,
            &self.name,
            self.uuid.as_deref().unwrap_or_default(),
        ];
        Command::script("remove elasticsearch", REMOVE, arguments).deadline(REMOVING)
    }
}

/// All of them, or up to the first failure.
async fn run_all(session: &Session, steps: Vec<Step>, sudo: bool) -> Result<(), Error> {
    let failures = steps::run(session, vec![steps], sudo).await?;
    failures.into_iter().next().map_or(Ok(()), Err)
}

fn make_folders() -> Step {
    let arguments = [layout::TREES, layout::CONFIG, layout::LOGS, layout::RUN, ACCOUNT_NAME];
    Step::Run(Command::script("make folders", FOLDERS, arguments))
}

/// The revision that waits for the next start, as the last of its files.
fn waiting_revision(revision: &str) -> File {
    let text = format!("{HEADER}\n{revision}\n").into_bytes();
    File::readable(layout::REVISION_FILE, SecretSlice::from(text))
}

#[cfg(test)]
pub(crate) mod model;
#[cfg(test)]
mod tests;
