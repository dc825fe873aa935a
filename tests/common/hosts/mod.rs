//! Real Linux hosts: namespaces of their own, systemd as process 1, sshd. All hosts share this machine's kernel,
//! clock and uptime; a reboot shows in the boot id.

mod elasticsearch;
mod faults;
mod footprint;
mod keys;
mod network;
mod settings;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use futures::future::join_all;
use tokio::process::Command;
use tokio::sync::OnceCell;

use super::paths;
use super::process::{Process, logs};
use super::wait::eventually;
#[allow(unused_imports)] // each test binary needs some of these
pub use {
    elasticsearch::{Brownfield, room},
    faults::Sudo,
    footprint::Footprint,
    keys::{KeyType, SshAuthority, SshCertificate, SshKey},
    network::HostNetwork,
    settings::{Os, Settings},
};

/// Room for a boot beside a compiler.
const BOOT: Duration = Duration::from_mins(3);
/// Room for one command.
const COMMAND: Duration = Duration::from_mins(1);

/// A running host; it stops when dropped, or with the test process.
#[derive(Debug)]
pub struct Host {
    settings: Settings,
    network: &'static HostNetwork,
    place: u8,
    dir: PathBuf,
    keys: Mutex<Vec<SshKey>>,
    process: Process,
}

/// What a command on a host said. The status is 255 when ssh itself failed.
#[derive(Debug)]
pub struct Output {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<std::process::Output> for Output {
    fn from(it: std::process::Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        Self {
            status: it.status.code().unwrap_or(-1),
            stdout: text(&it.stdout),
            stderr: text(&it.stderr),
        }
    }
}

impl Settings {
    /// Starts the host and waits until it lets its users in.
    pub async fn start(self) -> Host {
        let it = self.launch().await;
        it.ready().await;
        it
    }

    /// Starts the host and does not wait: [`Host::ready`] does.
    pub async fn launch(self) -> Host {
        let network = HostNetwork::shared().await;
        let place = self.place.unwrap_or_else(|| network.take_place());
        let dir = paths::scratch("host");
        let keys = self.write(&dir);
        let arguments = [
            network.dir().to_str().expect("a plain path"),
            dir.to_str().expect("a plain path"),
            &place.to_string(),
            self.os.argument(),
        ];
        let process = Process::spawn(
            &format!("{} host", self.os.argument()),
            &dir.join("console.log"),
            paths::script("run-host.sh"),
            arguments,
            &self.environment(),
        );
        Host { settings: self, network, place, dir, keys: Mutex::new(keys), process }
    }
}

impl Host {
    /// Several at once.
    pub async fn start_all(settings: impl IntoIterator<Item = Settings>) -> Vec<Self> {
        join_all(settings.into_iter().map(Settings::start)).await
    }

    /// One for many tests of this process: the first that names `key` says what it is like. Its
    /// tests change nothing that another would notice.
    pub async fn shared(key: &str, settings: impl FnOnce() -> Settings) -> &'static Self {
        type Cells = BTreeMap<String, &'static OnceCell<Host>>;
        static CELLS: Mutex<Cells> = Mutex::new(BTreeMap::new());
        let cell = {
            let mut cells = CELLS.lock().unwrap();
            *cells.entry(key.to_owned()).or_insert_with(|| Box::leak(Box::default()))
        };
        cell.get_or_init(|| settings().start()).await
    }

    pub fn os(&self) -> Os {
        self.settings.os
    }

    /// Its IP address; sshd is at port 22.
    pub fn address(&self) -> String {
        self.network.address(self.place)
    }

    /// The user with sudo.
    pub fn user(&self) -> &str {
        &self.settings.user
    }

    /// Fingerprints of its host keys, as in `SHA256:...`.
    pub fn fingerprints(&self) -> Vec<String> {
        self.keys.lock().unwrap().iter().map(SshKey::fingerprint).collect()
    }

    /// The fingerprint of its first host key.
    pub fn fingerprint(&self) -> String {
        self.fingerprints().remove(0)
    }

    /// The process that all of the host hangs on, for a test that kills it from outside.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its own folder, with `console.log`.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The end of its journal.
    pub fn journal(&self) -> String {
        self.inside("journalctl --no-pager --lines=100")
    }

    /// Calls of package managers and of replaced commands, as in `dnf -y install chrony`.
    pub fn calls(&self) -> Vec<String> {
        let log = self.inside("cat /var/log/stand-in.log");
        log.lines().map(|line| line.split_once(' ').expect("time, call").1.to_owned()).collect()
    }

    /// Waits until it lets its users in.
    pub async fn ready(&self) {
        let what = format!("the {} host at {} is up", self.settings.os.argument(), self.address());
        eventually(&what, BOOT, async || {
            if let Some(status) = self.process.status() {
                panic!("run-host.sh ended with {status}{}", logs());
            }
            // Far cheaper than ssh, while no one listens.
            let connect = tokio::net::TcpStream::connect((self.address(), 22));
            match tokio::time::timeout(Duration::from_millis(300), connect).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error.to_string()),
                Err(late) => return Err(late.to_string()),
            }
            // Only root may log in while the system boots.
            let output = self.ssh(self.user(), SshKey::shared(), "true").await;
            if output.status == 0 { Ok(()) } else { Err(output.stderr) }
        })
        .await;
    }

    /// Runs a command as root over SSH, and returns what it printed; panics unless it ends with 0.
    pub async fn run(&self, command: &str) -> String {
        let output = self.ssh("root", SshKey::shared(), command).await;
        assert!(output.status == 0, "{command}: {output:?}{}", logs());
        output.stdout
    }

    /// Runs a command with the system's ssh client, which knows no host key but this host's own.
    pub async fn ssh(&self, user: &str, key: &SshKey, command: &str) -> Output {
        self.ssh_with(user, key, &[], command).await
    }

    /// The same with more options of ssh, as in `-oCertificateFile=...`; an earlier one wins.
    pub async fn ssh_with(
        &self,
        user: &str,
        key: &SshKey,
        options: &[&str],
        command: &str,
    ) -> Output {
        let known = self.dir.join("known_hosts");
        let address = self.address();
        let lines: Vec<String> = {
            let keys = self.keys.lock().unwrap();
            keys.iter().map(|key| format!("{address} {}\n", key.public())).collect()
        };
        std::fs::write(&known, lines.concat()).expect("own folder");
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "/dev/null", "-i"]).arg(key.file()).args(options);
        for option in [
            "BatchMode=yes",
            "ConnectTimeout=5",
            "GlobalKnownHostsFile=/dev/null",
            "IdentitiesOnly=yes",
            "KexAlgorithms=curve25519-sha256", // the cheapest
            "IdentityAgent=none",
            "LogLevel=ERROR",
            "StrictHostKeyChecking=yes",
        ] {
            ssh.args(["-o", option]);
        }
        ssh.arg("-o").arg(format!("UserKnownHostsFile={}", known.display()));
        ssh.arg(format!("{user}@{address}")).arg(command);
        let run = ssh.stdin(Stdio::null()).kill_on_drop(true).output();
        match tokio::time::timeout(COMMAND, run).await {
            Ok(output) => Output::from(output.expect("ssh runs")),
            Err(_) => Output {
                status: 255,
                stdout: String::new(),
                stderr: format!("no end of \"{command}\" within {COMMAND:?}"),
            },
        }
    }

    /// Another one at each boot.
    pub async fn boot_id(&self) -> String {
        self.run("cat /proc/sys/kernel/random/boot_id").await
    }

    pub async fn machine_id(&self) -> String {
        self.run("cat /etc/machine-id").await
    }

    /// Reboots it, and waits until it has booted.
    pub async fn reboot(&self) {
        let before = self.boot_id().await;
        // The connection may go down with the host.
        let _ = self.ssh("root", SshKey::shared(), "systemctl reboot").await;
        self.rebooted(&before).await;
    }

    /// Waits until it has booted since it had that boot id.
    pub async fn rebooted(&self, before: &str) {
        eventually("the host has rebooted", BOOT, async || {
            let command = "cat /proc/sys/kernel/random/boot_id";
            match self.ssh("root", SshKey::shared(), command).await {
                Output { status: 0, stdout, .. } if stdout != before => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        self.ready().await;
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.process.kill();
        self.network.give_back(self.place);
    }
}
