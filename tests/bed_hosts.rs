//! The promises of the bed's hosts: real systemd, real sshd, and faults that do what they say and end.
#![allow(clippy::unwrap_used)]

#[path = "common/mod.rs"]
mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::hosts::{
    Host, HostNetwork, KeyType, Os, Settings, SshAuthority, SshCertificate, SshKey, Sudo,
};
use common::leftovers::{control_groups, is_victim, left_of, tell, victim};
use common::wait::eventually;

const SOON: Duration = Duration::from_secs(20);

fn key() -> &'static SshKey {
    SshKey::shared()
}

/// Fails with ssh's own words, which must hold these.
async fn refused(host: &Host, words: &str) {
    let output = host.ssh_with("root", key(), &["-oConnectTimeout=2"], "true").await;
    assert_eq!(output.status, 255, "{output:?}");
    assert!(output.stderr.contains(words), "{output:?}");
}

#[tokio::test]
async fn hosts_come_up_as_different_machines_of_different_distributions() {
    let systems = [
        (Os::Debian, "debian", "apt-get"),
        (Os::Ubuntu, "ubuntu", "apt-get"),
        (Os::Fedora, "fedora", "dnf"),
        (Os::Rhel, "rhel", "dnf"),
        (Os::Centos, "centos", "yum"),
        (Os::Opensuse, "opensuse-leap", "zypper"),
        (Os::Sles, "sles", "zypper"),
        (Os::Atomic, "fedora", "rpm-ostree"),
    ];
    let hosts = Host::start_all(systems.map(|(os, ..)| Settings::new(os))).await;
    let mut machines = BTreeSet::new();
    for (host, (os, id, tool)) in hosts.iter().zip(systems) {
        let facts = host
            .run(&format!(
                ". /etc/os-release; echo $ID; cat /etc/machine-id /proc/sys/kernel/random/boot_id; \
                 systemctl is-system-running --wait; cat /proc/1/comm; command -v {tool}; \
                 test -e /run/ostree-booted && echo ostree; true"
            ))
            .await;
        let facts: Vec<&str> = facts.lines().collect();
        assert_eq!(facts[0], id);
        assert_eq!(facts[3..6], ["running", "systemd", &format!("/usr/bin/{tool}")], "{os:?}");
        assert_eq!(facts.get(6).is_some(), os == Os::Atomic);
        machines.extend([facts[1].to_owned(), facts[2].to_owned(), host.fingerprint()]);
        let apt = host.ssh("root", key(), "command -v apt-get").await;
        assert_eq!(apt.status == 0, tool == "apt-get", "{os:?} {apt:?}");
    }
    assert_eq!(machines.len(), 3 * hosts.len(), "{machines:?}");
    // They reach each other and this machine, and nothing beyond.
    let connect =
        |address: &str, port: u16| format!("timeout 5 bash -c ': </dev/tcp/{address}/{port}'");
    hosts[0].run(&connect(&hosts[7].address(), 22)).await;
    let gateway = HostNetwork::shared().await.gateway();
    let server = tokio::net::TcpListener::bind((gateway.as_str(), 0)).await.unwrap();
    hosts[0].run(&connect(&gateway, server.local_addr().unwrap().port())).await;
    assert_eq!(hosts[0].run("ip route").await.lines().count(), 1);
}

#[tokio::test]
async fn a_reboot_changes_the_boot_id_and_keeps_the_machine() {
    let host = Settings::new(Os::Atomic).name("web-1").disk_megabytes(64).start().await;
    assert_eq!(host.run("hostname").await, "web-1");
    assert_eq!(host.run("df --output=size -m / | tail -n 1 | tr -d ' '").await, "64");
    let before = (host.machine_id().await, host.boot_id().await, host.fingerprint());
    // A setting of the kernel is this host's own, and goes with the boot unless it is written down.
    let machine = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
    host.run("sysctl -w vm.max_map_count=262144").await;
    host.run("rpm-ostree deploy 41.1").await;
    host.reboot().await;
    assert_eq!(host.machine_id().await, before.0);
    assert_ne!(host.boot_id().await, before.1);
    assert_eq!(host.run("sysctl -n vm.max_map_count").await, "65530");
    assert_eq!(std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap(), machine);
    let deployments = host.run("rpm-ostree status --json").await;
    let deployments: serde_json::Value = serde_json::from_str(&deployments).unwrap();
    assert_eq!(deployments["deployments"][0]["version"], "41.1");
    assert_eq!(deployments["deployments"][0]["booted"], true);

    host.run("echo vm.max_map_count=1048576 >/etc/sysctl.d/test.conf").await;
    let (before, shown) = (host.boot_id().await, host.fingerprint());
    host.new_host_key_at_boot(KeyType::Ed25519);
    host.cut_power();
    refused(&host, "port 22").await;
    host.power_on();
    host.rebooted(&before).await;
    assert_ne!(host.fingerprint(), shown);
    assert_eq!(host.run("sysctl -n vm.max_map_count").await, "1048576");
}

#[tokio::test]
async fn reboots_can_be_slow_and_never_return() {
    let host = Settings::new(Os::Debian).start().await;
    let before = host.boot_id().await;
    host.never_returns();
    let _ = host.ssh("root", key(), "systemctl reboot").await;
    eventually("it has gone down", SOON, async || {
        let console = std::fs::read_to_string(host.dir().join("console.log")).unwrap();
        if console.contains("the system ended with 133") { Ok(()) } else { Err("still up") }
    })
    .await;
    refused(&host, "port 22").await;
    host.mend_reboots();
    host.rebooted(&before).await;

    let before = host.boot_id().await;
    host.reboots_take(3);
    host.reboot().await;
    assert_ne!(host.boot_id().await, before);
    host.clear().await;
}

#[tokio::test]
async fn network_faults_do_what_they_say_and_end() {
    let host = Settings::new(Os::Debian).start().await;
    host.blackhole();
    refused(&host, "timed out").await;
    assert!(host.lost_packets() > 0);
    host.mend_network();
    host.reset_connections();
    refused(&host, "refused").await;
    host.mend_network();
    assert_eq!(host.lost_packets(), 0);
    assert_eq!(host.run("echo alive").await, "alive");

    // Lost packets and slow lines hinder, and no more.
    host.lose_packets(30);
    eventually("packets are lost, and others come", SOON, async || {
        let output = host.ssh("root", key(), "head -c 100000 /dev/zero | tr '\\0' x").await;
        let lost = host.lost_packets();
        if lost > 0 && output.stdout.len() == 100_000 {
            Ok(())
        } else {
            Err(format!("{lost} lost"))
        }
    })
    .await;
    host.mend_network();
    host.slow_network(256);
    let payload = host.run("head -c 20000 /dev/urandom | od -An -tx1 | tr -d ' \\n'").await;
    assert_eq!(payload.len(), 40000);
    let queue = host.inside("tc -s qdisc show dev eth0");
    assert!(queue.contains("tbf") && queue.contains("rate 256Kbit"), "{queue}");
    host.clear().await;
    assert!(!host.inside("tc qdisc show dev eth0").contains("tbf"));
}

#[tokio::test]
async fn a_frozen_host_accepts_connections_and_answers_nothing() {
    let host = Settings::new(Os::Debian).start().await;
    let before = host.boot_id().await;
    host.freeze();
    tokio::net::TcpStream::connect((host.address(), 22)).await.unwrap();
    refused(&host, "banner").await;
    host.thaw();
    assert_eq!(host.boot_id().await, before);
    host.stop_sshd();
    refused(&host, "refused").await;
    host.start_sshd();
    host.ready().await;

    // Everything at once, and one call that ends it.
    host.stop_sshd();
    host.freeze();
    host.blackhole();
    host.clear().await;
    assert_eq!(host.boot_id().await, before);
}

#[tokio::test]
async fn commands_sudo_disk_and_identity_can_go_wrong() {
    let other_key = SshKey::new(KeyType::Ecdsa);
    let settings = Settings::new(Os::Fedora).user("ops").authorize(&other_key.public());
    let host = settings.start().await;
    assert_eq!(host.ssh("ops", &other_key, "id -un").await.stdout, "ops");
    let user = |command: &'static str| host.ssh(host.user(), key(), command);
    assert_eq!(user("sudo -n id -u").await.stdout, "0");
    host.set_sudo(Sudo::AsksPassword);
    assert!(user("sudo -n id -u").await.stderr.contains("password is required"));
    host.set_sudo(Sudo::Refused);
    assert_eq!(user("sudo -n id -u").await.status, 1);
    host.set_sudo(Sudo::Only("/usr/bin/dnf"));
    assert_eq!(user("sudo -n id -u").await.status, 1);
    assert_eq!(user("sudo -n dnf -y install chrony && rpm -q chrony").await.status, 0);

    host.offer_updates(&["openssl"]);
    assert_eq!(user("dnf check-update").await.status, 100);
    assert_eq!(user("sudo -n dnf -y upgrade && dnf needs-restarting -r").await.status, 0);
    host.offer_updates(&["kernel"]);
    assert_eq!(user("sudo -n dnf -y upgrade && dnf check-update").await.status, 0);
    assert_eq!(user("needs-restarting -r").await.status, 1);
    host.failing_command("dnf", 1, "it's broken; $(false)");
    let failed = user("sudo -n dnf -y upgrade").await;
    assert_eq!((failed.status, failed.stderr.as_str()), (1, "it's broken; $(false)"));
    host.endless_command("rpm");
    assert_eq!(user("rpm -q chrony | head -c 1000000 | wc -c").await.stdout, "1000000");
    host.fill_disk_but(10);
    let rest = user("df --output=avail -m / | tail -n 1 | tr -d ' '").await.stdout;
    assert!((8..=11).contains(&rest.parse::<u32>().unwrap()), "{rest} MB");
    host.slow_command("df", 600);
    assert_eq!(user("timeout 1 df").await.status, 124);
    let calls = host.calls();
    assert_eq!(calls[0], "dnf -y install chrony");
    assert_eq!(calls[calls.len() - 3..], ["dnf -y upgrade", "rpm -q chrony", "df"]);

    host.fill_disk();
    let full = user("sudo -n dnf -y upgrade; echo x >/var/tmp/x").await;
    assert!(full.stderr.contains("No space left on device"), "{full:?}");

    host.clear().await;
    assert_eq!(user("df && rpm -q chrony && sudo -n touch /var/tmp/x").await.status, 0);
    let other = Settings::new(Os::Debian).machine_id(&host.machine_id().await).start().await;
    assert_eq!(other.machine_id().await, host.machine_id().await);
    other.set_machine_id("0123456789abcdef0123456789abcdef");
    assert_eq!(other.machine_id().await, "0123456789abcdef0123456789abcdef");
}

#[tokio::test]
async fn stand_ins_speak_and_end_as_the_real_package_managers() {
    let systems = [Os::Ubuntu, Os::Rhel, Os::Sles, Os::Atomic];
    let hosts = Host::start_all(systems.map(Settings::new)).await;
    let [ubuntu, rhel, sles, atomic] = &hosts[..] else { unreachable!() };
    for (host, command, status, words) in [
        (ubuntu, "apt-get update", 0, "Reading"),
        (ubuntu, "apt-get -s upgrade", 0, "Inst linux-image-amd64 "),
        (ubuntu, "apt-get -y -o Dpkg::Options::=--force-confold install chrony", 0, "Setting up"),
        (ubuntu, "dpkg-query -W -f '${Status} ${Version}' chrony", 0, "install ok installed 1.0-1"),
        (ubuntu, "apt-get -y install no-such-thing", 100, "E: Unable to locate"),
        (ubuntu, "apt-get -y dist-upgrade && cat /run/reboot-required", 0, "restart required"),
        (rhel, "yum -y install --downloadonly chrony && rpm -q chrony", 1, "not installed"),
        (rhel, "dnf -y install no-such-thing", 1, "Unable to find a match"),
        (rhel, "dnf check-update", 100, "kernel.x86_64"),
        (sles, "zypper -n list-updates", 0, "| kernel |"),
        (sles, "zypper needs-rebooting", 0, ""),
        (sles, "zypper -n update && zypper needs-rebooting", 102, ""),
        (sles, "zypper -n in no-such-thing", 104, "No provider"),
        (sles, "zypper -n in chrony && rpm -q --qf '%{VERSION}' chrony", 0, "1.0-1"),
        (atomic, "rpm-ostree upgrade --check", 0, "40.20240519.3.0"),
        (atomic, "rpm-ostree upgrade && rpm-ostree status --json", 0, r#""staged":true"#),
        (atomic, "rpm-ostree upgrade --check", 77, "No upgrade"),
        (
            atomic,
            "rpm-ostree cleanup -p && rpm-ostree status --json",
            0,
            r#"[{"id":"fedora-coreos-40.20240416"#,
        ),
        (atomic, "rpm-ostree rollback", 1, "No rollback"),
        (atomic, "rpm-ostree install chrony && rpm -q chrony", 1, "not installed"),
    ] {
        let output = host.ssh("root", key(), command).await;
        assert_eq!(output.status, status, "{command}: {output:?}");
        let all = output.stdout + &output.stderr;
        assert!(all.contains(words), "{command}: {all}");
    }
    atomic.reboot().await;
    assert_eq!(atomic.run("rpm -q chrony").await, "chrony-1.0-1.x86_64");
    sles.reboot().await;
    assert_eq!(sles.ssh("root", key(), "zypper needs-rebooting").await.status, 0);
}

#[tokio::test]
async fn host_keys_and_certificates_are_what_ssh_itself_takes_them_for() {
    let types = [KeyType::Ed25519, KeyType::Ecdsa, KeyType::Rsa];
    let host = Settings::new(Os::Debian).host_keys(&types).start().await;
    for (name, fingerprint) in types.iter().map(|it| it.name()).zip(host.fingerprints()) {
        let file = format!("/etc/ssh/ssh_host_{name}_key.pub");
        assert!(host.run(&format!("ssh-keygen -lf {file}")).await.contains(&fingerprint));
    }
    let before = host.fingerprint();
    host.new_host_key(KeyType::Ecdsa);
    assert_ne!(host.fingerprint(), before);
    host.run("true").await;

    // A client that knows the authority alone.
    let authority = SshAuthority::new();
    let known = common::paths::scratch("known-hosts").join("known_hosts");
    std::fs::write(&known, format!("@cert-authority * {}\n", authority.key.public())).unwrap();
    let option = format!("-oUserKnownHostsFile={}", known.display());
    let connect = async || {
        let output = host.ssh_with("root", key(), &[&option], "true").await;
        (output.status == 0).then_some(()).ok_or(output.stderr)
    };
    connect().await.unwrap_err();
    let address = host.address();
    host.certify(&authority, &SshCertificate::host(&["elsewhere", &address]));
    connect().await.unwrap();
    for (certificate, words) in [
        (SshCertificate::host(&["elsewhere"]), "not a listed principal"),
        (SshCertificate::host(&[&address]).valid("-2d:-1d"), "expired"),
        (SshCertificate::user(&[&address]), "not a host certificate"),
    ] {
        host.certify(&authority, &certificate);
        let refusal = connect().await.unwrap_err();
        assert!(refusal.contains(words), "{refusal}");
    }
    host.certify(&SshAuthority::new(), &SshCertificate::host(&[&address]));
    connect().await.unwrap_err();

    // A user with a certificate instead of an authorized key.
    let stranger = SshKey::with_passphrase(KeyType::Ed25519, "");
    let certificate = stranger.file().with_file_name("key-cert.pub");
    let signed = authority.sign(&stranger, &SshCertificate::user(&[host.user()]));
    std::fs::write(certificate, signed).unwrap();
    assert!(host.ssh(host.user(), &stranger, "true").await.stderr.contains("denied"));
    host.trust_users_of(&authority);
    assert_eq!(host.ssh(host.user(), &stranger, "id -un").await.stdout, host.user());
    assert!(host.ssh("root", &stranger, "true").await.stderr.contains("denied"));
}

/// The test runs itself once more as a process of its own, and kills that.
#[tokio::test]
async fn nothing_is_left_of_a_test_process_that_was_killed() {
    const NAME: &str = "nothing_is_left_of_a_test_process_that_was_killed";
    if is_victim() {
        let host = Settings::new(Os::Debian).start().await;
        let interface = HostNetwork::shared().await.interface();
        tell(&format!("{} {interface} {}", host.pid(), host.dir().display())).await;
    }
    // Another run, on a network of its own, which finds what is left of a third that ended in trouble.
    let own = HostNetwork::shared().await.interface();
    let mut dead = Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    let left_over = control_groups()[0].join(format!("drover-bed-{}.1", dead.id()));
    std::fs::create_dir_all(left_over.join("payload")).unwrap();

    let (mut victim, words) = victim(NAME);
    let (pid, interface) = (words[0].parse().unwrap(), words[1].as_str());
    assert_ne!(interface, own);
    assert!(!left_over.exists());
    let left = || {
        let dir = Path::new(&words[2]);
        let mut left = left_of(pid, dir);
        let own = [Path::new("/sys/class/net").join(interface), dir.to_owned()];
        left.extend(own.into_iter().filter(|it| it.exists()));
        left
    };
    assert!(left().len() > 5, "{:?}", left());
    victim.kill().unwrap();
    victim.wait().unwrap();
    eventually("it is all gone", SOON, async || {
        let left = left();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
}
