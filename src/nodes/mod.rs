//! Another Kubernetes, or an `OpenShift`, in which hosts are registered as Nodes: a verified connection,
//! what may be done there, and the few writes on Nodes that Drover made or adopted. Knows nothing of
//! the API server that Drover's own objects live in.

pub mod client;
pub mod connection;
pub mod cordon;
pub mod drain;
pub mod error;
pub mod kubeconfig;
pub mod manager;
pub mod managers;
pub mod member;
pub mod probe;
pub mod register;
pub mod turns;

mod amend;
mod keeper;
mod pods;
mod wire;
