//! Whose key is taken for a machine's. What is refused gets no credential: sshd would have logged it.

use drover::api::condition::find;
use serde_json::{Value, json};

use super::{SOON, Stage, attempts};
use crate::common::{
    hosts::{Host, KeyType, Os, Settings, SshAuthority, SshCertificate, SshKey},
    wait::eventually,
};

#[tokio::test]
async fn a_key_that_nothing_vouches_for_is_refused_before_any_credential() {
    let stage = Stage::new("refused").await;
    let host = Settings::new(Os::Debian).start().await;
    let other = SshKey::new(KeyType::Ed25519);
    let stranger = SshAuthority::new();
    let before = attempts(&host);
    let cases: [(&str, Value, &str, &str); 4] = [
        (
            "wrong-pin",
            json!({ "fingerprints": [other.fingerprint()] }),
            "HostKeyMismatch",
            "none of those given",
        ),
        ("no-pin", json!({}), "HostKeyUnknown", &host.fingerprint()),
        (
            "no-certificate",
            json!({ "certificateAuthorities": [stranger.key.public()] }),
            "HostKeyMismatch",
            "certificate",
        ),
        (
            "other-type",
            json!({ "fingerprints": [SshKey::new(KeyType::Rsa).fingerprint()] }),
            "HostKeyMismatch",
            "ssh-ed25519",
        ),
    ];
    for (name, key, ..) in &cases {
        stage.host(name, &host, &json!({ "hostKey": key })).await;
    }
    for (name, _, reason, words) in &cases {
        let message = stage.tells(name, "HostKeyVerified", "False", reason).await;
        assert!(message.contains(words) && message.contains(&host.fingerprint()), "{message}");
        stage.until(name, "Stalled", "True").await;
    }
    let object = stage.until("no-pin", "Ready", "False").await;
    assert_eq!(object.status.unwrap().host_key, None, "shown, and not taken");
    // A new look changes nothing: it is refused again.
    let refused =
        async || stage.operator.metric("drover_ssh_connections_total", &["host_key"]).await;
    let looks = refused().await;
    stage.mark("wrong-pin", &json!({ "annotations": { "drover.dev/reconcile-at": "now" } })).await;
    eventually("it is looked at again", SOON, async || {
        let now = refused().await;
        if looks < now { Ok(()) } else { Err(format!("{now}")) }
    })
    .await;
    stage.tells("wrong-pin", "HostKeyVerified", "False", "HostKeyMismatch").await;
    assert_eq!(attempts(&host), before, "{}", host.journal());
    stage.host("wrong-pin", &host, &json!({})).await;
    stage.until("wrong-pin", "Ready", "True").await;

    // The right key and no safe encryption is not good enough either.
    let before = attempts(&host);
    for (line, words) in [
        ("KexAlgorithms diffie-hellman-group14-sha1", "no safe Kex algorithm"),
        ("Ciphers aes256-cbc", "no safe Cipher algorithm"),
    ] {
        host.configure_sshd(line);
        super::cut_sessions(&host);
        let offered = line.split(' ').next_back().unwrap();
        let told = stage.when("wrong-pin", "it is refused for what it offers", |it| {
            let conditions = it.status.as_ref().map(|it| &it.conditions[..]).unwrap_or_default();
            let found = find(conditions, "Reachable").ok_or("no condition")?;
            let is_so = found.reason == "UnexpectedAnswer"
                && found.message.contains(words)
                && found.message.contains(offered);
            if is_so { Ok(()) } else { Err(format!("{found:?}")) }
        });
        told.await;
    }
    assert_eq!(attempts(&host), before, "{}", host.journal());
    // What it offers besides is not taken.
    host.configure_sshd("LogLevel DEBUG1\nCompression yes");
    stage.until("wrong-pin", "Ready", "True").await;
    let log = host.inside("journalctl --no-pager -u ssh -o cat | grep 'kex: '");
    for word in ["server->client cipher: aes256-gcm@openssh.com", "compression: none"] {
        assert!(log.contains(word), "{word}: {log}");
    }
    assert!(!log.contains("zlib"), "{log}");
}

#[tokio::test]
async fn a_host_certificate_has_to_be_of_the_right_authority_for_the_right_name_and_in_time() {
    let stage = Stage::new("certificate").await;
    let host = Settings::new(Os::Debian).start().await;
    let (authority, stranger) = (SshAuthority::new(), SshAuthority::new());
    let address = host.address();
    host.certify(&authority, &SshCertificate::host(&[&address, "es-1"]));
    let key = |authority: &SshAuthority, principals: &[&str]| {
        let authorities = [authority.key.public()];
        let mut key = json!({ "certificateAuthorities": authorities });
        if !principals.is_empty() {
            key["principals"] = json!(principals);
        }
        json!({ "hostKey": key })
    };
    let before = attempts(&host);
    let cases = [
        ("wrong-authority", key(&stranger, &[]), "none of the given authorities"),
        ("wrong-principal", key(&authority, &["es-2"]), "es-2"),
    ];
    for (name, spec, words) in &cases {
        stage.host(name, &host, spec).await;
        let message = stage.tells(name, "HostKeyVerified", "False", "HostKeyMismatch").await;
        assert!(message.contains(words), "{message}");
    }
    assert_eq!(attempts(&host), before, "{}", host.journal());
    stage.ready("by-address", &host, &key(&authority, &[])).await;
    stage.delete("by-address").await;
    stage.gone("by-address").await;
    stage.ready("by-name", &host, &key(&authority, &["es-1"])).await;
    // A certificate runs out, and is renewed: no person has to tell Drover.
    host.certify(&authority, &SshCertificate::host(&["es-1"]).valid("-2d:-1d"));
    super::cut_sessions(&host);
    let message = stage.tells("by-name", "HostKeyVerified", "False", "HostKeyMismatch").await;
    assert!(message.contains("expired"), "{message}");
    host.certify(&authority, &SshCertificate::host(&["es-1"]));
    stage.until("by-name", "Ready", "True").await;
}

#[tokio::test]
async fn the_first_key_is_on_record_before_a_credential_is_sent_and_no_other_is_taken() {
    let stage = Stage::new("first-use").await;
    let host = Settings::new(Os::Debian).start().await;
    let trusting = json!({ "hostKey": { "policy": "TrustOnFirstUse" } });
    stage.ready("es", &host, &trusting).await;
    stage.event("es", "HostKeyRecorded").await;
    let path = format!("/apis/drover.dev/v1alpha1/namespaces/{}/hosts/es/status", stage.namespace);
    let sent = stage.kubernetes.ledger().find(|it| it.method == "PATCH" && it.path == path);
    let recorded: Vec<Value> = sent.iter().map(|it| it.json()["status"].clone()).collect();
    let first = recorded.iter().find(|it| it["hostKey"].is_object()).expect("it was recorded");
    assert_eq!(first["hostKey"]["fingerprint"], host.fingerprint());
    assert!(first.get("facts").is_none(), "it was logged in to before: {first}");

    let before = attempts(&host);
    host.new_host_key(KeyType::Ecdsa);
    super::cut_sessions(&host);
    let message = stage.tells("es", "HostKeyVerified", "False", "HostKeyMismatch").await;
    assert!(message.contains(&host.fingerprint()) && message.contains("ecdsa"), "{message}");
    stage.event("es", "HostKeyChanged").await;
    let logged_in = |host: &Host| attempts(host);
    assert_eq!(logged_in(&host), before, "{}", host.journal());
    // A person says that it is right.
    let known = json!({ "hostKey": { "fingerprints": [host.fingerprint()] } });
    stage.ready("es", &host, &known).await;
}

#[tokio::test]
async fn a_machine_behind_another_is_reached_and_each_key_on_the_way_is_verified() {
    let stage = Stage::new("jump").await;
    let hosts = Host::start_all([Settings::new(Os::Debian), Settings::new(Os::Fedora)]).await;
    let [jump, host] = &hosts[..] else { unreachable!() };
    let way = |key: &Value| {
        let hop = json!({
            "address": jump.address(),
            "user": jump.user(),
            "credentials": { "secretName": "jump" },
            "hostKey": key,
        });
        json!({ "jumpHosts": [hop] })
    };
    let right = json!({ "fingerprints": [jump.fingerprint()] });
    stage.host("es", host, &way(&right)).await;
    let message = stage.tells("es", "ResolvedRefs", "False", "SecretNotFound").await;
    assert!(message.contains("spec.jumpHosts[0].credentials"), "{message}");
    stage.key("jump", SshKey::shared()).await;
    let object = stage.until("es", "Ready", "True").await;
    let status = object.status.unwrap();
    assert_eq!(status.jump_host_keys[0].fingerprint.0, jump.fingerprint());
    assert_eq!(status.facts.unwrap().machine_id.as_str(), host.machine_id().await);
    let from = host.inside("journalctl --no-pager -u ssh -o cat | grep 'Accepted '");
    let by_that_way = format!("for root from {} ", jump.address());
    assert!(from.contains(&by_that_way), "not by that way: {from}");

    let before = (attempts(jump), attempts(host));
    let wrong = json!({ "fingerprints": [host.fingerprint()] });
    stage.host("es", host, &way(&wrong)).await;
    let message = stage.tells("es", "HostKeyVerified", "False", "HostKeyMismatch").await;
    assert!(message.contains(&jump.fingerprint()), "{message}");
    assert_eq!((attempts(jump), attempts(host)), before);
    let trusting = json!({ "policy": "TrustOnFirstUse" });
    stage.ready("es", host, &way(&trusting)).await;

    // The jump host gone, the machine behind it is unreachable, and comes back with it.
    jump.blackhole();
    let message = stage.tells("es", "Reachable", "False", "Unreachable").await;
    assert!(message.contains(&jump.address()), "{message}");
    jump.mend_network();
    stage.until("es", "Ready", "True").await;
}
