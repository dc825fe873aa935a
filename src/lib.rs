//! Drover keeps Elasticsearch clusters, and the Linux hosts under them, as declared in Kubernetes.
//!
//! ARCHITECTURE.md is the map of this crate.

pub mod api;
pub mod authority;
pub mod chain;
pub mod cli;
pub mod cloud_init;
pub mod contained;
pub mod context;
pub mod controllers;
pub mod deploy;
mod digest;
pub mod elasticsearch;
pub mod error;
pub mod flannel;
pub mod foreign;
pub mod gate;
pub mod kubernetes;
mod lock;
pub mod nodes;
pub mod object_key;
pub mod published;
mod redaction;
pub mod rollout;
pub mod run;
pub mod shutdown;
pub mod ssh;
pub mod telemetry;
pub mod tls;
pub mod transport;
mod wiring;
