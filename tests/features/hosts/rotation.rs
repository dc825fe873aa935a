//! Credentials that come late, change, or can't be used.

use serde_json::json;

use super::Stage;
use crate::common::hosts::{KeyType, Os, Settings, SshAuthority, SshCertificate, SshKey};

#[tokio::test]
async fn a_rotated_key_is_used_without_a_restart() {
    let stage = Stage::new("rotation").await;
    let (old, new) = (SshKey::new(KeyType::Ed25519), SshKey::new(KeyType::Ecdsa));
    let settings = Settings::new(Os::Debian).authorize(&old.public()).authorize(&new.public());
    let host = settings.start().await;
    let spec = json!({ "credentials": { "secretName": "rotated" } });
    stage.host("es", &host, &spec).await;
    stage.tells("es", "ResolvedRefs", "False", "SecretNotFound").await;
    // Not every text of the namespace is to be taken for a key, even where it is one.
    let any = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": "rotated" },
        "stringData": { "ssh-privatekey": old.private() },
    });
    stage.apply(&any).await;
    let message = stage.tells("es", "ResolvedRefs", "False", "InvalidContent").await;
    assert!(message.contains("kubernetes.io/ssh-auth"), "{message}");
    assert!(!stage.operator.log().contains("PRIVATE KEY"));
    stage.unmake_secret("rotated").await;
    stage.tells("es", "ResolvedRefs", "False", "SecretNotFound").await;
    stage.key("rotated", &old).await;
    stage.until("es", "Ready", "True").await;

    let last_login = || {
        let log = host.inside("journalctl --no-pager -u ssh -o cat | grep 'Accepted publickey'");
        log.lines().last().unwrap_or_default().to_owned()
    };
    assert!(last_login().contains(&old.fingerprint()));
    stage.key("rotated", &new).await;
    crate::common::wait::eventually("the new key is used", super::SOON, async || {
        let login = last_login();
        if login.contains(&new.fingerprint()) { Ok(()) } else { Err(login) }
    })
    .await;
    stage.until("es", "Ready", "True").await;

    // The old one is gone from the machine, and the Secret goes back to it by mistake.
    host.inside(&format!("sed -i '\\|{}|d' /root/.ssh/authorized_keys", old.public()));
    stage.key("rotated", &old).await;
    stage.tells("es", "Reachable", "False", "AuthenticationFailed").await;
    stage.event("es", "AuthenticationFailed").await;
    stage.until("es", "Stalled", "True").await;
    stage.key("rotated", &new).await;
    stage.until("es", "Ready", "True").await;
}

#[tokio::test]
async fn a_key_with_a_passphrase_and_a_key_with_a_certificate_are_taken() {
    let stage = Stage::new("kinds-of-keys").await;
    let locked = SshKey::with_passphrase(KeyType::Ed25519, "canary passphrase");
    let certified = SshKey::new(KeyType::Ed25519);
    let authority = SshAuthority::new();
    let host = Settings::new(Os::Debian).authorize(&locked.public()).start().await;
    host.trust_users_of(&authority);

    stage.key("locked", &locked).await;
    stage.host("locked", &host, &json!({ "credentials": { "secretName": "locked" } })).await;
    let message = stage.tells("locked", "ResolvedRefs", "False", "InvalidContent").await;
    assert!(message.contains("passphrase"), "{message}");
    let with = |passphrase: &str| json!({ "ssh-privatekey": locked.private(), "passphrase": format!("{passphrase}\n") });
    stage.secret("locked", &with("another")).await;
    let host_until = stage.when("locked", "the wrong passphrase is told", |it| {
        let text = format!("{:?}", it.status);
        if text.contains("does not fit") { Ok(()) } else { Err(text) }
    });
    host_until.await;
    stage.secret("locked", &with("canary passphrase")).await;
    stage.until("locked", "Ready", "True").await;
    stage.delete("locked").await;
    stage.gone("locked").await;

    let certificate = authority.sign(&certified, &SshCertificate::user(&["root"]));
    let secret =
        json!({ "ssh-privatekey": certified.private(), "ssh-user-certificate": certificate });
    stage.secret("certified", &secret).await;
    stage.ready("certified", &host, &json!({ "credentials": { "secretName": "certified" } })).await;
    let log = stage.operator.log();
    assert!(
        !log.contains("canary passphrase") && !log.contains("PRIVATE KEY"),
        "a secret was logged"
    );
}
