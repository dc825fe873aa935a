//! The Elasticsearch that Drover itself runs on the machine of a Host, as the Host's Cluster declares
//! it: what needs no restart is kept, and what is not in service is installed. What is in service is
//! changed by a run over the hosts alone, see `operation`.

pub mod apply;
pub mod findings;
pub mod parting;
pub mod plan;
pub mod status;
pub mod wish;

use crate::{
    api::{
        host::Host,
        host_status::{DeployedElasticsearch, Operation, OperationKind},
    },
    controllers::deployment,
};

/// What was told of Drover's Elasticsearch on the machine.
#[must_use]
pub fn deployed(host: &Host) -> Option<&DeployedElasticsearch> {
    host.status.as_ref()?.elasticsearch.as_ref()?.deployed.as_ref()
}

/// The installation that is under way, as the status has it.
#[must_use]
pub fn record(host: &Host) -> Option<&Operation> {
    let operation = host.status.as_ref()?.operation.as_ref()?;
    (operation.kind == OperationKind::InstallElasticsearch).then_some(operation)
}

/// Whether this version was told to be unpacked on the machine.
#[must_use]
pub fn is_unpacked(host: &Host, version: &str) -> bool {
    deployed(host).is_some_and(|it| it.staged.iter().any(|it| it.as_str() == version))
}

/// Whether the machine has, or is about to have, an Elasticsearch of Drover's: what that needs stays.
#[must_use]
pub fn is_home(host: &Host) -> bool {
    deployment::is_home(host)
}
