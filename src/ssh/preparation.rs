//! What a host needs before Elasticsearch runs on it, as its bootstrap checks and its own advice
//! have it. Each item is looked at, changed only where it differs, and looked at again.
//!
//! What Drover changes can be undone: its files carry a first line that says whose they are, and
//! remember the values that were there before.

use std::collections::{BTreeMap, BTreeSet};

use self::report::Report;
use super::{
    command::Command,
    deploy::layout,
    error::Error,
    path::RemotePath,
    session::Session,
    steps::{self, Drift, Prepared},
};

mod diff;
mod files;
pub mod report;

const INSPECT: &str = include_str!("preparation/inspect.sh");
const SET: &str = include_str!("preparation/set.sh");
const ACCOUNT: &str = include_str!("preparation/account.sh");
const DATA: &str = include_str!("preparation/data.sh");

/// The user and the group that Elasticsearch runs as.
pub const ACCOUNT_NAME: &str = "elasticsearch";
/// What Elasticsearch's bootstrap check wants of `vm.max_map_count` at least.
pub const LEAST_MAP_COUNT: u64 = 262_144;
/// What Elasticsearch's documentation recommends since 8.18, and Drover sets.
pub const MAP_COUNT: u64 = 1_048_576;
/// Applied after all others, Elasticsearch's own among them.
pub const SYSCTL_FILE: &str = "/etc/sysctl.d/zz-drover.conf";

/// What a unit that runs Elasticsearch has to grant it, in its `[Service]` section: limits of files
/// such as /etc/security/limits.conf do not reach what systemd starts.
pub const UNIT_LIMITS: [(&str, Limit); 5] = [
    ("LimitNOFILE", Limit::AtLeast(65_535)),
    ("LimitNPROC", Limit::AtLeast(4096)),
    ("LimitMEMLOCK", Limit::Infinity),
    ("LimitFSIZE", Limit::Infinity),
    ("LimitAS", Limit::Infinity),
];

/// How much of something a process may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So much, or more.
    AtLeast(u64),
    /// As much as there is.
    Infinity,
}

/// What a host shall be prepared for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preparation {
    sysctls: BTreeMap<Box<str>, Box<str>>,
    /// Kernel parameters that are told where they differ, and not set.
    left_alone: BTreeSet<Box<str>>,
    /// Kernel parameters that Drover has set before, and to what.
    applied: BTreeMap<Box<str>, Box<str>>,
    /// Whether Elasticsearch will run there. Else kernel parameters are all that matters.
    elasticsearch: bool,
    data: Option<RemotePath>,
    unit: Option<Box<str>>,
}

/// Which part of a [`Preparation`] can't be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreparationError {
    /// Not the name of a kernel parameter.
    #[error("'{0}' is not a kernel parameter such as net.ipv4.tcp_retries2")]
    SysctlName(Box<str>),
    /// Not a value for one.
    #[error("the value of {0} is not one line of printable ASCII")]
    SysctlValue(Box<str>),
    /// Elasticsearch would not start.
    #[error("vm.max_map_count has to be {LEAST_MAP_COUNT} at least")]
    MapCount,
    /// Not the name of a service.
    #[error("'{0}' is not the name of a service such as elasticsearch.service")]
    Unit(Box<str>),
}

impl Preparation {
    /// Kernel parameters besides those that Elasticsearch needs, by name and value; where its data
    /// will be; and the service of an Elasticsearch that is there already, if it shall be granted
    /// [`UNIT_LIMITS`].
    ///
    /// # Errors
    /// What can't be.
    pub fn new<'a>(
        sysctls: impl IntoIterator<Item = (&'a str, &'a str)>,
        data: Option<RemotePath>,
        unit: Option<&str>,
    ) -> Result<Self, PreparationError> {
        let mut all = BTreeMap::from([(files::MAP_COUNT.into(), MAP_COUNT.to_string().into())]);
        all.extend(parameters(sysctls)?);
        let too_low = |it: &str| it.parse().is_ok_and(|it: u64| it < LEAST_MAP_COUNT);
        if all.get(files::MAP_COUNT).is_some_and(|it| too_low(it)) {
            return Err(PreparationError::MapCount);
        }
        if let Some(unit) = unit
            && !is_service(unit)
        {
            return Err(PreparationError::Unit(crate::foreign::capped(unit)));
        }
        let unit = unit.map(Into::into);
        Ok(Self { elasticsearch: true, data, unit, ..Self::plain(all) })
    }

    /// Kernel parameters by name and value, and nothing for Elasticsearch: for a host on which it
    /// does not run, or is somebody else's business. Without any, what Drover once set goes back to
    /// what it was.
    ///
    /// # Errors
    /// What can't be.
    pub fn of_sysctls<'a>(
        sysctls: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, PreparationError> {
        Ok(Self::plain(parameters(sysctls)?))
    }

    fn plain(sysctls: BTreeMap<Box<str>, Box<str>>) -> Self {
        let (left_alone, applied) = (BTreeSet::new(), BTreeMap::new());
        Self { sysctls, left_alone, applied, elasticsearch: false, data: None, unit: None }
    }

    /// The same, but kernel parameters of these names are told where they differ, and not set.
    #[must_use]
    pub fn leaving(mut self, names: impl IntoIterator<Item: Into<Box<str>>>) -> Self {
        self.left_alone = names.into_iter().map(Into::into).collect();
        self
    }

    /// The same, on a host where Drover has set these before: their values are no values of before.
    /// Without that, a host whose file is gone would be taken for one on which nothing was set.
    ///
    /// # Errors
    /// What can't be.
    pub fn having_set<'a>(
        mut self,
        applied: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, PreparationError> {
        self.applied = parameters(applied)?;
        Ok(self)
    }

    /// Looks at a host, and changes nothing; as root, by sudo where `sudo` is true.
    ///
    /// # Errors
    /// Why it could not be looked at.
    pub async fn inspect(&self, session: &Session, sudo: bool) -> Result<Report, Error> {
        let output = session.run(&self.look().sudo(sudo)).await?.succeeded()?;
        Ok(Report::read(&output.text()))
    }

    /// What is not as it shall be.
    #[must_use]
    pub fn drift(&self, report: &Report) -> Vec<Drift> {
        self.findings(report).into_iter().map(|it| it.drift).collect()
    }

    /// Makes a host as it shall be: changes what differs, and nothing else. Safe to repeat.
    ///
    /// # Errors
    /// Why the host could not be asked, or not be told on the way. That one thing could not be
    /// changed is no error here.
    pub async fn apply(&self, session: &Session, sudo: bool) -> Result<Prepared, Error> {
        let report = self.inspect(session, sudo).await?;
        let found = self.findings(&report);
        let steps = self.steps(&report, &found);
        let failures = steps::run(session, steps, sudo).await?;
        let before: Vec<Drift> = found.into_iter().map(|it| it.drift).collect();
        let left = if before.is_empty() {
            Vec::new()
        } else {
            self.drift(&self.inspect(session, sudo).await?)
        };
        Ok(Prepared { before, left, failures, lost: self.lost(&report) })
    }

    /// Takes back what Drover changed: kernel parameters get the values that they had, and its
    /// files go. The user and the data directory stay, since they hold what is not Drover's.
    ///
    /// # Errors
    /// Why the host could not be asked, or not be told on the way. That one thing could not be
    /// undone is no error here.
    pub async fn reset(&self, session: &Session, sudo: bool) -> Result<Prepared, Error> {
        let report = self.inspect(session, sudo).await?;
        let failures = steps::run(session, self.steps_back(&report), sudo).await?;
        let lost = self.without_parameters().lost(&report);
        Ok(Prepared { failures, lost, ..Prepared::default() })
    }

    /// The same without asking for any kernel parameter.
    fn without_parameters(&self) -> Self {
        Self { sysctls: BTreeMap::new(), elasticsearch: false, ..self.clone() }
    }

    fn look(&self) -> Command {
        let mut arguments = vec![
            SYSCTL_FILE.to_owned(),
            self.unit.as_deref().unwrap_or_default().to_owned(),
            self.drop_in().map_or_else(String::new, |it| it.as_str().to_owned()),
            self.data.as_ref().map_or("", RemotePath::as_str).to_owned(),
            ACCOUNT_NAME.to_owned(),
            layout::UNIT_FILE.to_owned(),
            files::SWAPPINESS.to_owned(),
        ];
        let names: BTreeSet<&str> =
            self.sysctls.keys().chain(self.applied.keys()).map(|it| &**it).collect();
        arguments.extend(names.into_iter().map(str::to_owned));
        Command::script("inspect preparation", INSPECT, arguments).read_only()
    }

    /// Where the limits of the unit are set.
    fn drop_in(&self) -> Option<RemotePath> {
        let unit = self.unit.as_deref()?;
        RemotePath::new(&format!("/etc/systemd/system/{unit}.d/zz-drover.conf")).ok()
    }
}

/// Kernel parameters, checked, with one blank between fields.
fn parameters<'a>(
    sysctls: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<BTreeMap<Box<str>, Box<str>>, PreparationError> {
    let mut all = BTreeMap::new();
    for (name, value) in sysctls {
        if !is_sysctl(name) {
            return Err(PreparationError::SysctlName(crate::foreign::capped(name)));
        }
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        let printable = |it: u8| it.is_ascii_graphic() || it == b' ';
        if value.is_empty() || 256 < value.len() || !value.bytes().all(printable) {
            return Err(PreparationError::SysctlValue(name.into()));
        }
        all.insert(name.into(), value.into());
    }
    Ok(all)
}

/// Whether `name` is a kernel parameter, and a path below /proc/sys with dots for slashes.
pub(super) fn is_sysctl(name: &str) -> bool {
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"_-".contains(&it);
    name.len() <= 128
        && name.contains('.')
        && name.split('.').all(|part| !part.is_empty() && part.bytes().all(plain))
}

fn is_service(name: &str) -> bool {
    let plain = |it: u8| it.is_ascii_alphanumeric() || b":_.@-".contains(&it);
    let Some(stem) = name.strip_suffix(".service") else { return false };
    name.len() <= 200
        && stem.bytes().all(plain)
        && stem.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests;
