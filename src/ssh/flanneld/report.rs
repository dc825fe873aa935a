//! How flanneld is on a host, as its script told.

use std::collections::BTreeMap;

use super::files;
use crate::ssh::steps::File;

/// How flanneld is on a host. What it did not tell is taken to be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// Those of [`files::ALL`] that are there, whoever made them.
    pub(super) files: BTreeMap<Box<str>, File>,
    /// What systemd says of the unit.
    pub(super) unit: BTreeMap<Box<str>, Box<str>>,
    /// Whether the program is there that was asked for.
    pub(super) has_program: bool,
    /// The environment of the running flanneld, as far as it is about etcd.
    pub(super) running: BTreeMap<Box<str>, Box<str>>,
    /// Drover's own note of what was there before.
    pub(super) memory: Box<str>,
}

impl Report {
    pub(super) fn read(text: &str) -> Self {
        let mut report = Self::default();
        for (key, value) in text.lines().filter_map(|it| it.split_once('=')) {
            let place =
                |prefix: &str| key.strip_prefix(prefix).filter(|it| files::ALL.contains(it));
            if let Some(path) = place("file.") {
                report.files.entry(path.into()).or_default().state = value.into();
            } else if let Some(path) = place("first.") {
                report.files.entry(path.into()).or_default().first = value.into();
            } else if let Some(path) = place("sum.") {
                report.files.entry(path.into()).or_default().sum = value.into();
            } else if let Some(name) = key.strip_prefix("unit.") {
                report.unit.insert(name.into(), value.trim().into());
            } else if let Some(name) = key.strip_prefix("running.") {
                report.running.insert(name.into(), value.into());
            } else if key == "program" {
                report.has_program = value == "yes";
            } else if key == "memory" {
                report.memory = value.into();
            }
        }
        report
    }

    pub(super) fn of_unit(&self, property: &str) -> &str {
        self.unit.get(property).map_or("unknown", |it| it)
    }

    /// Whether systemd knows the unit.
    pub(super) fn has_unit(&self) -> bool {
        self.of_unit("LoadState") == "loaded"
    }

    /// Whether it neither runs nor is about to.
    pub(super) fn rests(&self) -> bool {
        matches!(self.of_unit("ActiveState"), "inactive" | "failed" | "unknown")
    }

    /// Whether systemd starts it at boot.
    pub(super) fn is_enabled(&self) -> bool {
        matches!(self.of_unit("UnitFileState"), "enabled" | "static" | "generated")
    }

    /// Whether anything of Drover's is there.
    pub(super) fn is_ours(&self) -> bool {
        self.files.values().any(File::is_ours) || self.running.contains_key(files::REVISION)
    }

    /// Whether somebody else runs it, or means it to run: after a boot it may still wait for its turn,
    /// and it may have failed for now.
    pub(super) fn is_foreign(&self) -> bool {
        // A unit of package files alone, which is static, says nothing.
        let is_meant_to =
            matches!(self.of_unit("UnitFileState"), "enabled" | "enabled-runtime" | "generated");
        let is_queued = self.unit.get("Job").is_some_and(|it| !matches!(&**it, "" | "0"));
        let has_failed = self.of_unit("ActiveState") == "failed";
        !self.is_ours() && (!self.rests() || is_meant_to || is_queued || has_failed)
    }

    /// Whether the unit was enabled before Drover.
    pub(super) fn was_enabled(&self) -> bool {
        match self.files.get(files::ENVIRONMENT) {
            Some(file) if file.is_ours() => files::was_enabled(&self.memory),
            // Without the note: what Drover itself enabled has its files.
            _ => !self.is_ours() && self.is_enabled(),
        }
    }
}
