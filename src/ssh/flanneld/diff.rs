//! What differs between a host's flanneld and how it shall be, and the least that makes it so. Pure.

use super::{
    Aim, Flanneld, INSTALL, INSTALLER, INSTALLING, START, STARTING, STOP, Setup, UNIT,
    files::{self, Wanted},
    report::Report,
};
use crate::{
    foreign::capped,
    ssh::{
        command::Command,
        families::Name,
        path::RemotePath,
        steps::{Drift, File, Step, make_directory, reload, remove},
        upload::Upload,
    },
};

/// Something that differs.
pub(super) struct Finding {
    pub(super) drift: Drift,
    pub(super) item: Item,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Package,
    Files,
    Service,
    /// Nothing that Drover may change.
    Foreign,
}

fn finding(item: Item, path: &str, desired: &str, live: &str) -> Finding {
    let drift = Drift { path: path.into(), desired: desired.into(), live: capped(live) };
    Finding { drift, item }
}

impl Flanneld {
    pub(super) fn findings(&self, report: &Report) -> Vec<Finding> {
        match &self.aim {
            Aim::Seen => Vec::new(),
            Aim::Runs(_) if report.is_foreign() => Vec::new(),
            Aim::Runs(setup) => setup.findings(report),
            Aim::Gone => left_over(report),
        }
    }

    /// The least that makes up for what was found.
    pub(super) fn steps(&self, report: &Report) -> Vec<Step> {
        let found = self.findings(report);
        if self.is_left_alone || found.is_empty() || found.iter().any(|it| it.item == Item::Foreign)
        {
            return Vec::new();
        }
        match &self.aim {
            Aim::Seen => Vec::new(),
            Aim::Runs(setup) => setup.steps(report, &found),
            Aim::Gone => steps_back(report),
        }
    }
}

impl Setup {
    /// All of Drover's files, in the order in which they are made.
    fn wanted(&self, report: &Report) -> Vec<Wanted> {
        let text = files::environment(&self.variables, report.was_enabled());
        let files = self.files.iter().cloned();
        [Wanted::environment(&text)].into_iter().chain(files).collect()
    }

    fn is_installed(&self, report: &Report) -> bool {
        match self.flannel.program {
            Some(_) => report.has_program,
            None => report.has_unit(),
        }
    }

    fn findings(&self, report: &Report) -> Vec<Finding> {
        let mut found = Vec::new();
        if !self.is_installed(report) {
            found.push(finding(Item::Package, "flanneld.package", self.flannel.package, "missing"));
        }
        let mut unlike = Vec::new();
        let wanted = self.wanted(report);
        for file in &wanted {
            let live = report.files.get(file.path);
            match live {
                Some(it) if is(it, file) => {}
                Some(it) if !it.is_ours() => {
                    let live = "made by somebody else";
                    found.push(finding(Item::Foreign, file.path, "as Drover writes it", live));
                }
                live => unlike.push(format!("{} {}", name(file.path), describe(live, file))),
            }
        }
        unlike.extend(surplus(report, &wanted).map(|it| format!("{} left over", name(it))));
        if !unlike.is_empty() {
            let live = unlike.join(", ");
            found.push(finding(Item::Files, "flanneld.files", "as Drover writes them", &live));
        }
        let unlike = self.of_service(report);
        if !unlike.is_empty() {
            let desired = "enabled, and running with Drover's settings";
            found.push(finding(Item::Service, "flanneld.service", desired, &unlike.join(", ")));
        }
        found
    }

    /// What is amiss with the service.
    fn of_service(&self, report: &Report) -> Vec<String> {
        if !report.has_unit() {
            return vec!["missing".into()];
        }
        let mut unlike = Vec::new();
        if !matches!(report.of_unit("ActiveState"), "active" | "reloading") {
            unlike.push(report.of_unit("ActiveState").to_owned());
        }
        if !report.is_enabled() {
            unlike.push("not enabled".into());
        }
        if !report.rests() && !self.is_running(report) {
            unlike.push("running with other settings".into());
        }
        if report.of_unit("NeedDaemonReload") == "yes" {
            unlike.push("changed since systemd read it".into());
        }
        unlike
    }

    /// Whether what runs was started with these settings.
    fn is_running(&self, report: &Report) -> bool {
        let live = |name: &str| report.running.get(name).map(|it| &**it);
        self.variables.iter().all(|(name, value)| live(name) == Some(value))
    }

    fn steps(&self, report: &Report, found: &[Finding]) -> Vec<Step> {
        let has = |item| found.iter().any(|it| it.item == item);
        let mut steps = Vec::new();
        let wanted = self.wanted(report);
        if has(Item::Files) {
            let unlike = |it: &&Wanted| !report.files.get(it.path).is_some_and(|live| is(live, it));
            let mut unlike: Vec<_> = wanted.iter().filter(unlike).collect();
            let mut folders: Vec<_> = unlike.iter().map(|it| folder(it.path)).collect();
            folders.dedup();
            steps.extend(folders.into_iter().map(make_directory));
            steps.extend(unlike.drain(..).filter_map(write));
            steps.extend(surplus(report, &wanted).map(|it| remove(it, "")));
        }
        // After the files: what it enables or starts, is known to be Drover's by them.
        if has(Item::Package) {
            steps.extend(self.install());
        }
        steps.push(reload());
        // What it was started with is only known from the files of then.
        let is_same = !has(Item::Files) && self.is_running(report);
        let verb = if is_same { "start" } else { "restart" };
        let enable = if report.is_enabled() { "" } else { "enable" };
        let start = Command::script("start flanneld", START, [UNIT, verb, enable]);
        steps.push(Step::Run(start.deadline(STARTING)));
        steps
    }

    fn install(&self) -> Option<Step> {
        let action = self.family.install(&[Name::new(self.flannel.package)?]);
        let others = action.success.iter().filter(|it| **it != 0).map(u32::to_string);
        let success = others.collect::<Vec<_>>().join(" ");
        let arguments = [INSTALLER.to_owned(), success, action.program.to_owned()];
        let arguments = arguments.into_iter().chain(action.arguments);
        Some(Step::Run(Command::script("install flannel", INSTALL, arguments).deadline(INSTALLING)))
    }
}

/// What of Drover's is there, where nothing shall be.
fn left_over(report: &Report) -> Vec<Finding> {
    let names: Vec<_> = surplus(report, &[]).map(name).collect();
    let mut found = Vec::new();
    if !names.is_empty() {
        found.push(finding(Item::Files, "flanneld.files", "missing", &names.join(", ")));
    }
    if report.running.contains_key(files::REVISION) {
        let live = "running with Drover's settings";
        found.push(finding(Item::Service, "flanneld.service", "as before Drover", live));
    }
    found
}

/// What takes back all that Drover did, but for the package. The file that remembers goes last.
fn steps_back(report: &Report) -> Vec<Step> {
    let disable = if report.was_enabled() { "" } else { "disable" };
    let mut steps = Vec::new();
    // Its unit may have been removed under it.
    if report.has_unit() || !report.rests() {
        steps.push(Step::Run(
            Command::script("stop flanneld", STOP, [UNIT, disable]).deadline(STARTING),
        ));
    }
    let all: Vec<_> = surplus(report, &[]).collect();
    let rest = all.iter().filter(|it| **it != files::ENVIRONMENT);
    steps.extend(rest.map(|it| remove(it, if **it == *files::DROP_IN { "directory" } else { "" })));
    steps.push(reload());
    if all.contains(&files::ENVIRONMENT) {
        steps.push(remove(files::ENVIRONMENT, "directory"));
    }
    steps
}

/// Files of Drover's that shall not be there.
fn surplus<'a>(
    report: &'a Report,
    wanted: &'a [Wanted],
) -> impl Iterator<Item = &'static str> + 'a {
    files::ALL.into_iter().filter(|path| {
        report.files.get(*path).is_some_and(File::is_ours)
            && wanted.iter().all(|it| it.path != *path)
    })
}

fn is(live: &File, wanted: &Wanted) -> bool {
    *live.state == *wanted.state() && live.sum == wanted.sum
}

/// What a file is, for people.
fn describe(live: Option<&File>, wanted: &Wanted) -> &'static str {
    match live {
        None => "missing",
        Some(live) if *live.state != *wanted.state() => "with another owner or mode",
        Some(_) => "with another text",
    }
}

fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(folder, _)| folder)
}

fn write(file: &Wanted) -> Option<Step> {
    let upload = Upload {
        what: "write file",
        path: RemotePath::new(file.path).ok()?,
        content: file.content.clone(),
        mode: file.mode,
        owner: "root:root",
        sudo: false,
    };
    Some(Step::Write(upload))
}
