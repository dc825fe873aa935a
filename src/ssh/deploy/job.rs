//! Work on a host that takes its time: a script that systemd runs under a name, which is its lock. It
//! goes on when the session breaks or Drover ends, and whoever knows the name can ask how far it is.

use std::time::Duration;

use super::{Source, layout, make_folders, report::Running};
use crate::ssh::{
    command::Command,
    families::{Family, Name},
    operation,
    path::RemotePath,
    preparation::ACCOUNT_NAME,
    steps::{Step, make_directory},
    upload::Upload,
};

const PROGRESS: &str = include_str!("progress.sh");
const FORGET: &str = include_str!("forget.sh");
const STAGE: &str = include_str!("stage.sh");
const SWAP: &str = concat!(include_str!("trace.sh"), include_str!("swap.sh"));
const RECALL: &str = concat!(include_str!("trace.sh"), include_str!("recall.sh"));

/// What a job says goes to a file beside that of its settings, which the job itself begins anew: only
/// the one that systemd took does.
const LOGGED: &str = "exec >\"${1%.settings}.log\" 2>&1\n";
/// For fetching and unpacking.
const STAGING: Duration = Duration::from_hours(4);
/// For stopping and starting: Elasticsearch may have much to write down.
const SWAPPING: Duration = Duration::from_hours(1);
/// For stopping alone: what is left is enough to start it again.
const STOPPING: Duration = Duration::from_mins(45);
/// The largest archive that is fetched, in kilobytes.
const LARGEST: u64 = 4 * 1024 * 1024;

/// Work that systemd runs on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    name: Box<str>,
    run: Box<str>,
}

/// How a job is begun.
#[derive(Clone, Debug)]
pub(in crate::ssh) struct Beginning {
    /// What it needs on the host.
    pub(in crate::ssh) needs: Vec<Step>,
    /// What has systemd begin it. A job of that name that systemd knows is left as it is.
    pub(in crate::ssh) command: Command,
}

/// When a job may begin.
#[derive(Clone, Copy, Debug)]
pub(in crate::ssh) struct Leave<'a> {
    /// The second after the boot from which on it is too late.
    pub(in crate::ssh) latest: &'a str,
    /// The run of Elasticsearch's unit that is to end: in another one nothing is begun. Empty where
    /// it does not run.
    pub(in crate::ssh) run: &'a str,
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nobody began it, or the host was restarted since.
    Unknown,
    /// It is under way.
    Working,
    /// It came to its end as it should.
    Done,
    /// It did not; why, in its own words.
    Failed(Box<str>),
}

impl Beginning {
    pub(super) fn steps(self) -> Vec<Step> {
        self.needs.into_iter().chain([Step::Run(self.command)]).collect()
    }
}

impl Job {
    /// Fetches and unpacks a version for the run of this name.
    #[must_use]
    pub fn stage(run: &str) -> Self {
        Self::new(run, "stage")
    }

    /// Stops Elasticsearch, and starts it as it shall be.
    #[must_use]
    pub fn swap(run: &str, attempt: u32) -> Self {
        Self::new(run, &format!("swap-{attempt}"))
    }

    /// Stops Elasticsearch, and starts it as it ran before the run.
    #[must_use]
    pub fn recall(run: &str, attempt: u32) -> Self {
        Self::new(run, &format!("recall-{attempt}"))
    }

    /// Fetches what an upgrade of the packages will install, for the run of this name.
    #[must_use]
    pub fn fetch(run: &str, attempt: u32) -> Self {
        Self::new(run, &format!("fetch-{attempt}"))
    }

    /// Upgrades the packages.
    #[must_use]
    pub fn upgrade(run: &str, attempt: u32) -> Self {
        Self::new(run, &format!("upgrade-{attempt}"))
    }

    /// Runs are named by Drover; what is no part of such a name can't get into one of a unit.
    fn new(run: &str, step: &str) -> Self {
        let plain = |it: &char| it.is_ascii_alphanumeric() || *it == '-';
        let run: String = run.chars().filter(plain).take(64).collect();
        Self { name: format!("drover-{run}-{step}").into(), run: run.into() }
    }

    /// The unit.
    #[must_use]
    pub fn unit(&self) -> String {
        format!("{}.service", self.name)
    }

    fn file(&self, suffix: &str) -> String {
        format!("{}/{}.{suffix}", layout::RUN, self.name)
    }

    /// What begins to fetch and unpack a version.
    pub(super) fn begin_stage(&self, version: &str, source: &Source) -> Beginning {
        let java = source.java_home.as_ref().map_or("", RemotePath::as_str);
        let most = LARGEST.to_string();
        let settings = [
            &*source.url,
            &*source.sha512,
            version,
            layout::TREES,
            layout::LOGS,
            ACCOUNT_NAME,
            java,
            &most,
            &advice(source.family),
        ];
        self.begin(make_folders(), (STAGE, &settings), STAGING, ["", "", ""])
    }

    /// What begins to stop and start it, with this leave or at any time.
    pub(in crate::ssh) fn begin_swap(
        &self,
        version: &str,
        revision: &str,
        leave: Option<Leave<'_>>,
    ) -> Beginning {
        let patience = STOPPING.as_secs().to_string();
        let settings = [
            layout::UNIT,
            revision,
            version,
            layout::TREES,
            layout::CONFIG,
            layout::UNIT_FILE,
            ACCOUNT_NAME,
            &patience,
            &self.run,
        ];
        let words = leave.map_or(["", "", ""], |it| [it.latest, layout::UNIT, it.run]);
        self.begin(make_folders(), (SWAP, &settings), SWAPPING, words)
    }

    /// What begins to start it as `before` again, which the run took down.
    pub(in crate::ssh) fn begin_recall(&self, before: &Running, leave: Leave<'_>) -> Beginning {
        let patience = STOPPING.as_secs().to_string();
        let settings = [
            layout::UNIT,
            &*self.run,
            &*before.version,
            &*before.revision,
            layout::TREES,
            layout::CONFIG,
            layout::UNIT_FILE,
            &patience,
        ];
        let words = [leave.latest, layout::UNIT, leave.run];
        self.begin(make_folders(), (RECALL, &settings), SWAPPING, words)
    }

    /// What begins work on the packages of the host, before the second `latest` after its boot.
    pub(in crate::ssh) fn begin_packages(
        &self,
        script: &str,
        settings: &[&str],
        limit: Duration,
        latest: &str,
    ) -> Beginning {
        self.begin(make_directory(layout::RUN), (script, settings), limit, [latest, "", ""])
    }

    /// `words` are those of [`operation::beginning`] that say when it may begin.
    fn begin(
        &self,
        folders: Step,
        (script, settings): (&str, &[&str]),
        limit: Duration,
        words: [&str; 3],
    ) -> Beginning {
        let mut needs = vec![folders];
        // A line each: none holds the end of one.
        let lines: String =
            settings.iter().map(|it| it.replace(['\n', '\r', '\0'], "") + "\n").collect();
        needs.extend(self.write("script", &format!("{LOGGED}{script}")));
        needs.extend(self.write("settings", &lines));
        let [latest, service, run] = words;
        let (unit, limit) = (self.unit(), format!("TimeoutStartSec={}", limit.as_secs()));
        let [script, settings] = ["script", "settings"].map(|it| self.file(it));
        let command = ["-p", "UMask=0022", "-p", &limit, "/bin/sh", &script, &settings];
        let words = [&*unit, latest, service, run].into_iter().chain(command);
        let command = operation::beginning("begin job", &words.collect::<Vec<_>>());
        Beginning { needs, command }
    }

    fn write(&self, suffix: &str, text: &str) -> Option<Step> {
        let upload = Upload {
            what: "write file",
            path: RemotePath::new(&self.file(suffix)).ok()?,
            content: text.as_bytes().to_vec().into(),
            mode: 0o600,
            owner: "root:root",
            sudo: false,
        };
        Some(Step::Write(upload))
    }

    pub(super) fn look(&self) -> Command {
        let arguments = [self.unit(), self.file("log")];
        Command::script("look at job", PROGRESS, arguments).read_only()
    }

    pub(super) fn forget(&self) -> Command {
        let files = ["script", "settings", "log"].map(|it| self.file(it));
        let arguments = [self.unit()].into_iter().chain(files);
        Command::script("forget job", FORGET, arguments)
    }
}

/// How a program that fetches archives is installed, for people.
fn advice(family: Option<Family>) -> String {
    let action = family.zip(Name::new("curl")).map(|(family, curl)| family.install(&[curl]));
    let Some(action) = action else { return "install one of them".into() };
    // What only keeps its output readable for programs is no part of the advice.
    let words = [action.program.to_owned()].into_iter().chain(action.arguments);
    let words = words.filter(|it| it != "env" && !it.contains('='));
    format!("install one of them, such as by `{}`", words.collect::<Vec<_>>().join(" "))
}

impl Progress {
    pub(super) fn read(text: &str) -> Self {
        let of =
            |name: &str| text.lines().filter_map(|it| it.split_once('=')).rfind(|it| it.0 == name);
        let value = |name: &str| of(name).map_or("", |it| it.1);
        match value("ActiveState") {
            "active" => Self::Done,
            "activating" | "reloading" | "deactivating" => Self::Working,
            "failed" => {
                let why = match (value("Result"), value("said")) {
                    ("timeout", _) => "it took too long",
                    (_, "") => "it ended without a word",
                    (_, said) => said,
                };
                Self::Failed(crate::foreign::capped(why))
            }
            _ => Self::Unknown,
        }
    }
}
