//! Linux hosts as Drover sees them, over SSH: sessions with verified hosts, commands that no field
//! of anybody's can change, facts, and what is prepared on a host. Nothing here knows Kubernetes.

pub mod command;
pub mod host_key;
