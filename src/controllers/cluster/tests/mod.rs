//! The decisions about a Cluster, tried on what a poller could have seen.

pub mod scene;

mod conditions;
mod diagnostics;
mod drain;
mod figures;
mod group;
mod identity;
mod notices;
mod rollout;
mod steps;
mod writing;
