//! What is somebody else's is left as it is, and what is Drover's known from the beginning.

use super::*;

#[test]
fn one_that_somebody_else_runs_is_left_as_it_is() {
    let mut foreign = installed();
    foreign.unit.insert("ActiveState".into(), "active".into());
    foreign.running.insert("FLANNELD_ETCD_PREFIX".into(), "/theirs".into());
    for flanneld in [fedora(), Flanneld::runs(Family::Debian, &settings())] {
        assert_eq!(drift(&flanneld, &foreign), [""; 0]);
        assert!(flanneld.steps(&foreign).is_empty());
        assert_eq!(flanneld.standing(&foreign), Standing::Foreign);
    }
    assert!(Flanneld::gone().steps(&foreign).is_empty());
    assert_eq!(Flanneld::gone().standing(&foreign), Standing::Gone);
    // Once they let go of it, it is Drover's to run.
    assert_eq!(fedora().standing(&installed()), Standing::Lacking);
    assert!(!fedora().steps(&installed()).is_empty());
}

#[test]
fn one_that_somebody_else_means_to_run_is_left_too_after_a_boot_and_where_it_has_failed() {
    let theirs = |properties: &[(&str, &str)]| {
        let mut report = installed();
        let properties = properties.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        report.unit.extend(properties);
        report
    };
    let waits = [("UnitFileState", "enabled"), ("Job", "217")];
    let began_by_hand = [("Job", "217")];
    let failed = [("UnitFileState", "enabled"), ("ActiveState", "failed")];
    let failed_by_hand = [("ActiveState", "failed")];
    for what in [&waits[..], &waits[..1], &began_by_hand, &failed, &failed_by_hand] {
        let report = theirs(what);
        assert_eq!(drift(&fedora(), &report), [""; 0], "{what:?}");
        assert!(fedora().steps(&report).is_empty(), "{what:?}");
        assert_eq!(fedora().standing(&report), Standing::Foreign, "{what:?}");
        assert!(Flanneld::gone().steps(&report).is_empty(), "{what:?}");
        // Where Drover could not run it, nobody does.
        let debian = Flanneld::runs(Family::Debian, &settings());
        assert_eq!(debian.standing(&report), Standing::Lacking, "{what:?}");
    }
    let rests = theirs(&[("Job", "0")]);
    assert_eq!(fedora().standing(&rests), Standing::Lacking);
    assert!(!fedora().steps(&rests).is_empty());
}

#[test]
fn what_its_own_package_enables_and_starts_is_drovers_from_the_beginning() {
    let flanneld = fedora();
    let steps = flanneld.steps(&bare());
    let installs = |it: &Step| word(it).contains("drover-install-flannel");
    let at = steps.iter().position(installs).unwrap();
    for state in ["inactive", "activating", "failed"] {
        let mut cut = carry_out(&bare(), &steps[..=at]);
        cut.unit.insert("UnitFileState".into(), "enabled".into());
        cut.unit.insert("ActiveState".into(), state.into());
        let after = carry_out(&cut, &flanneld.steps(&cut));
        assert_eq!(drift(&flanneld, &after), [""; 0], "{state}");
        assert_eq!(flanneld.standing(&after), Standing::Ours, "{state}");
        let back = Flanneld::gone().steps(&after);
        assert_eq!(words(&back)[0], "sh -s -- flanneld.service disable", "{state}");
    }
}

#[test]
fn a_file_of_somebody_elses_in_the_way_is_told_and_nothing_is_done() {
    let mut report = installed();
    let theirs = File { state: "regular file|644|root|root".into(), ..File::default() };
    report.files.insert(files::DROP_IN.into(), theirs);
    let found = fedora().findings(&report);
    assert!(found.iter().any(|it| it.item == Item::Foreign && is_about(&it.drift.path)));
    assert!(fedora().steps(&report).is_empty());
    assert!(Flanneld::gone().steps(&report).is_empty());
}
