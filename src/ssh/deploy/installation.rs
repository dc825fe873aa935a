//! Elasticsearch that comes to a host on which it is not in service: fetched, put in place and started.
//! Also only fetched, where it is and a run over the hosts will start it. What takes its time are units
//! of systemd's, so whoever comes next finds them there, and asks the host alone how far they are.

use super::{
    Deployment, Source,
    job::{Job, Progress},
    layout,
    report::{DataDirectory, Report},
};
use crate::ssh::{error::Error, operation, session::Session};

/// For so many seconds Elasticsearch has to run before it counts as started: one with settings that
/// it can't work with runs for a while before it ends.
const STEADY: u64 = 15;

/// What is to come to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Names what it is for, as a part of the names of what runs on the host.
    pub run: Box<str>,
    /// Which attempt.
    pub attempt: u32,
    /// What shall run.
    pub deployment: Deployment,
    /// Where its version comes from; absent where that is unpacked already.
    pub source: Option<Source>,
    /// The cluster that the host is to be in; absent while none is formed.
    pub cluster_uuid: Option<Box<str>>,
    /// Whether it is started too: only where it is not in service.
    pub starts: bool,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is being fetched and unpacked.
    Fetching,
    /// It is being started.
    Starting,
    /// All is as it shall be; how.
    Done(Box<Report>),
    /// It did not go well, and is tried again; why.
    Failed(Box<str>),
    /// It is not done, for the sake of what is there; why.
    Refused(Box<str>),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Installed {
    /// Of what.
    pub installation: Installation,
    /// How far it is, or why nobody knows.
    pub outcome: Result<Outcome, Error>,
    /// Whether something is at work on it now.
    pub is_working: bool,
}

/// What goes on on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ssh) enum Activity {
    /// Nothing.
    Rest,
    /// What was begun before.
    Work,
    /// What was begun just now.
    Begun,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Next {
    /// Ask how far fetching is.
    AskFetching,
    /// Ask how far starting is.
    AskStarting,
    /// Nothing: it is up, and may yet fall.
    Wait,
    /// Nothing any more.
    End(Outcome),
}

impl Installation {
    fn next(&self, report: &Report) -> Next {
        if !self.starts && self.deployment.is_staged(report) {
            let why = astray(report).map(Into::into);
            return Next::End(
                match why.or_else(|| lost_plugins(report, &self.deployment.version)) {
                    None => Outcome::Done(Box::new(report.without_figures())),
                    Some(why) => Outcome::Refused(why),
                },
            );
        }
        if self.starts {
            if self.deployment.is_running(report) {
                let is_steady = report.age().is_none_or(|it| STEADY <= it);
                let done = || Next::End(Outcome::Done(Box::new(report.without_figures())));
                return if is_steady { done() } else { Next::Wait };
            }
            if let Some(why) = unfit(report, self.cluster_uuid.as_deref()) {
                return Next::End(Outcome::Refused(why.into()));
            }
        }
        if self.deployment.is_staged(report) { Next::AskStarting } else { Next::AskFetching }
    }

    fn stage(&self) -> Job {
        Job::stage(&self.run)
    }

    fn swap(&self) -> Job {
        Job::swap(&self.run, self.attempt)
    }
}

/// Why nothing is started on a host that is `report`ed so, as a member of this cluster; nothing where
/// it may be. A cluster that was formed is never formed a second time, and data is never another's.
#[must_use]
pub fn unfit(report: &Report, cluster_uuid: Option<&str>) -> Option<String> {
    if report.is_active() && report.running.is_some() {
        return Some("Elasticsearch is in service: what changes it is a run over the hosts".into());
    }
    let noted = report.cluster_uuid.as_deref();
    match (report.data, noted, cluster_uuid) {
        (_, Some(noted), Some(uuid)) if noted != uuid => Some(format!(
            "the machine was a member of the cluster {noted}, and this is {uuid}: to give that up, \
             remove {} and what is in the data directory",
            layout::CLUSTER_UUID
        )),
        (_, Some(noted), None) => Some(format!(
            "the machine was a member of the cluster {noted}, by {}, and nobody knows whether it \
             shall be again",
            layout::CLUSTER_UUID
        )),
        (DataDirectory::Used, None, _) if report.revision.is_none() => Some(
            "there is something in the data directory that Drover did not put there: empty it, or \
             name another one"
                .into(),
        ),
        (DataDirectory::Unknown, _, _) => {
            Some("nobody can tell what is in the data directory, or it is none".into())
        }
        _ => astray(report),
    }
}

/// Why it would come back without its data on a host that is `report`ed so; nothing where it has it,
/// or never had any.
fn astray(report: &Report) -> Option<String> {
    let is_in_service = report.is_active() && report.running.is_some();
    let is_member = is_in_service || report.cluster_uuid.is_some();
    (is_member && report.data != DataDirectory::Used).then(|| {
        format!(
            "the machine has been a member of a cluster, and its data is not in the data directory \
             that is declared: go back to the dataPath that it had, or mount what belongs there. \
             Where its data is lost, stop {} and remove {}",
            layout::UNIT,
            layout::CLUSTER_UUID
        )
    })
}

/// Why a node that was started before does not start as the one that forms the cluster: it may have
/// formed it. Nothing where it has its data, or nothing was started there.
#[must_use]
pub fn may_have_formed(deployment: &Deployment, report: &Report) -> Option<String> {
    let is_gone = matches!(report.data, DataDirectory::Missing | DataDirectory::Empty);
    (deployment.forms() && is_gone && report.revision.is_some()).then(|| {
        format!(
            "Elasticsearch was started here before to form the cluster, and has no data: it may have \
             formed one, which others are in, and would form a second one. Bring its data back, or, once it \
             is certain that no host is in one, remove {}",
            layout::REVISION_FILE
        )
    })
}

fn lost_plugins(report: &Report, version: &str) -> Option<Box<str>> {
    let lost = report.lost_plugins(version);
    (!lost.is_empty()).then(|| {
        let names = lost.join(", ");
        let what = format!("the version that runs has plugins that {version} lacks: {names}");
        crate::foreign::capped(&what)
    })
}

/// Looks how far `installation` is, which had come `so_far`, and does what is next; what failed is
/// begun again where `may_retry`. Tells too what goes on then. As root, by sudo where `sudo` is true.
///
/// # Errors
/// Why the host could not be asked, or not be told.
pub(in crate::ssh) async fn carry_on(
    session: &Session,
    installation: &Installation,
    so_far: Option<&Outcome>,
    may_retry: bool,
    sudo: bool,
) -> Result<(Outcome, Activity), Error> {
    let Installation { deployment, run, attempt, source, .. } = installation;
    let report = deployment.inspect(session, sudo).await?;
    // What failed is not told to go well before it has.
    let going = |outcome, activity| match so_far {
        Some(failed @ Outcome::Failed(_)) => (failed.clone(), activity),
        _ => (outcome, activity),
    };
    let failed = |why| Ok((Outcome::Failed(worded(so_far, why)), Activity::Rest));
    match installation.next(&report) {
        Next::End(outcome) => {
            if let Outcome::Done(_) = outcome {
                forget(session, installation, sudo).await?;
            }
            Ok((outcome, Activity::Rest))
        }
        Next::Wait => Ok(going(Outcome::Starting, Activity::Work)),
        Next::AskFetching
            if source.is_none() && !report.trees.contains_key(&deployment.version) =>
        {
            failed(format!("{} was unpacked, and is there no longer", deployment.version).into())
        }
        Next::AskFetching => {
            let job = installation.stage();
            match super::progress(session, sudo, &job).await? {
                Progress::Working => return Ok(going(Outcome::Fetching, Activity::Work)),
                Progress::Failed(why) if !may_retry => return failed(why),
                // It failed, or was fetched once and is not there.
                Progress::Failed(_) | Progress::Done => super::forget(session, sudo, &job).await?,
                Progress::Unknown => {}
            }
            deployment.begin_stage(session, sudo, run, source.as_ref()).await?;
            Ok(going(Outcome::Fetching, Activity::Begun))
        }
        Next::AskStarting => {
            let job = installation.swap();
            match super::progress(session, sudo, &job).await? {
                Progress::Working => return Ok(going(Outcome::Starting, Activity::Work)),
                Progress::Failed(why) if !may_retry => return failed(why),
                Progress::Done if !report.is_down() => {
                    return Ok(going(Outcome::Starting, Activity::Work));
                }
                Progress::Done if !may_retry => {
                    return failed(match so_far {
                        // What it says once more differs by times and numbers at most.
                        Some(Outcome::Failed(words)) => words.clone(),
                        _ => words(session, &job, sudo).await?,
                    });
                }
                Progress::Failed(_) | Progress::Done => super::forget(session, sudo, &job).await?,
                Progress::Unknown => {
                    if let Some(why) = may_have_formed(deployment, &report) {
                        return Ok((Outcome::Refused(why.into()), Activity::Rest));
                    }
                }
            }
            deployment.begin_swap(session, sudo, run, *attempt).await?;
            Ok(going(Outcome::Starting, Activity::Begun))
        }
    }
}

/// What it says once more, if that differs by times and amounts alone.
fn worded(so_far: Option<&Outcome>, why: Box<str>) -> Box<str> {
    let rest = |it: &str| it.replace(|it: char| it.is_ascii_digit(), "");
    match so_far {
        Some(Outcome::Failed(words)) if rest(words) == rest(&why) => words.clone(),
        _ => why,
    }
}

/// What Elasticsearch said before it ended.
async fn words(session: &Session, job: &Job, sudo: bool) -> Result<Box<str>, Error> {
    let command = operation::words(layout::UNIT, &job.unit());
    let said = session.run(&command.sudo(sudo)).await?.succeeded()?;
    let told = operation::joined(&said.text());
    Ok(crate::foreign::capped(&match &*told {
        "" => format!("{} was started, and ended", layout::UNIT),
        told => format!("{} was started, and ended: {told}", layout::UNIT),
    }))
}

/// The jobs are over, and leave nothing behind.
async fn forget(session: &Session, installation: &Installation, sudo: bool) -> Result<(), Error> {
    super::forget(session, sudo, &installation.stage()).await?;
    if installation.starts {
        super::forget(session, sudo, &installation.swap()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
