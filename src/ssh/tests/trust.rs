//! Nothing is sent to a server that is not the one that was meant.

use std::sync::atomic::Ordering;

use jiff::Timestamp;
use russh::keys::{
    Certificate, PrivateKey,
    ssh_key::certificate::{Builder, CertType},
};

use super::{super::scripted::*, *};
use crate::ssh::{
    error::{Category, Error},
    host_key::{Authority, HostKeyPolicy, Otherwise, Refusal, Trust},
};

/// A host certificate for `principal`, valid for an hour from `offset` seconds on.
fn certificate(host: &PrivateKey, by: &PrivateKey, principal: &str, offset: i64) -> Certificate {
    let start = (Timestamp::now().as_second() + offset).cast_unsigned();
    let subject = host.public_key().clone();
    let mut builder = Builder::new(vec![7; 32], subject, start, start + 3600).unwrap();
    builder.key_id("h1").unwrap().cert_type(CertType::Host).unwrap();
    builder.valid_principal(principal).unwrap();
    builder.sign(by).unwrap()
}

fn authority(key: &PrivateKey) -> HostKeyPolicy {
    let authority = Authority::new(&key.public_key().to_openssh().unwrap(), ["h1"]).unwrap();
    HostKeyPolicy { authorities: vec![authority], ..HostKeyPolicy::default() }
}

/// Connects under `policy` to a server that may have a certificate; checks that a refusal came
/// before anything of Drover's was shown.
async fn judged(
    certified: impl FnOnce(&PrivateKey) -> Option<Certificate>,
    policy: impl FnOnce(&Server) -> HostKeyPolicy,
) -> Result<Trust, Refusal> {
    let user = key();
    let mut script = Script::for_user(&user);
    script.certificate = certified(&script.key);
    let server = script.serve().await;
    let mut target = server.target(&user);
    target.host.host_key = policy(&server);
    match connect(&target).await {
        Ok(session) => {
            assert_eq!(session.host_key().fingerprint, server.fingerprint);
            Ok(session.host_key().by)
        }
        Err(error) => {
            assert_eq!(server.seen.attempts.load(Ordering::SeqCst), 0, "it was shown a credential");
            assert_eq!(error.category(), Category::HostKey);
            let Error::HostKey { refusal, .. } = error.clone() else { panic!("{error}") };
            assert_eq!(error.is_terminal(), !refusal.may_pass_by_itself());
            Err(*refusal)
        }
    }
}

#[tokio::test]
async fn a_pinned_key_opens_a_session_and_another_one_does_not() {
    let pin = |print| HostKeyPolicy { fingerprints: vec![print], ..HostKeyPolicy::default() };
    assert_eq!(judged(|_| None, |it| pin(it.fingerprint)).await, Ok(Trust::Pinned));
    let other = Script::for_user(&key()).serve().await.fingerprint;
    let refusal = judged(|_| None, |_| pin(other)).await;
    assert!(matches!(refusal, Err(Refusal::Mismatch { .. })), "{refusal:?}");
    let refusal = judged(|_| None, |_| HostKeyPolicy::default()).await;
    assert!(matches!(refusal, Err(Refusal::UnknownKey { .. })), "{refusal:?}");
}

#[tokio::test]
async fn the_first_key_is_taken_by_choice_and_later_only_that() {
    let trusting = |seen| HostKeyPolicy {
        otherwise: Otherwise::TrustOnFirstUse { seen },
        ..HostKeyPolicy::default()
    };
    assert_eq!(judged(|_| None, |_| trusting(None)).await, Ok(Trust::FirstUse));
    let seen = judged(|_| None, |it| trusting(Some(it.fingerprint))).await;
    assert_eq!(seen, Ok(Trust::SeenBefore));
    let other = Script::for_user(&key()).serve().await.fingerprint;
    let refusal = judged(|_| None, |_| trusting(Some(other))).await;
    assert!(matches!(refusal, Err(Refusal::Changed { .. })), "{refusal:?}");
}

#[tokio::test]
async fn a_certificate_opens_a_session_only_if_all_of_it_is_right() {
    let (good, stranger) = (key(), key());
    let with = async |by: &PrivateKey, principal: &str, offset| {
        judged(|host| Some(certificate(host, by, principal, offset)), |_| authority(&good)).await
    };
    assert!(matches!(with(&good, "h1", -60).await, Ok(Trust::Authority(_))));
    assert!(matches!(with(&stranger, "h1", -60).await, Err(Refusal::WrongAuthority { .. })));
    assert!(matches!(with(&good, "h2", -60).await, Err(Refusal::WrongPrincipal { .. })));
    assert!(matches!(with(&good, "h1", -7200).await, Err(Refusal::Expired(_))));
    assert!(matches!(with(&good, "h1", 600).await, Err(Refusal::NotYetValid(_))));
}

#[tokio::test]
async fn with_an_authority_a_server_without_a_certificate_is_refused() {
    let refusal = judged(|_| None, |_| authority(&key())).await;
    assert!(matches!(refusal, Err(Refusal::NoCertificate { .. })), "{refusal:?}");
}

#[tokio::test]
async fn a_server_with_a_certificate_is_still_known_by_its_pinned_key() {
    let certified = |host: &PrivateKey| Some(certificate(host, &key(), "h1", -60));
    let trust = judged(certified, |it| HostKeyPolicy {
        fingerprints: vec![it.fingerprint],
        ..HostKeyPolicy::default()
    });
    assert_eq!(trust.await, Ok(Trust::Pinned));
}

#[tokio::test]
async fn a_jump_host_that_is_not_the_one_that_was_meant_ends_the_way() {
    let user = key();
    let (jump, host) =
        (Script::for_user(&user).serve().await, Script::for_user(&user).serve().await);
    let mut target = host.target(&user);
    let mut hop = jump.hop(&user);
    hop.host_key = HostKeyPolicy::default();
    target.jump_hosts = vec![hop];
    let error = connect(&target).await.unwrap_err();
    assert_eq!(error.category(), Category::HostKey);
    assert_eq!(jump.seen.attempts.load(Ordering::SeqCst), 0);
    assert_eq!(host.seen.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_host_behind_a_jump_host_is_judged_by_its_own_key() {
    let user = key();
    let (jump, host) =
        (Script::for_user(&user).serve().await, Script::for_user(&user).serve().await);
    let mut target = host.target(&user);
    target.jump_hosts = vec![jump.hop(&user)];
    // It answers with the jump host's own key: somebody in between plays the host.
    target.host.host_key = jump.hop(&user).host_key;
    let error = connect(&target).await.unwrap_err();
    assert_eq!(error.category(), Category::HostKey);
    assert_eq!(host.seen.attempts.load(Ordering::SeqCst), 0);
}
