//! What a Host needs done, and which machine it stands for. Pure.

use jiff::Timestamp;

use super::{
    observe::{Observed, pinned},
    references::stops,
    registration,
};
use crate::{
    api::{
        ACCEPT_MACHINE_ID, APPROVED, RECONCILE_AT,
        host::{Approval, Host, Sudo},
    },
    ssh::{
        error::Error,
        facts::Places,
        host_key::{Fingerprint, Refusal},
        remote::Watch,
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
    /// Whether the machine is known well enough to be made a Node.
    pub fit: bool,
    /// The object may go.
    pub let_go: bool,
}

/// What to do.
#[derive(Debug)]
pub enum Step {
    /// Watch the machine so: this is the first time, or something about it changed.
    Watch(Box<Watch>),
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
pub fn next(host: &Host, seen: &Observed, _now: Timestamp) -> Plan {
    let stand = stand(host, seen);
    let deleting = host.metadata.deletion_timestamp.is_some();
    let fit = matches!(stand, Stand::Ours(_)) && is_known(seen);
    let registration = registration::plan::next(host, &seen.registration, &stand, fit);
    let let_go = deleting && registration::record(host).is_none();
    let step = match (&stand, &seen.target) {
        _ if deleting => seen.watched.as_ref().map(|_| Step::Leave),
        (Stand::Unapproved, _) | (_, Err(_)) => seen.watched.as_ref().map(|_| Step::Leave),
        (stand, Ok(target)) => {
            let machine = match stand {
                Stand::Ours(machine) => Some(machine.as_str().into()),
                // Until it answers, what may be looked into is what was looked into before.
                Stand::Unseen if seen.claimed_by.is_none() => pinned(host).map(Into::into),
                _ => None,
            };
            let watch = Watch {
                target: target.clone(),
                machine,
                sudo: host.spec.sudo == Sudo::Passwordless,
                places: Places::default(),
                wish: annotation(host, RECONCILE_AT).map(Into::into),
            };
            let is_same = seen.watched.as_ref().is_some_and(|it| it.is_same(&watch));
            (!is_same).then(|| Step::Watch(Box::new(watch)))
        }
    };
    let first_keys = if deleting { Vec::new() } else { first_keys(host, seen) };
    Plan { step, stand, first_keys, registration, fit, let_go }
}

/// Whether the machine told what it is, and Drover knows such systems.
fn is_known(seen: &Observed) -> bool {
    seen.facts().is_some_and(|it| it.has_systemd && it.os.family.is_some())
}

fn stand(host: &Host, seen: &Observed) -> Stand {
    if host.spec.approval == Approval::Required && !is_approved(host) {
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

/// Whether a person has approved the machine.
#[must_use]
pub fn is_approved(host: &Host) -> bool {
    let labels = host.metadata.labels.as_ref();
    labels.and_then(|it| it.get(APPROVED)).is_some_and(|it| it == "true")
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
