//! How a session comes about, and how it does not.

use std::{sync::atomic::Ordering, time::Duration};

use jiff::Timestamp;
use russh::keys::ssh_key::{
    LineEnding,
    certificate::{Builder, CertType},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{super::scripted::*, *};
use crate::ssh::{
    command::Command,
    credentials::CredentialsError,
    error::{Category, Error, Stage},
};

const SHORT: Duration = Duration::from_millis(300);

/// Limits that a server which hangs uses up.
fn impatient() -> Limits {
    Limits { connect: SHORT, authenticate: SHORT, ..limits() }
}

async fn failure(limits: Limits, target: &Target) -> Error {
    let error = pool_with(limits).session("a", target).await.unwrap_err();
    assert!(!error.leaves_outcome_open(), "{error:?}");
    error
}

/// What comes of a server that sends `bytes` and then, unless it `ends`, keeps silent.
async fn of_bytes(bytes: Vec<u8>, ends: bool) -> Error {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut target = Script::for_user(&key()).serve().await.target(&key());
    target.host.port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(&bytes).await;
        if !ends {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    failure(impatient(), &target).await
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_at_each_stage() {
    let slow = |error: &Error| match error {
        Error::Slow { stage, .. } => Some(*stage),
        _ => None,
    };
    let error = of_bytes(Vec::new(), false).await;
    assert_eq!(slow(&error), Some(Stage::Handshake), "{error}");
    let error = of_bytes(b"SSH-2.0-slow\r\n".to_vec(), false).await;
    assert_eq!(slow(&error), Some(Stage::Handshake), "{error}");

    let user = key();
    let server = Script { hang: Hang::Authenticate, ..Script::for_user(&user) }.serve().await;
    let error = failure(impatient(), &server.target(&user)).await;
    assert_eq!(slow(&error), Some(Stage::Authenticate), "{error}");

    let jump = Script { hang: Hang::Channel, ..Script::for_user(&user) }.serve().await;
    let mut target = server.target(&user);
    target.jump_hosts = vec![jump.hop(&user)];
    let error = failure(impatient(), &target).await;
    assert_eq!(slow(&error), Some(Stage::Forward), "{error}");
    assert_eq!(error.category(), Category::Unreachable);
    assert!(!error.is_terminal());
}

#[tokio::test]
async fn what_does_not_speak_ssh_is_told_from_what_closes() {
    let error = of_bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), true).await;
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    let error = of_bytes(b"Exceeded MaxStartups\r\n".to_vec(), true).await;
    assert_eq!(
        chain(&error).split_once(": ").unwrap().1,
        "it closed the connection before an SSH session began"
    );
    let flood = "a line before the banner\r\n".repeat(100_000);
    let error = of_bytes(flood.into_bytes(), false).await;
    assert_eq!(error.category(), Category::WrongServer, "{error:?}");
    let error = of_bytes(vec![b'x'; 10_000_000], false).await;
    assert_eq!(error.category(), Category::WrongServer, "{error:?}");
    // A packet of nearly 4 GiB.
    let mut packet = b"SSH-2.0-big\r\n".to_vec();
    packet.extend([0xff; 1000]);
    let error = of_bytes(packet, false).await;
    assert_eq!(error.category(), Category::WrongServer, "{error:?}");
}

#[tokio::test]
async fn nobody_at_the_address_is_told_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut target = Script::for_user(&key()).serve().await.target(&key());
    target.host.port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = failure(limits(), &target).await;
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    target.host.address = "no-such-host.invalid".into();
    let error = failure(limits(), &target).await;
    assert!(matches!(error, Error::Connect { .. } | Error::Slow { .. }), "{error:?}");
}

#[tokio::test]
async fn a_user_that_is_not_taken_waits_for_other_credentials() {
    let server = Script::for_user(&key()).serve().await;
    let error = failure(limits(), &server.target(&key())).await;
    let words =
        "does not take the key for user 'drover'; put the public key into authorized_keys there";
    assert!(error.to_string().ends_with(words), "{error}");
    assert_eq!(error.category(), Category::Unauthorized);
    assert!(error.is_terminal());
    // No other way was tried.
    assert_eq!(server.seen.attempts.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_server_that_breaks_off_while_it_is_asked_is_tried_again() {
    let user = key();
    let mut script = Script { hang: Hang::BreakOff, ..Script::for_user(&user) };
    script.banner = Some("System is booting up.".into());
    let error = failure(limits(), &script.serve().await.target(&user)).await;
    assert!(!error.is_terminal());
    assert_eq!(error.category(), Category::Unreachable, "{error:?}");
    assert!(chain(&error).ends_with("it said before: System is booting up."), "{}", chain(&error));
}

#[tokio::test]
async fn a_key_with_a_passphrase_opens_a_session_and_shows_nobody_its_flaws() {
    let user = key();
    let server = Script::for_user(&user).serve().await;
    let mut target = server.target(&user);
    let encrypted = user.encrypt(&mut russh::keys::key::safe_rng(), "open sesame").unwrap();
    target.host.credentials.key = encrypted.to_openssh(LineEnding::LF).unwrap().as_str().into();
    for (passphrase, expected) in [
        (None, CredentialsError::PassphraseMissing),
        (Some("open, sesame"), CredentialsError::PassphraseWrong),
    ] {
        target.host.credentials.passphrase = passphrase.map(Into::into);
        let error = failure(limits(), &target).await;
        assert!(matches!(&error, Error::Credentials { problem, .. } if *problem == expected));
        assert!(error.is_terminal());
    }
    assert_eq!(server.seen.connections.load(Ordering::SeqCst), 0);
    target.host.credentials.passphrase = Some("open sesame".into());
    connect(&target).await.unwrap();
}

#[tokio::test]
async fn a_key_that_is_not_decrypted_in_time_is_waited_for_no_longer_and_told_as_haste() {
    let user = key();
    let server = Script::for_user(&user).serve().await;
    let mut target = server.target(&user);
    let encrypted = user.encrypt(&mut russh::keys::key::safe_rng(), "open sesame").unwrap();
    target.host.credentials.key = encrypted.to_openssh(LineEnding::LF).unwrap().as_str().into();
    target.host.credentials.passphrase = Some("open sesame".into());
    let limits = Limits { connect: Duration::from_micros(1), ..limits() };
    assert_eq!(failure(limits, &target).await.category(), Category::Busy);
    assert_eq!(server.seen.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_user_certificate_stands_for_the_key() {
    let (user, authority) = (key(), key());
    // The bare key is not known there.
    let mut script = Script::for_user(&key());
    script.authority = Some(authority.public_key().clone());
    let server = script.serve().await;
    let now = Timestamp::now().as_second().cast_unsigned();
    let subject = user.public_key().clone();
    let mut builder = Builder::new(vec![7; 32], subject, now - 60, now + 60).unwrap();
    builder.key_id("drover").unwrap().cert_type(CertType::User).unwrap();
    builder.valid_principal("drover").unwrap();
    let certificate = builder.sign(&authority).unwrap().to_openssh().unwrap();
    let mut target = server.target(&user);
    assert_eq!(connect(&target).await.unwrap_err().category(), Category::Unauthorized);
    target.host.credentials.certificate = Some(certificate.into());
    connect(&target).await.unwrap();
}

#[tokio::test]
async fn rsa_signs_with_sha_2_with_and_without_a_certificate() {
    let user = russh::keys::decode_secret_key(include_str!("rsa3072.pem"), None).unwrap();
    let authority = key();
    let mut script = Script::for_user(&user);
    script.authority = Some(authority.public_key().clone());
    let server = script.serve().await;
    let mut target = server.target(&user);
    connect(&target).await.unwrap();
    let now = Timestamp::now().as_second().cast_unsigned();
    let subject = user.public_key().clone();
    let mut builder = Builder::new(vec![7; 32], subject, now - 60, now + 60).unwrap();
    builder.key_id("drover").unwrap().cert_type(CertType::User).unwrap();
    builder.valid_principal("drover").unwrap();
    let certificate = builder.sign(&authority).unwrap().to_openssh().unwrap();
    target.host.credentials.certificate = Some(certificate.into());
    connect(&target).await.unwrap();
    let algorithms = server.seen.algorithms.lock().unwrap().clone();
    assert!(!algorithms.is_empty());
    assert!(algorithms.iter().all(|it| it == "rsa-sha2-512"), "{algorithms:?}");
}

#[tokio::test]
async fn a_host_behind_two_jump_hosts_is_reached() {
    let user = key();
    let (one, two) = (Script::for_user(&user).serve().await, Script::for_user(&user).serve().await);
    let host = Script::for_user(&user).serve().await;
    let mut target = host.target(&user);
    target.jump_hosts = vec![one.hop(&user), two.hop(&user)];
    let session = connect(&target).await.unwrap();
    let command = Command::new("echo", "echo", ["through"]);
    assert_eq!(session.run(&command).await.unwrap().stdout(), b"through\n");
    assert_eq!(host.lines(), ["echo through"]);
    assert!(one.lines().is_empty() && two.lines().is_empty());
    assert_eq!(session.host_keys().count(), 3);
}

#[tokio::test]
async fn a_jump_host_that_does_not_reach_the_host_is_named() {
    let user = key();
    let jump = Script::for_user(&user).serve().await;
    let mut target = jump.target(&user);
    target.jump_hosts = vec![jump.hop(&user)];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    target.host.port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = failure(limits(), &target).await;
    let jump = format!("127.0.0.1:{}", jump.port);
    assert!(matches!(&error, Error::Forward { jump: it, .. } if **it == *jump), "{error:?}");
}

#[tokio::test]
async fn a_server_opens_nothing_on_its_own() {
    let user = key();
    let server = Script { intrudes: true, ..Script::for_user(&user) }.serve().await;
    let session = session(&server, &user).await;
    until("all are refused", || server.seen.rebuffs.load(Ordering::SeqCst) == 7).await;
    assert_eq!(server.seen.intrusions.load(Ordering::SeqCst), 0);
    session.run(&Command::new("true", "true", [""; 0])).await.unwrap().succeeded().unwrap();
}

#[tokio::test]
async fn a_frozen_server_is_noticed_by_its_silence() {
    let user = key();
    let server = Script::for_user(&user).serve().await;
    let limits = Limits { keepalive: Duration::from_millis(500), ..limits() };
    let session = pool_with(limits).session("a", &server.target(&user)).await.unwrap();
    // While it answers it lives on, for longer than it may be silent.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!session.is_spent());
    server.freeze();
    until("it is noticed", || session.is_spent()).await;
    let error = session.run(&Command::new("true", "true", [""; 0])).await.unwrap_err();
    assert_eq!(error.category(), Category::Unreachable);
}
