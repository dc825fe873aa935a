//! How Elasticsearch is on a host, as its script told.

use std::collections::{BTreeMap, BTreeSet};

use super::layout;
use crate::ssh::steps::File;

/// The most that is kept of a list that a host tells.
const MOST: usize = 64;

/// How Elasticsearch is on a host. What it did not tell is taken to be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// PEM: the certificate of its node; empty where there is none.
    pub certificate: String,
    /// The SHA-256 of the file of the key that it is of, as it says itself.
    pub(super) certified: Option<Box<str>>,
    /// PEM: whom its node trusts; empty where it has nothing of that.
    pub authorities: String,
    /// The cluster that this host was written down to be a member of.
    pub cluster_uuid: Option<Box<str>>,
    /// What the settings in place belong to.
    pub revision: Option<Box<str>>,
    /// The port of the settings in place, on which HTTP is served.
    pub http_port: Option<u16>,
    /// What the settings that wait for the next start belong to.
    pub next: Option<Box<str>>,
    /// The versions that are unpacked.
    pub trees: BTreeMap<Box<str>, Tree>,
    /// The version that is started.
    pub current: Option<Box<str>>,
    /// Whether what ran before a run is kept there, for the case that the run has it come back.
    pub keeps_before: bool,
    /// What the running one was started as; absent where none of Drover's runs.
    pub running: Option<Running>,
    /// Room where versions are unpacked, in kilobytes.
    pub free_kilobytes: Option<u64>,
    /// What fetches archives: `curl` or `wget`.
    pub fetcher: Option<Box<str>>,
    /// Whether anything is in the data directory.
    pub data: DataDirectory,
    pub(super) files: BTreeMap<Box<str>, File>,
    /// For how many seconds the host has been up.
    pub(super) uptime: Option<u64>,
    pub(super) unit: BTreeMap<Box<str>, Box<str>>,
}

/// What was found on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// This.
    There(Box<Report>),
    /// Nothing of Drover's is left, but for the data where that was to stay.
    Gone,
}

impl Standing {
    pub(super) fn there(report: Report) -> Self {
        Self::There(Box::new(report))
    }
}

/// A version that is unpacked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// What it says of itself, such as `Version: 8.19.0, Build: tar/<hash>/<date>, JVM: 21`.
    pub build: Box<str>,
    /// The plugins in it.
    pub plugins: BTreeSet<Box<str>>,
}

/// What an Elasticsearch was started as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// Its version.
    pub version: Box<str>,
    /// Its settings.
    pub revision: Box<str>,
}

/// What is in a data directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataDirectory {
    /// Nobody knows.
    #[default]
    Unknown,
    /// There is no such directory.
    Missing,
    /// Nothing.
    Empty,
    /// Something.
    Used,
}

impl Tree {
    /// When it was built, as it says itself: dates in this spelling are ordered as texts.
    #[must_use]
    pub fn built(&self) -> Option<&str> {
        let build = self.build.split(", ").find_map(|it| it.strip_prefix("Build: "))?;
        let date = build.rsplit('/').next()?;
        let is_date = date.len() <= 40 && date.contains('T') && date.ends_with('Z');
        is_date.then_some(date)
    }
}

impl Running {
    /// Takes over one of its variables.
    pub(in crate::ssh) fn take(&mut self, variable: &str, value: &str) {
        match variable {
            layout::VERSION => self.version = value.into(),
            layout::REVISION => self.revision = value.into(),
            _ => {}
        }
    }
}

impl Report {
    pub(super) fn read(text: &str) -> Self {
        let mut report = Self::default();
        let some = |value: &str| (!value.is_empty()).then(|| Box::from(value));
        for (key, value) in text.lines().filter_map(|it| it.split_once('=')) {
            match key {
                "certificate" => {
                    report.certificate += value;
                    report.certificate.push('\n');
                }
                "authority" => {
                    report.authorities += value;
                    report.authorities.push('\n');
                }
                "certified" => report.certified = some(value),
                "cluster_uuid" => report.cluster_uuid = some(value),
                "revision" => report.revision = some(value),
                "http_port" => report.http_port = value.parse().ok(),
                "next" => report.next = some(value),
                "current" => report.current = some(value.rsplit('/').next().unwrap_or_default()),
                "before" => report.keeps_before = value == "kept",
                "free" => report.free_kilobytes = value.parse().ok(),
                "fetcher" => report.fetcher = some(value),
                "uptime" => report.uptime = value.parse().ok(),
                "data" => report.data = DataDirectory::read(value),
                _ => report.read_named(key, value),
            }
        }
        report
    }

    /// Reads what is told of one thing among several, which the key names.
    fn read_named(&mut self, key: &str, value: &str) {
        let Some((kind, name)) = key.split_once('.') else { return };
        let files = &mut self.files;
        let mut file = |set: &dyn Fn(&mut File)| {
            if files.contains_key(name) || files.len() < MOST {
                set(files.entry(name.into()).or_default());
            }
        };
        match kind {
            "file" => file(&|it| it.state = value.into()),
            "first" => file(&|it| it.first = value.into()),
            "sum" => file(&|it| it.sum = value.into()),
            "tree" if self.trees.len() < MOST => {
                self.trees.entry(name.into()).or_default().build = value.into();
            }
            "plugin" => {
                let tree = self.trees.get_mut(name);
                if let Some(tree) = tree.filter(|it| it.plugins.len() < MOST) {
                    tree.plugins.insert(value.into());
                }
            }
            "unit" => _ = self.unit.insert(name.into(), value.trim().into()),
            "running" => self.running.get_or_insert_default().take(name, value),
            _ => {}
        }
    }

    pub(super) fn of_unit(&self, property: &str) -> &str {
        self.unit.get(property).map_or("unknown", |it| it)
    }

    /// Whether the unit runs.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self.of_unit("ActiveState"), "active" | "reloading")
    }

    /// Whether nothing of the unit runs, and nothing is about to.
    #[must_use]
    pub fn is_down(&self) -> bool {
        matches!(self.of_unit("ActiveState"), "inactive" | "failed")
    }

    /// For how many seconds the unit has been running; nothing where that is not known.
    #[must_use]
    pub fn age(&self) -> Option<u64> {
        let since: u64 = self.unit.get("ActiveEnterTimestampMonotonic")?.parse().ok()?;
        Some(self.uptime?.saturating_sub(since / 1_000_000))
    }

    /// Whether files of Drover's Elasticsearch are there.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.revision.is_some() || !self.trees.is_empty()
    }

    /// Whether the node's own key is there, and Drover made it.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.files.get(layout::KEY).is_some_and(File::is_ours)
    }

    /// Whether the certificate says that it is of the key that is there.
    pub(super) fn has_pair(&self) -> bool {
        let key = self.files.get(layout::KEY).map(|it| &it.sum);
        key.is_some() && self.certified.as_ref() == key
    }

    /// The same without the figures that move all the time and decide nothing.
    #[must_use]
    pub fn without_figures(&self) -> Self {
        let mut report = Self { free_kilobytes: None, uptime: None, ..self.clone() };
        report.unit.remove("MainPID");
        report
    }

    /// Tells one run of the unit from the next; empty where it never ran.
    #[must_use]
    pub fn invocation(&self) -> &str {
        self.unit.get("InvocationID").map_or("", |it| it)
    }

    /// Plugins that the version that is started has and `version` has not: it would start without
    /// them. Nothing where one of the two is not there.
    #[must_use]
    pub fn lost_plugins(&self, version: &str) -> Vec<&str> {
        let current = self.current.as_ref().and_then(|it| self.trees.get(it));
        let (Some(current), Some(next)) = (current, self.trees.get(version)) else {
            return Vec::new();
        };
        current.plugins.difference(&next.plugins).map(|it| &**it).collect()
    }
}

impl DataDirectory {
    fn read(word: &str) -> Self {
        match word {
            "missing" => Self::Missing,
            "empty" => Self::Empty,
            "used" => Self::Used,
            _ => Self::Unknown,
        }
    }
}
