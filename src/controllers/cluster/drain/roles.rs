//! The host that a run is to start with fewer roles. Pure.

use super::super::rollout::observe::Seen;
use crate::{
    api::{cluster::Cluster, index::Mode},
    controllers::deployment::leaving,
    rollout::{
        drain::{Cause, Drain, Fate, Leaving},
        roles::Lost,
        run::{Run, Step},
    },
};

/// The first host of `run` that waits at its gates for what its node needs the roles for that it loses.
#[must_use]
pub fn next(cluster: &Cluster, seen: &Seen, run: Option<&Run>) -> Option<Leaving> {
    let run = run.filter(|it| it.kind.swaps() && it.pause.is_none())?;
    let is_held = cluster.spec.paused || cluster.spec.mode == Mode::Plan;
    if is_held || !leaving::drains(cluster) {
        return None;
    }
    let loses = |uid: &str| lost(seen, uid).is_some_and(|it| !it.is_nothing());
    let host = run.hosts.iter().find(|it| it.step == Step::Gate && loses(&it.uid))?;
    Some(Leaving { host: host.name.clone(), uid: host.uid.clone(), cause: Cause::Roles })
}

/// What the node of the host with this uid loses; absent where it is not in the cluster, or nobody can
/// say which roles it is to have.
#[must_use]
pub fn lost(seen: &Seen, uid: &str) -> Option<Lost> {
    let member = seen.members.iter().find(|it| *it.uid == *uid)?;
    let mut nodes = seen.evidence.as_ref().ok()?.nodes.values();
    member.roles.lost(nodes.find(|it| *it.name == *member.name)?)
}

/// What becomes of a drain that was begun for `run`. One of a host that gave way to others, or that is
/// held back, goes on unless another host has its turn.
#[must_use]
pub fn fate(cluster: &Cluster, seen: &Seen, run: Option<&Run>, drain: &Drain) -> Fate {
    let has_its_roles = lost(seen, &drain.of.uid).is_some_and(|it| it.is_nothing());
    let host = run.and_then(|it| it.hosts.iter().find(|it| it.uid == drain.of.uid));
    let (Some(run), Some(host)) = (run, host) else { return Fate::Stays };
    let is_its_turn = host.step.is_begun() || host.step == Step::Waiting && !run.is_busy();
    if host.is_in_hand() && host.step < Step::Unprotect {
        Fate::Held
    } else if is_its_turn && !has_its_roles && run.kind.swaps() && leaving::drains(cluster) {
        Fate::Leaves
    } else {
        Fate::Stays
    }
}
