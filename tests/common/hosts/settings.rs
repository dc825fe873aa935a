//! What a host of the bed shall be like.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::keys::{KeyType, SshKey};

/// An operating system, as far as a program can tell from outside: all are Debian underneath.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Os {
    Debian,
    Ubuntu,
    Fedora,
    Rhel,
    Centos,
    Opensuse,
    Sles,
    /// Fedora on ostree.
    Atomic,
}

impl Os {
    /// As run-host.sh takes it.
    pub(super) fn argument(self) -> &'static str {
        match self {
            Self::Debian => "debian",
            Self::Ubuntu => "ubuntu",
            Self::Fedora => "fedora",
            Self::Rhel => "rhel",
            Self::Centos => "centos",
            Self::Opensuse => "opensuse",
            Self::Sles => "sles",
            Self::Atomic => "atomic",
        }
    }
}

/// A builder; [`Settings::start`] makes it run.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) os: Os,
    pub(super) user: String,
    /// Where it is on the network; absent: wherever is room.
    pub(super) place: Option<u8>,
    host_keys: Vec<KeyType>,
    authorized: Vec<String>,
    environment: Vec<(&'static str, String)>,
}

impl Settings {
    /// One with 400 MB of disk, an ed25519 host key, a new machine-id, and a user `admin` with sudo beside root; both
    /// are let in with [`SshKey::shared`].
    pub fn new(os: Os) -> Self {
        Self {
            os,
            user: "admin".to_owned(),
            place: None,
            host_keys: vec![KeyType::Ed25519],
            authorized: vec![SshKey::shared().public()],
            environment: Vec::new(),
        }
    }

    /// Its hostname; default `h-` and a number.
    pub fn name(self, name: &str) -> Self {
        self.set("HOST_NAME", name)
    }

    /// The user with sudo.
    pub fn user(mut self, name: &str) -> Self {
        name.clone_into(&mut self.user);
        self
    }

    /// Its machine-id, for one that shall be another machine's, or the same after it was replaced.
    pub fn machine_id(self, id: &str) -> Self {
        self.set("HOST_MACHINE_ID", id)
    }

    /// The root file system, which is in memory.
    pub fn disk_megabytes(self, megabytes: u32) -> Self {
        self.set("HOST_DISK", &format!("{megabytes}m"))
    }

    /// Elasticsearch of that version is there, as its package would have installed it, with the
    /// configuration in this folder.
    pub(super) fn elasticsearch(self, version: &str, config: &Path) -> Self {
        self.set("HOST_ELASTICSEARCH", version)
            .set("HOST_ELASTICSEARCH_CONFIG", config.to_str().expect("a plain path"))
    }

    /// Which host keys it has.
    pub fn host_keys(mut self, types: &[KeyType]) -> Self {
        self.host_keys = types.to_vec();
        self
    }

    /// Lets this public key in too, as root and as the user.
    pub fn authorize(mut self, public: &str) -> Self {
        self.authorized.push(public.to_owned());
        self
    }

    fn set(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    pub(super) fn environment(&self) -> Vec<(&str, String)> {
        let mut all = self.environment.clone();
        all.push(("HOST_USER", self.user.clone()));
        all
    }

    /// Writes what run-host.sh reads, and returns the new host keys.
    pub(super) fn write(&self, dir: &Path) -> Vec<SshKey> {
        fs::write(dir.join("authorized_keys"), self.authorized.join("\n") + "\n")
            .expect("own folder");
        let keys: Vec<SshKey> = self.host_keys.iter().map(|it| SshKey::new(*it)).collect();
        let ssh = dir.join("ssh");
        fs::create_dir(&ssh).expect("own folder");
        for key in &keys {
            let file = ssh.join(format!("ssh_host_{}_key", key.key_type.name()));
            fs::write(&file, key.private()).expect("own folder");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("own file");
            fs::write(file.with_extension("pub"), key.public() + "\n").expect("own folder");
        }
        keys
    }
}
