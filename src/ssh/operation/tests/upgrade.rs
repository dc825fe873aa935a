//! Upgrades of packages, on a host whose package managers are played.

use std::{fs, os::unix::fs::symlink};

use super::*;
use crate::ssh::{
    families::{Family, Name},
    operation::upgrade::PACKAGES,
};

/// Each notes what it is asked. `simulated` is what a simulation tells; the rest goes well unless the
/// file `broken` is there.
const APT: &str = r#"
echo "apt-get $*" >>asked
case $* in
*--simulate*) cat simulated ;;
*--download-only*) ;;
*) if [ -e broken ]; then cat broken; exit 100; fi; [ ! -e boots ] || >root/run/reboot-required ;;
esac"#;
const APT_MARK: &str = r#"
case $1 in showhold) cat holds 2>/dev/null ;; *) echo "apt-mark $*" >>asked ;; esac
echo "$1 done""#;
pub(super) const DPKG: &str = r"
case $*,$PWD in
-W*elasticsearch,*) echo installed ;;
-S*java,*) echo 'openjdk-17-jre-headless:amd64: /usr/lib/jvm/bin/java' ;;
*) exit 1 ;;
esac";
const DNF: &str = r#"
echo "dnf $*" >>asked
case $* in
*--assumeno*) cat simulated; exit 1 ;;
*needs-restarting*) exit 3 ;;
*--downloadonly*) ;;
*) if [ -e broken ]; then cat broken; exit 1; fi; [ ! -e boots ] || >root/run/reboot-required ;;
esac"#;
const ZYPPER: &str = r#"
echo "zypper $*" >>asked
case $* in
*locks*) printf '# | Name | Type\n--+------+---\n1 | theirs | package\n' ;;
*needs-rebooting*) [ ! -e boots ] || exit 102 ;;
*--dry-run*) cat simulated ;;
*addlock* | *removelock* | *--download-only*) ;;
*update*) if [ -e broken ]; then cat broken; exit 7; fi ;;
esac"#;
const RPM: &str = r#"
case $* in
'-q elasticsearch') echo elasticsearch-8.19.0-1.x86_64 ;;
-qf*java) echo java-17-openjdk-headless ;;
-qf*) echo "file is not owned by any package" ;;
*) exit 1 ;;
esac"#;
const RPM_OSTREE: &str = r#"
case $* in status*) ;; *) echo "rpm-ostree $*" >>asked ;; esac
case $* in
*--check*) cat simulated; exit 77 ;;
status*)
  echo '{ "deployments" : [ '
  [ ! -e staged ] || printf '{"base":{"checksum":"b"},"checksum":"%s","booted":false,"staged":true},' "$(cat staged)"
  echo '{"checksum" : "old", "booted" : true, "packages" : [ "a" ]}], "transaction" : null}'
  ;;
*--download-only*) if [ -e broken ]; then cat broken; exit 1; fi ;;
deploy*) if [ -e broken ]; then cat broken; exit 1; fi; echo new >staged ;;
upgrade*) [ ! -e boots ] || echo new >staged ;;
cleanup*) rm -f staged ;;
'db diff') [ ! -e untold ] || exit 1; [ ! -e differs ] || cat differs; [ ! -e overtaken ] || echo other >staged ;;
esac"#;
const SYSTEMCTL: &str = r#"
case $* in show*) ;; *) echo "systemctl $*" >>asked ;; esac"#;
const NOTHING: &str = "";

const FAMILIES: [Family; 5] =
    [Family::Debian, Family::Fedora, Family::Rhel, Family::Suse, Family::Ostree];

pub(super) struct Played {
    pub(super) programs: Programs,
    family: Family,
    /// The image that is deployed; nothing where packages are upgraded.
    image: Option<Name>,
}

impl Played {
    /// One that is to boot this image.
    pub(super) fn for_image(version: &str) -> Self {
        Self { image: Name::new(version), ..Self::new(Family::Ostree) }
    }

    pub(super) fn new(family: Family) -> Self {
        let programs = Programs::new(&[
            ("apt-get", APT),
            ("apt-mark", APT_MARK),
            ("dpkg-query", DPKG),
            ("dnf", DNF),
            ("yum", DNF),
            ("zypper", ZYPPER),
            ("rpm", RPM),
            ("rpm-ostree", RPM_OSTREE),
            ("needs-restarting", "exit 3"),
            ("systemctl", SYSTEMCTL),
            ("sleep", NOTHING),
            ("sync", NOTHING),
        ]);
        let it = Self { programs, family, image: None };
        for folder in ["run", "proc/7", "var/lib", "usr/bin"] {
            fs::create_dir_all(it.programs.path(&format!("root/{folder}"))).unwrap();
        }
        it.write("root/proc/uptime", "100.5 1.0\n");
        let main = "java\0org.elasticsearch.server/org.elasticsearch.bootstrap.Elasticsearch\0";
        it.write("root/proc/7/cmdline", main);
        it.write("root/usr/bin/java", "");
        symlink(it.programs.path("root/usr/bin/java"), it.programs.path("root/proc/7/exe"))
            .unwrap();
        it.simulates("bash");
        it
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        fs::write(self.programs.path(name), text).unwrap();
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.programs.path(name).exists()
    }

    /// The upgrade would change this package, besides others.
    fn simulates(&self, package: &str) {
        let text = match self.family {
            Family::Debian => format!(
                "The following packages have been kept back:\n  elasticsearch\n\
                 Inst libc6 [1] (2 Debian)\nInst {package} [1.0-1] (1.1-1 Debian [amd64])\n\
                 Conf {package} (1.1-1 Debian [amd64])\n"
            ),
            Family::Fedora | Family::Rhel => format!(
                "Upgrading:\n kernel  x86_64  6.1  updates  30 M\n {package}  x86_64  1.1  updates  1 M\n\
                 Transaction Summary\nUpgrade  2 Packages\nOperation aborted.\n"
            ),
            Family::Suse => format!(
                "The following item is locked and will not be changed by any action:\n Available:\n  \
                 elasticsearch\n\nThe following 2 packages are going to be upgraded:\n  libzypp \
                 {package}\n\n2 packages to upgrade.\n"
            ),
            Family::Ostree => "AvailableUpdate: 41.1\n".to_owned(),
        };
        self.write("simulated", &text);
    }

    /// Runs it; the last line that it says, and whether it ended well. `latest` is the second from
    /// which on the host may not go down, which is up for 100 s.
    pub(super) fn run(&self, deed: Deed, latest: &str) -> Result<String, String> {
        self.run_in_full(deed, latest).1
    }

    /// The same, after all that it says.
    pub(super) fn run_in_full(&self, deed: Deed, latest: &str) -> (String, Result<String, String>) {
        let unit = Unit::new("elasticsearch.service");
        let work = match deed {
            Deed::Fetch => Work::fetch(("r-1", 1), self.family, unit, "boot-1"),
            _ => Work::upgrade(("r-1", 1), self.family, unit, Some(BEFORE), "boot-1"),
        };
        let work = match &self.image {
            Some(image) => work.unwrap().with_image(image.clone()),
            None => work,
        };
        let work = work.unwrap();
        let upgrade = work.upgrade.as_ref().unwrap();
        let mut settings = upgrade.settings(deed, work.unit.as_ref(), latest);
        settings[6] = self.programs.path("root").to_str().unwrap().to_owned();
        self.write("settings", &(settings.join("\n") + "\n"));
        let path = self.programs.path("settings");
        let output =
            self.programs.run(&Command::script("test", PACKAGES, [path.to_str().unwrap()]));
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let last = said.lines().last().unwrap_or_default().to_owned();
        let ending = if output.status.success() { Ok(last) } else { Err(last) };
        (said, ending)
    }

    /// Another program, or another script of one.
    pub(super) fn programs_add(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;

        let path = self.programs.path(name);
        fs::write(&path, format!("#!/bin/sh\ncd \"${{0%/*}}\"\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    }

    /// What was asked since, a line each.
    pub(super) fn asked(&self) -> Vec<String> {
        let asked = self.programs.noted("asked");
        let _ = fs::remove_file(self.programs.path("asked"));
        asked.lines().map(str::to_owned).collect()
    }
}

pub(super) fn at(asked: &[String], what: &[&str]) -> Option<usize> {
    asked.iter().position(|line| what.iter().all(|it| line.contains(it)))
}

#[test]
fn what_will_be_installed_is_simulated_and_fetched_and_nothing_is_changed() {
    for family in FAMILIES {
        let host = Played::new(family);
        assert_eq!(host.run(Deed::Fetch, ""), Ok("fetched".into()), "{family}");
        let asked = host.asked();
        let download = ["--download-only", "--downloadonly"];
        let fetched = asked.iter().position(|it| download.iter().any(|only| it.contains(only)));
        let simulation =
            ["--simulate", "--assumeno", "--dry-run", "--check", "--lock-finalization"];
        let simulated = asked.iter().position(|it| simulation.iter().any(|dry| it.contains(dry)));
        assert!(simulated.unwrap() < fetched.unwrap(), "{family}: {asked:?}");
        let changes = |it: &&String| {
            (it.contains("upgrade") || it.contains("update "))
                && !download.iter().chain(&simulation).any(|only| it.contains(only))
        };
        assert_eq!(asked.iter().find(changes), None, "{family}");
        assert_eq!(at(&asked, &["systemctl"]), None);
        assert!(!host.has("root/var/lib/drover/held") && !host.has("root/var/lib/drover/upgraded"));
    }
}

#[test]
fn elasticsearch_and_its_java_are_held_for_as_long_as_it_takes() {
    for family in [Family::Debian, Family::Suse] {
        let host = Played::new(family);
        assert_eq!(host.run(Deed::Upgrade, ""), Ok("upgraded".into()));
        let asked = host.asked();
        let java = if family == Family::Debian {
            "openjdk-17-jre-headless"
        } else {
            "java-17-openjdk-headless"
        };
        let hold = if family == Family::Debian { " hold " } else { " addlock " };
        let unhold = if family == Family::Debian { " unhold " } else { " removelock " };
        let before = at(&asked, &[hold, " elasticsearch", java]).expect("they are held");
        let upgrade = if family == Family::Debian { "apt-get" } else { "update" };
        let upgraded = asked.iter().rposition(|it| it.contains(upgrade)).unwrap();
        let freed = at(&asked, &[unhold, " elasticsearch", java]).expect("they are let go");
        assert!(before < upgraded && upgraded < freed, "{family}: {asked:?}");
    }
    for family in [Family::Fedora, Family::Rhel] {
        let host = Played::new(family);
        assert_eq!(host.run(Deed::Upgrade, ""), Ok("upgraded".into()));
        for line in host.asked().iter().filter(|it| it.contains("upgrade")) {
            let is_left_out = |it: &str| line.contains(&format!("--exclude={it}"));
            assert!(
                is_left_out("elasticsearch") && is_left_out("java-17-openjdk-headless"),
                "{line}"
            );
        }
    }
}

#[test]
fn what_somebody_else_holds_stays_held_and_what_was_left_held_is_let_go() {
    let host = Played::new(Family::Debian);
    host.write("holds", "elasticsearch\n");
    // A machine that lost its power in the midst of an upgrade.
    fs::create_dir_all(host.programs.path("root/var/lib/drover")).unwrap();
    host.write("root/var/lib/drover/held", " left-behind\n");
    assert_eq!(host.run(Deed::Upgrade, ""), Ok("upgraded".into()));
    let asked = host.asked();
    assert_eq!(asked[0], "apt-mark unhold left-behind");
    assert_eq!(at(&asked, &["hold", "elasticsearch"]), None, "{asked:?}");
    assert!(at(&asked, &["apt-mark hold openjdk-17-jre-headless"]).is_some());
    assert!(!host.has("root/var/lib/drover/held"));
}

#[test]
fn a_transaction_that_holds_what_elasticsearch_needs_is_refused_before_anything_changes() {
    for (family, packages) in [
        (Family::Debian, ["elasticsearch", "openjdk-17-jre-headless"]),
        (Family::Fedora, ["elasticsearch", "java-17-openjdk-headless"]),
        (Family::Rhel, ["elasticsearch", "java-17-openjdk-headless.x86_64"]),
        (Family::Suse, ["elasticsearch", "java-17-openjdk-headless"]),
    ] {
        for package in packages {
            for deed in [Deed::Fetch, Deed::Upgrade] {
                let host = Played::new(family);
                host.simulates(package);
                let why = host.run(deed, "").unwrap_err();
                let expected =
                    format!("the upgrade would change {package}, which Elasticsearch needs");
                assert!(why.starts_with(&expected), "{family}: {why}");
                let asked = host.asked();
                let installs = asked.iter().any(|it| {
                    it.contains("-y upgrade")
                        || it.ends_with("with-new-pkgs upgrade")
                        || it.ends_with("update") && family == Family::Suse
                });
                assert!(!installs, "{asked:?}");
                assert!(!host.has("root/var/lib/drover/held"), "nothing stays held");
            }
        }
    }
    // What has such a name in it is another package.
    let host = Played::new(Family::Debian);
    host.simulates("elasticsearch-curator");
    assert_eq!(host.run(Deed::Fetch, ""), Ok("fetched".into()));
}

#[test]
fn an_upgrade_that_fails_says_why_lets_go_what_it_held_and_boots_nothing() {
    for family in [Family::Debian, Family::Fedora, Family::Suse] {
        let host = Played::new(family);
        host.write("broken", "reading...\nE: Could not get lock /var/lib/dpkg/lock-frontend\n\n");
        host.write("boots", "");
        let why = host.run(Deed::Upgrade, "").unwrap_err();
        let expected = "the upgrade failed: E: Could not get lock /var/lib/dpkg/lock-frontend";
        assert_eq!(why, expected, "{family}");
        assert_eq!(at(&host.asked(), &["systemctl"]), None);
        assert!(!host.has("root/var/lib/drover/held") && !host.has("root/var/lib/drover/upgraded"));
    }
    let host = Played::new(Family::Rhel);
    host.write("simulated", "Error: Failed to download metadata for repo 'base'\n");
    let why = host.run(Deed::Fetch, "").unwrap_err();
    assert_eq!(
        why,
        "the upgrade can't be simulated: Error: Failed to download metadata for repo 'base'"
    );
}

#[test]
fn a_host_boots_only_where_its_distribution_says_so_and_never_without_leave() {
    for family in FAMILIES {
        let host = Played::new(family);
        assert_eq!(host.run(Deed::Upgrade, "101"), Ok("upgraded".into()), "{family}");
        assert_eq!(at(&host.asked(), &["systemctl"]), None, "{family}");
        let host = Played::new(family);
        host.write("boots", "");
        // It was told to, and goes on running here.
        let why = host.run(Deed::Upgrade, "101").unwrap_err();
        assert_eq!(why, "it was told to boot, and did not", "{family}");
        let asked = host.asked();
        assert_eq!(asked.last().unwrap(), "systemctl reboot", "{family}");
        assert_eq!(host.programs.noted("root/var/lib/drover/upgraded"), "r-1\n");
    }
}

#[test]
fn a_boot_that_would_come_too_late_waits_for_another_permit_which_upgrades_nothing_again() {
    for family in FAMILIES {
        let host = Played::new(family);
        host.write("boots", "");
        assert_eq!(host.run(Deed::Upgrade, "100"), Err(upgrade_due()), "{family}");
        assert_eq!(at(&host.asked(), &["systemctl"]), None);
        let why = host.run(Deed::Upgrade, "101").unwrap_err();
        assert_eq!(why, "it was told to boot, and did not", "{family}");
        assert_eq!(host.asked(), ["systemctl reboot"], "{family}");
        // Nothing is left of that for the next one.
        assert!(!host.has("root/var/lib/drover/due"));
    }
}

fn upgrade_due() -> String {
    crate::ssh::operation::upgrade::DUE.to_owned()
}

fn upgrading(unit: State, step: State, boot: &str, system: &str) -> Verdict {
    let service = Unit::new("elasticsearch.service");
    let work = Work::upgrade(("r-1", 2), Family::Debian, service, Some(BEFORE), "boot-1").unwrap();
    let look = Look {
        service: Some(Service { unit, ..Service::default() }),
        steps: vec![step, absent()],
        system: system.into(),
        uptime: Some(1000),
    };
    let identity = Identity { boot_id: Some(boot.into()), ..Identity::default() };
    work.judge(&look, &identity)
}

#[test]
fn an_upgrade_is_proven_by_its_own_end_and_by_the_boot_that_it_asked_for() {
    let before = || unit("active", Some(BEFORE), 500);
    let here = |unit, step| upgrading(unit, step, "boot-1", "running");
    assert_eq!(here(before(), state("activating")), Verdict::UnderWay);
    assert_eq!(here(before(), state("active")), Verdict::Spared, "nothing was restarted");
    assert_eq!(here(before(), state("failed")), Verdict::Failed);
    assert_eq!(here(before(), absent()), Verdict::NotBegun { is_as_before: true });
    assert_eq!(upgrading(before(), state("failed"), "boot-1", "stopping"), Verdict::UnderWay);
    // Some package has restarted it.
    assert_eq!(here(unit("active", Some(AFTER), 5), state("active")), Verdict::Done);
    assert_eq!(here(unit("active", Some(AFTER), 1), state("active")), Verdict::UnderWay);
    // Or has stopped it: it is started, whatever came of the rest.
    for step in ["active", "failed"] {
        assert_eq!(here(unit("failed", None, 0), state(step)), Verdict::Start);
        assert_eq!(here(unit("activating", Some(AFTER), 0), state(step)), Verdict::UnderWay);
    }
    assert_eq!(here(unit("active", Some(AFTER), 5), state("failed")), Verdict::Failed);
    let back = |unit| upgrading(unit, absent(), "boot-2", "running");
    assert_eq!(back(unit("active", Some(AFTER), 5)), Verdict::Done);
    assert_eq!(back(unit("inactive", None, 0)), Verdict::Start);
}
