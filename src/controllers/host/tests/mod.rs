//! The decisions about a Host, tried on what a prober could have seen.

mod machine;
mod nodes;
pub mod scene;

mod conditions;
mod elasticsearch;
mod facts;
mod farewell;
mod identity;
mod keys;
mod leaving;
mod network;
mod notices;
mod operation;
mod registration;
mod states;
mod steps;
mod treatment;
