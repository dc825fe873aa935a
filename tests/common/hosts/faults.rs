//! What can happen to a host. [`Host::clear`] ends all of it but what is a change, such as a new host key.

use std::io::Write;
use std::process::{Command, Stdio};

use super::super::paths;
use super::super::process::logs;
use super::super::wait::eventually;
use super::keys::{KeyType, SshAuthority, SshCertificate, SshKey};
use super::{BOOT, Host, Output};

/// What the user may do by sudo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sudo {
    Passwordless,
    /// A password is asked for, which a program can't give.
    AsksPassword,
    /// Some commands only, without a password.
    Only(&'static str),
    Refused,
}

/// On the wire, between it and everybody else.
impl Host {
    /// No packet comes or goes; connections stay, and nothing answers.
    pub fn blackhole(&self) {
        self.fault(&["blackhole"], "");
    }

    /// No packet comes from another host or goes there.
    pub fn part_from(&self, other: &Self) {
        self.fault(&["apart", &other.address()], "");
    }

    /// So many of the packets that come are lost.
    pub fn lose_packets(&self, percent: u8) {
        self.fault(&["drop", &percent.to_string()], "");
    }

    /// Connections to sshd are refused, and those that are there are cut.
    pub fn reset_connections(&self) {
        self.fault(&["reset"], "");
    }

    /// So many kbit/s in each direction.
    pub fn slow_network(&self, kbit: u32) {
        self.fault(&["slow", &kbit.to_string()], "");
    }

    /// How many packets the fault has kept from it since it began; 0 when there is none.
    pub fn lost_packets(&self) -> u64 {
        self.fault(&["lost"], "").parse().expect("a number")
    }

    /// Ends all faults of the network.
    pub fn mend_network(&self) {
        self.fault(&["network-ok"], "");
    }
}

/// Its power, and what a reboot is like.
impl Host {
    /// Every process stops: connections are accepted, and nothing answers.
    pub fn freeze(&self) {
        self.fault(&["freeze"], "");
    }

    /// Ends [`Self::freeze`].
    pub fn thaw(&self) {
        self.fault(&["thaw"], "");
    }

    /// Power fails, and stays off until [`Self::power_on`].
    pub fn cut_power(&self) {
        self.fault(&["cut"], "");
    }

    /// Boots it, also after it was shut down.
    pub fn power_on(&self) {
        self.flag("off", None);
    }

    /// How many seconds it is away on each reboot from now on.
    pub fn reboots_take(&self, seconds: u32) {
        self.flag("delay", Some(&seconds.to_string()));
    }

    /// The next reboot never returns.
    pub fn never_returns(&self) {
        self.flag("never", Some(""));
    }

    /// Ends [`Self::reboots_take`] and [`Self::never_returns`]: a host that is away comes back.
    pub fn mend_reboots(&self) {
        self.flag("delay", None);
        self.flag("never", None);
    }

    fn flag(&self, name: &str, content: Option<&str>) {
        let file = self.dir.join(name);
        match content {
            Some(content) => std::fs::write(file, content).expect("own folder"),
            None => drop(std::fs::remove_file(file)),
        }
    }
}

/// Inside it.
impl Host {
    /// No one listens any more; sessions that are there stay.
    pub fn stop_sshd(&self) {
        self.inside("systemctl stop ssh");
    }

    /// Ends [`Self::stop_sshd`].
    pub fn start_sshd(&self) {
        self.inside("systemctl start ssh");
    }

    /// Sets lines of sshd's configuration, before all others; connections that are there stay.
    pub fn configure_sshd(&self, lines: &str) {
        self.sshd_part("00-test", lines);
    }

    /// Replaces its host keys by a new one.
    pub fn new_host_key(&self, key_type: KeyType) {
        let key = SshKey::new(key_type);
        let file = format!("/etc/ssh/ssh_host_{}_key", key_type.name());
        self.inside("rm -f /etc/ssh/ssh_host_* /etc/ssh/sshd_config.d/certificate.conf");
        self.write(&file, &key.private());
        self.write(&format!("{file}.pub"), &key.public());
        self.inside(&format!("chmod 600 {file}"));
        self.restart_sshd();
        *self.keys.lock().unwrap() = vec![key];
    }

    /// Replaces its host keys by a new one at its next boot. From now on that one counts as its own.
    pub fn new_host_key_at_boot(&self, key_type: KeyType) {
        const NEXT: &str = "/etc/ssh/next";
        let key = SshKey::new(key_type);
        let file = format!("{NEXT}/ssh_host_{}_key", key_type.name());
        self.inside(&format!("mkdir -p {NEXT} /etc/systemd/system/ssh.service.d"));
        self.write(&file, &key.private());
        self.write(&format!("{file}.pub"), &key.public());
        self.inside(&format!("chmod 600 {file}"));
        let swap = format!("rm -f /etc/ssh/ssh_host_* && mv {NEXT}/* /etc/ssh/ && rmdir {NEXT}");
        let unit =
            format!("[Service]\nExecStartPre=/bin/sh -c '! test -d {NEXT} || {{ {swap}; }}'");
        self.write("/etc/systemd/system/ssh.service.d/next.conf", &unit);
        *self.keys.lock().unwrap() = vec![key];
    }

    /// Gives its first host key a certificate, which sshd then offers.
    pub fn certify(&self, authority: &SshAuthority, certificate: &SshCertificate) {
        let key = self.keys.lock().unwrap()[0].clone();
        let file = format!("/etc/ssh/ssh_host_{}_key-cert.pub", key.key_type.name());
        self.write(&file, &authority.sign(&key, certificate));
        self.sshd_part("certificate", &format!("HostCertificate {file}"));
    }

    /// Lets in whoever has a certificate of this authority.
    pub fn trust_users_of(&self, authority: &SshAuthority) {
        self.write("/etc/ssh/user_authority.pub", &authority.key.public());
        self.sshd_part("users", "TrustedUserCAKeys /etc/ssh/user_authority.pub");
    }

    fn sshd_part(&self, name: &str, lines: &str) {
        self.write(&format!("/etc/ssh/sshd_config.d/{name}.conf"), lines);
        self.restart_sshd();
    }

    /// Once this returns, sshd listens again, unless it was stopped before.
    fn restart_sshd(&self) {
        // systemd gives up on a service that starts often.
        self.inside("sshd -t && systemctl reset-failed ssh && systemctl try-restart ssh");
    }

    /// Not one more byte fits on its root file system.
    pub fn fill_disk(&self) {
        self.inside("dd if=/dev/zero of=/var/ballast bs=1M 2>/dev/null || true");
    }

    /// So many megabytes fit on its root file system, and no more.
    pub fn fill_disk_but(&self, megabytes: u32) {
        let free = "$(df -Pm / | awk 'NR == 2 { print $4 }')";
        let count = format!("$(( {free} - {megabytes} ))");
        self.inside(&format!("dd if=/dev/zero of=/var/ballast bs=1M count={count} 2>/dev/null"));
    }

    /// Ends [`Self::fill_disk`] and [`Self::fill_disk_but`].
    pub fn free_disk(&self) {
        self.inside("rm -f /var/ballast");
    }

    /// What the user may do from now on.
    pub fn set_sudo(&self, sudo: Sudo) {
        let user = self.user();
        let line = match sudo {
            Sudo::Passwordless => format!("{user} ALL=(ALL) NOPASSWD: ALL\n"),
            Sudo::AsksPassword => format!("{user} ALL=(ALL) ALL\n"),
            Sudo::Only(commands) => format!("{user} ALL=(ALL) NOPASSWD: {commands}\n"),
            Sudo::Refused => String::new(),
        };
        self.write("/etc/sudoers.d/bed", &line);
    }

    /// It turns out to be that machine.
    pub fn set_machine_id(&self, id: &str) {
        self.write("/etc/machine-id", &format!("{id}\n"));
    }

    /// Which updates its package manager offers from now on; those of the kernel need a reboot.
    pub fn offer_updates(&self, packages: &[&str]) {
        self.write("/var/lib/bed/updates", &packages.join("\n"));
    }

    /// A command takes so many seconds longer, wherever it is called from: a program, or one with what
    /// its arguments begin with.
    pub fn slow_command(&self, command: &str, seconds: u32) {
        let (name, begin) = command.split_once(' ').unwrap_or((command, ""));
        self.replace(&["slow", name, &seconds.to_string(), begin]);
    }

    /// A command says this on its standard error and ends with this status.
    pub fn failing_command(&self, name: &str, status: u8, text: &str) {
        self.replace(&["fail", name, &status.to_string(), text]);
    }

    /// A command prints for ever.
    pub fn endless_command(&self, name: &str) {
        self.replace(&["endless", name]);
    }

    /// Ends what the last three began.
    pub fn mend_commands(&self) {
        self.replace(&["mend"]);
    }

    fn replace(&self, arguments: &[&str]) {
        let mut all = vec!["exec", "/usr/lib/bed/command"];
        all.extend(arguments);
        self.fault(&all, "");
    }

    /// Writes a file inside it, as root.
    pub fn write(&self, file: &str, text: &str) {
        self.fault(&["exec", "sh", "-c", r#"cat >"$0""#, file], &format!("{}\n", text.trim_end()));
    }
}

impl Host {
    /// Ends all faults, and waits until the host lets its users in again.
    pub async fn clear(&self) {
        self.mend_network();
        self.mend_reboots();
        self.thaw();
        self.power_on();
        eventually("its system runs", BOOT, async || {
            let output = self.try_fault(&["exec", "systemctl", "start", "ssh"], "");
            if output.status == 0 { Ok(()) } else { Err(output.stderr) }
        })
        .await;
        self.free_disk();
        self.mend_commands();
        self.set_sudo(Sudo::Passwordless);
        self.ready().await;
    }

    /// Runs a shell command as root inside it, without any network: what a test does behind the
    /// operator's back. Panics unless it ends with 0.
    pub fn inside(&self, command: &str) -> String {
        self.fault(&["exec", "sh", "-c", command], "")
    }

    fn fault(&self, arguments: &[&str], stdin: &str) -> String {
        let output = self.try_fault(arguments, stdin);
        assert!(output.status == 0, "{arguments:?}: {output:?}{}", logs());
        output.stdout
    }

    fn try_fault(&self, arguments: &[&str], stdin: &str) -> Output {
        let mut script = Command::new("timeout")
            .arg("30")
            .arg(paths::script("host/fault.sh"))
            .arg(&self.dir)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("fault.sh runs");
        // Far less than a pipe holds.
        let _ = script.stdin.take().expect("piped").write_all(stdin.as_bytes());
        Output::from(script.wait_with_output().expect("fault.sh runs"))
    }
}
