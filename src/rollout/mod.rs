//! One engine for all that takes hosts of a cluster out of service in turn: what Elasticsearch says
//! is held against named gates, and the one next step is chosen. All of it is pure: it decides, and
//! others ask, write and reach the hosts. What it knows of a run stands in [`run::Run`], which is
//! kept in the status, so that a process that begins anew goes on where the last one ended.

pub mod ages;
pub mod drain;
pub mod gate;
pub mod hosts;
pub mod matching;
pub mod order;
pub mod planner;
pub mod roles;
pub mod run;
pub mod safety;
pub mod versions;
