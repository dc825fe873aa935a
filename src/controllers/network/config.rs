//! What a Network declares of flannel, in flannel's own words. Pure.

use serde_json::{Map, json};

use crate::{
    api::{
        condition::Reason,
        network::{BackendType, FlannelBackend, FlannelConfig},
    },
    controllers::references::Problem,
    flannel::config::{Config, ConfigError},
};

/// The configuration that `spec` declares.
///
/// # Errors
/// Which part of it flanneld would not take.
pub fn config(spec: &FlannelConfig) -> Result<Config, Problem> {
    let invalid = |field: &str, problem: String| Problem {
        reason: Reason::InvalidSpec,
        message: format!("spec.options.config{field}: {problem}"),
    };
    let network = spec.network.0.parse();
    let network =
        network.map_err(|error| invalid(".network", format!("'{}' {error}", spec.network.0)))?;
    let (backend, backend_options) = backend(&spec.backend);
    let config = Config {
        network,
        subnet_len: spec.subnet_len,
        subnet_min: None,
        subnet_max: None,
        backend: backend.into(),
        backend_options,
    };
    match config.check() {
        Ok(()) => Ok(config),
        Err(error @ ConfigError::SubnetLen) => Err(invalid(".subnetLen", error.to_string())),
        Err(error @ ConfigError::Network) => Err(invalid(".network", error.to_string())),
        Err(error) => Err(invalid("", error.to_string())),
    }
}

/// flannel's word for the backend, and its settings as flannel's documentation of backends has them.
fn backend(spec: &FlannelBackend) -> (&'static str, Map<String, serde_json::Value>) {
    let (word, port) = match spec.kind {
        BackendType::Vxlan => ("vxlan", "Port"),
        BackendType::HostGw => ("host-gw", "Port"),
        BackendType::WireGuard => ("wireguard", "ListenPort"),
        BackendType::Udp => ("udp", "Port"),
    };
    let settings = [
        ("VNI", spec.vni.map(|it| json!(it))),
        (port, spec.port.map(|it| json!(it))),
        ("DirectRouting", spec.direct_routing.map(|it| json!(it))),
    ];
    let given = settings.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    (word, given.collect())
}
