//! Elasticsearch as Drover sees it: one client for each cluster, typed reads, and the few writes
//! that a declared object needs. Nothing here knows Kubernetes.

pub mod connection;

pub mod answer;
pub mod client;
pub mod error;

pub mod calls;
pub mod cluster_reads;
pub mod health_report;
pub mod index_reads;
pub mod names;
pub mod version;

mod certificate;
mod receive;
pub mod refusal;
mod request;
mod tls;

#[cfg(test)]
mod scripted;
