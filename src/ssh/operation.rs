//! Work that takes Elasticsearch down on a host, as a step of a run: its service is restarted, or the
//! host is. It is begun as a unit of systemd's, whose name is a lock: it outlives the session and this
//! process, and whoever comes next finds it there.
//!
//! Whether it was begun, and whether it is done, the host alone is asked. Done is what is proven: by
//! another run of the service, or another boot.

mod image;
pub mod spent;
mod swap;
mod upgrade;

use std::time::{Duration, Instant};

use self::{swap::Swap, upgrade::Upgrade};
use super::{
    command::Command,
    deploy::{
        self,
        job::{Leave, Progress},
    },
    error::{Category, Ending, Error},
    facts::Identity,
    service::{self, Look, State, Unit},
    session::Session,
};
use crate::chain::chain;

const BEGIN: &str = include_str!("operation/begin.sh");
const WORDS: &str = concat!(include_str!("operation/blot.sh"), include_str!("operation/words.sh"));
/// For handing work over to systemd, and for reading what a service said.
const LIMIT: Duration = Duration::from_secs(10);
/// The status with which a host tells that work came too late.
const TOO_LATE: u32 = 75;
/// The statuses of a script that did not run, and of one that has made sure that nothing was begun.
/// Any other says nothing of that.
const REFUSED: [u32; 3] = [1, 126, 127];
/// For so many seconds a service has to run before it counts as up: one that fails to start may be
/// taken for active for a moment.
const STEADY: u64 = 2;
/// What a host was told in time may still be about to begin for so long after it was too late.
pub const DOUBT: Duration = Duration::from_secs(15);
/// The longest name of a run, in bytes.
const RUN: usize = 64;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// The service is restarted.
    Restart,
    /// The host is.
    Reboot,
    /// Another version, or other settings, take the place of those that run.
    Swap,
    /// What an upgrade of the packages will install, or the image that is deployed, is fetched, while
    /// all runs.
    Fetch,
    /// It is installed, or deployed, and the host boots where that takes it.
    Upgrade,
}

/// Work on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    name: Box<str>,
    deed: Deed,
    unit: Option<Unit>,
    /// The run of the service before; absent where it did not run.
    invocation_before: Option<Box<str>>,
    /// The boot before.
    boot_before: Box<str>,
    /// What takes the place of what runs.
    swap: Option<Swap>,
    /// What is upgraded, or fetched for that.
    upgrade: Option<Upgrade>,
}

/// How far work is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was not begun, and waits for leave to begin.
    NotBegun {
        /// Whether the service is in the same run as before, or down as before.
        is_as_before: bool,
    },
    /// Whether it was begun can't be known before the next look, and for sure only [`DOUBT`] later.
    Open,
    /// The host did not take it, and is as it was; its words.
    Refused(Box<str>),
    /// It was begun.
    UnderWay,
    /// It is proven to be done.
    Done,
    /// The same, and neither the service nor the host was restarted for it.
    Spared,
    /// It is done but for a boot, which takes leave of its own; the host is up. Its words.
    Due(Box<str>),
    /// It was begun, and did not come to a good end; the words of the service.
    Failed(Box<str>),
    /// The same, and nothing is down for it: the service runs as before, or again. Its words.
    Vain(Box<str>),
}

/// What came of work.
#[derive(Clone, Debug, PartialEq)]
pub struct Worked {
    /// Which.
    pub work: Work,
    /// How far it is, or why nobody knows.
    pub outcome: Result<Outcome, Error>,
}

const NOT_BEGUN: Outcome = Outcome::NotBegun { is_as_before: true };

/// What is so on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    NotBegun {
        is_as_before: bool,
    },
    UnderWay,
    /// The host is back, and its service was not started by the boot.
    Start,
    Done,
    Spared,
    Failed,
}

impl Work {
    /// The attempt `attempt` at a step of the run `run`, on a host that had this boot id and, where a
    /// service is concerned, this run of it. Nothing where the run has no proper name, or there is no
    /// service to restart.
    #[must_use]
    pub fn new(
        (run, attempt): (&str, u32),
        deed: Deed,
        unit: Option<Unit>,
        invocation_before: Option<&str>,
        boot_before: &str,
    ) -> Option<Self> {
        let needs_unit = matches!(deed, Deed::Restart | Deed::Swap);
        let is_whole = (!needs_unit || unit.is_some()) && !boot_before.is_empty();
        is_whole.then_some(())?;
        Some(Self {
            name: unit_name(run, attempt)?.into(),
            deed,
            unit,
            invocation_before: invocation_before.map(Into::into),
            boot_before: boot_before.into(),
            swap: None,
            upgrade: None,
        })
    }

    /// Names it, as the unit that it runs as does.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The unit that does it, and the one that starts the service after a boot that did not.
    fn units(&self) -> [String; 2] {
        units_of(&self.name)
    }

    fn judge(&self, look: &Look, identity: &Identity) -> Verdict {
        let [step, start] = look.steps.as_slice() else { return Verdict::UnderWay };
        match self.deed {
            Deed::Restart => self.judge_restart(look, step),
            Deed::Swap => self.judge_swap(look, step),
            Deed::Reboot => self.judge_reboot(look, [step, start], identity),
            Deed::Fetch => Self::judge_fetch(step),
            Deed::Upgrade => self.judge_upgrade(look, [step, start], identity),
        }
    }

    fn judge_restart(&self, look: &Look, step: &State) -> Verdict {
        let Some(unit) = look.service.as_ref().map(|it| &it.unit) else {
            return Verdict::NotBegun { is_as_before: false };
        };
        let is_another = unit.invocation.is_some() && unit.invocation != self.invocation_before;
        if unit.is_active() && is_another {
            return if is_steady(unit, look.uptime) { Verdict::Done } else { Verdict::UnderWay };
        }
        let comes = !unit.is_down() && (is_another || unit.is_queued);
        match &*step.active {
            _ if !step.is_loaded() && is_another => Verdict::UnderWay,
            _ if !step.is_loaded() => {
                Verdict::NotBegun { is_as_before: unit.invocation == self.invocation_before }
            }
            "activating" => Verdict::UnderWay,
            "active" if comes => Verdict::UnderWay,
            _ => Verdict::Failed,
        }
    }

    fn judge_reboot(
        &self,
        look: &Look,
        [step, start]: [&State; 2],
        identity: &Identity,
    ) -> Verdict {
        let unit = look.service.as_ref().map(|it| &it.unit);
        let Some(boot) = &identity.boot_id else { return Verdict::UnderWay };
        if *boot == self.boot_before {
            let is_as_before = unit.is_none_or(|it| it.invocation == self.invocation_before);
            return match &*step.active {
                _ if &*look.system == "stopping" => Verdict::UnderWay,
                _ if !step.is_loaded() => Verdict::NotBegun { is_as_before },
                "failed" | "inactive" => Verdict::Failed,
                _ => Verdict::UnderWay,
            };
        }
        self.judge_boot(look, start)
    }

    /// How far a host is that has booted.
    fn judge_boot(&self, look: &Look, start: &State) -> Verdict {
        let unit = look.service.as_ref().map(|it| &it.unit);
        let (Some(unit), Some(_)) = (unit, &self.invocation_before) else { return Verdict::Done };
        let is_booting = matches!(&*look.system, "initializing" | "starting");
        match &*start.active {
            _ if unit.is_active() && is_steady(unit, look.uptime) => Verdict::Done,
            _ if !unit.is_down() || unit.is_queued => Verdict::UnderWay,
            _ if !start.is_loaded() && is_booting => Verdict::UnderWay,
            _ if !start.is_loaded() => Verdict::Start,
            "activating" => Verdict::UnderWay,
            _ => Verdict::Failed,
        }
    }

    /// What begins it, where that is one command.
    fn command(&self, latest: &str) -> Command {
        let name = &*self.name;
        let unit = self.unit.as_ref().map_or("", Unit::as_str);
        let before = self.invocation_before.as_deref().unwrap_or_default();
        let (what, words): (_, &[&str]) = match self.deed {
            Deed::Restart | Deed::Swap => {
                let restart = "restart Elasticsearch";
                (restart, &[name, latest, unit, before, "systemctl", "restart", "--", unit])
            }
            Deed::Reboot => ("reboot", &[name, latest, "", "", "systemctl", "reboot"]),
            // These take a script.
            Deed::Fetch | Deed::Upgrade => ("do nothing", &[name, latest, "", "", "true"]),
        };
        beginning(what, words)
    }

    fn start(&self) -> Command {
        let [_, name] = self.units();
        let unit = self.unit.as_ref().map_or("", Unit::as_str);
        beginning("start Elasticsearch", &[&name, "", "", "", "systemctl", "start", "--", unit])
    }

    fn words(&self) -> Command {
        let unit = self.unit.as_ref().map_or("", Unit::as_str);
        let boots = matches!(self.deed, Deed::Reboot | Deed::Upgrade);
        words(unit, &self.units()[usize::from(boots)])
    }
}

/// Hands work over to systemd; `words` are those of the script.
pub(super) fn beginning(what: &'static str, words: &[&str]) -> Command {
    Command::script(what, BEGIN, words.iter().copied()).deadline(LIMIT)
}

/// Reads the last words of the service `unit`, or of the unit `by`, which was to start it.
pub(super) fn words(unit: &str, by: &str) -> Command {
    Command::script("read the service's words", WORDS, [unit, by])
        .read_only()
        .deadline(LIMIT)
        .output_limit(64 * 1024)
}

/// Such words in one line; empty where there are none.
pub(super) fn joined(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
    lines.join("; ")
}

/// The unit that the attempt `attempt` at a step of the run `run` runs as; nothing where the run has
/// no proper name.
#[must_use]
pub fn unit_name(run: &str, attempt: u32) -> Option<String> {
    let plain = |it: u8| it.is_ascii_alphanumeric() || it == b'-';
    let good = !run.is_empty() && run.len() <= RUN && run.bytes().all(plain);
    good.then(|| format!("drover-{run}-{attempt}.service"))
}

/// The unit of the name `unit` that does work, and the one that starts the service after a boot that
/// did not.
fn units_of(unit: &str) -> [String; 2] {
    let stem = unit.trim_end_matches(".service");
    [unit.to_owned(), format!("{stem}-start.service")]
}

fn is_steady(unit: &State, uptime: Option<u64>) -> bool {
    let since = unit.active_since.map(|it| it / 1_000_000);
    uptime.zip(since).is_none_or(|(now, since)| STEADY <= now.saturating_sub(since))
}

/// Looks how far `work` is on the host that is known as `identity`, which had come `so_far`, and begins
/// it where it was not begun and `leave` says until when it may be. As root, by sudo where `sudo` is
/// true.
///
/// # Errors
/// Why the host could not be asked, or not be told.
pub(super) async fn carry_on(
    session: &Session,
    work: &Work,
    identity: &Identity,
    so_far: Option<&Outcome>,
    leave: impl FnOnce() -> Option<Instant>,
    sudo: bool,
) -> Result<Outcome, Error> {
    let units = work.units();
    let steps = units.each_ref().map(String::as_str);
    let look = service::look(session, work.unit.as_ref(), &steps, sudo).await?;
    let looked = Instant::now();
    match work.judge(&look, identity) {
        verdict @ (Verdict::Done | Verdict::Spared) => {
            let is_spared = verdict == Verdict::Spared;
            let good = if is_spared { Outcome::Spared } else { Outcome::Done };
            let flaw = upgrade::flaw(session, work, identity, sudo).await?;
            // What it did is not what it should have done, and its service is up.
            Ok(flaw.map_or(good, Outcome::Vain))
        }
        Verdict::UnderWay => Ok(Outcome::UnderWay),
        Verdict::Failed => match so_far {
            // What it says once more differs by times and numbers at most.
            Some(Outcome::Failed(why)) => Ok(work.failed(why.clone(), &look)),
            Some(said @ (Outcome::Due(_) | Outcome::Vain(_))) => Ok(said.clone()),
            _ => failed(session, work, &look, sudo).await,
        },
        Verdict::Start => Ok(match begin(session, &work.start().sudo(sudo)).await? {
            Outcome::Refused(words) => Outcome::Failed(words),
            Outcome::NotBegun { .. } => Outcome::Open,
            outcome => outcome,
        }),
        Verdict::NotBegun { is_as_before } => {
            if let Some(upgrade) = &work.upgrade
                && let Some(outcome) = upgrade.foregone(session, work.deed).await?
            {
                return Ok(outcome);
            }
            let not_begun = match so_far {
                Some(refused @ Outcome::Refused(_)) => refused.clone(),
                _ => Outcome::NotBegun { is_as_before },
            };
            let Some(until) = leave() else { return Ok(not_begun) };
            let left = until.saturating_duration_since(looked).as_secs();
            let Some(uptime) = look.uptime else {
                return Ok(Outcome::Refused("it does not tell how long it has been up".into()));
            };
            let latest = (uptime + left).to_string();
            if let Some(swap) = &work.swap {
                let run = look.service.as_ref().and_then(|it| it.unit.invocation.as_deref());
                let leave = Leave { latest: &latest, run: run.unwrap_or_default() };
                return swap::begin(session, swap, leave, sudo).await;
            }
            if let Some(upgrade) = &work.upgrade {
                return upgrade::begin(session, (work, upgrade), &latest, sudo).await;
            }
            begin(session, &work.command(&latest).sudo(sudo)).await
        }
    }
}

async fn begin(session: &Session, command: &Command) -> Result<Outcome, Error> {
    match session.run(command).await {
        Ok(output) => Ok(told(output.ending(), || output.complaint().to_string().into())),
        Err(error) => unsent(error),
    }
}

/// What is known of work that a host could not be told to begin, or was not heard to have begun.
fn unsent(error: Error) -> Result<Outcome, Error> {
    match error {
        Error::Closed { .. } => Ok(NOT_BEGUN),
        error if error.leaves_outcome_open() => Ok(Outcome::Open),
        error if error.category() == Category::Forbidden => {
            Ok(Outcome::Refused(chain(&error).into()))
        }
        error => Err(error),
    }
}

/// What the end of the script says.
fn told(ending: &Ending, complaint: impl FnOnce() -> Box<str>) -> Outcome {
    match ending {
        Ending::Exited(0) => Outcome::UnderWay,
        Ending::Exited(TOO_LATE) => NOT_BEGUN,
        Ending::Exited(status) if REFUSED.contains(status) => Outcome::Refused(complaint()),
        Ending::Exited(_) | Ending::Signalled(_) | Ending::Unknown => Outcome::Open,
    }
}

async fn failed(session: &Session, work: &Work, look: &Look, sudo: bool) -> Result<Outcome, Error> {
    if let Some(upgrade) = &work.upgrade
        && let Progress::Failed(why) = deploy::progress(session, sudo, &upgrade.job).await?
    {
        let is_due = *why == *upgrade.due();
        return Ok(if is_due { Outcome::Due(why) } else { work.failed(why, look) });
    }
    if let Some(swap) = &work.swap
        && let Progress::Failed(why) = deploy::progress(session, sudo, &swap.job).await?
    {
        return Ok(Outcome::Failed(why));
    }
    let said = session.run(&work.words().sudo(sudo)).await?.succeeded()?;
    let state = match (&work.unit, &look.service) {
        (Some(unit), Some(service)) => {
            let State { result, .. } = &service.unit;
            format!("{} is {} ({result})", unit.as_str(), service.unit.word())
        }
        _ => "it did not boot anew".to_owned(),
    };
    let words = match &*joined(&said.text()) {
        "" => state,
        words => format!("{state}: {words}"),
    };
    Ok(Outcome::Failed(crate::foreign::capped(&words)))
}

#[cfg(test)]
mod tests;
