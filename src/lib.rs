//! Drover keeps Elasticsearch clusters, and the Linux hosts under them, as declared in Kubernetes.
//!
//! ARCHITECTURE.md is the map of this crate.

pub mod api;
pub mod elasticsearch;
pub mod gate;
