//! Asks each host again and again whether it is still there, still the same, and still as it was.
//!
//! One task for each host, so that one that hangs keeps back no other. At rest it asks for the
//! host's identity in the kept session and nothing else; all else is asked when that changed, and
//! once each stats interval.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::time::timeout;
use tracing::{Instrument as _, debug, info_span};

use super::{
    deploy::installation::{self, Activity, Installed},
    error::{Category, Error},
    facts::{self, Identity},
    operation::{
        self, Outcome, Worked,
        spent::{self, Cleared},
    },
    pool::Pool,
    remote::{Checked, Glanced, Remote, View, Watch},
    service,
    session::Session,
    treatment::{self, Deed, Treated},
};

/// How long after the first failure a host is asked again; doubles up to the probe interval.
const FIRST: Duration = Duration::from_secs(5);
/// The longest pause for a host that does not take the user: it may lock out who asks too often.
const LONGEST: Duration = Duration::from_mins(30);
/// How long until one who had to wait for a turn asks again.
const TURN: Duration = Duration::from_secs(1);
/// How long until a host that is at the work of a run is looked at again.
const AT_WORK: Duration = Duration::from_secs(2);
/// What has no time to lose goes before a look at everything for so long: in the longest case a permit
/// runs out, and it has to be known for sure that nothing was begun by it.
const HASTE: Duration = Duration::from_secs(45);
/// Who had to wait for a turn so often in a row, each time in vain, is told not to be known about:
/// about half a minute.
const WAITS: u32 = 3;

/// How often a host is asked.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two looks at whether it is still there.
    pub probe: Duration,
    /// Between two looks at everything.
    pub stats: Duration,
}

/// Asks until the task is aborted.
pub(super) async fn run(remote: Arc<Remote>, pool: Arc<Pool>, pace: Pace) {
    let key = remote.key();
    let span = info_span!("probing", namespace = %key.namespace, host = %key.name);
    let (remote, pool) = (&*remote, &*pool);
    let mut prober = Prober {
        remote,
        pool,
        pace,
        last_check: None,
        failures: 0,
        waits: 0,
        in_vain: 0,
        installing: Tries::default(),
        installs: false,
        hasty: None,
    };
    prober.probe_for_ever().instrument(span).await;
}

struct Prober<'a> {
    remote: &'a Remote,
    pool: &'a Pool,
    pace: Pace,
    /// When everything was last asked for, and answered.
    last_check: Option<Instant>,
    /// Failures in a row.
    failures: u32,
    /// Turns in a row that were waited for in vain.
    waits: u32,
    /// How often in a row not all could be done there that was to be, since it is watched so.
    in_vain: u32,
    /// What is to come there.
    installing: Tries,
    /// Whether the last look saw to that: what an earlier one told may be over.
    installs: bool,
    /// What has no time to lose, and since when.
    hasty: Option<(Box<str>, Instant)>,
}

/// Tries of what may fail again and again.
#[derive(Clone, Copy, Debug, Default)]
struct Tries {
    /// How many there were.
    number: u32,
    /// When the last one was begun.
    last: Option<Instant>,
}

impl Tries {
    /// Whether it is time for another one: the pauses double, from the probe interval up to the stats
    /// interval.
    fn is_due(self, pace: Pace) -> bool {
        let pause = doubled(pace.probe, self.number).min(pace.stats.max(pace.probe));
        self.last.is_none_or(|it| pause <= it.elapsed())
    }

    fn count(&mut self) {
        self.number = self.number.saturating_add(1);
        self.last = Some(Instant::now());
    }
}

impl Prober<'_> {
    async fn probe_for_ever(&mut self) {
        loop {
            let watch = self.remote.watch();
            let pause = match self.look(&watch).await {
                Ok(()) => {
                    (self.failures, self.waits) = (0, 0);
                    Some(if self.is_at_work() { AT_WORK } else { self.pace.probe })
                }
                Err(error) => {
                    debug!(error = &error as &dyn std::error::Error, "the host was not asked");
                    if error.category() == Category::Busy {
                        self.waits = self.waits.saturating_add(1);
                    } else {
                        self.failures = self.failures.saturating_add(1);
                        self.waits = 0;
                    }
                    let mut pause = put_off(&error, self.failures, self.pace.probe);
                    if error.category() == Category::Unreachable && self.is_at_work() {
                        // It may be on its way back.
                        pause = pause.map(|it| it.min(AT_WORK));
                    }
                    self.fail(&watch, error);
                    pause
                }
            };
            let jitter = 0.9 + 0.2 * fastrand::f64();
            match pause {
                Some(pause) => {
                    let _ = timeout(pause.mul_f64(jitter), self.remote.nudged()).await;
                }
                None => self.remote.nudged().await,
            }
        }
    }

    /// Whether the host was at the work of a run when it was last seen.
    fn is_at_work(&self) -> bool {
        let view = self.remote.view();
        let is_installing = self.installs && view.installed.is_some_and(|it| it.is_working);
        view.worked.is_some_and(|it| is_open(&it)) || is_installing || self.is_hasty()
    }

    fn is_hasty(&self) -> bool {
        self.hasty.as_ref().is_some_and(|(_, since)| since.elapsed() < HASTE)
    }

    /// Takes note of what has no time to lose, if anything.
    fn hurry(&mut self, what: Option<&str>) {
        let is_known = |what: &str| self.hasty.as_ref().is_some_and(|it| *it.0 == *what);
        match what {
            None => self.hasty = None,
            Some(what) if !is_known(what) => self.hasty = Some((what.into(), Instant::now())),
            Some(_) => {}
        }
    }

    /// Asks the host what is due.
    async fn look(&mut self, watch: &Arc<Watch>) -> Result<(), Error> {
        let before = self.remote.view();
        let (session, identity) = self.identify(watch, &before).await?;
        let is_meant = watch.machine.is_some() && watch.machine == identity.machine_id;
        let is_due = before.identity.as_ref() != Some(&identity)
            || before.checked.as_ref().is_none_or(|it| !it.is_whole() && self.may_try_again(it))
            || self.last_check.is_none_or(|it| self.pace.stats <= it.elapsed());
        if before.checked.is_none() {
            self.in_vain = 0;
        }
        let glanced = match &watch.glance {
            Some(glance) if is_meant => {
                self.glance(&session, watch, glance, &before, &identity).await?
            }
            _ => None,
        };
        // First: whatever else there is to do may take its time, and the leave to begin runs out.
        let worked = match &watch.work {
            Some(work) if is_meant => {
                let leave = || self.remote.take_leave(work.name());
                let so_far = before.outcome(work);
                let carried =
                    operation::carry_on(&session, work, &identity, so_far, leave, watch.sudo);
                let outcome = there(Box::pin(carried).await)?;
                Some(Worked { work: (**work).clone(), outcome })
            }
            _ => None,
        };
        let waits = worked.as_ref().filter(|it| waits(it)).map(|it| it.work.name());
        self.hurry(watch.glance.as_deref().filter(|_| is_meant).or(waits));
        let is_busy = worked.as_ref().is_some_and(is_open) || self.is_hasty();
        let cleared = match &watch.spent {
            Some(spent) if is_meant => match &before.cleared {
                Some(cleared) if cleared.spent == *spent && (cleared.is_all || self.is_hasty()) => {
                    Some(Arc::clone(cleared))
                }
                _ => {
                    let told = there(spent::clear(&session, spent, watch.sudo).await)?;
                    let is_all = told.is_ok_and(|it| it.is_all);
                    Some(Arc::new(Cleared { spent: spent.clone(), is_all }))
                }
            },
            _ => None,
        };
        let checked = match before.checked.clone() {
            _ if !is_meant => None,
            checked if is_busy => seen_since(checked, before.glanced.as_ref(), glanced.as_ref()),
            Some(checked) if !is_due => Some(checked),
            _ => {
                // Rare and large: as a part of this future it would be kept for each host for ever.
                let checked = Box::pin(check(&session, watch)).await?;
                self.last_check = Some(Instant::now());
                self.in_vain =
                    if checked.is_treated() { 0 } else { self.in_vain.saturating_add(1) };
                Some(Arc::new(checked))
            }
        };
        let in_vain = checked.as_ref().is_some_and(|it| !it.is_whole());
        let is_ready = |it: &Arc<Checked>| it.root.is_ok() && it.is_treated();
        self.installs = !is_busy && checked.as_ref().is_some_and(is_ready);
        let installed = if self.installs {
            // Rare and large, too.
            Box::pin(self.install(&session, watch, &before)).await?
        } else {
            before.installed.clone()
        };
        let view = View {
            asked: true,
            fault: None,
            tried: in_vain.then(Timestamp::now),
            keys: session.host_keys().collect(),
            identity: Some(identity),
            answered: Some(Timestamp::now()),
            checked,
            worked: worked.map(Arc::new),
            installed,
            glanced,
            cleared,
        };
        self.remote.publish(watch, view);
        Ok(())
    }

    /// Sees to what is to come to the host.
    async fn install(
        &mut self,
        session: &Session,
        watch: &Watch,
        before: &View,
    ) -> Result<Option<Arc<Installed>>, Error> {
        let Some(installation) = &watch.installation else { return Ok(None) };
        let known = before.installed.as_ref().filter(|it| it.installation == **installation);
        if known.is_none() {
            self.installing = Tries::default();
        }
        let so_far = known.and_then(|it| it.outcome.as_ref().ok());
        if let Some(installation::Outcome::Done(_)) = so_far {
            return Ok(before.installed.clone());
        }
        let may_retry = self.installing.is_due(self.pace);
        let carried = installation::carry_on(session, installation, so_far, may_retry, watch.sudo);
        let outcome = there(carried.await)?;
        let activity = outcome.as_ref().map_or(Activity::Rest, |it| it.1);
        if activity == Activity::Begun {
            self.installing.count();
        }
        let (outcome, is_working) = (outcome.map(|it| it.0), activity != Activity::Rest);
        let installation = (**installation).clone();
        Ok(Some(Arc::new(Installed { installation, outcome, is_working })))
    }

    /// Looks at the service alone, where it was not yet for this reason.
    async fn glance(
        &self,
        session: &Session,
        watch: &Watch,
        glance: &str,
        before: &View,
        identity: &Identity,
    ) -> Result<Option<Arc<Glanced>>, Error> {
        let known = before.glanced.as_ref();
        if let Some(known) = known.filter(|it| *it.glance == *glance && it.identity == *identity) {
            return Ok(Some(Arc::clone(known)));
        }
        let service = match &watch.unit {
            None => None,
            Some(unit) => {
                match there(service::look(session, Some(unit), &[], watch.sudo).await)? {
                    Ok(look) => look.service,
                    // It is asked again soon.
                    Err(error) => {
                        debug!(error = &error as &dyn std::error::Error, "no service was seen");
                        return Ok(None);
                    }
                }
            }
        };
        let identity = identity.clone();
        Ok(Some(Arc::new(Glanced { glance: glance.into(), identity, service })))
    }

    /// Whether it is time to do what could not be done.
    fn may_try_again(&self, checked: &Checked) -> bool {
        let Some(Ok(treated)) = &checked.treated else { return true };
        let pause = pause_after(treated, self.in_vain, self.pace);
        // A probe comes a little early, or late.
        self.last_check.is_none_or(|it| pause <= it.elapsed() + self.pace.probe / 2)
    }

    /// Asks who the host is. A session that broke unseen is no news of the host, so a host that
    /// answered before is asked a second time, in a new one.
    async fn identify(
        &self,
        watch: &Watch,
        before: &View,
    ) -> Result<(Arc<Session>, Identity), Error> {
        match self.identify_once(watch).await {
            Err(error) if may_pass(&error) => {
                // Whatever hangs in it is given up.
                self.pool.disconnect(&self.session_key()).await;
                if before.asked && before.fault.is_none() {
                    debug!(error = &error as &dyn std::error::Error, "asking a second time");
                    return match self.identify_once(watch).await {
                        // Drover's own haste is no reason not to believe what was seen.
                        Err(busy) if busy.category() == Category::Busy => Err(error),
                        result => result,
                    };
                }
                Err(error)
            }
            result => result,
        }
    }

    async fn identify_once(&self, watch: &Watch) -> Result<(Arc<Session>, Identity), Error> {
        let session = self.pool.session(&self.session_key(), &watch.target).await?;
        let identity = facts::probe(&session).await?.identity;
        Ok((session, identity))
    }

    fn session_key(&self) -> String {
        self.remote.key().to_string()
    }

    /// Keeps what was known beside the new fault.
    fn fail(&self, watch: &Arc<Watch>, error: Error) {
        let before = self.remote.view();
        let mut tried = Some(Timestamp::now());
        if error.category() == Category::Busy {
            // Drover's own haste says nothing of the host, and is no try. But what was known once
            // does not hold for ever.
            if self.waits < WAITS || before.fault.is_some() {
                return;
            }
            tried = before.tried;
        }
        let view = View { asked: true, fault: Some(Arc::new(error)), tried, ..before };
        self.remote.publish(watch, view);
    }
}

/// Asks a host for everything, and does there what is to be done. What it does not do is told as part
/// of the answer.
///
/// # Errors
/// When it is not there to be asked.
async fn check(session: &Session, watch: &Watch) -> Result<Checked, Error> {
    let facts = there(facts::gather(session, &watch.places).await)?;
    let root = there(facts::check_root(session, watch.sudo).await)?;
    let service = match &watch.unit {
        // Root sees everybody's processes.
        Some(unit) => {
            let sudo = watch.sudo && root.is_ok();
            let look = there(service::look(session, Some(unit), &[], sudo).await)?;
            Some(look.map(|it| it.service.unwrap_or_default()))
        }
        None => None,
    };
    let treated = match &watch.treatment {
        Some(treatment) if root.is_ok() => {
            Some(there(treatment::carry_out(session, treatment, watch.sudo).await)?)
        }
        _ => None,
    };
    Ok(Checked { facts, root, service, treated })
}

/// Whether work will look otherwise soon.
fn is_open(worked: &Worked) -> bool {
    matches!(worked.outcome, Ok(Outcome::UnderWay | Outcome::Open))
}

/// Whether work waits for leave to begin.
fn waits(worked: &Worked) -> bool {
    matches!(worked.outcome, Ok(Outcome::NotBegun { .. }))
}

/// What a look came to, with what a later one at the service has told.
fn seen_since(
    checked: Option<Arc<Checked>>,
    before: Option<&Arc<Glanced>>,
    now: Option<&Arc<Glanced>>,
) -> Option<Arc<Checked>> {
    let (checked, now) = (checked?, now.filter(|it| before != Some(*it)));
    let service = now.and_then(|it| it.service.clone());
    Some(match service {
        None => checked,
        Some(service) => Arc::new(Checked { service: Some(Ok(service)), ..(*checked).clone() }),
    })
}

/// Tells a host that did not do something from one that is gone.
fn there<T>(result: Result<T, Error>) -> Result<Result<T, Error>, Error> {
    match result {
        // It was there a moment ago: if it hangs, the next probe tells.
        Err(error @ Error::Timeout { .. }) => Ok(Err(error)),
        Err(error) if matches!(error.category(), Category::Unreachable | Category::Busy) => {
            Err(error)
        }
        other => Ok(other),
    }
}

/// Whether what went wrong may have been the session and not the host.
fn may_pass(error: &Error) -> bool {
    error.category() == Category::Unreachable || matches!(error, Error::Refused { .. })
}

/// How long what was done in vain on a host is left: doubles from the probe interval up to the stats
/// interval. How often something is undone in vain has a bound of its own.
fn pause_after(treated: &Treated, in_vain: u32, pace: Pace) -> Duration {
    if treated.is_whole() || treated.deed != Deed::Prepare {
        return Duration::ZERO;
    }
    doubled(pace.probe, in_vain).min(pace.stats.max(pace.probe))
}

/// A pause that doubles with each failure in a row after the first.
fn doubled(pause: Duration, failures: u32) -> Duration {
    pause.saturating_mul(1 << failures.saturating_sub(1).min(16))
}

/// How long until a host that did not answer is asked again; nothing where that is of no use until
/// somebody declares something else.
fn put_off(error: &Error, failures: u32, probe: Duration) -> Option<Duration> {
    let doubled = |it: Duration| doubled(it, failures);
    match error.category() {
        Category::Busy => Some(TURN),
        Category::Unauthorized if !matches!(error, Error::Credentials { .. }) => {
            Some(doubled(probe).min(LONGEST.max(probe)))
        }
        _ if error.is_terminal() => None,
        _ => Some(doubled(FIRST).min(probe)),
    }
}

#[cfg(test)]
mod tests;
