use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::{
    secrets::{CLUSTER, Existing, Kind, MANAGED_BY, Next, marks, next, password},
    *,
};

fn now() -> Timestamp {
    "2026-11-23T05:00:00Z".parse().unwrap()
}

fn after(days: i64) -> Timestamp {
    now() + jiff::SignedDuration::from_hours(24 * days)
}

fn names() -> Vec<Box<str>> {
    ["es-1", "es-1.example", "localhost", "127.0.0.1", "192.168.0.1", "::1"].map(Into::into).into()
}

fn authority() -> Authority {
    Authority::make("Drover authority of a test", now()).unwrap()
}

fn kept(authority: &Authority) -> Result<Authority, AuthorityError> {
    let key = SecretSlice::from(authority.key().expose_secret().as_bytes().to_vec());
    Authority::read(authority.certificate().as_bytes(), &key)
}

/// A folder of this test's own, gone when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("drover-authority-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn openssl(arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn openssl_takes_a_node_s_certificate_for_a_server_s_and_a_client_s() {
    takes(&authority());
}

#[test]
fn openssl_takes_a_node_s_certificate_of_an_authority_with_the_node_s_own_name() {
    takes(&Authority::make("es-1", now()).unwrap());
}

fn takes(authority: &Authority) {
    let issued = authority.issue("es-1", &names(), now()).unwrap();
    let folder = Folder::new();
    let ca = folder.write("ca.crt", authority.certificate());
    let leaf = folder.write("node.crt", &issued.certificate);
    let key = folder.write("node.key", issued.key.expose_secret());
    let at = now().as_second().to_string();
    for purpose in ["sslserver", "sslclient"] {
        let checks =
            ["verify", "-x509_strict", "-attime", &at, "-CAfile", &ca, "-purpose", purpose];
        for name in [&["-verify_hostname", "es-1.example"], &["-verify_ip", "192.168.0.1"]] {
            openssl(&[&checks[..], name, &[&leaf]].concat());
        }
    }
    let of_key = openssl(&["pkey", "-in", &key, "-pubout"]);
    assert_eq!(openssl(&["x509", "-in", &leaf, "-noout", "-pubkey"]), of_key);
    let text = openssl(&["x509", "-in", &ca, "-noout", "-text"]);
    assert!(text.contains("CA:TRUE, pathlen:0"), "{text}");
    assert_eq!(issued.certificate.matches("BEGIN CERTIFICATE").count(), 2, "leaf and authority");
}

#[test]
fn an_authority_that_was_kept_signs_as_before() {
    let authority = authority();
    let again = kept(&authority).unwrap();
    assert_eq!(again.certificate(), authority.certificate());
    let issued = again.issue("es-1", &names(), now()).unwrap();
    assert_eq!(authority.check(issued.certificate.as_bytes(), &names(), now()), Ok(()));
}

#[test]
fn a_person_s_own_authority_signs_whatever_its_name_is() {
    let folder = Folder::new();
    let (ca, key) = (folder.write("own.crt", ""), folder.write("own.key", ""));
    openssl(&[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        &key,
        "-out",
        &ca,
        "-days",
        "3650",
        "-subj",
        "/C=DE/O=Own & Sons/CN=An authority",
        "-addext",
        "keyUsage=critical,keyCertSign",
    ]);
    let key = SecretSlice::from(fs::read(key).unwrap());
    let own = Authority::read(&fs::read(ca).unwrap(), &key).unwrap();
    let now = Timestamp::now();
    let issued = own.issue("es-1", &names(), now).unwrap();
    assert_eq!(own.check(issued.certificate.as_bytes(), &names(), now), Ok(()));
}

#[test]
fn what_can_not_sign_is_refused_before_anything_is_handed_out() {
    let (one, other) = (authority(), authority());
    let key = SecretSlice::from(other.key().expose_secret().as_bytes().to_vec());
    let mixed = Authority::read(one.certificate().as_bytes(), &key).unwrap();
    let refused = mixed.issue("es-1", &names(), now()).unwrap_err();
    assert_eq!(refused, AuthorityError::Unfit(Unfit::NotSigned));
    // A node's certificate is no authority.
    let node = one.issue("es-1", &names(), now()).unwrap();
    let key = SecretSlice::from(node.key.expose_secret().as_bytes().to_vec());
    let refused = Authority::read(node.certificate.as_bytes(), &key).unwrap_err();
    assert_eq!(refused, AuthorityError::Certificate("it may not sign others"));
    assert!(one.issue("es-1", &names(), after(3653)).is_err(), "its time is over");

    let nothing = Authority::read(b"", &key).unwrap_err();
    assert!(matches!(nothing, AuthorityError::Certificate(_)));
    let no_key = Authority::read(one.certificate().as_bytes(), &SecretSlice::from(vec![0xff]));
    assert_eq!(no_key.unwrap_err(), AuthorityError::Key);
    let bad = one.issue("es-1", &["a b".into()], now()).unwrap_err();
    assert_eq!(bad, AuthorityError::Name("a b".into()));
}

#[test]
fn a_certificate_is_renewed_when_a_third_of_its_time_is_left() {
    let authority = authority();
    let issued = authority.issue("es-1", &names(), now()).unwrap();
    let pem = issued.certificate.as_bytes();
    let check = |days: i64| authority.check(pem, &names(), after(days));
    assert_eq!((check(0), check(240)), (Ok(()), Ok(())));
    assert_eq!((check(245), check(364)), (Err(Unfit::Expiring), Err(Unfit::Expiring)));
    assert_eq!(check(366), Err(Unfit::NotSigned));
    assert_eq!(check(-1), Err(Unfit::NotSigned), "not valid yet");
    assert!(!authority.is_expiring(after(2400)) && authority.is_expiring(after(2500)));
    // The last one before the authority's own time is over.
    let last = authority.issue("es-1", &names(), after(3650)).unwrap();
    let check = |days| authority.check(last.certificate.as_bytes(), &names(), after(days));
    assert_eq!((check(3651), check(3652)), (Ok(()), Err(Unfit::NotSigned)));
}

#[test]
fn a_certificate_of_another_authority_or_for_another_host_is_replaced() {
    let authority = authority();
    let issued = authority.issue("es-1", &names(), now()).unwrap();
    let pem = issued.certificate.as_bytes();
    let other = Authority::make("another", now()).unwrap();
    assert_eq!(other.check(pem, &names(), now()), Err(Unfit::NotSigned));
    for name in ["es-2", "192.168.0.2"] {
        let mut more = names();
        more.push(name.into());
        assert_eq!(authority.check(pem, &more, now()), Err(Unfit::Name(name.into())));
    }
    assert_eq!(authority.check(b"", &names(), now()), Err(Unfit::Unreadable));
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(authority.check(broken, &names(), now()), Err(Unfit::Unreadable));
}

#[test]
fn no_key_shows_in_a_debug_text() {
    let authority = authority();
    let issued = authority.issue("es-1", &names(), now()).unwrap();
    let shown = format!("{authority:?} {issued:?}");
    for key in [authority.key(), &issued.key] {
        let line = key.expose_secret().lines().nth(1).unwrap();
        assert!(!shown.contains(line) && !shown.contains("PRIVATE"), "{shown}");
    }
}

fn existing(kind: Kind) -> Existing {
    let (labels, annotations) = marks("es");
    let data = kind.keys().iter().map(|it| ((*it).to_owned(), b"x".to_vec().into())).collect();
    Existing { uid: "uid-1".into(), labels, annotations, data }
}

#[test]
fn a_secret_is_made_used_or_left_alone_by_its_mark() {
    for kind in Kind::ALL {
        assert_eq!(next(kind, "es", None), Next::Make);
        let ours = existing(kind);
        assert_eq!(next(kind, "es", Some(&ours)), Next::Use, "{kind:?}");
        let refused = |change: &dyn Fn(&mut Existing)| {
            let mut changed = ours.clone();
            change(&mut changed);
            let Next::Refuse(words) = next(kind, "es", Some(&changed)) else {
                panic!("{changed:?} was not refused");
            };
            assert!(words.contains(&kind.name("es")), "{words}");
            words
        };
        refused(&|it| it.labels.clear());
        refused(&|it| _ = it.labels.insert(MANAGED_BY.0.into(), "helm".into()));
        refused(&|it| it.annotations.clear());
        refused(&|it| _ = it.annotations.insert(CLUSTER.into(), "other".into()));
        let key = kind.keys().last().unwrap();
        let words = refused(&|it| _ = it.data.insert((*key).into(), Vec::new().into()));
        assert!(words.contains(key), "{words}");
    }
    assert_eq!(Kind::ALL.map(|it| it.name("es")), ["es-admin", "es-ca", "es-ca-key"]);
}

#[test]
fn passwords_are_long_and_never_the_same() {
    let all: BTreeSet<String> =
        (0..50).map(|_| password().unwrap().expose_secret().to_owned()).collect();
    assert_eq!(all.len(), 50);
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_".contains(it);
    assert!(all.iter().all(|it| it.len() == 32 && it.chars().all(plain)));
}

#[test]
fn a_certificate_that_shows_an_authority_before_it_was_renewed_with_its_key_is_made_again() {
    let before = authority();
    let mut params = params("Drover authority of a test", after(1), AUTHORITY_LIFE).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let pair = KeyPair::from_pem(before.key().expose_secret()).unwrap();
    let renewed = params.self_signed(&pair).unwrap().pem();
    let key = SecretSlice::from(before.key().expose_secret().as_bytes().to_vec());
    let renewed = Authority::read(renewed.as_bytes(), &key).unwrap();
    assert_ne!(renewed.fingerprint(), before.fingerprint());

    let issued = before.issue("es-1", &names(), now()).unwrap();
    let check = |pem: &str| renewed.check(pem.as_bytes(), &names(), after(2));
    assert_eq!(check(&issued.certificate), Err(Unfit::NotSigned));
    assert_eq!(trust::signer(issued.certificate.as_bytes()), Some(before.fingerprint()));
    let leaf = issued.certificate.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap();
    assert_eq!(check(leaf), Ok(()), "nobody says whose it is, and it is good");
    let both = format!("{}{}", renewed.certificate(), before.certificate());
    let held = renewed.is_preceded(issued.certificate.as_bytes(), both.as_bytes(), after(2));
    assert!(held, "the node can keep it until all trust the renewed one");

    let again = renewed.issue("es-1", &names(), after(2)).unwrap();
    assert_eq!(check(&again.certificate), Ok(()));
    assert_eq!(trust::signer(again.certificate.as_bytes()), Some(renewed.fingerprint()));
}
