//! What shall be done on a machine besides looking at it. Pure.

use std::collections::BTreeMap;

use super::{
    elasticsearch::{is_home, plan::aim, wish::Wish as Asked},
    network::{Wish, record},
    observe::pinned,
};
use crate::{
    api::{
        host::{Host, HostDeletionPolicy},
        host_fields::Sysctls,
        host_status::OsFamily,
        index::DriftPolicy,
    },
    controllers::flannel::family,
    ssh::{
        deploy::care::Aim,
        flanneld::Flanneld,
        preparation::{Preparation, PreparationError},
        treatment::{Deed, Treatment},
    },
};

/// Whether there is, or was, anything to do on the machine of `host`.
#[must_use]
pub fn is_asked_for(host: &Host, wish: &Wish, elasticsearch: &Asked) -> bool {
    !host.spec.sysctls.is_empty()
        || !applied(host).is_empty()
        || wants_flanneld(host, wish)
        || is_home(host)
        || matches!(elasticsearch, Asked::Deploy(_) | Asked::Remove { .. } | Asked::NotOwned { .. })
}

/// Whether flanneld is, or was, somebody's wish.
fn wants_flanneld(host: &Host, wish: &Wish) -> bool {
    match wish {
        Wish::Nothing => record(host).is_some(),
        Wish::Flannel { .. } => true,
        Wish::Unknown { .. } => false,
    }
}

/// What Drover has set on the machine that `host` stands for.
#[must_use]
pub fn applied(host: &Host) -> &BTreeMap<String, String> {
    static NONE: Sysctls = Sysctls(BTreeMap::new());
    &host.status.as_ref().map_or(&NONE, |it| &it.applied_sysctls).0
}

/// What shall be done on `machine`, nothing where it may only be looked into; where it `is_held`, as
/// by mode Plan of its Cluster, it is compared and nothing is changed. Before anything is
/// done, the status has to say which machine the object stands for, that its system is one that
/// Drover knows, and which Network it is a part of.
///
/// # Errors
/// Which part of the spec can't be worked with.
pub fn of(
    host: &Host,
    machine: &str,
    wish: &Wish,
    elasticsearch: &Asked,
    is_held: bool,
) -> Result<Option<Treatment>, PreparationError> {
    let aim = aim(host, elasticsearch);
    let preparation = preparation(host, aim.as_ref())?;
    if pinned(host) != Some(machine) || known_family(host).is_none() {
        return Ok(None);
    }
    let flanneld = flanneld(host, wish);
    let is_plain = aim.is_none() && !is_home(host);
    if host.spec.sysctls.is_empty() && applied(host).is_empty() && flanneld.is_none() && is_plain {
        return Ok(None);
    }
    let is_flanneld_set = is_flanneld_set(host, flanneld.as_ref());
    let is_kept = aim.is_some();
    let deed = |preparation, flanneld, deed| {
        Ok(Some(Treatment { preparation, flanneld, elasticsearch: aim, deed }))
    };
    match host.spec.drift_policy {
        _ if host.spec.paused || is_held => deed(preparation, flanneld, Deed::Compare),
        DriftPolicy::Enforce => deed(preparation, flanneld, Deed::Prepare),
        // Certificates are renewed under any policy.
        DriftPolicy::Report if is_applied(host) && is_flanneld_set && !is_kept => {
            deed(preparation, flanneld, Deed::Compare)
        }
        // What is new is set. What was set before, and differs now, somebody else has changed.
        DriftPolicy::Report => {
            let others = host.spec.sysctls.0.keys().filter(|it| is_set(host, it));
            let preparation = preparation.leaving(others.map(String::as_str));
            let alone = |it: Flanneld| if is_flanneld_set { it.left_alone() } else { it };
            deed(preparation, flanneld.map(alone), Deed::Prepare)
        }
    }
}

/// What the machine of `host` shall have, and what Elasticsearch needs, where it is.
fn preparation(host: &Host, aim: Option<&Aim>) -> Result<Preparation, PreparationError> {
    let spec = host.spec.sysctls.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let stays = is_home(host) && !matches!(aim, Some(Aim::Gone { .. }));
    if !stays {
        return Preparation::of_sysctls(spec)?.having_set(own(host));
    }
    let data = match aim {
        Some(Aim::Kept(care)) => Some(care.deployment.data.clone()),
        _ => None,
    };
    Preparation::new(spec, data, None)?.having_set(own(host))
}

/// What is undone on the machine of `host` before its object goes: all that Drover did, or under
/// `Retain` what its Cluster takes along.
///
/// # Errors
/// Which part of the status can't be worked with; none that Drover has written.
pub fn farewell(host: &Host, elasticsearch: &Asked) -> Result<Treatment, PreparationError> {
    let elasticsearch = aim(host, elasticsearch);
    if host.spec.deletion_policy == HostDeletionPolicy::Retain {
        let preparation = preparation(host, elasticsearch.as_ref())?;
        return Ok(Treatment { preparation, flanneld: None, elasticsearch, deed: Deed::Prepare });
    }
    let preparation = Preparation::of_sysctls([])?.having_set(own(host))?;
    let flanneld = Some(Flanneld::gone());
    Ok(Treatment { preparation, flanneld, elasticsearch, deed: Deed::Reset })
}

fn own(host: &Host) -> impl Iterator<Item = (&str, &str)> {
    applied(host).iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// How flanneld shall be on the machine; nothing where nothing is to be done about it, or where it is
/// not on record yet that something will be.
#[must_use]
pub fn flanneld(host: &Host, wish: &Wish) -> Option<Flanneld> {
    let record = record(host)?;
    match wish {
        Wish::Nothing => Some(Flanneld::gone()),
        Wish::Flannel { network, settings } if record.name == *network => {
            Some(Flanneld::runs(family(known_family(host)?), settings))
        }
        Wish::Flannel { .. } | Wish::Unknown { .. } => None,
    }
}

/// The family of the machine's system, as the status has it.
#[must_use]
pub fn known_family(host: &Host) -> Option<OsFamily> {
    host.status.as_ref()?.facts.as_ref()?.os.family
}

/// Whether Drover has set the kernel parameter `name` as the spec has it.
#[must_use]
pub fn is_set(host: &Host, name: &str) -> bool {
    let wanted = host.spec.sysctls.0.get(name);
    wanted.is_some() && applied(host).get(name) == wanted
}

/// Whether Drover has set all kernel parameters that the spec asks for, and has taken back all else.
#[must_use]
pub fn is_applied(host: &Host) -> bool {
    *applied(host) == host.spec.sysctls.0
}

/// Whether Drover has made flanneld what it shall be, and all that differs is somebody else's change.
#[must_use]
pub fn is_flanneld_set(host: &Host, flanneld: Option<&Flanneld>) -> bool {
    let Some(flanneld) = flanneld else { return true };
    let known = record(host).and_then(|it| it.revision.as_deref());
    match flanneld.revision() {
        Some(revision) => known == Some(revision),
        // Where nothing can be done, nothing differs; what shall be gone is not gone yet.
        None => !flanneld.is_gone(),
    }
}
