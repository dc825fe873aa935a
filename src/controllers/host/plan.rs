//! What a Host needs done, and which machine it stands for. Pure.

use jiff::Timestamp;

use super::{
    deletion::{self, Farewell, farewell},
    elasticsearch,
    observe::{Observed, pinned},
    operation,
    references::stops,
    registration, treatment,
};
use crate::{
    api::{
        ACCEPT_MACHINE_ID, RECONCILE_AT,
        host::{Host, HostDeletionPolicy, Sudo},
    },
    ssh::{
        error::Error,
        facts::Places,
        host_key::{Fingerprint, Refusal},
        preparation::PreparationError,
        remote::Watch,
        target::Target,
        treatment::Treatment,
    },
};

/// The decision of one reconcile.
#[derive(Debug)]
pub struct Plan {
    /// What to do.
    pub step: Option<Step>,
    /// Whether the machine may be worked on at all.
    pub stand: Stand,
    /// Keys that are trusted from now on, since they are the first that were seen.
    pub first_keys: Vec<FirstKey>,
    /// What to do about the machine's Node.
    pub registration: Option<registration::plan::Step>,
    /// What to do about Elasticsearch that is to come to the machine.
    pub elasticsearch: Option<elasticsearch::plan::Step>,
    /// What to do for a run over the hosts of its Cluster.
    pub operation: Option<operation::plan::Step>,
    /// Whether the machine was looked into as it is to be watched now.
    pub is_looked_into: bool,
    /// Whether the machine is known well enough to be made a Node.
    pub fit: bool,
    /// Which part of the spec can't be worked with.
    pub problem: Option<PreparationError>,
    /// How far its deletion is, where the object is being deleted.
    pub farewell: Option<Farewell>,
    /// The object may go.
    pub let_go: bool,
}

/// What to do.
#[derive(Debug)]
pub enum Step {
    /// Watch the machine so: this is the first time, or something about it changed.
    Watch(Box<Watch>),
    /// Stop for now: what the spec names is gone, and the object may be on its way too.
    SetAside,
    /// Stop: there is no way to the machine any more, or no leave to go there.
    Leave,
}

/// Where a Host stands with its machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand {
    /// A person has to approve it first; nothing is sent to it.
    Unapproved,
    /// The spec leads nowhere, or what it names is missing.
    Unresolved,
    /// It has not told yet which machine it is.
    Unseen,
    /// It has no machine-id.
    Nameless,
    /// It is the one that the object stands for, or the first, which it stands for from now on.
    Ours(String),
    /// It is another one than that.
    Replaced {
        /// The one that the object stands for.
        pinned: String,
        /// The one that answers.
        found: String,
    },
    /// An older object stands for it.
    Claimed {
        /// The machine.
        machine: String,
        /// The older object, as `namespace/name`.
        by: String,
    },
}

/// A key that is trusted from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstKey {
    /// Whose: the jump hosts are counted from 0; the machine itself comes after them.
    pub stop: usize,
    /// The key.
    pub fingerprint: Fingerprint,
}

/// Decides the next step of `host`.
#[must_use]
pub fn next(host: &Host, seen: &Observed, now: Timestamp) -> Plan {
    let stand = stand(host, seen);
    let is_deleting = host.metadata.deletion_timestamp.is_some();
    let fit = matches!(stand, Stand::Ours(_)) && is_known(seen);
    let registration = registration::plan::next(host, &seen.registration, &stand, fit);
    // It leaves the `ContainerManager` before anything is undone on the machine.
    let has_left = registration::record(host).is_none();
    let farewell = (is_deleting && has_left).then(|| farewell(host, seen, &stand));
    let let_go = farewell.as_ref().is_some_and(Farewell::is_over);
    let leave = || seen.watched.as_ref().or(seen.aside.as_ref()).map(|_| Step::Leave);
    let is_same = |it: &Watch| seen.watched.as_ref().is_some_and(|watched| watched.is_same(it));
    let (mut problem, mut wanted) = (None, None);
    let step = match (&stand, &seen.target) {
        _ if let_go => leave(),
        _ if farewell == Some(Farewell::Waiting) => None,
        // Nothing is undone before it is on record that it is going to be.
        _ if is_deleting && !deletion::is_on_record(host) => None,
        _ if is_deleting => {
            let reset = treatment::farewell(host, &seen.elasticsearch).ok();
            let watch = |target| watch(host, target, pinned(host), reset);
            seen.way().map(watch).filter(|it| !is_same(it)).map(|it| Step::Watch(Box::new(it)))
        }
        (Stand::Unapproved, _) => leave(),
        (_, Err(_)) if host.spec.deletion_policy == HostDeletionPolicy::Reset => {
            seen.watched.as_ref().map(|_| Step::SetAside)
        }
        (_, Err(_)) => leave(),
        (stand, Ok(target)) => {
            let machine = match stand {
                Stand::Ours(machine) => Some(machine.as_str()),
                // Until it answers, what may be looked into is what was looked into before.
                Stand::Unseen if seen.claimed_by.is_none() => pinned(host),
                _ => None,
            };
            let is_held = seen.held_by.is_some();
            let (network, elasticsearch) = (&seen.network, &seen.elasticsearch);
            let treatment =
                machine.map(|it| treatment::of(host, it, network, elasticsearch, is_held));
            let treatment = treatment.transpose();
            let treatment = treatment.unwrap_or_else(|it| {
                problem = Some(it);
                None
            });
            let mut watch = watch(host, target, machine, treatment.flatten());
            watch.unit.clone_from(&seen.unit);
            watch.work = operation::work(host).map(Box::new);
            let installation = elasticsearch::plan::installation(host, &seen.elasticsearch);
            watch.installation = installation.filter(|_| machine.is_some()).map(Box::new);
            // Before and after an installation everything is looked at.
            if let Some(installing) = elasticsearch::record(host).map(|it| it.run_id.clone()) {
                let asked = watch.wish.as_deref().unwrap_or_default();
                watch.wish = Some(format!("{installing} {asked}").into());
            }
            let errand = seen.errand.as_ref();
            watch.spent = operation::spent(host, errand);
            watch.glance = operation::plan::glance(host, errand).map(Into::into);
            let last = seen.watched.as_ref().and_then(|it| it.occasion.as_deref());
            let occasion = operation::plan::occasion(host, errand, now);
            watch.occasion = occasion.as_deref().or(last).map(Into::into);
            let step = (!is_same(&watch)).then(|| Step::Watch(Box::new(watch.clone())));
            wanted = Some(watch);
            step
        }
    };
    let first_keys = if is_deleting { Vec::new() } else { first_keys(host, seen) };
    let wanted = wanted.as_ref();
    let is_looked_into = operation::plan::is_looked_into(seen, wanted);
    let operation =
        if is_deleting { None } else { operation::plan::next(host, seen, &stand, wanted, now) };
    let elasticsearch = if is_deleting {
        None
    } else {
        elasticsearch::plan::next(host, seen, &stand, is_looked_into, now)
    };
    Plan {
        step,
        stand,
        first_keys,
        registration,
        elasticsearch,
        operation,
        is_looked_into,
        fit,
        problem,
        farewell,
        let_go,
    }
}

/// Whether the machine told what it is, and Drover knows such systems.
fn is_known(seen: &Observed) -> bool {
    seen.facts().is_some_and(|it| it.has_systemd && it.os.family.is_some())
}

fn watch(
    host: &Host,
    target: &Target,
    machine: Option<&str>,
    treatment: Option<Treatment>,
) -> Watch {
    Watch {
        target: target.clone(),
        machine: machine.map(Into::into),
        sudo: host.spec.sudo == Sudo::Passwordless,
        places: Places::default(),
        unit: None,
        treatment,
        work: None,
        installation: None,
        spent: None,
        occasion: None,
        glance: None,
        wish: annotation(host, RECONCILE_AT).map(Into::into),
    }
}

fn stand(host: &Host, seen: &Observed) -> Stand {
    if host.awaits_approval() {
        return Stand::Unapproved;
    }
    if seen.target.is_err() {
        return Stand::Unresolved;
    }
    if let (Some(by), Some(machine)) =
        (&seen.claimed_by, seen.view.machine().or_else(|| pinned(host)))
    {
        return Stand::Claimed { machine: machine.to_owned(), by: by.clone() };
    }
    let Some(identity) = &seen.view.identity else { return Stand::Unseen };
    let Some(found) = identity.machine_id.as_deref() else { return Stand::Nameless };
    match pinned(host) {
        Some(pinned) if pinned != found && annotation(host, ACCEPT_MACHINE_ID) != Some(found) => {
            Stand::Replaced { pinned: pinned.to_owned(), found: found.to_owned() }
        }
        _ => Stand::Ours(found.to_owned()),
    }
}

fn annotation<'a>(host: &'a Host, name: &str) -> Option<&'a str> {
    host.metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

/// The key that was just refused for being unknown, where the spec says to trust it. Servers are
/// asked in their order, and each of those before this one was known.
fn first_keys(host: &Host, seen: &Observed) -> Vec<FirstKey> {
    let Some(Error::HostKey { host: name, refusal }) = seen.view.fault.as_deref() else {
        return Vec::new();
    };
    let (Refusal::UnknownKey { presented, .. }, Ok(target)) = (&**refusal, &seen.target) else {
        return Vec::new();
    };
    let stops = stops(host);
    let first_unknown =
        stops.iter().zip(target.names()).enumerate().find(|(_, it)| it.0.is_unknown());
    match first_unknown {
        Some((stop, (it, of))) if it.trusts_first_key() && of == *name => {
            vec![FirstKey { stop, fingerprint: *presented }]
        }
        _ => Vec::new(),
    }
}
