//! What the Cluster controller makes of hosts that leave, and of those whose node is to lose roles.

use std::collections::{BTreeMap, BTreeSet};

use drover::rollout::{
    drain::{self, Cause, Decision, Drain, Fate, Leaving, Phase, Scene},
    roles::Lost,
    run::Step,
};

use super::operator::{Look, OWNER, SILENT};

pub fn decide(look: &Look) -> Decision {
    let drain = look.status.drain.as_ref();
    let leaves =
        |host: &str, uid: &str, cause| Leaving { host: host.into(), uid: uid.into(), cause };
    let known = look.known.iter().filter(|it| look.managed && it.leaves);
    let mut leaving: Vec<Leaving> =
        known.map(|it| leaves(&it.name, &it.uid, Cause::Leaves)).collect();
    leaving.sort_by(|one, other| one.host.cmp(&other.host));
    let changes = next_for_roles(look);
    let is_for_roles = |it: &&Drain| it.is_set() && it.of.cause == Cause::Roles;
    let whose = drain.filter(is_for_roles).map(|it| &it.of).or(changes.as_ref());
    let lost = whose.and_then(|it| lost(look, &it.uid));
    let leaving: Vec<Leaving> = changes.into_iter().chain(leaving).collect();
    let hold = look.status.run.is_some().then_some("a run is under way");
    drain::next(&Scene {
        evidence: look.evidence.as_ref().ok_or(SILENT),
        owner: OWNER,
        drain,
        fate: drain.map_or(Fate::Left, |it| match it.of.cause {
            Cause::Leaves => fate(look, it),
            Cause::Roles => fate_for_roles(look, it),
        }),
        leaving: &leaving,
        hosts: &hosts(look),
        lost: lost.as_ref(),
        hold: hold.or_else(|| look.spec.paused.then_some("it is paused")),
        ends: !look.managed,
        now: look.now,
    })
}

/// The hosts of the Cluster by name, with the addresses that they have told.
fn hosts(look: &Look) -> BTreeMap<Box<str>, BTreeSet<Box<str>>> {
    let of_known = look.known.iter().filter(|it| it.names);
    let of_known = of_known.map(|it| (it.name.clone(), [it.address.clone()].into()));
    let of_members = look.members.iter().map(|it| (it.name.clone(), BTreeSet::new()));
    of_members.chain(of_known).collect()
}

fn fate(look: &Look, drain: &Drain) -> Fate {
    let is_back = look.known.iter().any(|it| it.name == drain.of.host && it.stays);
    let host = look.known.iter().find(|it| it.uid == drain.of.uid);
    if is_back || host.is_some_and(|it| it.skips) {
        Fate::Stays
    } else if look.evidence.is_none() {
        Fate::Leaves
    } else if drain.phase == Phase::Drained && host.is_some_and(|it| !it.names) {
        // Nobody waits for it any more: what runs there goes on as it is.
        Fate::Left
    } else if host.is_some_and(|it| it.leaves) {
        Fate::Leaves
    } else {
        Fate::Left
    }
}

/// The first host of the run that waits at its gates for what its node needs the roles for.
fn next_for_roles(look: &Look) -> Option<Leaving> {
    let run = look.status.run.as_ref().filter(|it| it.kind.swaps() && it.pause.is_none())?;
    if look.spec.paused || !look.managed {
        return None;
    }
    let loses = |uid: &str| lost(look, uid).is_some_and(|it| !it.is_nothing());
    let host = run.hosts.iter().find(|it| it.step == Step::Gate && loses(&it.uid))?;
    Some(Leaving { host: host.name.clone(), uid: host.uid.clone(), cause: Cause::Roles })
}

fn lost(look: &Look, uid: &str) -> Option<Lost> {
    let member = look.members.iter().find(|it| *it.uid == *uid)?;
    let mut nodes = look.evidence.as_ref()?.nodes.values();
    member.roles.lost(nodes.find(|it| it.name == member.name)?)
}

fn fate_for_roles(look: &Look, drain: &Drain) -> Fate {
    let has_its_roles = lost(look, &drain.of.uid).is_some_and(|it| it.is_nothing());
    let run = look.status.run.as_ref();
    let host = run.and_then(|it| it.hosts.iter().find(|it| it.uid == drain.of.uid));
    let (Some(run), Some(host)) = (run, host) else { return Fate::Stays };
    let is_its_turn = host.step.is_begun() || host.step == Step::Waiting && !run.is_busy();
    if host.is_in_hand() && host.step < Step::Unprotect {
        Fate::Held
    } else if is_its_turn && !has_its_roles && run.kind.swaps() && look.managed {
        Fate::Leaves
    } else {
        Fate::Stays
    }
}
