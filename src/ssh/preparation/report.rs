//! How far a host is prepared, as its script told.

use std::collections::BTreeMap;

use crate::ssh::steps::HEADER;

/// How far a host is prepared. What it did not tell is taken to be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether any swap space is in use: then Elasticsearch's memory may be swapped out.
    pub swaps: bool,
    /// Whether the clock is kept right by others. Absent where nothing there can tell.
    pub time_synchronized: Option<bool>,
    pub(super) sysctls: BTreeMap<Box<str>, Box<str>>,
    pub(super) sysctl_file: Option<File>,
    pub(super) limits_file: Option<File>,
    pub(super) unit: BTreeMap<Box<str>, Box<str>>,
    pub(super) user: bool,
    pub(super) group: bool,
    pub(super) data: Option<Directory>,
    /// The first line of the file of the unit that runs an Elasticsearch of Drover's: whose it is.
    pub(super) home: Option<Box<str>>,
}

/// A file of Drover's, or of somebody else in its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct File {
    /// `regular file|644|root|root`.
    pub(super) state: Box<str>,
    pub(super) lines: Vec<Box<str>>,
}

/// The data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directory {
    pub(super) kind: Box<str>,
    pub(super) mode: u32,
    pub(super) user: Box<str>,
    pub(super) group: Box<str>,
}

impl Report {
    /// Whether an Elasticsearch of Drover's is there.
    pub(super) fn is_home(&self) -> bool {
        self.home.as_deref() == Some(HEADER)
    }

    pub(super) fn read(text: &str) -> Self {
        let mut report = Self::default();
        for (key, value) in text.lines().filter_map(|it| it.split_once('=')) {
            match key {
                "swaps" => report.swaps = value.parse().is_ok_and(|it: u64| it != 0),
                "time_synchronized" => {
                    report.time_synchronized = match value {
                        "yes" => Some(true),
                        "no" => Some(false),
                        _ => None,
                    };
                }
                "sysctls" => report.sysctl_file.get_or_insert_default().state = value.into(),
                "sysctls.line" => {
                    report.sysctl_file.get_or_insert_default().lines.push(value.into());
                }
                "limits" => report.limits_file.get_or_insert_default().state = value.into(),
                "limits.line" => {
                    report.limits_file.get_or_insert_default().lines.push(value.into());
                }
                "user" => report.user = value == "yes",
                "group" => report.group = value == "yes",
                "home" => report.home = Some(value.into()),
                "data" => report.data = Directory::read(value),
                _ => {
                    if let Some(name) = key.strip_prefix("sysctl.") {
                        // Fields are set apart by tabs in some.
                        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
                        report.sysctls.insert(name.into(), value.into());
                    } else if let Some(name) = key.strip_prefix("unit.") {
                        report.unit.insert(name.into(), value.trim().into());
                    }
                }
            }
        }
        report
    }
}

impl Directory {
    fn read(state: &str) -> Option<Self> {
        let [kind, mode, user, group] = state.split('|').collect::<Vec<_>>().try_into().ok()?;
        let mode = u32::from_str_radix(mode, 8).ok()?;
        Some(Self { kind: kind.into(), mode, user: user.into(), group: group.into() })
    }
}
