//! Another version, or other settings, that take the place of what Drover's Elasticsearch ran as.

use super::{Deed, Outcome, Verdict, Work, is_steady, unsent};
use crate::{
    chain::chain,
    ssh::{
        deploy::{
            job::{Beginning, Job, Leave},
            layout,
            report::Running,
        },
        error::Error,
        service::{Look, State, Unit},
        session::Session,
        steps,
    },
};

/// What takes the place of what runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Swap {
    pub(super) job: Job,
    pub(super) running: Running,
    /// Whether that is what it ran as before the run.
    recalls: bool,
}

impl Work {
    /// The same attempt, at which `running` takes the place of what Drover's Elasticsearch ran as
    /// before. It has to be there already, see [`crate::ssh::deploy::installation`].
    #[must_use]
    pub fn swap(
        (run, attempt): (&str, u32),
        running: Running,
        invocation_before: Option<&str>,
        boot_before: &str,
    ) -> Option<Self> {
        let unit = Unit::new(layout::UNIT);
        let work = Self::new((run, attempt), Deed::Swap, unit, invocation_before, boot_before)?;
        let job = Job::swap(run, attempt);
        let name = job.unit().into();
        Some(Self { name, swap: Some(Swap { job, running, recalls: false }), ..work })
    }

    /// An attempt to start Drover's Elasticsearch as `before` again, which it ran as when the run took
    /// it down. It is proven as by [`Self::swap`].
    #[must_use]
    pub fn recall((run, attempt): (&str, u32), before: Running, boot_before: &str) -> Option<Self> {
        let work = Self::swap((run, attempt), before, None, boot_before)?;
        let job = Job::recall(run, attempt);
        let swap = work.swap.map(|it| Swap { job: job.clone(), recalls: true, ..it });
        Some(Self { name: job.unit().into(), swap, ..work })
    }

    pub(super) fn judge_swap(&self, look: &Look, step: &State) -> Verdict {
        let (Some(service), Some(swap)) = (&look.service, &self.swap) else {
            return Verdict::NotBegun { is_as_before: false };
        };
        let unit = &service.unit;
        let is_another = unit.invocation.is_some() && unit.invocation != self.invocation_before;
        let is_planned = service.running.as_ref() == Some(&swap.running);
        if unit.is_active() && is_another && is_planned {
            return if is_steady(unit, look.uptime) { Verdict::Done } else { Verdict::UnderWay };
        }
        // After a failure half-way what ran before was started again.
        let is_back = is_another && service.running.is_some() && !is_planned;
        let comes = !unit.is_down() && (is_another || unit.is_queued) && !is_back;
        match &*step.active {
            // Of a host that was restarted meanwhile, nobody knows how far it came.
            _ if !step.is_loaded() => {
                Verdict::NotBegun { is_as_before: unit.invocation == self.invocation_before }
            }
            "activating" => Verdict::UnderWay,
            "active" if comes => Verdict::UnderWay,
            _ => Verdict::Failed,
        }
    }
}

/// Has the host begin it, unless that comes too late.
pub(super) async fn begin(
    session: &Session,
    swap: &Swap,
    leave: Leave<'_>,
    sudo: bool,
) -> Result<Outcome, Error> {
    let Running { version, revision } = &swap.running;
    let beginning = if swap.recalls {
        swap.job.begin_recall(&swap.running, leave)
    } else {
        swap.job.begin_swap(version, revision, Some(leave))
    };
    hand_over(session, beginning, sudo).await
}

/// Has the host begin a job, once what that needs is there.
pub(super) async fn hand_over(
    session: &Session,
    Beginning { needs, command }: Beginning,
    sudo: bool,
) -> Result<Outcome, Error> {
    match steps::run(session, vec![needs], sudo).await {
        Ok(failures) => {
            // systemd was not asked.
            if let Some(error) = failures.first() {
                return Ok(Outcome::Refused(chain(error).into()));
            }
        }
        Err(error) => return unsent(error),
    }
    super::begin(session, &command.sudo(sudo)).await
}
