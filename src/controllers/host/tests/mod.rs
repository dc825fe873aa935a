//! The decisions about a Host, tried on what a prober could have seen.

mod scene;

mod conditions;
mod facts;
mod identity;
mod keys;
mod nodes;
mod notices;
mod states;
mod steps;
