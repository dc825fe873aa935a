use proptest::prelude::*;

use super::{parse::facts, *};

const NOW: i64 = 1_800_000_000;

fn read(text: &str) -> Facts {
    let before = Timestamp::from_second(NOW).unwrap();
    let after = Timestamp::from_second(NOW + 3).unwrap();
    facts(text, Asked { before, after })
}

fn shown(text: &str) -> Option<Box<str>> {
    (!text.is_empty()).then(|| text.into())
}

#[test]
fn the_facts_of_a_plain_host_are_read() {
    let facts = read(
        "clock=1800000001\n\
         boot_id=0b4C8a52-1111-4222-8333-444455556666\n\
         init_started=12\n\
         machine_id=0123456789abcdef0123456789abcdef\n\
         os.ID=debian\n\
         os.VERSION_ID=\"12\"\n\
         kernel=6.1.0-18-amd64\n\
         architecture=x86_64\n\
         hostname=h1\n\
         cpus=4\n\
         memory=16384256 kB\n\
         init=systemd\n\
         system=degraded\n\
         runs_units=yes\n\
         disk_root=/dev/sda 1 100000 40000 60000 40% /\n\
         disk_data=tmpfs 2000 500 1500 25% /srv/my data\n\
         package_manager=apt-get\n\
         elasticsearch_package=8.15.0\n\
         installed_kernel=6.1.0-18-amd64\n",
    );
    assert_eq!(
        facts,
        Facts {
            os: Os {
                id: shown("debian"),
                version: shown("12"),
                variant: None,
                family: Some(Family::Debian),
            },
            kernel: shown("6.1.0-18-amd64"),
            architecture: shown("x86_64"),
            hostname: shown("h1"),
            identity: Identity {
                machine_id: shown("0123456789abcdef0123456789abcdef"),
                boot_id: shown("0b4c8a52-1111-4222-8333-444455556666"),
                init_started: Some(12),
            },
            cpus: Some(4),
            memory_bytes: Some(16_384_256 * 1024),
            root_disk: Some(Disk { total_bytes: 102_400_000, free_bytes: 61_440_000 }),
            data_disk: Some(Disk { total_bytes: 2_048_000, free_bytes: 1_536_000 }),
            package_manager: shown("apt-get"),
            ostree: None,
            elasticsearch_version: shown("8.15.0"),
            has_systemd: true,
            runs_units: true,
            is_stopping: false,
            reboot_required: Some(false),
            clock_skew_seconds: Some(0),
        }
    );
}

#[test]
fn images_are_told_by_version_or_checksum() {
    let ostree = |json: &str| {
        let facts = read(&format!(
            "os.ID=fedora\npackage_manager=rpm-ostree\npackage_manager=dnf\nostree=yes\n\
             reboot=no\nostree_status={json}\n"
        ));
        assert_eq!(facts.os.family, Some(Family::Ostree));
        assert_eq!(facts.package_manager, shown("rpm-ostree"));
        let ostree = facts.ostree.unwrap();
        assert_eq!(facts.reboot_required, Some(ostree.staged.is_some()));
        (ostree.booted, ostree.staged)
    };
    let booted = r#"{"version":"40.1","checksum":"abc","booted":true,"staged":false,"x":[1]}"#;
    let only = format!(r#"{{"deployments":[{booted}],"transaction":null}}"#);
    assert_eq!(ostree(&only), (shown("40.1"), None));
    let staged = format!(r#"{{"deployments":[{{"checksum":"def","staged":true}},{booted}]}}"#);
    assert_eq!(ostree(&staged), (shown("40.1"), shown("def")));
    let next = format!(r#"{{"deployments":[{{"version":"40.2"}},{booted}]}}"#);
    assert_eq!(ostree(&next), (shown("40.1"), shown("40.2")));
    let rollback = format!(r#"{{"deployments":[{booted},{{"version":"40.0"}}]}}"#);
    assert_eq!(ostree(&rollback), (shown("40.1"), None));
    for broken in ["", "{", "[]", r#"{"deployments":1}"#] {
        assert_eq!(ostree(broken), (None, None));
    }
    // A plain Fedora with layered tools is no image.
    let plain = read("os.ID=fedora\npackage_manager=rpm-ostree\npackage_manager=dnf\n");
    assert_eq!(plain.os.family, Some(Family::Fedora));
    assert_eq!((plain.package_manager, plain.ostree), (shown("dnf"), None));
}

#[test]
fn the_image_that_is_booted_is_known_by_each_of_its_names_and_no_other_one_is() {
    let json = r#"{"deployments":[
        {"version":"40.2","checksum":"ghi","booted":false,"staged":true},
        {"version":"40.1","checksum":"abc","base-checksum":"def","base-version":"40.1","booted":true}
    ],"cached-update":{"version":"40.3"}}"#;
    assert_eq!(super::booted_names(json), ["40.1", "40.1", "abc", "def"]);
    for untold in ["", "{", r#"{"deployments":[]}"#, r#"{"deployments":[{"version":"40.2"}]}"#] {
        assert!(super::booted_names(untold).is_empty(), "{untold}");
    }
}

#[test]
fn a_restart_is_due_where_the_host_says_so_or_a_newer_kernel_waits() {
    let due = |text: &str| read(text).reboot_required;
    assert_eq!(due("reboot=yes\n"), Some(true));
    assert_eq!(due("reboot=no\ninstalled_kernel=9\nkernel=1\n"), Some(false));
    let kernels = |installed: &[&str]| {
        let lines: Vec<_> = installed.iter().map(|it| format!("installed_kernel={it}")).collect();
        due(&format!("kernel=6.1.0-9-amd64\n{}\n", lines.join("\n")))
    };
    assert_eq!(kernels(&["6.1.0-9-amd64"]), Some(false));
    assert_eq!(kernels(&["6.1.0-9-amd64", "6.1.0-10-amd64"]), Some(true));
    assert_eq!(kernels(&["6.1.0-9-amd64", "6.1.0-8-amd64"]), Some(false));
    assert_eq!(kernels(&["6.1.0-9-amd64", "6.1.0-10-cloud-amd64"]), Some(true));
    assert_eq!(kernels(&["6.1.0-9-amd64", "6.8.0-generic"]), Some(false), "of another make");
    assert_eq!(kernels(&["6.8.0-10-amd64"]), None, "in a container");
    assert_eq!(kernels(&[]), None);
    assert_eq!(due("package_manager=apt-get\n"), Some(false));
}

#[test]
fn a_clock_is_off_only_by_what_the_delay_does_not_explain() {
    let skew = |clock: i64| read(&format!("clock={clock}\n")).clock_skew_seconds;
    assert_eq!(skew(NOW), Some(0));
    assert_eq!(skew(NOW + 3), Some(0));
    assert_eq!(skew(NOW + 63), Some(60));
    assert_eq!(skew(NOW - 86_400), Some(-86_400));
    assert_eq!(skew(0), Some(-NOW));
    assert_eq!(skew(-5), None);
    assert_eq!(skew(i64::MAX), None);
}

#[test]
fn elasticsearch_is_found_where_it_is_named_before_where_it_is_a_package() {
    let version = |text: &str| read(text).elasticsearch_version;
    let jar = "elasticsearch_jar=elasticsearch-9.1.2.jar\n";
    assert_eq!(version(jar), shown("9.1.2"));
    assert_eq!(version(&format!("elasticsearch_package=8.1.0\n{jar}")), shown("9.1.2"));
    assert_eq!(version("elasticsearch_jar=../evil\n"), None);
}

#[test]
fn nonsense_is_left_out() {
    let long = "x".repeat(129);
    let facts = read(&format!(
        "os.ID=\"\"\nos.VERSION_ID=\u{1b}[31m\nkernel={long}\nhostname=h\u{e9}\ncpus=0\n\
         memory=lots\nmachine_id=uninitialized\nboot_id=\nclock=soon\ndisk_root=100%\n\
         disk_data=a 18446744073709551615 0 1 1% /\ninit=upstart\nnot a line\n=\n"
    ));
    assert_eq!(facts, Facts::default());
    // What comes later does not change what came first.
    assert_eq!(read("hostname=h1\nhostname=h2\n").hostname, shown("h1"));
    let second = "machine_id=\nmachine_id=0123456789abcdef0123456789abcdef\n";
    assert!(
        read(second).identity.machine_id.is_some(),
        "the second place counts if the first has none"
    );
}

proptest! {
    #[test]
    fn any_text_at_all_is_read_without_a_fault(
        text in "((clock|memory|cpus|disk_root|ostree|ostree_status|kernel|installed_kernel|os\\.ID)=?[^\0]{0,40}\n){0,8}"
    ) {
        let facts = read(&text);
        let words = [facts.kernel, facts.hostname, facts.os.id];
        prop_assert!(words.into_iter().flatten().all(|it| it.is_ascii() && it.len() <= 128));
    }
}
