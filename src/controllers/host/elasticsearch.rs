//! What the status tells of the Elasticsearch on a machine. Pure.

use super::observe::Observed;
use crate::api::{host_status::HostElasticsearch, line::Line};

/// How it is; as it was `before` while nothing is known anew of `machine`, the one that is meant.
#[must_use]
pub fn shown(
    before: Option<&HostElasticsearch>,
    seen: &Observed,
    machine: Option<&str>,
) -> Option<HostElasticsearch> {
    let unit = seen.unit.as_ref()?;
    let told = seen.view.checked.as_deref().and_then(|it| it.service.as_ref());
    let Some(told) = told.filter(|_| machine.is_some()) else {
        return before.filter(|it| it.unit.as_str() == unit.as_str()).cloned();
    };
    // What could not be looked at may be otherwise by now.
    let service = told.as_ref().ok()?;
    Some(HostElasticsearch {
        unit: Line::new(unit.as_str()),
        state: Line::new(service.unit.word()),
        invocation_id: service.unit.invocation.as_deref().map(Line::new),
        restarts: Some(service.unit.restarts).filter(|it| *it != 0),
        processes: service.processes.iter().copied().collect(),
        other_processes: service.other_processes.iter().copied().collect(),
        addresses: service.addresses.iter().map(|it| Line::new(&it.to_string())).collect(),
    })
}
