use std::time::Duration;

use super::*;
use crate::ssh::{deploy::File, path::RemotePath};

fn at(days: u64) -> Timestamp {
    "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + Duration::from_hours(24 * days)
}

fn care() -> Care {
    let readable = |path, text: &str| File::readable(path, text.as_bytes().to_vec());
    Care {
        deployment: Deployment {
            version: "8.19.0".into(),
            data: RemotePath::new("/var/lib/drover-elasticsearch").unwrap(),
            at_start: vec![
                readable(layout::SETTINGS, "one"),
                File::of_systemd(layout::UNIT_FILE, b"one".to_vec()),
            ],
            live: vec![readable(layout::SEEDS, "seeds")],
            revision: "one".into(),
        },
        authority: Arc::new(Authority::make("a test", at(0)).unwrap()),
        peers: Peers::alike(),
        name: "es-1".into(),
        names: vec!["es-1".into(), "192.0.2.1".into()],
        cluster_uuid: None,
        is_begun: false,
        prunes: true,
        is_left_alone: false,
    }
}

/// A host on which that runs, with a certificate of its node.
fn settled(care: &Care) -> Report {
    let mut report = Report::bare();
    report.stage(&care.deployment);
    report.swap(&care.deployment, "first");
    let deployment = care.wanted(&report, at(0)).unwrap();
    for file in &deployment.live {
        report.put(file.path, file);
    }
    let issued = care.authority.issue("es-1", &care.names, at(0)).unwrap();
    report.certificate = issued.certificate.to_string();
    report.certified = Some(report.files[layout::KEY].sum.clone());
    assert_eq!(care.differences(&report, at(1)), []);
    report
}

fn paths(deployment: &Deployment) -> Vec<&'static str> {
    deployment.live.iter().map(|it| it.path).collect()
}

#[test]
fn nothing_is_written_on_a_host_before_an_installation_is_begun() {
    let mut care = care();
    assert!(
        !care.may_write(&Report::bare()) && care.differences(&Report::bare(), at(0)).is_empty()
    );
    let settled = settled(&care);
    assert!(care.may_write(&settled));
    care.is_begun = true;
    assert!(care.may_write(&Report::bare()));
}

#[test]
fn nothing_is_written_on_a_host_that_is_a_member_of_another_cluster() {
    let mut care = care();
    care.is_begun = true;
    let mut report = settled(&care);
    report.put(layout::SEEDS, &File::readable(layout::SEEDS, b"theirs".to_vec()));
    report.cluster_uuid = Some("theirs".into());
    for uuid in [None, Some("ours")] {
        care.cluster_uuid = uuid.map(Into::into);
        assert!(!care.may_write(&report) && care.differences(&report, at(1)).is_empty());
    }
    care.cluster_uuid = Some("theirs".into());
    assert!(care.may_write(&report));
    assert_eq!(care.differences(&report, at(1)).len(), 1);
}

#[test]
fn a_node_gets_a_certificate_where_it_has_none_or_none_that_is_good_for_long() {
    let mut care = care();
    let report = settled(&care);
    let seeds_alone = [layout::SEEDS];
    let with_certificate = [layout::SEEDS, layout::KEY, layout::CERTIFICATE];
    let wanted = |care: &Care, report: &Report, day| paths(&care.wanted(report, at(day)).unwrap());
    assert_eq!(wanted(&care, &Report::bare(), 0), with_certificate);
    assert_eq!(wanted(&care, &report, 1), seeds_alone);
    // A third of a year before it expires.
    assert_eq!(wanted(&care, &report, 240), seeds_alone);
    assert_eq!(wanted(&care, &report, 250), with_certificate);
    let told = care.differences(&report, at(250));
    assert_eq!((&*told[0].path, told.len()), (layout::CERTIFICATE, 1));
    assert!(told[0].live.contains("expires soon"), "{told:?}");

    // Another key came alone: what is served is of the one before, until the next start.
    let mut other_key = report.clone();
    other_key.put(layout::KEY, &File::pem(layout::KEY, b"another"));
    assert_eq!(wanted(&care, &other_key, 1), with_certificate);
    let told = care.differences(&other_key, at(1));
    assert!(told[0].live.contains("of the key that is there"), "{told:?}");
    let mut other_name = settled(&care);
    care.names.push("es-1.example".into());
    assert_eq!(wanted(&care, &other_name, 1), with_certificate);
    other_name.certificate.clear();
    assert_eq!(wanted(&care, &other_name, 1), with_certificate);
    care.authority = Arc::new(Authority::make("another", at(0)).unwrap());
    assert_eq!(wanted(&care, &report, 1), with_certificate);
    // What can sign no more is told.
    let error = care.wanted(&report, at(365 * 11)).unwrap_err();
    assert!(matches!(error, Error::Unsigned { .. }), "{error:?}");
}

/// The same host under another authority, which is to be trusted alone.
fn replaced(care: &mut Care) -> Report {
    let old = care.authority.certificate().to_owned();
    care.deployment.live.push(File::pem(layout::AUTHORITIES, old.as_bytes()));
    let mut report = settled(care);
    report.authorities.clone_from(&old);
    care.authority = Arc::new(Authority::make("another", at(0)).unwrap());
    let new = File::pem(layout::AUTHORITIES, care.authority.certificate().as_bytes());
    *care.deployment.live.last_mut().unwrap() = new;
    report
}

#[test]
fn a_node_goes_over_to_another_authority_once_all_trust_that_and_drops_the_old_one_last() {
    let mut care = care();
    let mut report = replaced(&mut care);
    let old = crate::authority::trust::fingerprints(report.authorities.as_bytes());
    let trusted = |care: &Care, report: &Report| {
        let wanted = care.wanted(report, at(1)).unwrap();
        let file = wanted.live.iter().find(|it| it.path == layout::AUTHORITIES).unwrap();
        let text = String::from_utf8(file.content.expose_secret().to_vec()).unwrap();
        (text.matches("BEGIN").count(), wanted)
    };
    let certificate = [layout::KEY, layout::CERTIFICATE];
    let has = |it: &Deployment| it.live.iter().any(|it| certificate.contains(&it.path));

    // The new one is trusted beside the old one, and nothing else comes.
    care.peers = Peers { trust_it: false, signers: Some(old) };
    let (count, wanted) = trusted(&care, &report);
    assert!(count == 2 && !has(&wanted) && care.retains(&report));
    let told = care.differences(&report, at(1));
    assert_eq!((told.len(), &*told[0].path), (1, layout::AUTHORITIES));
    let file = wanted.live.iter().find(|it| it.path == layout::AUTHORITIES).unwrap();
    report.put(layout::AUTHORITIES, file);
    report.authorities = String::from_utf8(file.content.expose_secret().to_vec()).unwrap();
    assert_eq!(care.differences(&report, at(1)), [], "it waits for the others");
    assert!(care.retains(&report));

    // All trust it: its certificate comes, and the old one is trusted still.
    care.peers.trust_it = true;
    let (count, wanted) = trusted(&care, &report);
    assert!(count == 2 && has(&wanted));

    // One that is good is kept for as long as that takes, but not until it is over.
    care.peers.trust_it = false;
    assert!(!has(&care.wanted(&report, at(362)).unwrap()));
    assert!(has(&care.wanted(&report, at(364)).unwrap()));
    assert!(has(&care.wanted(&report, at(366)).unwrap()));

    // No node has a certificate of the old one any more.
    care.peers = Peers::alike();
    let (count, _) = trusted(&care, &report);
    assert!(count == 1 && !care.retains(&report));
    care.peers.signers = None;
    assert_eq!(trusted(&care, &report).0, 2, "nobody knows");
}

#[test]
fn a_certificate_of_the_authority_that_signs_is_renewed_whoever_trusts_that() {
    let mut care = care();
    let mut report = settled(&care);
    report.authorities = care.authority.certificate().to_owned();
    care.peers.trust_it = false;
    assert_eq!(care.unfit(&report, at(250)), Some(Unfit::Expiring));
    assert_eq!(care.unfit(&Report::bare(), at(0)), Some(Unfit::Unreadable));
}

#[test]
fn under_report_files_and_the_unit_are_left_alone_and_certificates_are_not() {
    let mut care = care();
    let mut report = settled(&care);
    care.is_left_alone = true;
    report.put(layout::SEEDS, &File::readable(layout::SEEDS, b"changed".to_vec()));
    report.unit.insert("UnitFileState".into(), "disabled".into());
    report.unit.insert("NeedDaemonReload".into(), "yes".into());
    let told = care.differences(&report, at(1));
    assert_eq!(told.len(), 3, "{told:?}");
    let wanted = care.wanted(&report, at(1)).unwrap();
    assert!(wanted.drift(&report).is_empty() && wanted.steps(&report).is_empty());
    let wanted = care.wanted(&report, at(250)).unwrap();
    assert_eq!(paths(&wanted), [layout::KEY, layout::CERTIFICATE]);
}

#[test]
fn another_password_is_written_under_report_too() {
    let mut care = care();
    care.deployment.live.push(File::readable(layout::USERS, b"one".to_vec()));
    let report = settled(&care);
    care.is_left_alone = true;
    assert!(care.wanted(&report, at(1)).unwrap().drift(&report).is_empty());
    *care.deployment.live.last_mut().unwrap() = File::readable(layout::USERS, b"two".to_vec());
    let drift = care.wanted(&report, at(1)).unwrap().drift(&report);
    assert_eq!(drift.iter().map(|it| &*it.path).collect::<Vec<_>>(), [layout::USERS]);
}

#[test]
fn a_host_is_noted_to_be_a_member_once_it_runs_as_one_and_once() {
    let mut care = care();
    let mut report = settled(&care);
    assert_eq!(care.note(&report), None, "none is formed");
    care.cluster_uuid = Some("uuid".into());
    assert_eq!(care.note(&report), Some("uuid"));
    assert_eq!(care.note(&Report::bare()), None);
    report.data = DataDirectory::Empty;
    assert_eq!(care.note(&report), None, "it may never come up");
    report.data = DataDirectory::Used;
    report.cluster_uuid = Some("uuid".into());
    assert_eq!(care.note(&report), None);
    report.cluster_uuid = Some("another".into());
    assert_eq!(care.note(&report), Some("uuid"), "the host itself refuses it");
    report.stop("failed");
    assert_eq!(care.note(&report), None);
}

#[test]
fn versions_go_once_what_shall_run_does_and_no_run_needs_them() {
    let mut care = care();
    let mut report = settled(&care);
    assert!(!care.is_to_prune(&report));
    report.trees.insert("8.18.0".into(), super::super::report::Tree::default());
    assert!(care.is_to_prune(&report));
    care.prunes = false;
    assert!(!care.is_to_prune(&report));
    care.prunes = true;
    report.running.as_mut().unwrap().version = "8.18.0".into();
    report.current = Some("8.18.0".into());
    assert!(!care.is_to_prune(&report), "the older one runs still");
}

#[test]
fn what_a_run_has_kept_goes_once_no_run_needs_it_though_what_shall_run_does_not() {
    let mut care = care();
    let mut report = settled(&care);
    report.keeps_before = true;
    report.trees.insert("8.18.0".into(), super::super::report::Tree::default());
    care.prunes = false;
    assert!(!care.is_to_prune(&report));
    care.prunes = true;
    assert!(care.is_to_prune(&report));
    assert!(care.needed(&report).is_empty());
    report.running = None;
    assert!(care.is_to_prune(&report));
    assert_eq!(
        care.needed(&report),
        [Box::<str>::from("8.18.0"), "8.19.0".into()],
        "no version goes for it"
    );
    // Once it is gone nothing is done any more.
    report.keeps_before = false;
    assert!(!care.is_to_prune(&report));
}
