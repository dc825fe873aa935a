//! The decisions about a Network, tried on what hosts and etcd could have told.

mod scene;

mod flannel;
mod hosts;
mod notices;
