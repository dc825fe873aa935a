//! Features of Drover against real processes: a kube-apiserver, Elasticsearch, the binary itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod admission;
mod adoption;
mod certificates;
mod cluster;
mod crash;
mod credentials;
mod deletion;
mod drift;
mod faults;
mod health;
mod identity;
mod index;
mod leader;
mod ledger;
mod refusals;
mod rights;
mod versions;
mod waits;
mod world;
