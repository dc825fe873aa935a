//! Linux hosts as Drover sees them, over SSH: sessions with verified hosts, commands that no field
//! of anybody's can change, facts, and what is prepared on a host. Nothing here knows Kubernetes.

pub mod command;
pub mod credentials;
pub mod deploy;
pub mod error;
pub mod facts;
pub mod families;
pub mod flanneld;
pub mod host_key;
pub mod operation;
pub mod output;
pub mod path;
pub mod pool;
pub mod preparation;
pub mod prober;
pub mod reach;
pub mod remote;
pub mod remotes;
pub mod service;
pub mod session;
pub mod steps;
pub mod target;
pub mod treatment;
pub mod upload;

mod algorithms;
mod authenticate;
mod connect;
mod exec;
mod handler;

#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;
