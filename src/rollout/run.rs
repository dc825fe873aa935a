//! A run, as the status keeps it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use super::gate::Gate;
use crate::elasticsearch::evidence::NodeId;

/// How long a permit to stop Elasticsearch is good for. What was judged longer ago may have changed:
/// a host that comes later than that leaves Elasticsearch alone and says so.
pub const FRESH: Duration = Duration::from_secs(15);

/// Names a run; no other run has the same.
pub type RunId = Box<str>;

/// What a run does to each host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Another version of Elasticsearch takes the place of the one that runs.
    ElasticsearchVersion,
    /// Elasticsearch is started with other settings.
    ElasticsearchConfig,
    /// Elasticsearch is stopped and started.
    ElasticsearchRestart,
    /// The machine boots.
    HostRestart,
    /// The packages of the machine are upgraded, and it boots where that takes it.
    HostUpgrade,
    /// The machine boots from another image.
    HostDeploy,
}

impl Kind {
    /// Whether all that runs on the machine stops by it, and not the unit of Elasticsearch alone.
    #[must_use]
    pub fn is_of_machine(self) -> bool {
        match self {
            Self::ElasticsearchVersion | Self::ElasticsearchConfig | Self::ElasticsearchRestart => {
                false
            }
            Self::HostRestart | Self::HostUpgrade | Self::HostDeploy => true,
        }
    }

    /// Whether something takes the place of what runs: it has to wait on the machine first.
    #[must_use]
    pub fn swaps(self) -> bool {
        match self {
            Self::ElasticsearchVersion | Self::ElasticsearchConfig => true,
            Self::ElasticsearchRestart
            | Self::HostRestart
            | Self::HostUpgrade
            | Self::HostDeploy => false,
        }
    }

    /// Whether it changes what is on the machine, for which that may turn out not to have to boot, or
    /// not by the permit at hand.
    #[must_use]
    pub fn may_spare(self) -> bool {
        matches!(self, Self::HostUpgrade | Self::HostDeploy)
    }
}

/// One run over the hosts of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its name.
    pub id: RunId,
    /// What it does.
    pub kind: Kind,
    /// What it leads to: a version with a digest of the settings; or the request's id, with the version
    /// of an image before it where one is deployed.
    pub target: Box<str>,
    /// The hosts, in the order in which they were found.
    pub hosts: Vec<HostRun>,
    /// Why it waits for a person; nothing while it goes on.
    pub pause: Option<Pause>,
    /// How many hosts were done when a person last let it go on.
    pub passed: usize,
    /// What keeps the next step back, and since when.
    pub blocked: BTreeMap<Gate, Blocked>,
    /// The gates that were shut since a host last went to another step.
    pub told: BTreeSet<Gate>,
    /// Since when a cluster that is not green has looked as it does.
    pub settled: Option<Settled>,
    /// Since when the cluster is as well as it can be; nothing while it is not, or no host waits for
    /// that.
    pub well_since: Option<Timestamp>,
    /// When it began.
    pub started_at: Timestamp,
}

/// A gate that is shut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// What is so, and what would open it.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
}

/// What a cluster that is not green looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// A digest of the copies that no node has.
    pub digest: u64,
    /// Since when it is that.
    pub since: Timestamp,
}

/// A run that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// What the person has to repeat to let it go on; good once.
    pub token: Box<str>,
    /// Why.
    pub reason: Box<str>,
}

/// One host in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRun {
    /// Name of the Host.
    pub name: Box<str>,
    /// Its uid.
    pub uid: Box<str>,
    /// How far it is.
    pub step: Step,
    /// The beginning of the revision that it is to run, as it was wanted when the run began; absent
    /// where a run brings none.
    pub revision: Option<Box<str>>,
    /// Which attempt at the host, from 1. It never goes back within a run, so that an answer to an
    /// older permit is told from one to this.
    pub attempt: u32,
    /// When the step, or this attempt at it, began.
    pub since: Timestamp,
    /// Its nodes before it went down, by id, with the start that they ran in.
    pub before: BTreeMap<NodeId, Box<str>>,
    /// Whether the host has said that it stopped Elasticsearch, or may have, since it was last in the
    /// cluster. At [`Step::Stage`] it stays down until what is to run now waits there.
    pub touched: bool,
    /// Whether it goes back to where it was, since a gate shut before it went down.
    pub withdrawn: bool,
    /// Why what ran before comes back there, in words for people; nothing where it does not.
    pub rollback: Option<Box<str>>,
    /// What went wrong, in words for people; nothing while nothing did.
    pub trouble: Option<Box<str>>,
}

/// The version that the target of a run leads to, where its kind is a change of version or settings:
/// a digest of the settings comes after it; or a deploy of an image: the request's id does.
#[must_use]
pub fn version_of(target: &str) -> &str {
    target.split('/').next().unwrap_or_default()
}

/// The id of the request that the target of a run names, where its kind is asked for by requests: in none
/// of them is a slash.
#[must_use]
pub fn request_of(target: &str) -> &str {
    target.rsplit('/').next().unwrap_or_default()
}

/// What a run leads to that deploys the image `version` for the request `request`.
#[must_use]
pub fn image_target(version: &str, request: &str) -> String {
    format!("{version}/{request}")
}

/// What is done on the way, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Its turn has not come.
    Waiting,
    /// The host checks itself, and fetches what will be needed.
    Stage,
    /// Elasticsearch is asked whether the host may go down.
    Gate,
    /// Allocation of replicas is held back.
    Protect,
    /// The host's Node is cordoned and drained.
    Cordon,
    /// The host stops Elasticsearch, does what the run is for, and starts it again.
    Stop,
    /// The permit for that is taken back, if the host has not begun.
    Withdraw,
    /// The host starts what ran before the run again, since what takes its place does not come up.
    Rollback,
    /// Its nodes come back to the cluster.
    Rejoin,
    /// Allocation goes back to what it was.
    Unprotect,
    /// The host's Node is uncordoned.
    Uncordon,
    /// The cluster recovers.
    Settle,
    /// The host is as the run wants it.
    Done,
    /// It is as it was before the run, which has failed there.
    RolledBack,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 14] = [
        Self::Waiting,
        Self::Stage,
        Self::Gate,
        Self::Protect,
        Self::Cordon,
        Self::Stop,
        Self::Withdraw,
        Self::Rollback,
        Self::Rejoin,
        Self::Unprotect,
        Self::Uncordon,
        Self::Settle,
        Self::Done,
        Self::RolledBack,
    ];

    /// The word in the status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::Stage => "Stage",
            Self::Gate => "Gate",
            Self::Protect => "Protect",
            Self::Cordon => "Cordon",
            Self::Stop => "Stop",
            Self::Withdraw => "Withdraw",
            Self::Rollback => "Rollback",
            Self::Rejoin => "Rejoin",
            Self::Unprotect => "Unprotect",
            Self::Uncordon => "Uncordon",
            Self::Settle => "Settle",
            Self::Done => "Done",
            Self::RolledBack => "RolledBack",
        }
    }

    /// Whether something was, or may have been, changed for the host that has to be brought to its
    /// end; see [`HostRun::is_in_hand`] for one that is staged anew.
    #[must_use]
    pub fn is_in_hand(self) -> bool {
        Self::Protect <= self && self <= Self::Settle
    }

    /// Whether the host was begun and is not done.
    #[must_use]
    pub fn is_begun(self) -> bool {
        Self::Waiting < self && self < Self::Done
    }

    /// Whether the host itself acts: its Host controller takes it as a permit.
    #[must_use]
    pub fn is_permit(self) -> bool {
        matches!(self, Self::Stage | Self::Cordon | Self::Stop | Self::Rollback | Self::Uncordon)
    }
}

impl Run {
    /// Whether any host was begun and is not done.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.hosts.iter().any(|it| it.step.is_begun())
    }
}

impl HostRun {
    /// Whether it is down by this run, and gets ready to be started as something else.
    #[must_use]
    pub fn is_staged_anew(&self) -> bool {
        self.step == Step::Stage && self.touched
    }

    /// Whether something was, or may have been, changed for it that has to be brought to its end.
    #[must_use]
    pub fn is_in_hand(&self) -> bool {
        self.step.is_in_hand() || self.is_staged_anew()
    }

    /// Whether it may go down now, or is out of service since it has, until the cluster is well.
    #[must_use]
    pub fn is_out(&self) -> bool {
        Step::Stop <= self.step && self.step.is_in_hand() || self.is_staged_anew()
    }

    /// Whether Elasticsearch there may be down by Drover's doing.
    #[must_use]
    pub fn may_be_down(&self) -> bool {
        let may_be = [Step::Stop, Step::Withdraw, Step::Rollback, Step::Rejoin];
        may_be.contains(&self.step) || self.is_staged_anew()
    }

    /// Goes to `step`, within the attempt at hand.
    pub fn enter(&mut self, step: Step, now: Timestamp) {
        self.step = step;
        self.since = now;
        self.trouble = None;
    }

    /// Tries the same step again.
    pub fn again(&mut self, now: Timestamp) {
        self.attempt = self.attempt.saturating_add(1);
        self.since = now;
        self.trouble = None;
    }
}
