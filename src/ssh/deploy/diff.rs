//! What differs between a host's Elasticsearch and how it shall be, and the least that makes it so.
//! Pure.

use super::{
    Deployment,
    files::{File, waiting_place},
    layout, make_folders,
    report::Report,
    waiting_revision,
};
use crate::ssh::{
    command::Command,
    steps::{Drift, Step, reload},
};

impl Deployment {
    /// Whether all is there that the next start needs.
    #[must_use]
    pub fn is_staged(&self, report: &Report) -> bool {
        let is_next = report.next.as_deref() == Some(&*self.revision)
            && self.at_start.iter().all(|it| is(report, &waiting_place(it.path), it));
        report.trees.contains_key(&self.version) && (is_next || self.is_in_place(report))
    }

    /// Whether what runs was started as it shall be.
    #[must_use]
    pub fn is_running(&self, report: &Report) -> bool {
        let is_same = |it: &super::report::Running| {
            it.version == self.version && it.revision == self.revision
        };
        report.is_active() && report.running.as_ref().is_some_and(is_same)
    }

    /// Whether the next start will be as it shall be, whatever runs.
    fn is_in_place(&self, report: &Report) -> bool {
        report.revision.as_deref() == Some(&*self.revision)
            && report.current.as_deref() == Some(&*self.version)
    }

    /// Whether the unit is to be as its file is: in place, and kept so.
    fn sees_to_unit(&self, report: &Report) -> bool {
        self.is_in_place(report) && self.at_start.iter().any(|it| it.path == layout::UNIT_FILE)
    }

    /// What is not as it shall be and can be made so without a restart.
    #[must_use]
    pub fn drift(&self, report: &Report) -> Vec<Drift> {
        let unlike = self.unlike(report);
        let mut drift: Vec<Drift> = unlike.iter().map(|it| difference(report, it)).collect();
        if self.sees_to_unit(report) {
            if report.of_unit("UnitFileState") != "enabled" {
                let live = report.of_unit("UnitFileState");
                drift.push(of_unit("enabled at boot", live));
            }
            if report.of_unit("NeedDaemonReload") == "yes" {
                drift.push(of_unit("as systemd knows it", "changed since systemd read it"));
            }
        }
        drift
    }

    /// Files that can be written now: those that a running Elasticsearch reads again by itself, and
    /// the others where they belong to what is in place already.
    fn unlike(&self, report: &Report) -> Vec<&File> {
        let at_start = self.at_start.iter().filter(|_| self.is_in_place(report));
        self.live.iter().chain(at_start).filter(|it| !is(report, it.path, it)).collect()
    }

    /// The least that makes up for [`Deployment::drift`].
    pub(super) fn steps(&self, report: &Report) -> Vec<Step> {
        let unlike = self.unlike(report);
        let mut steps = Vec::new();
        if !unlike.is_empty() {
            steps.push(make_folders());
            steps.extend(unlike.iter().filter_map(|it| it.write(it.path)));
        }
        if self.sees_to_unit(report) {
            let is_unit = |it: &&&File| it.path == layout::UNIT_FILE;
            if unlike.iter().find(is_unit).is_some() || report.of_unit("NeedDaemonReload") == "yes"
            {
                steps.push(reload());
            }
            if report.of_unit("UnitFileState") != "enabled" {
                let arguments = ["--quiet", "enable", "--", layout::UNIT];
                steps.push(Step::Run(Command::new("enable unit", "systemctl", arguments)));
            }
        }
        steps
    }

    /// What puts the files of the next start where they wait. The revision comes last: it says that
    /// they are all there.
    pub(super) fn waiting(&self, report: &Report) -> Vec<Step> {
        let mut steps = vec![make_folders()];
        // What is in place stays there, and what a job is about to take is not written under it.
        if self.is_in_place(report) || self.is_staged(report) {
            return steps;
        }
        let revision = waiting_revision(&self.revision);
        let files = self.at_start.iter().chain([&revision]);
        steps.extend(files.filter_map(|it| it.write(&waiting_place(it.path))));
        steps
    }
}

fn is(report: &Report, path: &str, file: &File) -> bool {
    report.files.get(path).is_some_and(|it| *it.state == *file.state() && *it.sum == *file.sum())
}

fn difference(report: &Report, file: &File) -> Drift {
    let live = match report.files.get(file.path) {
        None => "missing",
        Some(it) if !it.is_ours() => "made by somebody else",
        Some(it) if *it.state != *file.state() => "with another owner or mode",
        Some(_) => "with another text",
    };
    Drift { path: file.path.into(), desired: "as Drover writes it".into(), live: live.into() }
}

fn of_unit(desired: &str, live: &str) -> Drift {
    let live = crate::foreign::capped(live);
    Drift { path: layout::UNIT.into(), desired: desired.into(), live }
}
