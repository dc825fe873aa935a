//! What the API server refuses in the way that a machine's key is verified: nobody can ask for less
//! than they meant.

use serde_json::{Value, json};

use super::{accepts, host::host, refuses};

const FINGERPRINT: &str = "SHA256:9PLW1TOElfTPM7Y0cGRnq6vID+yH1pJ9oomfJ/BWiyA";
const ED25519: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINLPRBQZHWpjBfwWMDwxNaXyxJgCHmUnVDJIRx82yeA2";
const P256: &str = "ecdsa-sha2-nistp256 \
    AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBPNPBCXZacbtwsXkBoyQwVC3EiwYiTHdzOBxWlZI\
    r2/QsykwSle2IEiXlD9N7iVDKRheK4wuDdSAOUMTQYwlh8E=";
const P384: &str = "ecdsa-sha2-nistp384 \
    AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBJYjulfkiu9KzSiHtAPGrDivY4J85ZtFWd1L2G8E\
    oFXf7g9ZCAtTYmppEoJUlfDlLyHtZRbvsymOzSNvS/7kJj95m/zQnIp6TqcHRnibAO+AzCnmWdsJoBYnlfGlZNBUjw==";
const P521: &str = "ecdsa-sha2-nistp521 \
    AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBABgqYsOzQFi8rR0elQZ/3QXeHYouWcPEY2SM3go\
    hwlA59uXx31zbMnCDq4Md1NN+VEUrMV6/ZIS1GE7Fnuyxs+1jwAVXyjHwqBqDmptKATxM998Rx7hz7cnCgdXr9wlwOFh\
    x8CqQyQr32KPvPDXqkDB6W6UVK/W613F+F+Zd/osyZJRFA==";
const RSA: &str = "ssh-rsa \
    AAAAB3NzaC1yc2EAAAADAQABAAABgQCxo44LzEEtPTohn4oH1mJxj6OBG+I5PPpfFkaWbiLxw4wg3ClknOSGAqa1RRWp\
    BqsXzk4VL8tIu5VMsmfcIOcAgBAwB4poh3zDEhiSn6ZH48RGotT6F5B1QMnt1tkjXNDHOQihib0yU7dkl2UmLv2/4AiF\
    +0uYDVZjOmtHYqLq+6M0XukkEeKVtGt/pe1NKfSo4OzStZhK1J9JEhhmNykhMwL5+yHN/JmM8CWqE5qq4yK/4Mj20zXV\
    ThfNGE6jlczQ8Y3di0eG6OjPFx42hubRm+Y8HX33Q9bxJfjVfrC9+cz83yCGjK3a3POZ/VUmtJt/R3L1C/olzssRIQ6g\
    9oI69/3QWAVpB2xpOB70ChZzmlqwNi+vw83I008r7F8iweOiFI131QawPTWRfbjLkXdQP3Pg7ZfPtJg+uSofqiVqJjqb\
    cLL8qjN083vhc4d9+WTeq8Q7z7qf2ffqMshmdBeWuiwqce5uvPl+QhpRrpF2UZJtXKAb1QPzdyZjmqzEU8E=";

fn key(value: Value) -> Value {
    host("hostKey", value)
}

fn authority(line: &str) -> Value {
    key(json!({ "certificateAuthorities": [line] }))
}

#[tokio::test]
async fn a_fingerprint_that_is_none_is_refused() {
    let at = |value: &str| key(json!({ "fingerprints": [value] }));
    let (field, text) = ("spec.hostKey.fingerprints[0]", "must be a fingerprint");
    let many: Vec<String> = (10..27).map(|it| format!("SHA256:{}{it}", "A".repeat(41))).collect();
    let jump = json!([{
        "address": "a", "credentials": { "secretName": "s" }, "hostKey": { "fingerprints": ["x"] },
    }]);
    refuses(vec![
        (at(""), field, "at least 1"),
        (at("SHA256:"), field, text),
        (at(&FINGERPRINT[..49]), field, text),
        (at(&FINGERPRINT[7..]), field, text),
        (at(&FINGERPRINT.to_lowercase()), field, text),
        (at(&format!("SHA512:{}", &FINGERPRINT[7..])), field, text),
        (at(&format!("{}=", &FINGERPRINT[..49])), field, text),
        (at(&format!("{FINGERPRINT}=")), field, "Too long"),
        (at("MD5:a1:b2:c3:d4:e5:f6:a7:b8:c9:d0:e1:f2:a3:b4:c5:d6"), field, "Too long"),
        (at("a1:b2:c3:d4:e5:f6:a7:b8:c9:d0:e1:f2:a3:b4:c5:d6"), field, text),
        (at(&FINGERPRINT.replace('/', "_")), field, text),
        (
            key(json!({ "fingerprints": [FINGERPRINT, FINGERPRINT] })),
            "spec.hostKey.fingerprints[1]",
            "Duplicate",
        ),
        (key(json!({ "fingerprints": many })), "spec.hostKey.fingerprints", "at most 16"),
        (host("jumpHosts", jump), "spec.jumpHosts[0].hostKey.fingerprints[0]", text),
    ])
    .await;
}

#[tokio::test]
async fn an_authority_that_is_no_public_key_line_is_refused() {
    let field = "spec.hostKey.certificateAuthorities[0]";
    let text = "must be an OpenSSH public key line";
    let (kind, body) = ED25519.split_once(' ').unwrap();
    let other = format!("ssh-rsa {body}");
    let cut = format!("{kind} {}", &body[..60]);
    let certificate = ED25519.replace(kind, "ssh-ed25519-cert-v01@openssh.com");
    let longer = ED25519.replace("yeA2", "yeA2AAAA");
    let private = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn\n-----END OPENSSH PRIVATE KEY-----";
    refuses(vec![
        (authority(""), field, "at least 1"),
        (authority("es-ca"), field, text),
        (authority(FINGERPRINT), field, text),
        (authority(kind), field, text),
        (authority(body), field, text),
        (authority(&other), field, text),
        (authority(&cut), field, text),
        (authority(&longer), field, text),
        (authority(&certificate), field, text),
        (authority(private), field, text),
        (authority("ssh-dss AAAAB3NzaC1kc3MAAACBAMkf"), field, text),
        (authority(&format!("@cert-authority * {ED25519}")), field, text),
        (authority(&format!("{ED25519}\n")), field, text),
        (authority(&format!("{ED25519}\n{P256}")), field, text),
        (authority(&format!(" {ED25519}")), field, text),
        (authority(&format!("{ED25519} {}", "x".repeat(4096))), field, "Too long"),
    ])
    .await;
}

#[tokio::test]
async fn trust_at_first_sight_beside_a_known_key_is_refused_and_told_why() {
    let (field, text) =
        ("spec.hostKey.policy", "where a key is known, none is trusted at first sight");
    let trusting = "TrustOnFirstUse";
    refuses(vec![
        (key(json!({ "policy": trusting, "fingerprints": [FINGERPRINT] })), field, text),
        (key(json!({ "policy": trusting, "certificateAuthorities": [RSA] })), field, text),
        (
            host(
                "jumpHosts",
                json!([{
                    "address": "a",
                    "credentials": { "secretName": "s" },
                    "hostKey": { "policy": trusting, "fingerprints": [FINGERPRINT] },
                }]),
            ),
            "spec.jumpHosts[0].hostKey.policy",
            text,
        ),
        (
            key(json!({ "principals": ["a"] })),
            "spec.hostKey.principals",
            "only a certificate carries principals",
        ),
        (
            key(json!({ "principals": ["a"], "fingerprints": [FINGERPRINT] })),
            "spec.hostKey.principals",
            "only a certificate carries principals",
        ),
        (key(json!({ "checking": "no" })), "spec.hostKey.checking", "unknown field"),
    ])
    .await;
}

#[tokio::test]
async fn every_way_to_verify_a_key_is_accepted() {
    accepts(vec![
        key(json!({})),
        key(json!({ "policy": "Strict" })),
        key(json!({ "policy": "TrustOnFirstUse" })),
        key(json!({ "policy": "TrustOnFirstUse", "fingerprints": [], "principals": [] })),
        key(json!({ "fingerprints": [FINGERPRINT, format!("SHA256:{}", "A".repeat(43))] })),
        key(json!({ "certificateAuthorities": [ED25519, P256, P384, P521, RSA] })),
        authority(&format!("{ED25519} host ca of Jörg's, 2026")),
        key(json!({
            "policy": "Strict",
            "fingerprints": [FINGERPRINT],
            "certificateAuthorities": [ED25519],
            "principals": ["es-1.example", "10.0.0.1"],
        })),
    ])
    .await;
}
