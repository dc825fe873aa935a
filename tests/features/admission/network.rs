//! What the API server refuses in a Network.

use serde_json::{Value, json};

use super::{accepts, object, refuses};
use crate::world;

/// A network of flannel with its configuration in etcd.
pub fn flannel(path: &str, value: Value) -> Value {
    let spec = json!({
        "type": "FlannelEtcd",
        "options": {
            "endpoints": ["https://etcd.example:2379"],
            "config": { "network": "10.5.0.0/16", "backend": { "type": "Vxlan" } },
        },
    });
    object("Network", "flannel", spec, path, value)
}

/// A network of another type, with `options`.
fn other(kind: &str, options: Value) -> Value {
    let spec = match options {
        Value::Null => json!({ "type": kind }),
        options => json!({ "type": kind, "options": options }),
    };
    object("Network", "other", spec, "", Value::Null)
}

#[tokio::test]
async fn a_flannel_network_without_endpoints_or_backend_is_refused() {
    let endpoints = "spec.options.endpoints";
    let config = "spec.options.config";
    let set = "must be set for type 'FlannelEtcd'";
    let at = |value: &str| flannel("options.endpoints", json!([value]));
    refuses(vec![
        (flannel("options.endpoints", Value::Null), endpoints, set),
        (flannel("options.endpoints", json!([])), endpoints, "at least 1"),
        (flannel("options.endpoints", json!(vec!["https://a"; 33])), endpoints, "at most 32"),
        (at(""), "spec.options.endpoints[0]", "at least 1"),
        (at("etcd.example:2379"), "spec.options.endpoints[0]", "http or https"),
        (at("https://root:secret@etcd.example"), "spec.options.endpoints[0]", "user-info"),
        (at("https://etcd.example/v3"), "spec.options.endpoints[0]", "path"),
        (flannel("options.config", Value::Null), config, set),
        (flannel("options", Value::Null), endpoints, set),
        (flannel("options.config.backend", Value::Null), "config.backend", "Required"),
        (flannel("options.config.backend", json!({})), "config.backend.type", "Required"),
        (flannel("options.config.network", Value::Null), "config.network", "Required"),
    ])
    .await;
}

#[tokio::test]
async fn an_address_range_that_is_none_or_too_small_is_refused() {
    let field = "spec.options.config.network";
    let at = |value: &str| flannel("options.config.network", json!(value));
    let of = |network: &str, length: i64| {
        let backend = json!({ "type": "HostGw" });
        let config = json!({ "network": network, "subnetLen": length, "backend": backend });
        flannel("options.config", config)
    };
    let (length, room) = ("spec.options.config.subnetLen", "four subnets fit in");
    refuses(vec![
        (at(""), field, "at least 1"),
        (at("10.5.0.0"), field, "IPv4 range"),
        (at("10.5.0/16"), field, "IPv4 range"),
        (at("10.5.0.0/33"), field, "IPv4 range"),
        (at("10.5.0.256/16"), field, "IPv4 range"),
        (at("fd00::/48"), field, "IPv4 range"),
        (at("all"), field, "IPv4 range"),
        (at("10.5.0.1/16"), field, "no bit may be set after the prefix"),
        (at("10.5.0.0/29"), field, "/28 or larger"),
        (at("10.5.0.0/16, 10.6.0.0/16"), field, "Too long"),
        (of("10.5.0.0/16", 17), length, room),
        (of("10.5.0.0/16", 16), length, room),
        (of("10.5.0.0/28", 29), length, room),
        (of("10.5.0.0/16", 31), length, "less than or equal to 30"),
        (of("10.5.0.0/16", 0), length, "greater than or equal to 2"),
        (of("10.5.0.0/16", -1), length, "greater than or equal to 2"),
    ])
    .await;
    accepts(vec![
        at("10.0.0.0/8"),
        at("192.0.2.0/28"),
        of("10.5.0.0/16", 18),
        of("10.5.0.0/16", 30),
        of("192.0.2.0/28", 30),
        of("0.0.0.0/0", 24),
    ])
    .await;
}

#[tokio::test]
async fn a_backend_with_what_it_does_not_have_is_refused() {
    let backend = |value: Value| flannel("options.config.backend", value);
    let path = |it: &str| format!("spec.options.config.backend.{it}");
    let (vni, routing, port) = (path("vni"), path("directRouting"), path("port"));
    let another = "another type than 'Vxlan'";
    refuses(vec![
        (backend(json!({ "type": "vxlan" })), &path("type"), "supported values"),
        (backend(json!({ "type": "" })), &path("type"), "supported values"),
        (backend(json!("Vxlan")), "spec.options.config.backend", "object"),
        (backend(json!({ "type": "Vxlan", "vni": 0 })), &vni, "greater than or equal to 1"),
        (backend(json!({ "type": "Vxlan", "vni": 16_777_216 })), &vni, "less than or equal to"),
        (backend(json!({ "type": "Vxlan", "port": 0 })), &port, "greater than or equal to 1"),
        (backend(json!({ "type": "Vxlan", "port": 70000 })), &port, "less than or equal to"),
        (backend(json!({ "type": "Udp", "vni": 1 })), &vni, another),
        (backend(json!({ "type": "HostGw", "directRouting": true })), &routing, another),
        (backend(json!({ "type": "HostGw", "port": 1 })), &port, "has no port"),
        (backend(json!({ "type": "Vxlan", "psk": "x" })), &path("psk"), "unknown field"),
    ])
    .await;
    accepts(vec![
        backend(json!({ "type": "Vxlan", "vni": 7, "port": 4789, "directRouting": true })),
        backend(json!({ "type": "HostGw" })),
        backend(json!({ "type": "WireGuard", "port": 51820 })),
        backend(json!({ "type": "Udp", "port": 8285 })),
    ])
    .await;
}

#[tokio::test]
async fn options_of_another_type_are_refused() {
    let etcd = json!(["https://etcd.example:2379"]);
    let config = json!({ "network": "10.5.0.0/16", "backend": { "type": "Vxlan" } });
    let not = "may not be set for another type";
    let mut cases = Vec::new();
    for (kind, base) in [("HostNetwork", json!({})), ("FlannelServer", json!({ "address": "a:1" }))]
    {
        for (field, value) in [
            ("endpoints", etcd.clone()),
            ("config", config.clone()),
            ("prefix", json!("/a")),
            ("tls", json!({})),
        ] {
            let mut options = base.clone();
            options[field] = value;
            cases.push((other(kind, options), format!("spec.options.{field}")));
        }
    }
    let host_network = other("HostNetwork", json!({ "address": "a:1" }));
    cases.push((host_network, "spec.options.address".into()));
    cases.push((flannel("options.address", json!("a:1")), "spec.options.address".into()));
    cases.push((flannel("options.ports", json!([9200])), "spec.options.ports".into()));
    let server = other("FlannelServer", json!({ "address": "a:1", "ports": [9200] }));
    cases.push((server, "spec.options.ports".into()));
    refuses(cases.iter().map(|(it, field)| (it.clone(), field.as_str(), not)).collect()).await;
}

#[tokio::test]
async fn a_network_with_unknown_words_or_bad_values_is_refused() {
    let address = |value: &str| other("FlannelServer", json!({ "address": value }));
    let prefix = |value: &str| flannel("options.prefix", json!(value));
    let ports = |value: Value| other("HostNetwork", json!({ "ports": value }));
    let tls = |value: Value| flannel("options.tls", value);
    let at = "spec.options.address";
    let both = json!({ "ca": { "secretName": "a", "configMapName": "b" } });
    refuses(vec![
        (other("flannel_etcd", Value::Null), "spec.type", "supported values"),
        (other("", Value::Null), "spec.type", "supported values"),
        (object("Network", "n", json!({}), "", Value::Null), "spec.type", "Required"),
        (other("FlannelServer", Value::Null), at, "must be set for type 'FlannelServer'"),
        (address(""), at, "at least 1"),
        (address("a"), at, "must be a host and a port"),
        (address("a:0"), at, "must be a host and a port"),
        (address("a:65536"), at, "must be a host and a port"),
        (address("http://a:1"), at, "must be a host and a port"),
        (address("-a:1"), at, "must be a host and a port"),
        (address("a b:1"), at, "must be a host and a port"),
        (prefix(""), "spec.options.prefix", "at least 2"),
        (prefix("coreos.com"), "spec.options.prefix", "match"),
        (prefix("/a/"), "spec.options.prefix", "match"),
        (prefix("/a/../b"), "spec.options.prefix", "match"),
        (prefix("/a b"), "spec.options.prefix", "match"),
        (prefix("/a;id"), "spec.options.prefix", "match"),
        (prefix("/-a"), "spec.options.prefix", "match"),
        (ports(json!([])), "spec.options.ports", "at least 1"),
        (ports(json!([0])), "spec.options.ports[0]", "greater than or equal to 1"),
        (ports(json!([70000])), "spec.options.ports[0]", "less than or equal to 65535"),
        (ports(json!([1, 1])), "spec.options.ports[1]", "Duplicate"),
        (tls(both), "spec.options.tls.ca", "exactly one of"),
        (tls(json!({ "clientCertificate": {} })), "clientCertificate.secretName", "Required"),
        (tls(json!({ "insecure": true })), "spec.options.tls.insecure", "unknown field"),
        (
            tls(json!({ "clientCertificate": { "secretName": "s", "namespace": "x" } })),
            "clientCertificate.namespace",
            "unknown field",
        ),
    ])
    .await;
    accepts(vec![
        other("HostNetwork", Value::Null),
        other("HostNetwork", json!({})),
        ports(json!([9200, 9300, 65535])),
        address("192.0.2.1:8472"),
        address("flannel.example:1"),
        address("[2001:db8::1]:65535"),
        flannel("", Value::Null),
        flannel("options.endpoints", json!(["http://127.0.0.1:2379", "https://[::1]:2379"])),
        prefix("/coreos.com/network"),
        tls(json!({
            "ca": { "configMapName": "etcd-ca" },
            "clientCertificate": { "secretName": "etcd-client" },
        })),
    ])
    .await;
}

#[tokio::test]
async fn the_type_and_the_prefix_of_a_network_can_not_be_changed() {
    let control_plane = world::control_plane().await;
    let namespace = control_plane.namespace("admission");
    let apply = |manifest: Value| control_plane.try_apply(&namespace, &manifest.to_string());
    apply(flannel("", Value::Null)).unwrap();
    let to_host_network =
        object("Network", "flannel", json!({ "type": "HostNetwork" }), "", Value::Null);
    let message = apply(to_host_network).unwrap_err();
    assert!(message.contains("spec.type") && message.contains("can't be changed"), "{message}");
    let message = apply(flannel("options.prefix", json!("/other"))).unwrap_err();
    assert!(
        message.contains("spec.options.prefix") && message.contains("can't be changed"),
        "{message}"
    );
    // Naming what is already the prefix changes nothing, and all else may change.
    apply(flannel("options.prefix", json!("/coreos.com/network"))).unwrap();
    apply(flannel("options.endpoints", json!(["https://other.example:2379"]))).unwrap();
    apply(flannel("options.config.network", json!("10.6.0.0/16"))).unwrap();
}
