//! What the API server refuses in a Host.

use serde_json::{Value, json};

use super::{accepts, object, refuses};
use crate::world;

pub fn host(path: &str, value: Value) -> Value {
    let spec = json!({ "address": "es-1.example", "credentials": { "secretName": "ssh-key" } });
    object("Host", "es-1", spec, path, value)
}

/// A Host behind one jump host.
fn behind(path: &str, value: Value) -> Value {
    let jump = json!({ "address": "jump.example", "credentials": { "secretName": "ssh-key" } });
    let jump = object("", "", jump, path, value)["spec"].clone();
    host("jumpHosts", json!([jump]))
}

/// What would reach a shell, a command line or a terminal, where it were not refused.
const HOSTILE: [&str; 13] = [
    "; id",
    "a;id",
    "a$(id)",
    "a`id`",
    "a|id",
    "a&id",
    "a'b",
    "a\"b",
    "a\\b",
    "a\nb",
    "a\u{1}b",
    "-oProxyCommand=id",
    "a>b",
];

#[tokio::test]
async fn a_host_without_a_usable_address_is_refused() {
    let at = |value: &str| host("address", json!(value));
    let (field, text) = ("spec.address", "must be a host name");
    refuses(vec![
        (host("address", Value::Null), field, "Required"),
        (at(""), field, "at least 1"),
        (at(&"x".repeat(254)), field, "Too long"),
        (at("a b"), field, text),
        (at("a\tb"), field, text),
        (at("user@a"), field, text),
        (at("a:22"), field, text),
        (at("a/b"), field, text),
        (at("a..b"), field, text),
        (at(".a"), field, text),
        (at("a-.b"), field, text),
        (at("-a"), field, text),
        (at("10.0.0.256"), field, text),
        (at("10.0.0"), field, text),
        (at("010.0.0.1"), field, text),
        (at("[::1]"), field, text),
        (at("fe80::1%eth0"), field, text),
        (at(":::"), field, text),
        (host("nodeAddress", json!("a b")), "spec.nodeAddress", text),
        (host("nodeAddress", json!("-a")), "spec.nodeAddress", text),
        (behind("address", Value::Null), "spec.jumpHosts[0].address", "Required"),
        (behind("address", json!("-a")), "spec.jumpHosts[0].address", text),
        (behind("address", json!("")), "spec.jumpHosts[0].address", "at least 1"),
    ])
    .await;
}

#[tokio::test]
async fn a_host_with_a_port_that_is_none_is_refused() {
    let at = |value: Value| host("port", value);
    let jump = |value: Value| behind("port", value);
    let (field, jumps) = ("spec.port", "spec.jumpHosts[0].port");
    refuses(vec![
        (at(json!(0)), field, "greater than or equal to 1"),
        (at(json!(-1)), field, "greater than or equal to 1"),
        (at(json!(65536)), field, "less than or equal to 65535"),
        (at(json!(70000)), field, "less than or equal to 65535"),
        (at(json!("22")), field, "integer"),
        (jump(json!(0)), jumps, "greater than or equal to 1"),
        (jump(json!(70000)), jumps, "less than or equal to 65535"),
    ])
    .await;
}

#[tokio::test]
async fn a_host_with_a_user_that_is_none_is_refused() {
    let at = |value: &str| host("user", json!(value));
    let (field, text) = ("spec.user", "must be a user name");
    refuses(vec![
        (at(""), field, "at least 1"),
        (at(&"x".repeat(65)), field, "Too long"),
        (at("-l"), field, text),
        (at("a b"), field, text),
        (at("a:b"), field, text),
        (at("@a"), field, text),
        (at("."), field, text),
        (behind("user", json!("-l")), "spec.jumpHosts[0].user", text),
        (behind("user", json!("")), "spec.jumpHosts[0].user", "at least 1"),
    ])
    .await;
}

#[tokio::test]
async fn no_text_of_a_host_may_hold_what_a_shell_or_a_terminal_would_act_on() {
    let key = |path: &str, value: Value| host(&format!("hostKey.{path}"), value);
    let mut cases = Vec::new();
    for text in HOSTILE {
        let fields = [
            (host("address", json!(text)), "spec.address"),
            (host("user", json!(text)), "spec.user"),
            (host("nodeAddress", json!(text)), "spec.nodeAddress"),
            (host("nodeName", json!(text)), "spec.nodeName"),
            (host("credentials.secretName", json!(text)), "spec.credentials.secretName"),
            (host("clusterRef", json!({ "name": text })), "spec.clusterRef.name"),
            (key("fingerprints", json!([text])), "spec.hostKey.fingerprints[0]"),
            (
                key("certificateAuthorities", json!([text])),
                "spec.hostKey.certificateAuthorities[0]",
            ),
            (key("principals", json!([text])), "spec.hostKey.principals[0]"),
            (behind("address", json!(text)), "spec.jumpHosts[0].address"),
            (behind("user", json!(text)), "spec.jumpHosts[0].user"),
            (
                behind("credentials.secretName", json!(text)),
                "spec.jumpHosts[0].credentials.secretName",
            ),
            (
                behind("hostKey.fingerprints", json!([text])),
                "spec.jumpHosts[0].hostKey.fingerprints[0]",
            ),
            (host("sysctls", json!({ text: "1" })), "spec.sysctls"),
            (host("sysctls", json!({ "vm.swappiness": text })), "spec.sysctls[vm.swappiness]"),
        ];
        cases.extend(fields.map(|(manifest, field)| (manifest, field, "")));
    }
    refuses(cases).await;
}

#[tokio::test]
async fn a_host_with_references_that_are_none_or_leave_the_namespace_is_refused() {
    let elsewhere = json!({ "secretName": "s", "namespace": "other" });
    let unknown = "unknown field";
    refuses(vec![
        (host("credentials", Value::Null), "spec.credentials", "Required"),
        (host("credentials", json!({})), "spec.credentials.secretName", "Required"),
        (host("credentials.secretName", json!("")), "spec.credentials.secretName", "at least 1"),
        (host("credentials.secretName", json!("No!")), "spec.credentials.secretName", "match"),
        (host("credentials", elsewhere.clone()), "spec.credentials.namespace", unknown),
        (host("credentials.password", json!("x")), "spec.credentials.password", unknown),
        (behind("credentials", Value::Null), "spec.jumpHosts[0].credentials", "Required"),
        (behind("credentials", elsewhere), "spec.jumpHosts[0].credentials.namespace", unknown),
        (host("clusterRef", json!({})), "spec.clusterRef.name", "Required"),
        (
            host("clusterRef", json!({ "name": "es", "namespace": "x" })),
            "spec.clusterRef.namespace",
            unknown,
        ),
        (host("nodeName", json!("")), "spec.nodeName", "at least 1"),
        (host("nodeName", json!("Node")), "spec.nodeName", "match"),
        (host("nodeName", json!("a..b")), "spec.nodeName", "match"),
    ])
    .await;
}

#[tokio::test]
async fn a_host_with_unknown_words_is_refused() {
    let text = "supported values";
    refuses(vec![
        (host("approval", json!("Maybe")), "spec.approval", text),
        (host("sudo", json!("Password")), "spec.sudo", text),
        (host("driftPolicy", json!("Ignore")), "spec.driftPolicy", text),
        (host("deletionPolicy", json!("Delete")), "spec.deletionPolicy", text),
        (host("hostKey", json!({ "policy": "Off" })), "spec.hostKey.policy", text),
        (host("maintenance", json!("yes")), "spec.maintenance", "boolean"),
        (host("paused", json!("yes")), "spec.paused", "boolean"),
        (host("insecure", json!(true)), "spec.insecure", "unknown field"),
        (host("jumpHosts", json!("a")), "spec.jumpHosts", "array"),
        (behind("jumpHosts", json!([])), "spec.jumpHosts[0].jumpHosts", "unknown field"),
    ])
    .await;
}

#[tokio::test]
async fn a_host_with_kernel_parameters_that_are_none_is_refused() {
    let name = |it: &str| host("sysctls", json!({ it: "1" }));
    let value = |it: Value| host("sysctls", json!({ "vm.swappiness": it }));
    let (no_name, no_value) =
        ("names of kernel parameters", "must be the value of a kernel parameter");
    // The API server has a way to write a key for its schema, and another one for rules.
    let (plain, field) = ("spec.sysctls.vm.swappiness", "spec.sysctls[vm.swappiness]");
    let many: Value = (0..65).map(|it| (format!("a.b{it}"), json!("1"))).collect();
    refuses(vec![
        (name("swappiness"), "spec.sysctls", no_name),
        (name(""), "spec.sysctls", no_name),
        (name("vm."), "spec.sysctls", no_name),
        (name(".vm"), "spec.sysctls", no_name),
        (name("vm..x"), "spec.sysctls", no_name),
        (name("vm/swappiness"), "spec.sysctls", no_name),
        (name("../etc.x"), "spec.sysctls", no_name),
        (name("vm.-w"), "spec.sysctls", no_name),
        (name("vm.x y"), "spec.sysctls", no_name),
        (name("vm.x=1"), "spec.sysctls", no_name),
        (name(&format!("vm.{}", "x".repeat(126))), "spec.sysctls", no_name),
        (value(json!("")), plain, "at least 1"),
        (value(json!(1)), plain, "string"),
        (value(json!(" 1")), field, no_value),
        (value(json!("1\n2")), field, no_value),
        (value(json!("|/bin/sh")), field, no_value),
        (value(json!("--")), field, no_value),
        (value(json!("x".repeat(257))), plain, "Too long"),
        (host("sysctls", many), "spec.sysctls", "at most 64"),
    ])
    .await;
}

#[tokio::test]
async fn what_a_host_may_say_is_accepted() {
    let address = |value: &str| host("address", json!(value));
    let user = |value: &str| host("user", json!(value));
    let sysctls = json!({
        "vm.max_map_count": "262144",
        "vm.swappiness": "1",
        "net.ipv4.tcp_rmem": "4096 87380 6291456",
        "net.core.default_qdisc": "fq_codel",
        "net.ipv4.conf.eth0-1.rp_filter": "-1",
        "kernel.core_pattern": "/var/crash/core.%e.%p",
    });
    accepts(vec![
        host("", Value::Null),
        address("10.0.0.1"),
        address("::1"),
        address("2001:db8::1"),
        address("ES-1"),
        address("es_1.example."),
        address("1a.2"),
        address(&format!("{}.x", "x".repeat(63))),
        user("a"),
        user("_a.b-c"),
        user("1@example.com"),
        host("port", json!(1)),
        host("port", json!(65535)),
        host("sudo", json!("Passwordless")),
        host("approval", json!("Required")),
        host("maintenance", json!(true)),
        host("deletionPolicy", json!("Reset")),
        host("nodeName", json!("node-1.example")),
        host("clusterRef", json!({ "name": "es" })),
        host("sysctls", sysctls),
        behind("", Value::Null),
        host("jumpHosts", json!(vec![behind("", Value::Null)["spec"]["jumpHosts"][0].clone(); 8])),
    ])
    .await;
    let too_many = vec![behind("", Value::Null)["spec"]["jumpHosts"][0].clone(); 9];
    refuses(vec![(host("jumpHosts", json!(too_many)), "spec.jumpHosts", "at most 8")]).await;
}

#[tokio::test]
async fn whatever_a_host_says_may_change() {
    let control_plane = world::control_plane().await;
    let namespace = control_plane.namespace("admission");
    let apply = |manifest: Value| control_plane.try_apply(&namespace, &manifest.to_string());
    apply(host("clusterRef", json!({ "name": "es" }))).unwrap();
    // A machine is known by its machine-id, and may move.
    apply(host("address", json!("192.0.2.9"))).unwrap();
    apply(host("clusterRef", json!({ "name": "other" }))).unwrap();
    apply(host("hostKey", json!({ "policy": "TrustOnFirstUse" }))).unwrap();
    apply(host("", Value::Null)).unwrap();
}
