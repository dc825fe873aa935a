//! What a run over the hosts of a Cluster has for one Host. Pure.

use jiff::Timestamp;

use crate::{
    api::{
        cluster::Cluster,
        host::Host,
        host_status::Operation,
        rollout_status::{RolloutKind, RolloutStep},
    },
    controllers::deployment,
    rollout::run::version_of,
    ssh::{deploy::layout, operation::unit_name, service::Unit},
};

/// A Host's place in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errand {
    /// Names the run.
    pub run: String,
    /// What is done to each host.
    pub kind: RolloutKind,
    /// How far the Host is.
    pub step: RolloutStep,
    /// Which attempt.
    pub attempt: u32,
    /// When the step, or this attempt at it, began.
    pub started_at: Timestamp,
    /// Whether Elasticsearch was stopped there, or may have been.
    pub touched: bool,
    /// The version of the image that the run deploys; absent where it deploys none.
    pub image: Option<String>,
}

impl Errand {
    /// The place of `host` in the run of `cluster`; nothing where it has none, or the run has no
    /// proper name.
    #[must_use]
    pub fn of(host: &Host, cluster: &Cluster) -> Option<Self> {
        let run = cluster.status.as_ref()?.rollout.as_ref()?;
        let uid = host.metadata.uid.as_deref()?;
        let place = run.hosts.iter().find(|it| it.host_uid == uid)?;
        unit_name(&run.run_id, place.attempt)?;
        Some(Self {
            run: run.run_id.clone(),
            kind: run.kind,
            step: place.step,
            attempt: place.attempt,
            started_at: place.started_at.0,
            touched: place.touched,
            image: (run.kind == RolloutKind::HostDeploy)
                .then(|| version_of(&run.target).to_owned()),
        })
    }

    /// Whether the cluster waits for the Host's node.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.step == RolloutStep::Rejoin
    }

    /// Whether the Host's Node is to be cordoned: from the permit for that until the one that lifts it.
    /// Once the host is up again, or stays up, one that `is_cordoned` for the run stays so, and no
    /// other is begun.
    #[must_use]
    pub fn holds(&self, is_cordoned: bool) -> bool {
        match self.step {
            RolloutStep::Cordon | RolloutStep::Stop => true,
            RolloutStep::Withdraw
            | RolloutStep::Rollback
            | RolloutStep::Rejoin
            | RolloutStep::Unprotect => is_cordoned,
            RolloutStep::Waiting
            | RolloutStep::Stage
            | RolloutStep::Gate
            | RolloutStep::Protect
            | RolloutStep::Uncordon
            | RolloutStep::Settle
            | RolloutStep::Done
            | RolloutStep::RolledBack => false,
        }
    }

    /// Whether `operation` is what the Host does for this very permit.
    #[must_use]
    pub fn is_taken_by(&self, operation: &Operation) -> bool {
        let known = (operation.run_id.as_str(), operation.step.as_str(), operation.attempt);
        super::permit(self.step).is_some_and(|it| known == (self.run.as_str(), it, self.attempt))
    }
}

/// The unit that runs Elasticsearch on the members of `cluster`; nothing where it has none.
#[must_use]
pub fn unit(cluster: &Cluster) -> Option<Unit> {
    if deployment::is_managed(cluster) {
        return Unit::new(layout::UNIT);
    }
    cluster.spec.connection.as_ref()?;
    let elasticsearch = cluster.spec.elasticsearch.clone().unwrap_or_default();
    Unit::new(&elasticsearch.foreign_unit()?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_node_is_cordoned_for_a_host_that_stays_up_and_one_that_is_stays_so() {
        let holds = |step, is_cordoned| {
            let errand = Errand {
                run: "r-1".into(),
                kind: RolloutKind::HostRestart,
                step,
                attempt: 1,
                started_at: Timestamp::UNIX_EPOCH,
                touched: false,
                image: None,
            };
            errand.holds(is_cordoned)
        };
        for step in [RolloutStep::Cordon, RolloutStep::Stop] {
            assert!(holds(step, false) && holds(step, true), "{step:?}");
        }
        for step in [RolloutStep::Withdraw, RolloutStep::Rejoin, RolloutStep::Unprotect] {
            assert!(!holds(step, false) && holds(step, true), "{step:?}");
        }
        for step in [RolloutStep::Gate, RolloutStep::Protect, RolloutStep::Uncordon] {
            assert!(!holds(step, false) && !holds(step, true), "{step:?}");
        }
    }
}
