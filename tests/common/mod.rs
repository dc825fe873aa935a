//! The test bed: real servers, a fault proxy between them and the operator, and the operator itself.
//!
//! Shared by the tests and the benchmarks, each of which uses a part of it. Helpers panic with a
//! sentence that says what is wrong: in a test that is the report.
#![allow(dead_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unwrap_in_result)]
#![allow(clippy::missing_panics_doc, clippy::must_use_candidate, clippy::struct_excessive_bools)]

pub mod archives;
pub mod certificates;
pub mod clock;
pub mod control_plane;
pub mod elasticsearch;
pub mod etcd;
pub mod hosts;
pub mod kubeconfig;
pub mod kubernetes_node;
pub mod leftovers;
pub mod operator;
pub mod paths;
pub mod process;
pub mod proxy;
pub mod traffic;
pub mod wait;

/// Whether this is `make soak`: campaigns do many more rounds then.
pub fn soak() -> bool {
    std::env::var_os("DROVER_SOAK").is_some()
}

/// Makes ring the process's TLS provider, which reqwest, kube and the proxy all count on, and starts the test's clock.
pub fn init() {
    clock::start();
    let _ = rustls::crypto::ring::default_provider().install_default();
}
