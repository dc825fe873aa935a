//! SSH keys, authorities and certificates, made by ssh-keygen.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::super::paths;

/// What kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    Ed25519,
    Ecdsa,
    /// Of 3072 bits.
    Rsa,
}

impl KeyType {
    /// As in `ssh-keygen -t` and `ssh_host_ed25519_key`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Ecdsa => "ecdsa",
            Self::Rsa => "rsa",
        }
    }
}

/// A key pair, in two files.
#[derive(Clone, Debug)]
pub struct SshKey {
    pub key_type: KeyType,
    file: PathBuf,
}

impl SshKey {
    /// A new one, without a passphrase.
    pub fn new(key_type: KeyType) -> Self {
        Self::with_passphrase(key_type, "")
    }

    /// A new one that needs a passphrase; an empty one is none.
    pub fn with_passphrase(key_type: KeyType, passphrase: &str) -> Self {
        let file = paths::scratch("ssh-key").join("key");
        keygen(&["-q", "-t", key_type.name(), "-N", passphrase, "-C", "bed", "-f"], &[&file]);
        Self { key_type, file }
    }

    /// The one that every host of this process lets in.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<SshKey> = OnceLock::new();
        SHARED.get_or_init(|| Self::new(KeyType::Ed25519))
    }

    /// The private key, in OpenSSH's format.
    pub fn private(&self) -> String {
        read(&self.file)
    }

    /// The public key, as one line of `authorized_keys`.
    pub fn public(&self) -> String {
        read(&self.public_file()).trim().to_owned()
    }

    /// As in `SHA256:...`.
    pub fn fingerprint(&self) -> String {
        let line = keygen(&["-l", "-E", "sha256", "-f"], &[&self.public_file()]);
        line.split(' ').nth(1).expect("bits fingerprint comment").to_owned()
    }

    /// The private key's file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    fn public_file(&self) -> PathBuf {
        self.file.with_extension("pub")
    }
}

/// Signs the keys of hosts and of users.
#[derive(Clone, Debug)]
pub struct SshAuthority {
    pub key: SshKey,
}

/// What a certificate shall say.
#[derive(Clone, Debug)]
pub struct SshCertificate {
    host: bool,
    principals: Vec<String>,
    validity: String,
    options: Vec<String>,
}

impl SshCertificate {
    /// Of a host, known by these names and addresses.
    pub fn host(principals: &[&str]) -> Self {
        Self::new(true, principals)
    }

    /// Of a user, who may be any of these on a host.
    pub fn user(principals: &[&str]) -> Self {
        Self::new(false, principals)
    }

    fn new(host: bool, principals: &[&str]) -> Self {
        let principals = principals.iter().map(|it| (*it).to_owned()).collect();
        Self { host, principals, validity: "-1d:+52w".to_owned(), options: Vec::new() }
    }

    /// In the words of `ssh-keygen -V`, as in `-2d:-1d`; by default from yesterday on for a year.
    pub fn valid(mut self, validity: &str) -> Self {
        validity.clone_into(&mut self.validity);
        self
    }

    /// In the words of `ssh-keygen -O`, as in `critical:force-command=true`.
    pub fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }
}

impl SshAuthority {
    /// A new one, that nobody trusts yet.
    pub fn new() -> Self {
        Self { key: SshKey::new(KeyType::Ed25519) }
    }

    /// The certificate of somebody's key, as one line.
    pub fn sign(&self, key: &SshKey, certificate: &SshCertificate) -> String {
        // Asked for twice, it is made twice: in a folder of its own.
        let file = paths::scratch("ssh-certificate").join("key.pub");
        std::fs::write(&file, key.public()).expect("own folder");
        let principals = certificate.principals.join(",");
        let mut arguments = vec!["-q", "-I", "bed", "-V", &certificate.validity];
        if certificate.host {
            arguments.push("-h");
        }
        if !principals.is_empty() {
            arguments.extend(["-n", &principals]);
        }
        for option in &certificate.options {
            arguments.extend(["-O", option]);
        }
        arguments.push("-s");
        keygen(&arguments, &[self.key.file(), &file]);
        read(&file.with_file_name("key-cert.pub")).trim().to_owned()
    }
}

impl Default for SshAuthority {
    fn default() -> Self {
        Self::new()
    }
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).expect("made before")
}

fn keygen(arguments: &[&str], files: &[&Path]) -> String {
    let output = Command::new("ssh-keygen")
        .args(arguments)
        .args(files.iter().map(AsRef::<OsStr>::as_ref))
        .output()
        .expect("ssh-keygen runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ssh-keygen {}: {stderr}", arguments.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
