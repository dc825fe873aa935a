//! Features of Drover against real processes: a kube-apiserver, Elasticsearch, the binary itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod admission;
mod certificates;
mod cluster;
mod credentials;
mod faults;
mod health;
mod identity;
mod index;
mod refusals;
mod world;
