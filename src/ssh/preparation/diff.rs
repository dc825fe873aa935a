//! What differs between a host and how it shall be, and the least that makes it so. Pure.

use std::collections::BTreeMap;

use super::{
    ACCOUNT, ACCOUNT_NAME, Command, DATA, Drift, LEAST_MAP_COUNT, Limit, Preparation, RemotePath,
    SET, SYSCTL_FILE, UNIT_LIMITS, files,
    report::{File, Report},
};
use crate::ssh::{
    steps::{Step, make_directory, reload, remove},
    upload::Upload,
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

impl Preparation {
    /// Kernel parameters as they shall be on this host. What was set for an Elasticsearch of Drover's
    /// stays as long as that is there: an object that was made again does not know of it at first.
    fn wanted<'a>(&'a self, report: &'a Report) -> BTreeMap<&'a str, &'a str> {
        let mut wanted: BTreeMap<&str, &str> =
            self.sysctls.iter().map(|(name, value)| (&**name, &**value)).collect();
        if self.elasticsearch && report.swaps {
            wanted.entry(files::SWAPPINESS).or_insert("1");
        }
        if !self.elasticsearch && report.is_home() {
            let set = files::set(report.sysctl_file.as_ref()).into_iter();
            let needed =
                set.filter(|(name, _)| [files::MAP_COUNT, files::SWAPPINESS].contains(name));
            for (name, value) in needed {
                wanted.entry(name).or_insert(value);
            }
        }
        wanted
    }

    /// The values to go back to one day: those remembered, and for what is new, those there are.
    fn remembered<'a>(&self, report: &'a Report) -> BTreeMap<&'a str, &'a str> {
        let wanted = self.wanted(report);
        let old = files::before(report.sysctl_file.as_ref());
        let live = report.sysctls.iter().map(|(name, value)| (&**name, &**value));
        let short = |value: &str| (1..=LENGTH).contains(&value.len());
        let mut before: BTreeMap<&str, &str> = live
            .filter(|(name, value)| wanted.contains_key(name) && short(value))
            .filter(|(name, value)| !self.is_own(name, value, report))
            .collect();
        before.extend(old.into_iter().filter(|(name, _)| wanted.contains_key(name)));
        before
    }

    /// Whether the live value of a parameter is none of before: Drover has set it, or has set the
    /// parameter and keeps a file that does not remember.
    fn is_own(&self, name: &str, live: &str, report: &Report) -> bool {
        let is_kept = report.sysctl_file.as_ref().is_some_and(files::is_ours);
        self.applied.get(name).is_some_and(|it| is_kept || **it == *live)
    }

    /// What is no longer asked for, still is as Drover has set it, and can't go back: the file that
    /// told its value of before is gone, or no longer Drover's.
    pub(super) fn lost(&self, report: &Report) -> Vec<Box<str>> {
        let wanted = self.wanted(report);
        let before = files::before(report.sysctl_file.as_ref());
        let is_live =
            |name: &str, value: &str| report.sysctls.get(name).is_some_and(|it| **it == *value);
        let applied = self.applied.iter().filter(|(name, value)| is_live(name, value));
        let lost = applied.map(|(name, _)| name).filter(|it| !wanted.contains_key(&***it));
        lost.filter(|it| !before.contains_key(&***it)).cloned().collect()
    }

    /// What is no longer asked for, with the values to go back to.
    fn dropped<'a>(&self, report: &'a Report) -> BTreeMap<&'a str, &'a str> {
        let wanted = self.wanted(report);
        let mut old = files::before(report.sysctl_file.as_ref());
        old.retain(|name, _| !wanted.contains_key(name));
        old
    }

    /// What has still to go back, with the values to go back to. What is gone from the kernel can't.
    fn outstanding<'a>(&self, report: &'a Report) -> BTreeMap<&'a str, &'a str> {
        let mut outstanding = self.dropped(report);
        outstanding
            .retain(|name, value| report.sysctls.get(*name).is_some_and(|it| **it != **value));
        outstanding
    }

    /// The file of kernel parameters, as it shall be as long as these are `outstanding`: it sets them
    /// no longer, and remembers what they were. Nothing where it shall be no file.
    fn sysctl_text(&self, report: &Report, outstanding: &BTreeMap<&str, &str>) -> Option<String> {
        let wanted = self.wanted(report);
        let mut before = self.remembered(report);
        before.extend(outstanding);
        let is_needed = !wanted.is_empty() || !before.is_empty();
        is_needed.then(|| files::sysctls(&wanted, &before))
    }

    pub(super) fn findings(&self, report: &Report) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut find = |item, path: &str, desired: &str, live: &str| {
            let (path, desired) = (path.into(), desired.into());
            let drift = Drift { path, desired, live: crate::foreign::capped(live) };
            found.push(Finding { drift, item });
        };
        let there = report.sysctl_file.as_ref();
        if let Some(text) = self.sysctl_text(report, &self.outstanding(report)) {
            file(&mut find, Item::SysctlFile, SYSCTL_FILE, there, &text);
        } else if there.is_some_and(files::is_ours) {
            find(Item::SysctlFile, SYSCTL_FILE, "missing", "as Drover wrote it");
        }
        let live = |name: &str| report.sysctls.get(name).map_or("unknown", |it| &**it);
        let wanted = self.wanted(report).into_iter();
        let unlike = wanted.filter(|(name, desired)| !self.holds(name, desired, live(name)));
        let dropped = self.dropped(report).into_iter();
        let unlike = unlike.chain(dropped.filter(|(name, desired)| *desired != live(name)));
        for (name, desired) in unlike {
            let item = if self.left_alone.contains(name) { Item::Foreign } else { Item::Sysctl };
            find(item, &format!("sysctls.{name}"), desired, live(name));
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
        if self.elasticsearch && (!report.user || !report.group) {
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

    /// Whether a kernel parameter has the value that it shall have, or for Elasticsearch a better one.
    fn holds(&self, name: &str, desired: &str, live: &str) -> bool {
        let numbers = || Some((desired.parse::<u64>().ok()?, live.parse::<u64>().ok()?));
        match (name, numbers()) {
            _ if !self.elasticsearch => desired == live,
            (files::MAP_COUNT, Some((desired, live))) => desired.max(LEAST_MAP_COUNT) <= live,
            (files::SWAPPINESS, Some((desired, live))) => live <= desired,
            _ => desired == live,
        }
    }

    /// The least that makes up for what was found, in chains.
    pub(super) fn steps(&self, report: &Report, found: &[Finding]) -> Vec<Vec<Step>> {
        let has = |item| found.iter().any(|it| it.item == item);
        let mut limits = Vec::new();
        if let Some(drop_in) = self.drop_in()
            && (has(Item::LimitsFile) || has(Item::Limits))
            && !is_foreign(report.limits_file.as_ref())
        {
            if has(Item::LimitsFile) {
                let folder = drop_in.as_str().rsplit_once('/').map_or("", |(it, _)| it);
                limits.push(make_directory(folder));
                limits.extend(write(drop_in.as_str(), &files::limits()));
            }
            limits.push(reload());
        }
        let mut directory = Vec::new();
        if has(Item::Account) {
            directory.push(Step::Run(Command::script("make user", ACCOUNT, [ACCOUNT_NAME])));
        }
        if has(Item::Data)
            && let Some(path) = &self.data
        {
            let arguments = [path.as_str(), ACCOUNT_NAME, &format!("{DATA_MODE:o}")];
            directory.push(Step::Run(Command::script("make data directory", DATA, arguments)));
        }
        let mut chains = self.parameters(report, found);
        chains.extend([limits, directory]);
        chains
    }

    /// What makes kernel parameters and their file as they shall be. One that can't go back keeps no
    /// other from being set, and from the next boot on it is what it was: the file that would set it
    /// again is written before anything is tried.
    fn parameters(&self, report: &Report, found: &[Finding]) -> Vec<Vec<Step>> {
        let has_file = found.iter().any(|it| it.item == Item::SysctlFile);
        let differs: Vec<&str> = found
            .iter()
            .filter(|it| it.item == Item::Sysctl)
            .filter_map(|it| it.drift.path.strip_prefix("sysctls."))
            .collect();
        let outstanding = self.outstanding(report);
        let mut forward = Vec::new();
        if has_file && let Some(text) = self.sysctl_text(report, &outstanding) {
            forward.extend(write(SYSCTL_FILE, &text));
        }
        // Not before the file remembers what was there.
        let wanted = self.wanted(report).into_iter().filter(|(it, _)| differs.contains(it));
        if !is_foreign(report.sysctl_file.as_ref()) {
            forward.extend(set(wanted));
        }
        let mut back: Vec<Step> = set(outstanding.clone().into_iter()).into_iter().collect();
        match self.sysctl_text(report, &BTreeMap::new()) {
            // Back is what was to go back: then that need not be remembered.
            Some(text) if !outstanding.is_empty() => back.extend(write(SYSCTL_FILE, &text)),
            None if has_file || !outstanding.is_empty() => back.push(remove(SYSCTL_FILE, "")),
            _ => {}
        }
        vec![forward, back]
    }

    /// What takes back all that Drover changed, in chains.
    pub(super) fn steps_back(&self, report: &Report) -> Vec<Vec<Step>> {
        let nothing = self.without_parameters();
        let mut chains = nothing.parameters(report, &nothing.findings(report));
        let ours = |file: Option<&File>| file.is_some_and(files::is_ours);
        let mut limits = Vec::new();
        if let Some(drop_in) = self.drop_in()
            && ours(report.limits_file.as_ref())
        {
            limits.push(remove(drop_in.as_str(), "directory"));
            limits.push(reload());
        }
        chains.push(limits);
        chains
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
