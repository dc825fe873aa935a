//! One host that is watched: how it is reached, and what is known of it.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Instant,
};

use jiff::Timestamp;
use tokio::{
    sync::{Notify, mpsc::UnboundedSender},
    task::AbortHandle,
};

use super::{
    deploy::{
        installation::{self, Installation, Installed},
        report::Standing,
    },
    error::Error,
    facts::{Disk, Facts, Identity, Places},
    host_key::{Accepted, Fingerprint, Otherwise},
    operation::{
        Outcome, Work, Worked,
        spent::{Cleared, Spent},
    },
    reach::{Answer, Reach},
    service::{Service, Unit},
    target::Target,
    treatment::{Treated, Treatment},
};
use crate::{chain::chain, digest::Digest, lock::locked, object_key::ObjectKey};

/// How a host is reached, and how far it is looked into.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Where it is, and who Drover is to it.
    pub target: Target,
    /// The only machine that is looked into, by its machine-id. Of any other, and where none is
    /// named, the identity is read and nothing else.
    pub machine: Option<Box<str>>,
    /// Whether commands become root by sudo.
    pub sudo: bool,
    /// Where to look for what may be anywhere.
    pub places: Places,
    /// The service that runs Elasticsearch there; nothing where nobody needs to know of one.
    pub unit: Option<Unit>,
    /// What is done on it, besides; nothing where it is only looked into.
    pub treatment: Option<Treatment>,
    /// The work of a run that is, or was, to be done on it: it is looked how far it is. It is begun
    /// only with leave, see [`super::remotes::Remotes::let_begin`].
    pub work: Option<Box<Work>>,
    /// Elasticsearch that is to come to it, where it is not in service there, or is only fetched.
    pub installation: Option<Box<Installation>>,
    /// What a run has left there, and that is taken away.
    pub spent: Option<Spent>,
    /// Any other value asks for a look into everything at once; so a person asks.
    pub wish: Option<Box<str>>,
    /// The same; so a run does.
    pub occasion: Option<Box<str>>,
    /// Any other value asks for a look at the service and at nothing else, before all else: what
    /// waits for it has no time for more.
    pub glance: Option<Box<str>>,
}

/// What is known of a host.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Whether it has been asked, well or not, since it is reached in this way.
    pub asked: bool,
    /// Why it did not answer when it was last asked.
    pub fault: Option<Arc<Error>>,
    /// When what was to be done there was last tried in vain, since it is watched so.
    pub tried: Option<Timestamp>,
    /// The keys of all hops that were verified when it last answered: those of the jump hosts
    /// first, its own last.
    pub keys: Vec<Accepted>,
    /// Which machine it was, and which run of it, when it last answered.
    pub identity: Option<Identity>,
    /// When it last answered.
    pub answered: Option<Timestamp>,
    /// What it told of itself; nothing of a machine that may not be looked into.
    pub checked: Option<Arc<Checked>>,
    /// What came of the work of a run; nothing where it was not asked for that yet.
    pub worked: Option<Arc<Worked>>,
    /// What came of an installation; nothing where none was looked at yet.
    pub installed: Option<Arc<Installed>>,
    /// How the service was when that was asked for; nothing where it was not, or could not tell.
    pub glanced: Option<Arc<Glanced>>,
    /// What came of taking away what a run has left; nothing where that was not tried yet.
    pub cleared: Option<Arc<Cleared>>,
}

/// What a look at the service alone came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Glanced {
    /// Which look it was: [`Watch::glance`].
    pub glance: Box<str>,
    /// Which machine told it, and in which run.
    pub identity: Identity,
    /// How the service is that runs Elasticsearch; nothing where nobody needs to know.
    pub service: Option<Service>,
}

/// What a look into a host came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// What it is, or why it did not tell.
    pub facts: Result<Facts, Error>,
    /// Whether commands run as root, or why not.
    pub root: Result<(), Error>,
    /// How the service is that runs Elasticsearch; nothing where nobody needs to know.
    pub service: Option<Result<Service, Error>>,
    /// What came of what was to be done there; nothing where there was nothing, or no root.
    pub treated: Option<Result<Treated, Error>>,
}

/// One host that is watched.
pub struct Remote {
    key: ObjectKey,
    digest: [u8; 32],
    shared: Mutex<Shared>,
    nudge: Notify,
    reach: Reach,
    wake: UnboundedSender<ObjectKey>,
    task: Mutex<Option<AbortHandle>>,
}

struct Shared {
    watch: Arc<Watch>,
    view: View,
    leave: Option<Leave>,
}

/// Until when the work of this name may be begun.
struct Leave {
    name: Box<str>,
    until: Instant,
}

/// Tells one way to a host from another, secrets and the keys seen at first use included.
#[must_use]
pub fn digest(target: &Target) -> [u8; 32] {
    let mut digest = Digest::new();
    digest.field(&target.digest());
    for hop in target.hops() {
        let seen = match hop.host_key.otherwise {
            Otherwise::TrustOnFirstUse { seen } => seen.map(|it| it.to_string()),
            Otherwise::Refuse => None,
        };
        digest.optional(seen.as_deref().map(str::as_bytes));
    }
    digest.finish()
}

impl Watch {
    /// Whether `other` reaches the same host in the same way and looks into the same.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.looks_the_same(other)
            && self.glances_the_same(other)
            && self.work == other.work
            && self.spent == other.spent
            && self.installation == other.installation
    }

    /// Whether `other` looks into the same, for the same reason: what was seen so holds for it.
    #[must_use]
    pub fn looks_the_same(&self, other: &Self) -> bool {
        digest(&self.target) == digest(&other.target)
            && self.machine == other.machine
            && self.sudo == other.sudo
            && self.places == other.places
            && self.unit == other.unit
            && self.treatment == other.treatment
            && self.wish == other.wish
            && self.occasion == other.occasion
    }

    /// Whether the look at the service that `other` asks for is the same.
    #[must_use]
    pub fn glances_the_same(&self, other: &Self) -> bool {
        self.glance == other.glance && self.unit == other.unit && self.machine == other.machine
    }
}

impl View {
    /// The key of the host itself.
    #[must_use]
    pub fn host_key(&self) -> Option<Fingerprint> {
        self.keys.last().map(|it| it.fingerprint)
    }

    /// The machine that answered last.
    #[must_use]
    pub fn machine(&self) -> Option<&str> {
        self.identity.as_ref()?.machine_id.as_deref()
    }

    /// How far `work` is; nothing where the host was not asked for it, or could not tell.
    #[must_use]
    pub fn outcome(&self, work: &Work) -> Option<&Outcome> {
        self.worked.as_ref().filter(|it| it.work == *work)?.outcome.as_ref().ok()
    }

    /// How far `installation` is, or why nobody knows; nothing where it was not looked at.
    #[must_use]
    pub fn installed(
        &self,
        installation: &Installation,
    ) -> Option<&Result<installation::Outcome, Error>> {
        let installed = self.installed.as_ref().filter(|it| it.installation == *installation)?;
        Some(&installed.outcome)
    }
}

impl Checked {
    /// Whether nothing of what it was asked went unanswered.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let is_seen = self.service.as_ref().is_none_or(Result::is_ok);
        self.facts.is_ok() && self.root.is_ok() && is_seen && self.is_treated()
    }

    /// Whether all was done there that was to be.
    #[must_use]
    pub fn is_treated(&self) -> bool {
        match &self.treated {
            None => true,
            Some(treated) => treated.as_ref().is_ok_and(Treated::is_whole),
        }
    }

    /// The same without the figures that move all the time and decide nothing.
    fn without_figures(&self) -> Self {
        let still = |it: Disk| Disk { free_bytes: 0, ..it };
        let mut checked = self.clone();
        if let Ok(facts) = &mut checked.facts {
            facts.root_disk = facts.root_disk.map(still);
            facts.data_disk = facts.data_disk.map(still);
            facts.clock_skew_seconds = None;
        }
        if let Some(Ok(treated)) = &mut checked.treated {
            (treated.began, treated.ended) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
            if let Some(Standing::There(report)) = &mut treated.elasticsearch {
                **report = report.without_figures();
            }
        }
        checked
    }
}

impl Remote {
    pub(super) fn new(key: ObjectKey, watch: Watch, wake: UnboundedSender<ObjectKey>) -> Self {
        let digest = digest(&watch.target);
        let (watch, view) = (Arc::new(watch), View::default());
        let shared = Mutex::new(Shared { watch, view, leave: None });
        let (nudge, reach) = (Notify::new(), Reach::default());
        Self { key, digest, shared, nudge, reach, wake, task: Mutex::default() }
    }

    /// Takes the task that asks the host, to end it with this.
    pub(super) fn started(&self, task: AbortHandle) {
        *locked(&self.task) = Some(task);
    }

    /// Ends the asking.
    pub(super) fn stop(&self) {
        if let Some(task) = locked(&self.task).take() {
            task.abort();
        }
    }

    /// Tells one way to the host from another.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// How the host is reached, and how far it is looked into.
    #[must_use]
    pub fn watch(&self) -> Arc<Watch> {
        Arc::clone(&locked(&self.shared).watch)
    }

    /// What is known of the host.
    #[must_use]
    pub fn view(&self) -> View {
        locked(&self.shared).view.clone()
    }

    /// What the host last told of whom it reaches; nothing where it was not asked, or has not told.
    #[must_use]
    pub fn reached(&self) -> Option<Arc<Answer>> {
        self.reach.answer()
    }

    pub(super) fn reach(&self) -> &Reach {
        &self.reach
    }

    /// From now on the host, reached as before, is looked into as `watch` says: at once, if that is
    /// otherwise than before.
    pub(super) fn change(&self, watch: Watch) {
        let mut shared = locked(&self.shared);
        if shared.watch.is_same(&watch) {
            return;
        }
        if shared.watch.work != watch.work {
            shared.view.worked = None;
            shared.leave = None;
        }
        if shared.watch.installation != watch.installation {
            shared.view.installed = None;
        }
        if !shared.watch.looks_the_same(&watch) {
            shared.view.checked = None;
            shared.view.tried = None;
        }
        if !shared.watch.glances_the_same(&watch) {
            shared.view.glanced = None;
        }
        if shared.watch.spent != watch.spent {
            shared.view.cleared = None;
        }
        shared.watch = Arc::new(watch);
        self.nudge.notify_one();
    }

    /// Lets the work of this name be begun until then, once.
    pub(super) fn let_begin(&self, name: &str, until: Instant) {
        locked(&self.shared).leave = Some(Leave { name: name.into(), until });
        self.nudge.notify_one();
    }

    /// Until when the work of this name may be begun; whoever asks uses the leave up.
    pub(super) fn take_leave(&self, name: &str) -> Option<Instant> {
        let leave = locked(&self.shared).leave.take_if(|it| *it.name == *name)?;
        (Instant::now() < leave.until).then_some(leave.until)
    }

    /// Takes over what was learned while the host was looked into as `watch` says, and wakes whom
    /// the host concerns if it is news.
    pub(super) fn publish(&self, watch: &Arc<Watch>, mut view: View) {
        let mut shared = locked(&self.shared);
        if !Arc::ptr_eq(&shared.watch, watch) {
            // It was looked into too far, or not far enough.
            if !shared.watch.looks_the_same(watch) {
                view.checked = None;
                view.tried = None;
            }
            if shared.watch.work != watch.work {
                view.worked = None;
            }
            if shared.watch.installation != watch.installation {
                view.installed = None;
            }
            if !shared.watch.glances_the_same(watch) {
                view.glanced = None;
            }
            if shared.watch.spent != watch.spent {
                view.cleared = None;
            }
        }
        // How often something was tried in vain matters only where that has a bound.
        let is_reset = watch.treatment.as_ref().is_some_and(Treatment::undoes);
        let tried_again = is_reset && shared.view.tried != view.tried;
        let news = tried_again || is_news(&shared.view, &view);
        shared.view = view;
        if news {
            // A closed channel means that the process is ending.
            let _ = self.wake.send(self.key.clone());
            self.reach.nudge();
        }
    }

    pub(super) async fn nudged(&self) {
        self.nudge.notified().await;
    }

    pub(super) fn key(&self) -> &ObjectKey {
        &self.key
    }
}

fn is_news(before: &View, now: &View) -> bool {
    let words = |it: &View| it.fault.as_ref().map(|it| chain(&**it));
    let told = |it: &View| it.checked.as_ref().map(|it| it.without_figures());
    before.asked != now.asked
        || words(before) != words(now)
        || before.keys != now.keys
        || before.identity != now.identity
        || told(before) != told(now)
        || before.worked != now.worked
        || before.installed != now.installed
        || before.glanced != now.glanced
        || before.cleared != now.cleared
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("key", &self.key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
