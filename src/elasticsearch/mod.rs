//! Elasticsearch as Drover sees it: one client for each cluster, typed reads, the few writes that a
//! declared object needs, and the poller that stands in for a watch. Nothing here knows Kubernetes.

pub mod link;
pub mod links;
mod lock;
mod poll;
pub mod poller;
pub mod snapshot;

pub mod allocation;
pub mod client;
pub mod connection;
pub mod deprecations;
pub mod error;
pub mod evidence;
mod evidence_reads;
pub mod exclusion;
pub mod explanation;
pub mod shutdown;
mod shutdown_reads;

pub mod answer;
pub mod calls;
pub mod cluster_reads;
pub mod cluster_settings;
pub mod endpoints;
pub mod health_report;
pub mod index_reads;
pub mod names;
pub mod values;
pub mod version;

pub mod reason;
mod receive;
mod redaction;
mod refusal;
mod request;
mod tls;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod scripted;
