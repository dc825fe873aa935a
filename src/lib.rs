//! Drover keeps Elasticsearch clusters, and the Linux hosts under them, as declared in Kubernetes.
//!
//! ARCHITECTURE.md is the map of this crate.

pub mod api;
pub mod chain;
pub mod cli;
pub mod context;
pub mod controllers;
pub mod elasticsearch;
pub mod error;
pub mod gate;
pub mod kubernetes;
pub mod run;
pub mod shutdown;
pub mod telemetry;
mod wiring;
