//! Upgrades of packages where something is in doubt: what has to stay, whether it has to boot, who else is at
//! work there.

use std::{fs, os::unix::fs::symlink};

use super::{
    upgrade::{DPKG, Played, at},
    *,
};
use crate::ssh::{
    families::Family,
    operation::{
        spent::{CLEAR, Spent},
        upgrade::UNBOOTED,
    },
};

/// A host on which a boot would find other kernels, too.
fn with_kernels(kernels: &[&str]) -> Played {
    let host = Played::new(Family::Debian);
    for it in kernels {
        let folder = host.programs.path(&format!("root/lib/modules/{it}/kernel"));
        fs::create_dir_all(folder).unwrap();
    }
    host
}

#[test]
fn a_host_boots_for_a_newer_kernel_of_the_kind_that_runs_and_for_no_other() {
    let running = "6.1.0-18-amd64";
    for (kernels, boots) in [
        (vec![running], false),
        (vec!["6.1.0-18-amd64", "6.1.0-21-amd64"], true),
        (vec!["6.1.0-18-amd64", "6.1.0-21-cloud-amd64"], false),
        (vec!["6.1.0-9-amd64"], false),
        (vec!["6.1.0-18-amd64", "6.1.0-21-rt-amd64"], false),
    ] {
        let host = with_kernels(&kernels);
        host.programs_add("uname", &format!("echo {running}"));
        assert_eq!(host.run(Deed::Upgrade, "101").is_err(), boots, "{kernels:?}");
        assert_eq!(at(&host.asked(), &["systemctl reboot"]).is_some(), boots, "{kernels:?}");
    }
}

#[test]
fn a_plug_in_that_fails_is_no_reason_to_boot() {
    let host = Played::new(Family::Rhel);
    host.programs_add("needs-restarting", "echo Traceback >&2; exit 1");
    assert_eq!(host.run(Deed::Upgrade, "101"), Ok("upgraded".into()));
    host.programs_add("needs-restarting", "echo Reboot is required to be up to date; exit 1");
    assert_eq!(host.run(Deed::Upgrade, "101"), Err(UNBOOTED.to_owned()));
}

#[test]
fn the_java_that_runs_and_the_one_that_is_declared_are_held_and_what_is_not_known_blocks() {
    let host = Played::new(Family::Debian);
    let declared = "root/usr/lib/jvm/new/bin";
    fs::create_dir_all(host.programs.path(declared)).unwrap();
    host.write(&format!("{declared}/java"), "");
    fs::create_dir_all(host.programs.path("root/etc/alternatives")).unwrap();
    fs::create_dir_all(host.programs.path("root/etc/default")).unwrap();
    let link = host.programs.path("root/etc/alternatives/jvm");
    symlink(host.programs.path("root/usr/lib/jvm/new"), &link).unwrap();
    host.write("root/etc/default/elasticsearch", &format!("ES_JAVA_HOME=\"{}\"\n", link.display()));
    let dpkg =
        DPKG.replace("-S*java,*", "-S*jvm/new/bin/java,*) echo 'newer-jre: x' ;;\n-S*java,*");
    host.programs_add("dpkg-query", &dpkg);
    assert_eq!(host.run(Deed::Fetch, ""), Ok("fetched".into()));
    let asked = host.asked();
    assert!(at(&asked, &[" hold ", "newer-jre", "openjdk-17-jre-headless"]).is_some(), "{asked:?}");

    host.programs_add(
        "dpkg-query",
        "case $* in -S*) echo 'dpkg-query: error: no database' >&2; exit 2 ;; esac",
    );
    let why = host.run(Deed::Upgrade, "").unwrap_err();
    let expected = "nobody can tell what Elasticsearch needs: nobody tells which package";
    assert!(why.starts_with(expected), "{why}");
    // It has no package: nothing changes it.
    let free = "case $* in -S*) echo 'dpkg-query: no path found matching pattern' >&2; exit 1 ;; esac; exit 1";
    host.programs_add("dpkg-query", free);
    assert_eq!(host.run(Deed::Upgrade, ""), Ok("upgraded".into()));

    // It was replaced by another version in another folder, while it runs.
    let host = Played::new(Family::Rhel);
    fs::remove_file(host.programs.path("root/proc/7/exe")).unwrap();
    symlink("/nowhere/java-17.0.1/bin/java (deleted)", host.programs.path("root/proc/7/exe"))
        .unwrap();
    let why = host.run(Deed::Fetch, "").unwrap_err();
    assert!(why.contains("is there no more: restart it first"), "{why}");
    assert_eq!(host.asked(), Vec::<String>::new());
}

#[test]
fn what_is_held_already_has_to_be_known_before_anything_is_held() {
    for (family, program) in [(Family::Debian, "apt-mark"), (Family::Suse, "zypper")] {
        let host = Played::new(family);
        host.programs_add(program, "echo \"$*\" >>asked; case $* in refresh* | *refresh) ;; *) echo broken; exit 4 ;; esac");
        let why = host.run(Deed::Fetch, "").unwrap_err();
        assert_eq!(why, "nobody can tell what is held already: broken");
        let asked = host.asked();
        assert_eq!(at(&asked, &["hold "]).or_else(|| at(&asked, &["addlock"])), None);
        // What can't be let go is not forgotten.
        host.write("root/var/lib/drover/held", "left-behind\n");
        let why = host.run(Deed::Fetch, "").unwrap_err();
        assert!(why.starts_with("what was held for an earlier upgrade can't be let go"), "{why}");
        assert!(host.has("root/var/lib/drover/held"));
    }
}

#[test]
fn credentials_of_a_repository_stay_on_the_host() {
    let said = "E: Failed to fetch https://joe:s3cr3t@repo.example/a.deb?token=s3cr3t 401\n\
                proxy_password = s3cr3t\nAuthorization: Basic s3cr3t\n\
                Err https://joe:s3cr3t@repo.example/dists?sig=s3cr3t&x=1 Release\n";
    for family in [Family::Debian, Family::Fedora, Family::Suse] {
        let host = Played::new(family);
        host.write("broken", said);
        let (said, why) = host.run_in_full(Deed::Upgrade, "");
        assert!(!said.contains("s3cr3t") && !said.contains("joe"), "{said}");
        let expected =
            "the upgrade failed: Err https://[redacted]@repo.example/dists?[redacted] Release";
        assert_eq!(why, Err(expected.to_owned()));
    }
}

#[test]
fn a_package_manager_that_somebody_else_uses_is_waited_for_and_not_for_ever() {
    let host = Played::new(Family::Debian);
    let apt = "case $* in *update) echo try >>tries; [ $(wc -l <tries) -gt 3 ] || \
               { echo 'E: Could not get lock /var/lib/apt/lists/lock'; exit 100; } ;; *) cat simulated ;; esac";
    host.programs_add("apt-get", apt);
    assert_eq!(host.run(Deed::Fetch, ""), Ok("fetched".into()));
    assert_eq!(host.programs.noted("tries").lines().count(), 4);
    host.programs_add("apt-get", &apt.replace("-gt 3", "-gt 999"));
    assert!(host.run(Deed::Fetch, "").unwrap_err().contains("Could not get lock"));
}

#[test]
fn what_a_machine_that_lost_its_power_holds_is_let_go_at_the_next_look() {
    let clear = |units: &str, mark: &str| {
        let systemctl = format!(
            "case $1 in list-units) printf '{units}' ;; *) printf 'LoadState=not-found\\n' ;; esac"
        );
        let programs = Programs::new(&[("systemctl", &systemctl), ("apt-mark", mark)]);
        let held = programs.path("held");
        fs::write(&held, " elasticsearch openjdk\n").unwrap();
        let state = held.parent().unwrap().to_str().unwrap();
        let words = ["/run/drover", state, "drover-r-1-upgrade-1.service"];
        let output = programs.run(&Command::script("test", CLEAR, words));
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        (told, programs.noted("asked"), held.exists())
    };
    let mark = "echo \"$*\" >>asked";
    let expected = "unhold elasticsearch openjdk\n".to_owned();
    assert_eq!(clear("", mark), ("left=0\n".into(), expected.clone(), false));
    let fails = format!("{mark}; exit 1");
    assert_eq!(clear("", &fails), ("left=1\n".into(), expected, true));
    // What is at work lets them go itself.
    let busy = "drover-r-2-upgrade-1.service loaded activating start x";
    assert_eq!(clear(busy, mark), ("left=0\n".into(), String::new(), true));
    let line = Spent::new("r-1", 1).unwrap().command().line().unwrap();
    assert!(line.contains(" /run/drover /var/lib/drover drover-r-1-1.service"), "{line}");
}

#[test]
fn work_that_fails_is_in_vain_where_elasticsearch_runs_on_or_again() {
    let service = || Unit::new("elasticsearch.service");
    let of = |unit: State, before: Option<&str>, why: &str| {
        let work = Work::upgrade(("r-1", 1), Family::Debian, service(), before, "boot-1").unwrap();
        let service = Some(Service { unit, ..Service::default() });
        let look = Look { service, uptime: Some(1000), ..Look::default() };
        work.failed(why.into(), &look)
    };
    let why = "the upgrade failed: no space left";
    let vain = Outcome::Vain(why.into());
    for unit in [unit("active", Some(BEFORE), 500), unit("active", Some(AFTER), 5)] {
        assert_eq!(of(unit, Some(BEFORE), why), vain);
    }
    assert_eq!(of(unit("failed", None, 0), Some(BEFORE), why), Outcome::Failed(why.into()));
    assert_eq!(of(unit("failed", None, 0), None, why), vain, "it did not run before");
    // It may boot yet.
    let told = of(unit("active", Some(BEFORE), 500), Some(BEFORE), UNBOOTED);
    assert_eq!(told, Outcome::Failed(UNBOOTED.into()));
    let look = Look::default();
    let restart = work(Deed::Restart).failed(why.into(), &look);
    assert_eq!(restart, Outcome::Failed(why.into()));
}

#[test]
fn fetching_is_over_with_its_unit_and_is_begun_again_after_a_boot() {
    let work = Work::fetch(("r-1", 1), Family::Suse, None, "boot-1").unwrap();
    assert_eq!(work.name(), "drover-r-1-fetch-1.service");
    let judge = |step| {
        let look = Look { steps: vec![step, absent()], ..Look::default() };
        work.judge(&look, &Identity::default())
    };
    assert_eq!(judge(state("activating")), Verdict::UnderWay);
    assert_eq!(judge(state("active")), Verdict::Done);
    assert_eq!(judge(state("failed")), Verdict::Failed);
    assert_eq!(judge(absent()), Verdict::NotBegun { is_as_before: true });
}

#[test]
fn a_run_that_upgrades_leaves_none_of_its_jobs() {
    let line = Spent::new("r-1", 2).unwrap().with_upgrades("r-1", 2).command().line().unwrap();
    for unit in ["fetch-1", "fetch-2", "upgrade-1", "upgrade-2", "upgrade-2-start"] {
        assert!(line.contains(&format!(" drover-r-1-{unit}.service")), "{line}");
    }
}
