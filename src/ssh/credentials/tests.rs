use russh::keys::{
    Algorithm,
    key::safe_rng,
    ssh_key::{
        self, LineEnding,
        certificate::{Builder, CertType},
    },
};

use super::*;

const NOW: u64 = 1_800_000_000;

fn key() -> PrivateKey {
    PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap()
}

fn credentials(text: &str) -> Credentials {
    Credentials::new(text.into())
}

fn text(key: &PrivateKey) -> String {
    key.to_openssh(LineEnding::LF).unwrap().to_string()
}

fn problem(credentials: &Credentials) -> Option<CredentialsError> {
    let now = Timestamp::from_second(NOW.cast_signed()).unwrap();
    credentials.read(now).err()
}

#[test]
fn keys_are_read_as_people_store_them() {
    let key = text(&key());
    for spelling in [key.clone(), format!("\n{key}\n\n"), key.replace('\n', "\r\n")] {
        assert_eq!(problem(&credentials(&spelling)), None, "{spelling:?}");
    }
    let mut pem = Vec::new();
    russh::keys::encode_pkcs8_pem(&super::tests::key(), &mut pem).unwrap();
    assert_eq!(problem(&credentials(str::from_utf8(&pem).unwrap())), None);
}

#[test]
fn what_is_no_key_is_told_without_being_shown() {
    let long = format!("{}{}", text(&key()), " x".repeat(PRIVATE_KEY_TEXT));
    for bad in
        ["", "s3cret", "-----BEGIN OPENSSH PRIVATE KEY-----", "-----BEGIN x-----\ns3cret", &long]
    {
        let problem = problem(&credentials(bad)).unwrap();
        assert_eq!(problem, CredentialsError::Key, "{bad}");
        assert!(!problem.to_string().contains("s3cret"));
    }
    let ppk = "PuTTY-User-Key-File-3: ssh-ed25519\n";
    assert_eq!(problem(&credentials(ppk)), Some(CredentialsError::Key));
    for bad in [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII=\n-----END ENCRYPTED PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n",
    ] {
        assert_eq!(problem(&credentials(bad)), Some(CredentialsError::EncryptedPem));
    }
}

#[test]
fn a_key_that_takes_minutes_to_decrypt_is_not_decrypted() {
    let encrypted = text(&key().encrypt(&mut safe_rng(), "a").unwrap());
    // The rounds stand in clear before the encrypted part.
    let blob = PrivateKey::from_openssh(&encrypted).unwrap().to_bytes().unwrap();
    let salt_end = blob.windows(4).position(|it| it == 16_u32.to_be_bytes()).unwrap() + 20;
    let mut slow = blob.to_vec();
    slow[salt_end..salt_end + 4].copy_from_slice(&(ROUNDS + 1).to_be_bytes());
    let slow = PrivateKey::from_bytes(&slow).unwrap();
    assert!(matches!(slow.kdf(), ssh_key::Kdf::Bcrypt { rounds, .. } if *rounds == ROUNDS + 1));
    let mut credentials = credentials(&text(&slow));
    credentials.passphrase = Some("a".into());
    assert_eq!(problem(&credentials), Some(CredentialsError::PassphraseSlow));
}

#[test]
fn a_key_is_decrypted_once_and_another_is_never_taken_for_it() {
    let encrypted = |key: &PrivateKey| text(&key.encrypt(&mut safe_rng(), "a").unwrap());
    let (one, other) = (key(), key());
    let now = Timestamp::from_second(NOW.cast_signed()).unwrap();
    let read = |it: &Credentials| it.read(now).map(|it| it.key.public_key().clone());
    let mut first = credentials(&encrypted(&one));
    first.passphrase = Some("a".into());
    // Those who connect have a copy each.
    let (again, mut changed) = (first.clone(), first.clone());
    assert_eq!(read(&again).as_ref(), Ok(one.public_key()));
    let known = || first.decrypted.0.lock().unwrap().as_ref().map(|it| it.of);
    assert!(known().is_some(), "forgotten");
    changed.passphrase = Some("b".into());
    assert_eq!(read(&changed), Err(CredentialsError::PassphraseWrong));
    changed.passphrase = Some("a".into());
    changed.key = encrypted(&other).into();
    assert_eq!(read(&changed).as_ref(), Ok(other.public_key()));
    assert_eq!(read(&first).as_ref(), Ok(one.public_key()));
}

#[test]
fn a_certificate_has_to_be_for_the_key_and_for_users_and_for_now() {
    let (user, authority) = (key(), key());
    let signed = |subject: &PrivateKey, kind, from: u64| {
        let subject = subject.public_key().clone();
        let mut builder = Builder::new(vec![7; 32], subject, from, from + 60).unwrap();
        builder.key_id("a").unwrap().cert_type(kind).unwrap();
        builder.valid_principal("drover").unwrap();
        builder.sign(&authority).unwrap().to_openssh().unwrap()
    };
    let with = |certificate: String| {
        let certificate = Some(certificate.into());
        problem(&Credentials { certificate, ..credentials(&text(&user)) })
    };
    let (as_user, as_host) = (CertType::User, CertType::Host);
    assert_eq!(with(signed(&user, as_user, NOW - 1)), None);
    assert_eq!(with(format!("{} a comment\n", signed(&user, as_user, NOW - 1))), None);
    assert_eq!(with("s3cret".into()), Some(CredentialsError::Certificate));
    let other = with(signed(&key(), as_user, NOW));
    assert_eq!(other, Some(CredentialsError::CertificateOfAnotherKey));
    let host = with(signed(&user, as_host, NOW));
    assert_eq!(host, Some(CredentialsError::NotAUserCertificate));
    let expired = with(signed(&user, as_user, NOW - 60)).unwrap();
    assert_eq!(expired, CredentialsError::CertificateExpired(Time(NOW)));
    assert!(!expired.may_pass_by_itself(), "only another Secret helps");
    let early = with(signed(&user, as_user, NOW + 1)).unwrap();
    assert_eq!(early, CredentialsError::CertificateNotYetValid(Time(NOW + 1)));
    assert!(early.may_pass_by_itself());
}
