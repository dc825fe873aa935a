//! What differs between a host and how it shall be, and the least that makes it so. Pure.

use std::collections::BTreeMap;

use super::{
    ACCOUNT, ACCOUNT_NAME, Command, DATA, DIRECTORY, Drift, LEAST_MAP_COUNT, Limit, Preparation,
    REMOVE, RemotePath, SET, SYSCTL_FILE, UNIT_LIMITS, Upload, files,
    report::{File, Report},
};

/// The mode of a data directory that Drover makes.
const DATA_MODE: u32 = 0o750;
/// The longest value that is remembered, in bytes: none that is longer is a setting.
const LENGTH: usize = 256;

/// Something that differs.
pub(super) struct Finding {
    pub(super) drift: Drift,
    pub(super) item: Item,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    /// The live value of a kernel parameter.
    Sysctl,
    SysctlFile,
    /// The limits that the unit has.
    Limits,
    LimitsFile,
    Account,
    Data,
    /// Nothing that Drover may change.
    Foreign,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Run(Command),
    Write(Upload),
}

impl Preparation {
    /// Kernel parameters as they shall be on this host.
    fn wanted<'a>(&'a self, report: &Report) -> BTreeMap<&'a str, &'a str> {
        let mut wanted: BTreeMap<&str, &str> =
            self.sysctls.iter().map(|(name, value)| (&**name, &**value)).collect();
        if report.swaps {
            wanted.entry(files::SWAPPINESS).or_insert("1");
        }
        wanted
    }

    /// The values to go back to one day: those remembered, and for what is new, those there are.
    fn remembered<'a>(&self, report: &'a Report) -> BTreeMap<&'a str, &'a str> {
        let wanted = self.wanted(report);
        let old = files::before(report.sysctl_file.as_ref());
        let live = report.sysctls.iter().map(|(name, value)| (&**name, &**value));
        let short = |value: &str| (1..=LENGTH).contains(&value.len());
        let mut before: BTreeMap<&str, &str> =
            live.filter(|(name, value)| wanted.contains_key(name) && short(value)).collect();
        before.extend(old.into_iter().filter(|(name, _)| wanted.contains_key(name)));
        before
    }

    /// What is no longer asked for, with the values to go back to.
    fn dropped<'a>(&self, report: &'a Report) -> BTreeMap<&'a str, &'a str> {
        let wanted = self.wanted(report);
        let mut old = files::before(report.sysctl_file.as_ref());
        old.retain(|name, _| !wanted.contains_key(name));
        old
    }

    /// The file of kernel parameters, as it shall be.
    fn sysctl_text(&self, report: &Report) -> String {
        files::sysctls(&self.wanted(report), &self.remembered(report))
    }

    pub(super) fn findings(&self, report: &Report) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut find = |item, path: &str, desired: &str, live: &str| {
            let (path, desired) = (path.into(), desired.into());
            let drift = Drift { path, desired, live: crate::foreign::capped(live) };
            found.push(Finding { drift, item });
        };
        let text = self.sysctl_text(report);
        file(&mut find, Item::SysctlFile, SYSCTL_FILE, report.sysctl_file.as_ref(), &text);
        let live = |name: &str| report.sysctls.get(name).map_or("unknown", |it| &**it);
        let wanted = self.wanted(report).into_iter();
        let unlike = wanted.filter(|(name, desired)| !holds(name, desired, live(name)));
        let dropped = self.dropped(report).into_iter();
        let unlike = unlike.chain(dropped.filter(|(name, desired)| *desired != live(name)));
        for (name, desired) in unlike {
            find(Item::Sysctl, &format!("sysctls.{name}"), desired, live(name));
        }
        if let (Some(unit), Some(drop_in)) = (self.unit.as_deref(), self.drop_in()) {
            let lacking = lacking(report);
            let live = report.limits_file.as_ref();
            // A unit that grants enough by itself is left as it is.
            if live.is_some() || !lacking.is_empty() {
                file(&mut find, Item::LimitsFile, drop_in.as_str(), live, &files::limits());
            }
            for (name, desired, live) in lacking {
                find(Item::Limits, &format!("{unit}.{name}"), &desired, live);
            }
        }
        if !report.user || !report.group {
            find(Item::Account, "user", ACCOUNT_NAME, "missing");
        }
        if let Some(path) = &self.data {
            let desired = format!("directory, {DATA_MODE:o} {ACCOUNT_NAME}:{ACCOUNT_NAME}");
            match &report.data {
                None => find(Item::Data, path.as_str(), &desired, "missing"),
                Some(it) if &*it.kind != "directory" => {
                    find(Item::Foreign, path.as_str(), &desired, &it.kind);
                }
                Some(it) => {
                    // Its packages make it 2750. It has to be theirs alone.
                    let alone = it.mode & 0o707 == 0o700;
                    if &*it.user != ACCOUNT_NAME || &*it.group != ACCOUNT_NAME || !alone {
                        let live = format!("directory, {:o} {}:{}", it.mode, it.user, it.group);
                        find(Item::Data, path.as_str(), &desired, &live);
                    }
                }
            }
        }
        found
    }

    /// The least that makes up for what was found.
    pub(super) fn steps(&self, report: &Report, found: &[Finding]) -> Vec<Step> {
        let has = |item| found.iter().any(|it| it.item == item);
        let differs: Vec<&str> = found
            .iter()
            .filter(|it| it.item == Item::Sysctl)
            .filter_map(|it| it.drift.path.strip_prefix("sysctls."))
            .collect();
        let mut steps = Vec::new();
        // Back to what was before, while the file still remembers it.
        let back = self.dropped(report).into_iter().filter(|(it, _)| differs.contains(it));
        steps.extend(set(back));
        if has(Item::SysctlFile) {
            steps.extend(write(SYSCTL_FILE, &self.sysctl_text(report)));
        }
        // Not before the file remembers what was there.
        let wanted = self.wanted(report).into_iter().filter(|(it, _)| differs.contains(it));
        if !is_foreign(report.sysctl_file.as_ref()) {
            steps.extend(set(wanted));
        }
        if let Some(drop_in) = self.drop_in()
            && (has(Item::LimitsFile) || has(Item::Limits))
            && !is_foreign(report.limits_file.as_ref())
        {
            if has(Item::LimitsFile) {
                let folder = drop_in.as_str().rsplit_once('/').map_or("", |(it, _)| it);
                steps.push(Step::Run(Command::script("make directory", DIRECTORY, [folder])));
                steps.extend(write(drop_in.as_str(), &files::limits()));
            }
            steps.push(reload());
        }
        if has(Item::Account) {
            steps.push(Step::Run(Command::script("make user", ACCOUNT, [ACCOUNT_NAME])));
        }
        if has(Item::Data)
            && let Some(path) = &self.data
        {
            let arguments = [path.as_str(), ACCOUNT_NAME, &format!("{DATA_MODE:o}")];
            steps.push(Step::Run(Command::script("make data directory", DATA, arguments)));
        }
        steps
    }

    /// What takes back all that Drover changed.
    pub(super) fn steps_back(&self, report: &Report) -> Vec<Step> {
        let mut steps = Vec::new();
        let before = files::before(report.sysctl_file.as_ref()).into_iter();
        let live = |name| report.sysctls.get(name).map_or("", |it| &**it);
        steps.extend(set(before.filter(|(name, value)| live(*name) != *value)));
        let ours = |file: Option<&File>| file.is_some_and(files::is_ours);
        let remove = |path: &str, directory: &str| {
            Step::Run(Command::script("remove file", REMOVE, [path, files::HEADER, directory]))
        };
        if ours(report.sysctl_file.as_ref()) {
            steps.push(remove(SYSCTL_FILE, ""));
        }
        if let Some(drop_in) = self.drop_in()
            && ours(report.limits_file.as_ref())
        {
            steps.push(remove(drop_in.as_str(), "directory"));
            steps.push(reload());
        }
        steps
    }
}

/// Finds whether a file of Drover's differs.
fn file(
    find: &mut impl FnMut(Item, &str, &str, &str),
    item: Item,
    path: &str,
    live: Option<&File>,
    text: &str,
) {
    if !files::is(live, text) {
        let item = if is_foreign(live) { Item::Foreign } else { item };
        find(item, path, "as Drover writes it", files::describe(live));
    }
}

fn is_foreign(file: Option<&File>) -> bool {
    file.is_some_and(|it| !files::is_ours(it))
}

/// Whether a kernel parameter has the value that it shall have, or a better one.
fn holds(name: &str, desired: &str, live: &str) -> bool {
    let numbers = || Some((desired.parse::<u64>().ok()?, live.parse::<u64>().ok()?));
    match (name, numbers()) {
        ("vm.max_map_count", Some((desired, live))) => desired.max(LEAST_MAP_COUNT) <= live,
        (files::SWAPPINESS, Some((desired, live))) => live <= desired,
        _ => desired == live,
    }
}

/// The limits that a unit which is there does not grant.
fn lacking(report: &Report) -> Vec<(&'static str, String, &str)> {
    let state = report.unit.get("LoadState").map(|it| &**it);
    if state != Some("loaded") {
        return Vec::new();
    }
    let mut lacking = Vec::new();
    for (name, limit) in UNIT_LIMITS {
        let live = report.unit.get(name).map_or("unknown", |it| it);
        let granted = match live {
            "infinity" => u64::MAX,
            number => number.parse().unwrap_or(0),
        };
        let (least, desired) = match limit {
            Limit::AtLeast(least) => (least, least.to_string()),
            Limit::Infinity => (u64::MAX, "infinity".to_owned()),
        };
        if granted < least {
            lacking.push((name, desired, live));
        }
    }
    lacking
}

fn set<'a>(values: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Step> {
    let arguments: Vec<&str> = values.flat_map(|(name, value)| [name, value]).collect();
    let command = || Command::script("set kernel parameters", SET, arguments.iter().copied());
    (!arguments.is_empty()).then(|| Step::Run(command()))
}

fn write(path: &str, text: &str) -> Option<Step> {
    let upload = Upload {
        what: "write file",
        path: RemotePath::new(path).ok()?,
        content: text.as_bytes().to_vec().into(),
        mode: 0o644,
        owner: "root:root",
        sudo: false,
    };
    Some(Step::Write(upload))
}

fn reload() -> Step {
    Step::Run(Command::new("reload units", "systemctl", ["daemon-reload"]))
}
