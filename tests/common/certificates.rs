//! Certificates of every kind, good and bad, made by the script that the demo uses too.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::paths;

/// The names and addresses that the servers of the bed go by.
pub const LOOPBACK: &str = "DNS:localhost,IP:127.0.0.1,IP:127.0.0.11,IP:127.0.0.12,IP:127.0.0.13,IP:127.0.0.14,IP:127.0.0.15";

/// A certificate authority.
#[derive(Clone, Debug)]
pub struct Authority {
    dir: PathBuf,
}

/// A certificate and its key, as PEM files.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    /// A new one, that nobody trusts yet.
    pub fn new() -> Self {
        let dir = paths::scratch("authority");
        run(&["authority".as_ref(), dir.as_os_str(), "ca".as_ref()]);
        Self { dir }
    }

    /// The one that all servers of this test process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Authority> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    /// Its certificate, as a PEM file.
    pub fn file(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    /// Its certificate, as PEM.
    pub fn pem(&self) -> String {
        std::fs::read_to_string(self.file()).expect("made before")
    }

    /// A good certificate for this machine.
    pub fn server(&self) -> Certificate {
        self.issue("server", LOOPBACK, None)
    }

    /// One whose time is over.
    pub fn expired(&self) -> Certificate {
        self.issue("expired", LOOPBACK, Some(("20200101000000Z", "20210101000000Z")))
    }

    /// One whose time is still to come.
    pub fn not_yet_valid(&self) -> Certificate {
        self.issue("not-yet-valid", LOOPBACK, Some(("20700101000000Z", "20710101000000Z")))
    }

    /// A good one, of another host.
    pub fn wrong_name(&self) -> Certificate {
        self.issue("elsewhere", "DNS:elsewhere.example", None)
    }

    /// One for a client; `name` is its common name.
    pub fn client(&self, name: &str) -> Certificate {
        self.issue(name, &format!("DNS:{name}"), None)
    }

    /// Any other: subject alternative names as openssl writes them, times as `20200101000000Z`.
    pub fn issue(&self, name: &str, names: &str, validity: Option<(&str, &str)>) -> Certificate {
        // Asked for twice, it is made twice: in a folder of its own, signed by the same key.
        let dir = paths::scratch("certificate");
        for file in ["ca.crt", "ca.key"] {
            std::fs::copy(self.dir.join(file), dir.join(file)).expect("made before");
        }
        let mut arguments: Vec<&std::ffi::OsStr> =
            vec!["issue".as_ref(), dir.as_os_str(), "ca".as_ref(), name.as_ref(), names.as_ref()];
        if let Some((begin, end)) = validity {
            arguments.extend([begin.as_ref(), end.as_ref()] as [&std::ffi::OsStr; 2]);
        }
        run(&arguments);
        Certificate {
            certificate: dir.join(format!("{name}.crt")),
            key: dir.join(format!("{name}.key")),
        }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Certificate {
    /// The certificate, as PEM.
    pub fn pem(&self) -> String {
        read(&self.certificate)
    }

    /// The key, as PEM.
    pub fn key_pem(&self) -> String {
        read(&self.key)
    }

    /// SHA-256 of the certificate, as colon-separated hex.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.certificate)
    }
}

/// SHA-256 of a PEM certificate, as colon-separated hex.
pub fn fingerprint(certificate: &Path) -> String {
    let output = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(certificate)
        .output()
        .expect("openssl runs");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().split_once('=').expect("name=fingerprint").1.to_owned()
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).expect("made before")
}

fn run(arguments: &[&std::ffi::OsStr]) {
    let output = Command::new(paths::script("certificates.sh"))
        .args(arguments)
        .output()
        .expect("certificates.sh runs");
    assert!(
        output.status.success(),
        "certificates.sh {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
