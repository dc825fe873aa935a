//! What shall be done on a machine besides looking at it. Pure.

use std::collections::BTreeMap;

use super::observe::pinned;
use crate::{
    api::{host::Host, host_fields::Sysctls, host_status::HostFacts, index::DriftPolicy},
    ssh::{
        preparation::{Preparation, PreparationError},
        treatment::{Deed, Treatment},
    },
};

/// Whether there is, or was, anything to do on the machine of `host`.
#[must_use]
pub fn is_asked_for(host: &Host) -> bool {
    !host.spec.sysctls.is_empty() || !applied(host).is_empty()
}

/// What Drover has set on the machine that `host` stands for.
#[must_use]
pub fn applied(host: &Host) -> &BTreeMap<String, String> {
    static NONE: Sysctls = Sysctls(BTreeMap::new());
    &host.status.as_ref().map_or(&NONE, |it| &it.applied_sysctls).0
}

/// What shall be done on `machine`, nothing where it may only be looked into. Before anything is
/// done, the status has to say which machine the object stands for, and that its system is one that
/// Drover knows.
///
/// # Errors
/// Which part of the spec can't be worked with.
pub fn of(host: &Host, machine: &str) -> Result<Option<Treatment>, PreparationError> {
    let spec = host.spec.sysctls.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let preparation = Preparation::of_sysctls(spec)?.having_set(own(host))?;
    let facts = host.status.as_ref().and_then(|it| it.facts.as_ref());
    let is_known = |it: &HostFacts| it.os.family.is_some();
    if pinned(host) != Some(machine) || !facts.is_some_and(is_known) || !is_asked_for(host) {
        return Ok(None);
    }
    let deed = |preparation, deed| Ok(Some(Treatment { preparation, deed }));
    match host.spec.drift_policy {
        _ if host.spec.paused => deed(preparation, Deed::Compare),
        DriftPolicy::Enforce => deed(preparation, Deed::Prepare),
        DriftPolicy::Report if is_applied(host) => deed(preparation, Deed::Compare),
        // What is new is set. What was set before, and differs now, somebody else has changed.
        DriftPolicy::Report => {
            let others = host.spec.sysctls.0.keys().filter(|it| is_set(host, it));
            deed(preparation.leaving(others.map(String::as_str)), Deed::Prepare)
        }
    }
}

/// What undoes all that Drover did on the machine of `host`.
///
/// # Errors
/// Which part of the status can't be worked with; none that Drover has written.
pub fn reset(host: &Host) -> Result<Treatment, PreparationError> {
    let preparation = Preparation::of_sysctls([])?.having_set(own(host))?;
    Ok(Treatment { preparation, deed: Deed::Reset })
}

fn own(host: &Host) -> impl Iterator<Item = (&str, &str)> {
    applied(host).iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// Whether Drover has set the kernel parameter `name` as the spec has it.
#[must_use]
pub fn is_set(host: &Host, name: &str) -> bool {
    let wanted = host.spec.sysctls.0.get(name);
    wanted.is_some() && applied(host).get(name) == wanted
}

/// Whether Drover has set all that the spec asks for, and has taken back all else.
#[must_use]
pub fn is_applied(host: &Host) -> bool {
    *applied(host) == host.spec.sysctls.0
}
