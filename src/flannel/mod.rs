//! flannel's network as it stands in etcd: its configuration, which Drover writes, and the leases of
//! the hosts, which it reads. etcd is spoken to by its JSON gateway. Nothing here knows Kubernetes.

pub mod client;
pub mod config;
pub mod connection;
pub mod error;
pub mod leases;
pub mod net;
pub mod network;

mod gateway;
