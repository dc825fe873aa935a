//! The service that runs Elasticsearch on a host: how systemd has it, which processes are its own,
//! and which other Elasticsearch runs there besides. Read as far as the user may see; root sees all.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use super::{command::Command, deploy::report::Running, error::Error, session::Session};

const LOOK: &str = include_str!("service/look.sh");
const LIMIT: Duration = Duration::from_secs(20);
/// The most that a look prints, in bytes.
const OUTPUT: usize = 64 * 1024;
/// So many processes, and so many addresses, are kept of each kind.
const KEPT: usize = 64;
/// The longest name of a unit, in bytes.
const NAME: usize = 255;

/// The name of a systemd service, such as `elasticsearch.service`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Unit(Box<str>);

impl Unit {
    /// Takes `name` for one; nothing where it is none.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let plain = |it: u8| it.is_ascii_alphanumeric() || b":_.@-".contains(&it);
        let first = |it: u8| it.is_ascii_alphanumeric() || it == b'_';
        let stem = name.strip_suffix(".service")?.as_bytes();
        let good = stem.first().copied().is_some_and(first) && stem.iter().copied().all(plain);
        (good && name.len() <= NAME).then(|| Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How a service is on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// What systemd says of it.
    pub unit: State,
    /// What it was started as; absent where it does not run, or somebody else installed it.
    pub running: Option<Running>,
    /// Its processes.
    pub processes: BTreeSet<u32>,
    /// Elasticsearch processes that are not of it.
    pub other_processes: BTreeSet<u32>,
    /// The host's addresses, without loopback and link-local ones.
    pub addresses: BTreeSet<IpAddr>,
}

/// What systemd says of a unit. What it does not say is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Whether it knows such a unit: `loaded`, `not-found`, `masked`.
    pub load: Box<str>,
    /// Such as `active`, `inactive` or `failed`.
    pub active: Box<str>,
    /// How it last ended: `success`, `exit-code`, `timeout`.
    pub result: Box<str>,
    /// Its id of this run of the unit; absent where it does not run.
    pub invocation: Option<Box<str>>,
    /// Whether it is about to be started or stopped.
    pub is_queued: bool,
    /// When it became active, in microseconds after the boot.
    pub active_since: Option<u64>,
    /// How often systemd has started it again by itself since somebody last started it.
    pub restarts: u32,
}

/// What a look came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// How the service is; nothing where none was looked at.
    pub(super) service: Option<Service>,
    /// The units that Drover's own work runs as, in the order in which they were asked for.
    pub(super) steps: Vec<State>,
    /// How the system itself is: `running`, `degraded`, `starting`, `stopping`.
    pub(super) system: Box<str>,
    /// For how long it has been up, in whole seconds.
    pub(super) uptime: Option<u64>,
}

impl State {
    /// Whether systemd knows the unit.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        &*self.load == "loaded"
    }

    /// Whether nothing of it runs.
    #[must_use]
    pub fn is_down(&self) -> bool {
        matches!(&*self.active, "inactive" | "failed")
    }

    /// Whether it runs, and is not about to stop.
    #[must_use]
    pub fn is_active(&self) -> bool {
        &*self.active == "active"
    }

    /// One word for people.
    #[must_use]
    pub fn word(&self) -> &str {
        if self.is_loaded() || self.load.is_empty() { &self.active } else { &self.load }
    }

    fn take(&mut self, property: &str, value: &str) {
        let value = value.trim();
        match property {
            "LoadState" => self.load = word(value),
            "ActiveState" => self.active = word(value),
            "Result" => self.result = word(value),
            "InvocationID" => self.invocation = invocation(value),
            "Job" => self.is_queued = !matches!(value, "" | "0"),
            "ActiveEnterTimestampMonotonic" => {
                self.active_since = value.parse().ok().filter(|it| *it != 0);
            }
            "NRestarts" => self.restarts = value.parse().unwrap_or_default(),
            _ => {}
        }
    }

    /// systemd remembers the id of a run that is over.
    fn without_past(mut self) -> Self {
        if self.is_down() {
            self.invocation = None;
        }
        self
    }
}

/// Looks at `unit`, and at the units `steps` that Drover's own work runs as; as root by sudo where
/// `sudo` is true.
///
/// # Errors
/// Why the host could not be looked at, or what is amiss with what it told.
pub(super) async fn look(
    session: &Session,
    unit: Option<&Unit>,
    steps: &[&str],
    sudo: bool,
) -> Result<Look, Error> {
    let output = session.run(&command(unit, steps).sudo(sudo)).await?.succeeded()?;
    let look = read(&output.text(), unit.is_some(), steps.len());
    let unsaid = |it: &State| it.load.is_empty() || it.active.is_empty();
    if look.steps.iter().chain(look.service.iter().map(|it| &it.unit)).any(unsaid) {
        return Err(output.unexpected("systemd does not tell how the service is"));
    }
    Ok(look)
}

fn command(unit: Option<&Unit>, steps: &[&str]) -> Command {
    let unit = unit.map_or("", Unit::as_str);
    let arguments = [unit].into_iter().chain(steps.iter().copied());
    Command::script("look at the service", LOOK, arguments)
        .read_only()
        .deadline(LIMIT)
        .output_limit(OUTPUT)
}

fn read(text: &str, has_unit: bool, steps: usize) -> Look {
    let mut look = Look { steps: vec![State::default(); steps], ..Look::default() };
    let mut service = Service::default();
    for (key, value) in text.lines().filter_map(|it| it.split_once('=')) {
        if let Some(property) = key.strip_prefix("unit.") {
            service.unit.take(property, value);
        } else if let Some(name) = key.strip_prefix("running.") {
            service.running.get_or_insert_default().take(name, value);
        } else if let Some(rest) = key.strip_prefix("step.") {
            let (number, property) = rest.split_once('.').unwrap_or_default();
            let state = number.parse().ok().and_then(|it: usize| look.steps.get_mut(it));
            if let Some(state) = state {
                state.take(property, value);
            }
        } else {
            match key {
                "process" => keep(&mut service.processes, value.parse().ok()),
                "other_process" => keep(&mut service.other_processes, value.parse().ok()),
                "address" => {
                    keep(&mut service.addresses, value.parse().ok().filter(is_its_own));
                }
                "system" => look.system = word(value),
                "uptime" => {
                    look.uptime = value.split('.').next().and_then(|it| it.parse().ok());
                }
                _ => {}
            }
        }
    }
    service.unit = service.unit.without_past();
    look.service = has_unit.then_some(service);
    look
}

fn keep<T: Ord>(all: &mut BTreeSet<T>, one: Option<T>) {
    if all.len() < KEPT {
        all.extend(one);
    }
}

fn is_its_own(address: &IpAddr) -> bool {
    let is_link_local = match address {
        IpAddr::V4(it) => it.is_link_local(),
        IpAddr::V6(it) => it.is_unicast_link_local(),
    };
    !is_link_local && !address.is_loopback() && !address.is_unspecified()
}

/// One of systemd's words.
fn word(text: &str) -> Box<str> {
    let plain = |it: u8| it.is_ascii_alphanumeric() || it == b'-';
    if text.len() <= 32 && text.bytes().all(plain) { text.into() } else { Box::default() }
}

fn invocation(text: &str) -> Option<Box<str>> {
    (text.len() == 32 && text.bytes().all(|it| it.is_ascii_hexdigit())).then(|| text.into())
}

#[cfg(test)]
mod tests;
