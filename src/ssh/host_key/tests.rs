use russh::keys::{
    PrivateKey, PublicKey,
    key::safe_rng,
    ssh_key::certificate::{Builder, CertType},
};

use super::*;

const NOW: u64 = 1_800_000_000;
const SHORT_RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDCkQmI/eESo6L7lRfPFtHyYW9I7DHITrNQT1JHfn5Bk4zTW56FAElgIm3wnW6hZH36bGKyzbSxrXs6KhVJgeHU2NeAB98ZjBHa8qnhy0aMIhAJNkUebBXAGPTBAEjrqH1yFNQ7dh78yKl+B9z59hEaU325WW9pENR3qz2LtLO5wp47ltcIJKh8gMacpCDnNUdSm1B9VBNczqZOmrTG/Sbx1lU41T+aOWn8fMnzBQr//+61krwKTj4LUL7vkkG2kSvyn7BBv3Ro9qsmLZ7Jd81v5g/QDhGHYpCfEoXTmT9uNxLV0cF2/iwrSHW6h0EG/GK/i3U6DBs+9IHB66w0pEfL a host";
const LONG_RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQCFLYQnHeaqkLpLquV3gCg7GtIQx0dV4NYbbtSR1tQESkclvETzroSyRgRNlZir8sfSrqaDKiF+QAvHW3nExQnCVvuMN05MoPclRnfvRHaj4iaop4FHFYeSX92YvyENa7hFPwviTXaLHDTV0Iya5GJiY2+08YZuswmZkGj5Olz8bSgGdJYBtYVEjJ6tQjqO9MGUNEyJEbQyqCzP1TNvxyLXjGxUbtzMiVhsg0xfePJKejCf1kqYdnD5BsQRHmiGT/cy/mRWBMxoXqJMj4LCH4HaFU+taSHUnkiw8yrepHFQO/VritaNoqYMlk4I61a8tMio/2qSCbZ7BDM4lr4/XtHz6d3RBClbwfnnz4pWI1SzcbOc1Z9Q0H7RQ1xBQMVcMPm6kriJGfZPc+oLmkjPWr6KrvdTtg+MLS5YMPToilJh8Y6s2T9Z2RSvkU9NlGQJdaOSUFCsvXyZ8Z7kKSLYN4o3/Pkmhy7iw3aWtRBwsziF0SSIaGCNKlJvSlo/1tnfO+0=";
const LONG_RSA_FINGERPRINT: &str = "SHA256:FaRYqiM/OV1d0SKclsrowCkmtXNObuGJsMJO6Qq9GgI";

fn key() -> PrivateKey {
    PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap()
}

fn print(key: &PrivateKey) -> Fingerprint {
    Fingerprint::of(key.public_key().key_data())
}

fn bare(key: &PrivateKey) -> PublicKeyOrCertificate {
    key.public_key().clone().into()
}

/// A certificate that would be good for `h1` with `authority`, before `change`.
fn certified(
    host: &PrivateKey,
    authority: &PrivateKey,
    change: impl FnOnce(&mut Builder),
) -> PublicKeyOrCertificate {
    certified_from(NOW - 60, host, authority, change)
}

fn certified_from(
    valid_after: u64,
    host: &PrivateKey,
    authority: &PrivateKey,
    change: impl FnOnce(&mut Builder),
) -> PublicKeyOrCertificate {
    let subject = host.public_key().clone();
    let mut builder = Builder::new(vec![7; 32], subject, valid_after, valid_after + 120).unwrap();
    builder.key_id("a host").unwrap();
    change(&mut builder);
    builder.sign(authority).unwrap().into()
}

fn good(builder: &mut Builder) {
    builder.cert_type(CertType::Host).unwrap();
    builder.valid_principal("h1").unwrap();
}

fn pinned(keys: &[&PrivateKey]) -> HostKeyPolicy {
    let fingerprints = keys.iter().map(|it| print(it)).collect();
    HostKeyPolicy { fingerprints, ..HostKeyPolicy::default() }
}

fn by_authority(authority: &PrivateKey) -> HostKeyPolicy {
    by_authority_for(authority, &[])
}

fn by_authority_for(authority: &PrivateKey, principals: &[&str]) -> HostKeyPolicy {
    let line = authority.public_key().to_openssh().unwrap();
    let authority = Authority::new(&line, principals.iter().copied()).unwrap();
    // With an authority, what else would be trusted must not matter.
    let otherwise = Otherwise::TrustOnFirstUse { seen: None };
    HostKeyPolicy { authorities: vec![authority], otherwise, ..HostKeyPolicy::default() }
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW.cast_signed()).unwrap()
}

fn decide(policy: &HostKeyPolicy, key: &PublicKeyOrCertificate) -> Result<Trust, Refusal> {
    policy.decide("h1", key, now()).map(|it| it.by)
}

#[test]
fn any_of_several_pinned_keys_is_taken_and_no_other() {
    let (old, new, other) = (key(), key(), key());
    let policy = pinned(&[&old, &new]);
    assert_eq!(decide(&policy, &bare(&old)), Ok(Trust::Pinned));
    assert_eq!(decide(&policy, &bare(&new)), Ok(Trust::Pinned));
    let refusal = decide(&policy, &bare(&other)).unwrap_err();
    let algorithm = "ssh-ed25519".into();
    assert_eq!(refusal, Refusal::Mismatch { algorithm, presented: print(&other) });
    assert!(refusal.to_string().contains(&print(&other).to_string()));
}

#[test]
fn a_key_of_another_type_is_none_of_those_pinned() {
    let curve = russh::keys::EcdsaCurve::NistP256;
    let other = PrivateKey::random(&mut safe_rng(), Algorithm::Ecdsa { curve }).unwrap();
    let refusal = decide(&pinned(&[&key()]), &bare(&other)).unwrap_err();
    assert!(
        matches!(refusal, Refusal::Mismatch { algorithm, .. } if &*algorithm == "ecdsa-sha2-nistp256")
    );
}

#[test]
fn without_anything_to_compare_with_every_key_is_refused() {
    let host = key();
    let refusal = decide(&HostKeyPolicy::default(), &bare(&host));
    let algorithm = "ssh-ed25519".into();
    assert_eq!(refusal, Err(Refusal::UnknownKey { algorithm, presented: print(&host) }));
}

#[test]
fn trust_on_first_use_takes_the_first_key_and_from_then_on_no_other() {
    let (first, other) = (key(), key());
    let policy = |seen| HostKeyPolicy {
        otherwise: Otherwise::TrustOnFirstUse { seen },
        ..HostKeyPolicy::default()
    };
    assert_eq!(decide(&policy(None), &bare(&first)), Ok(Trust::FirstUse));
    let seen = print(&first);
    assert_eq!(decide(&policy(Some(seen)), &bare(&first)), Ok(Trust::SeenBefore));
    let refusal = decide(&policy(Some(seen)), &bare(&other));
    let algorithm = "ssh-ed25519".into();
    assert_eq!(refusal, Err(Refusal::Changed { algorithm, presented: print(&other), seen }));
}

#[test]
fn with_pinned_keys_nothing_is_trusted_on_first_use() {
    let mut policy = pinned(&[&key()]);
    policy.otherwise = Otherwise::TrustOnFirstUse { seen: None };
    assert!(matches!(decide(&policy, &bare(&key())), Err(Refusal::Mismatch { .. })));
}

#[test]
fn a_host_certificate_of_a_given_authority_is_proof() {
    let (host, authority) = (key(), key());
    let shown = certified(&host, &authority, good);
    let trust = Ok(Trust::Authority(print(&authority)));
    assert_eq!(decide(&by_authority(&authority), &shown), trust);
    // The authority may be given by its fingerprint too.
    let named = Authority::new(&print(&authority).to_string(), ["H1"]).unwrap();
    let policy = HostKeyPolicy { authorities: vec![named], ..HostKeyPolicy::default() };
    assert_eq!(decide(&policy, &shown), trust);
}

#[test]
fn every_flaw_of_a_certificate_is_told_apart() {
    let (host, authority) = (key(), key());
    let policy = by_authority(&authority);
    let refused = |certificate| decide(&policy, &certificate).unwrap_err();

    let stranger = key();
    let refusal = refused(certified(&host, &stranger, good));
    assert_eq!(refusal, Refusal::WrongAuthority { authority: print(&stranger) });

    let refusal = refused(certified(&host, &authority, |it| {
        it.cert_type(CertType::User).unwrap();
        it.valid_principal("h1").unwrap();
    }));
    assert_eq!(refusal, Refusal::NotAHostCertificate);

    let refusal = refused(certified(&host, &authority, |it| {
        good(it);
        it.critical_option("source-address", "10.0.0.0/8").unwrap();
    }));
    assert_eq!(refusal, Refusal::CriticalOptions);

    let refusal = refused(certified(&host, &authority, |it| {
        it.cert_type(CertType::Host).unwrap();
        it.valid_principal("h2").unwrap();
        it.valid_principal("h1.example").unwrap();
    }));
    let expected = "h1".into();
    assert_eq!(refusal, Refusal::WrongPrincipal { presented: "h2, h1.example".into(), expected });

    let refusal = refused(certified(&host, &authority, |it| {
        it.cert_type(CertType::Host).unwrap();
        it.all_principals_valid().unwrap();
    }));
    assert!(matches!(refusal, Refusal::WrongPrincipal { .. }));
}

#[test]
fn a_certificate_counts_from_its_first_second_until_before_its_last() {
    let (host, authority) = (key(), key());
    let policy = by_authority(&authority);
    let from = |start| decide(&policy, &certified_from(start, &host, &authority, good));
    let trust = Ok(Trust::Authority(print(&authority)));
    assert_eq!(from(NOW), trust);
    assert_eq!(from(NOW - 119), trust);
    let early = from(NOW + 1).unwrap_err();
    assert_eq!(early, Refusal::NotYetValid(Time(NOW + 1)));
    let late = from(NOW - 120).unwrap_err();
    assert_eq!(late, Refusal::Expired(Time(NOW)));
    assert_eq!(late.to_string(), "its certificate expired at 2027-01-15T08:00:00Z");
    assert!(early.may_pass_by_itself() && late.may_pass_by_itself());
}

#[test]
fn a_certificate_with_a_forged_signature_is_refused() {
    let (host, authority) = (key(), key());
    let PublicKeyOrCertificate::Certificate(good) = certified(&host, &authority, good) else {
        panic!("no certificate");
    };
    let genuine = good.to_bytes().unwrap();
    let spot = genuine.windows(6).position(|it| it == b"a host").unwrap();
    let mut forged = genuine;
    forged[spot] = b'b';
    let forged = Certificate::from_bytes(&forged).unwrap();
    assert_eq!(decide(&by_authority(&authority), &forged.into()), Err(Refusal::BadSignature));
}

#[test]
fn with_an_authority_a_bare_key_is_never_taken_unless_it_is_pinned() {
    let (host, authority) = (key(), key());
    let mut policy = by_authority(&authority);
    let refusal = Err(Refusal::NoCertificate { presented: print(&host) });
    assert_eq!(decide(&policy, &bare(&host)), refusal);
    policy.fingerprints = vec![print(&host)];
    assert_eq!(decide(&policy, &bare(&host)), Ok(Trust::Pinned));
    assert!(matches!(decide(&policy, &bare(&key())), Err(Refusal::Mismatch { .. })));
}

#[test]
fn principals_stand_in_for_the_address_and_belong_to_their_authority() {
    let (host, one, other) = (key(), key(), key());
    let shown = certified(&host, &one, good);
    let policy = by_authority_for(&one, &["h7", "h8"]);
    assert!(matches!(decide(&policy, &shown), Err(Refusal::WrongPrincipal { .. })));
    let mut policy = by_authority_for(&one, &["h7"]);
    policy.authorities.extend(by_authority_for(&other, &["h1"]).authorities);
    assert!(matches!(decide(&policy, &shown), Err(Refusal::WrongPrincipal { .. })));
    policy.authorities.extend(by_authority_for(&one, &["h1"]).authorities);
    assert_eq!(decide(&policy, &shown), Ok(Trust::Authority(print(&one))));
}

#[test]
fn a_revoked_key_is_refused_whoever_vouches_for_it() {
    let (host, authority) = (key(), key());
    let mut policy = by_authority(&authority);
    policy.fingerprints = vec![print(&host)];
    for presented in [print(&host), print(&authority)] {
        policy.revoked = vec![presented];
        policy.fingerprints.retain(|it| *it == presented);
        let refusal = decide(&policy, &certified(&host, &authority, good));
        assert_eq!(refusal, Err(Refusal::Revoked { presented }));
    }
}

#[test]
fn short_rsa_is_taken_neither_from_a_host_nor_from_an_authority() {
    let short: PublicKey = SHORT_RSA.parse().unwrap();
    let mut policy = pinned(&[]);
    policy.fingerprints.push(Fingerprint::of(short.key_data()));
    let refusal = decide(&policy, &short.into());
    assert_eq!(refusal, Err(Refusal::Weak(Weakness::ShortRsa(2048))));
    let error = Authority::new(SHORT_RSA, ["h1"]).unwrap_err();
    assert_eq!(error, KeyTextError::Weak(Weakness::ShortRsa(2048)));
    let long: PublicKey = LONG_RSA.parse().unwrap();
    policy.fingerprints.push(LONG_RSA_FINGERPRINT.parse().unwrap());
    assert_eq!(decide(&policy, &long.into()), Ok(Trust::Pinned));
}

#[test]
fn texts_that_are_no_keys_are_refused() {
    assert_eq!(
        LONG_RSA_FINGERPRINT.parse::<Fingerprint>().unwrap().to_string(),
        LONG_RSA_FINGERPRINT
    );
    let padded = format!("{LONG_RSA_FINGERPRINT}=");
    for text in ["", "SHA256:", "MD5:16:27", "SHA256:abc", &padded, "SHA512:abc"] {
        assert_eq!(text.parse::<Fingerprint>(), Err(KeyTextError::Fingerprint), "{text}");
    }
    let long = format!("{LONG_RSA} {}", "x".repeat(KEY_TEXT));
    for text in ["", "h1", "ssh-ed25519", "ssh-ed25519 AAAA", &long] {
        assert_eq!(Authority::new(text, ["h1"]), Err(KeyTextError::PublicKey), "{text}");
    }
    let certificate = certified(&key(), &key(), good);
    let line = certificate.certificate().unwrap().to_openssh().unwrap();
    assert!(Authority::new(&line, ["h1"]).is_err());
    // Certificates within certificates, as deep as the length allows.
    let deep = nested(40);
    assert!(deep.len() < KEY_TEXT, "{}", deep.len());
    assert!(Authority::new(&deep, ["h1"]).is_err());
}

/// A line with a certificate that is signed by a certificate that is signed by ...
fn nested(depth: usize) -> String {
    fn field(to: &mut Vec<u8>, bytes: &[u8]) {
        to.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
        to.extend(bytes);
    }
    const NAME: &[u8] = b"ssh-ed25519-cert-v01@openssh.com";
    let mut inner = Vec::new();
    for _ in 0..depth {
        let mut outer = Vec::new();
        field(&mut outer, NAME);
        field(&mut outer, b"");
        field(&mut outer, &[7; 32]);
        outer.extend([0; 8]);
        outer.extend([0, 0, 0, 2]);
        field(&mut outer, b"");
        field(&mut outer, b"");
        outer.extend([0; 16]);
        for _ in 0..3 {
            field(&mut outer, b"");
        }
        field(&mut outer, &inner);
        field(&mut outer, b"");
        inner = outer;
    }
    format!("ssh-ed25519-cert-v01@openssh.com {}", encode(&inner))
}

fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |sum, it| sum << 8 | u32::from(*it));
        let word = word << (8 * (3 - chunk.len()));
        for digit in 0..4_usize {
            let index = (word >> (18 - 6 * digit)) & 63;
            let padding = chunk.len() < digit;
            text.push(if padding { '=' } else { DIGITS[index as usize].into() });
        }
    }
    text
}
