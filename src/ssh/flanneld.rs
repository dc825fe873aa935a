//! flanneld on a host: installed as a package, told by files of Drover's own where its network stands
//! in etcd, and run by systemd. Each item is looked at, changed only where it differs, and looked at
//! again.
//!
//! A flanneld that somebody else runs there is left as it is. What Drover did can be undone; the
//! package stays, since others may have come to need it.

use std::{net::Ipv4Addr, time::Duration};

use secrecy::{ExposeSecret as _, SecretSlice};

use self::{files::Wanted, report::Report};
use super::{
    command::Command,
    error::Error,
    families::{Family, Flannel},
    session::Session,
    steps::{self, Drift, Prepared},
};

mod diff;
mod files;
mod report;

const INSPECT: &str = include_str!("flanneld/inspect.sh");
const INSTALL: &str = include_str!("flanneld/install.sh");
const START: &str = include_str!("flanneld/start.sh");
const STOP: &str = include_str!("flanneld/stop.sh");

/// The service that runs it.
const UNIT: &str = "flanneld.service";
/// What its package is installed by, so that it goes on without Drover. A new process waits for it.
const INSTALLER: &str = "drover-install-flannel.service";
/// For installing a package, after one that another process began.
const INSTALLING: Duration = Duration::from_mins(21);
/// For starting: flanneld is up once it has its part of the network.
const STARTING: Duration = Duration::from_secs(150);

/// How flanneld shall be on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flanneld {
    aim: Aim,
    is_left_alone: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Aim {
    /// It runs, as a part of this network.
    Runs(Box<Setup>),
    /// Others see to it: Drover knows no package.
    Seen,
    /// Nothing of Drover's is there.
    Gone,
}

#[derive(Clone, Debug)]
struct Setup {
    family: Family,
    flannel: Flannel,
    /// What the running one has in its environment.
    variables: Vec<(&'static str, String)>,
    /// Drover's files, but for the one with the variables.
    files: Vec<Wanted>,
    revision: Box<str>,
}

/// Where a network stands, and who this host is in it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Addresses of etcd's members, such as `https://etcd.example:2379`.
    pub endpoints: Vec<Box<str>>,
    /// Below which key the network stands.
    pub prefix: Box<str>,
    /// PEM certificates of the authorities to trust instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// PEM: the certificate that etcd is shown, and its key.
    pub certificate: Option<(Vec<u8>, SecretSlice<u8>)>,
    /// The address at which the other hosts reach this one; absent where it is not known.
    pub address: Option<Ipv4Addr>,
}

/// Who runs flanneld on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Drover, as it shall be.
    Ours,
    /// Somebody else, or they mean to where Drover could.
    Foreign,
    /// Nobody, or not as it shall be.
    Lacking,
    /// Not Drover, which left nothing there.
    Gone,
}

impl PartialEq for Setup {
    fn eq(&self, other: &Self) -> bool {
        (self.family, &self.revision) == (other.family, &other.revision)
    }
}

impl Eq for Setup {}

impl Flanneld {
    /// It runs with `settings`; where Drover knows no package for `family`, it is only seen whether
    /// somebody else runs it.
    #[must_use]
    pub fn runs(family: Family, settings: &Settings) -> Self {
        let setup = family.flannel().map(|it| Box::new(Setup::new(family, it, settings)));
        Self { aim: setup.map_or(Aim::Seen, Aim::Runs), is_left_alone: false }
    }

    /// Nothing of Drover's is there.
    #[must_use]
    pub fn gone() -> Self {
        Self { aim: Aim::Gone, is_left_alone: false }
    }

    /// The same, but what differs is told and not changed.
    #[must_use]
    pub fn left_alone(self) -> Self {
        Self { is_left_alone: true, ..self }
    }

    /// Whether Drover itself is to run it.
    #[must_use]
    pub fn is_provided(&self) -> bool {
        matches!(self.aim, Aim::Runs(_))
    }

    /// Whether nothing of Drover's is to be there.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.aim == Aim::Gone
    }

    /// Changes whenever anything that flanneld is told does; nothing where it is told nothing.
    #[must_use]
    pub fn revision(&self) -> Option<&str> {
        match &self.aim {
            Aim::Runs(setup) => Some(&setup.revision),
            Aim::Seen | Aim::Gone => None,
        }
    }

    /// The same without whether it is only told what differs.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.aim == other.aim
    }

    /// Tells what differs, and changes nothing; as root, by sudo where `sudo` is true.
    ///
    /// # Errors
    /// Why the host could not be looked at.
    pub(super) async fn compare(
        &self,
        session: &Session,
        sudo: bool,
    ) -> Result<(Prepared, Standing), Error> {
        let report = self.inspect(session, sudo).await?;
        let left = self.drift(&report);
        let standing = self.standing(&report);
        Ok((Prepared { before: left.clone(), left, ..Prepared::default() }, standing))
    }

    /// Makes it so: changes what differs, and nothing else. Safe to repeat.
    ///
    /// # Errors
    /// Why the host could not be asked, or not be told on the way. That one thing could not be
    /// changed is no error here.
    pub(super) async fn apply(
        &self,
        session: &Session,
        sudo: bool,
    ) -> Result<(Prepared, Standing), Error> {
        let report = self.inspect(session, sudo).await?;
        let before = self.drift(&report);
        if before.is_empty() {
            return Ok((Prepared::default(), self.standing(&report)));
        }
        let failures = steps::run(session, vec![self.steps(&report)], sudo).await?;
        let report = self.inspect(session, sudo).await?;
        let prepared =
            Prepared { before, left: self.drift(&report), failures, ..Prepared::default() };
        Ok((prepared, self.standing(&report)))
    }

    async fn inspect(&self, session: &Session, sudo: bool) -> Result<Report, Error> {
        let output = session.run(&self.look().sudo(sudo)).await?.succeeded()?;
        Ok(Report::read(&output.text()))
    }

    fn look(&self) -> Command {
        let program = match &self.aim {
            Aim::Runs(setup) => setup.flannel.program,
            Aim::Seen | Aim::Gone => None,
        };
        let arguments = [UNIT, program.unwrap_or_default()].into_iter().chain(files::ALL);
        Command::script("inspect flanneld", INSPECT, arguments).read_only()
    }

    /// What is not as it shall be.
    fn drift(&self, report: &Report) -> Vec<Drift> {
        self.findings(report).into_iter().map(|it| it.drift).collect()
    }

    fn standing(&self, report: &Report) -> Standing {
        match &self.aim {
            Aim::Gone if self.findings(report).is_empty() => Standing::Gone,
            Aim::Runs(_) if report.is_foreign() => Standing::Foreign,
            Aim::Seen if report.is_foreign() && !report.rests() => Standing::Foreign,
            Aim::Runs(_) if self.findings(report).is_empty() => Standing::Ours,
            _ => Standing::Lacking,
        }
    }
}

/// Whether a [`Drift`] at `path` is about flanneld.
#[must_use]
pub fn is_about(path: &str) -> bool {
    path.starts_with("flanneld.") || files::ALL.contains(&path)
}

impl Setup {
    fn new(family: Family, flannel: Flannel, settings: &Settings) -> Self {
        let mut files = Vec::new();
        let mut variables = files::variables(settings);
        let pems = [
            (files::CA, "FLANNELD_ETCD_CAFILE", settings.ca.as_deref()),
            (
                files::CERTIFICATE,
                "FLANNELD_ETCD_CERTFILE",
                settings.certificate.as_ref().map(|it| &*it.0),
            ),
            (
                files::KEY,
                "FLANNELD_ETCD_KEYFILE",
                settings.certificate.as_ref().map(|it| it.1.expose_secret()),
            ),
        ];
        for (path, variable, pem) in pems {
            if let Some(pem) = pem {
                files.push(Wanted::pem(path, pem));
                variables.push((variable, path.to_owned()));
            }
        }
        let revision = files::revision(&files, &variables);
        variables.push((files::REVISION, revision.to_string()));
        files.push(Wanted::text(files::DROP_IN, &files::drop_in()));
        if let Some(program) = flannel.program {
            files.push(Wanted::text(files::UNIT_FILE, &files::unit(program)));
        }
        Self { family, flannel, variables, files, revision }
    }
}

#[cfg(test)]
mod tests;
