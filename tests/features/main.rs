//! Features of Drover against real processes: a kube-apiserver, Elasticsearch, the binary itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod admission;
mod cluster;
mod adoption;
mod crash;
mod deletion;
mod drift;
mod index;
mod leader;
mod ledger;
mod versions;
mod waits;
mod refusals;
mod world;
