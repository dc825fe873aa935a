//! The units that a run has left on a host: systemd keeps each, so that its name stays a lock, until
//! it is taken away.

use super::{super::output::Output, LIMIT, unit_name, upgrade::STATE};
use crate::ssh::{
    command::Command,
    deploy::{job::Job, layout},
    error::Error,
    session::Session,
};

pub(super) const CLEAR: &str = include_str!("clear.sh");
/// So many attempts are looked after, the last ones.
const ATTEMPTS: u32 = 16;

/// Units of a run whose work is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent(Box<[Box<str>]>);

/// What came of taking them away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cleared {
    /// Which.
    pub spent: Spent,
    /// Whether none is there any more.
    pub is_all: bool,
}

impl Spent {
    /// Those of the attempts of `run` up to `last`; nothing where there was none, or the run has no
    /// proper name.
    #[must_use]
    pub fn new(run: &str, last: u32) -> Option<Self> {
        let names = attempts(last).filter_map(|it| unit_name(run, it));
        let names: Box<[_]> = names.flat_map(|it| super::units_of(&it).map(Into::into)).collect();
        (!names.is_empty()).then_some(Self(names))
    }

    /// With the jobs of a run that swaps what runs, whose attempts up to `last` are over, and for
    /// which nothing is fetched any more.
    #[must_use]
    pub fn with_jobs(self, run: &str, last: u32) -> Self {
        let jobs = attempts(last).flat_map(|it| [Job::swap(run, it), Job::recall(run, it)]);
        let jobs = jobs.chain([Job::stage(run)]);
        Self(self.0.into_iter().chain(jobs.map(|it| it.unit().into())).collect())
    }

    /// With the jobs of a run that upgrades packages, whose attempts up to `last` are over.
    #[must_use]
    pub fn with_upgrades(self, run: &str, last: u32) -> Self {
        let jobs = attempts(last).flat_map(|it| [Job::fetch(run, it), Job::upgrade(run, it)]);
        let units = jobs.flat_map(|it| super::units_of(&it.unit()).map(Into::into));
        Self(self.0.into_iter().chain(units).collect())
    }

    pub(super) fn command(&self) -> Command {
        let names = [layout::RUN, STATE].into_iter().chain(self.0.iter().map(|it| &**it));
        Command::script("clear what a run has left", CLEAR, names).deadline(LIMIT * 2)
    }
}

fn attempts(last: u32) -> impl Iterator<Item = u32> {
    let first = last.saturating_sub(ATTEMPTS).saturating_add(1);
    first.max(1)..=last
}

/// Takes `spent` away, but for what is at work.
///
/// # Errors
/// Why the host could not be told to.
pub(in crate::ssh) async fn clear(
    session: &Session,
    spent: &Spent,
    sudo: bool,
) -> Result<Cleared, Error> {
    let output: Output = session.run(&spent.command().sudo(sudo)).await?.succeeded()?;
    let is_all = output.text().lines().any(|it| it == "left=0");
    Ok(Cleared { spent: spent.clone(), is_all })
}
