//! Features of Drover against real processes: a kube-apiserver, Elasticsearch, the binary itself.

#[path = "../common/mod.rs"]
mod common;

mod admission;
mod cluster;
mod index;
mod world;
