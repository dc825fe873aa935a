//! Features of Drover against real processes: a kube-apiserver, Elasticsearch, the binary itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod admission;
mod adoption;
mod bounds;
mod certificates;
mod cluster;
mod columns;
mod container_manager;
mod crash;
mod credentials;
mod deletion;
mod drift;
mod evidence;
mod farewell;
mod faults;
mod flannel;
mod health;
mod hosts;
mod identity;
mod index;
mod leader;
mod ledger;
mod logs;
mod managed;
mod network;
mod nodes;
mod properties;
mod refusals;
mod registration;
mod rights;
mod rolls;
mod scope;
mod self_registration;
mod stores;
mod versions;
mod waits;
mod world;
