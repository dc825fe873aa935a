//! The files by which Drover tells flanneld where its network stands: pure text.

use std::fmt::Write;

use secrecy::{ExposeSecret as _, SecretSlice};

use super::Settings;
use crate::{
    digest::{Digest, hex},
    ssh::{steps::HEADER, upload::sum_of},
};

/// What flanneld has in its environment. It is the first one to be made and the last one to go, since
/// it remembers what was there before.
pub(super) const ENVIRONMENT: &str = "/etc/drover-flanneld/environment";
pub(super) const CA: &str = "/etc/drover-flanneld/ca.pem";
pub(super) const CERTIFICATE: &str = "/etc/drover-flanneld/client.pem";
pub(super) const KEY: &str = "/etc/drover-flanneld/client-key.pem";
/// Brings the environment to the unit, after what the package's own files say.
pub(super) const DROP_IN: &str = "/etc/systemd/system/flanneld.service.d/zz-drover.conf";
/// The unit, where the package brings none.
pub(super) const UNIT_FILE: &str = "/etc/systemd/system/flanneld.service";
/// All of them.
pub(super) const ALL: [&str; 6] = [ENVIRONMENT, CA, CERTIFICATE, KEY, DROP_IN, UNIT_FILE];

/// The variable that tells what a running flanneld was started with.
pub(super) const REVISION: &str = "DROVER_REVISION";
/// That the unit was enabled before Drover.
const BEFORE: &str = "# before: enabled";

/// A file as it shall be.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) path: &'static str,
    pub(super) content: SecretSlice<u8>,
    pub(super) sum: Box<str>,
    pub(super) mode: u16,
}

impl Wanted {
    fn new(path: &'static str, content: Vec<u8>, mode: u16) -> Self {
        let sum = sum_of(&content).into();
        Self { path, content: content.into(), sum, mode }
    }

    /// Certificates, or a key. Whoever reads them passes over what comes before.
    pub(super) fn pem(path: &'static str, pem: &[u8]) -> Self {
        let content = [HEADER.as_bytes(), b"\n", pem.trim_ascii(), b"\n"].concat();
        Self::new(path, content, 0o600)
    }

    /// A file of systemd's.
    pub(super) fn text(path: &'static str, text: &str) -> Self {
        Self::new(path, text.as_bytes().to_vec(), 0o644)
    }

    pub(super) fn environment(text: &str) -> Self {
        Self::new(ENVIRONMENT, text.as_bytes().to_vec(), 0o600)
    }

    /// As `stat` tells it.
    pub(super) fn state(&self) -> String {
        format!("regular file|{:o}|root|root", self.mode)
    }
}

/// flanneld's own variables, and those that the units of packages make flags of: a flag counts more
/// than a variable.
pub(super) fn variables(settings: &Settings) -> Vec<(&'static str, String)> {
    let endpoints = settings.endpoints.join(",");
    let prefix = settings.prefix.to_string();
    let mut variables = vec![
        ("FLANNELD_ETCD_ENDPOINTS", endpoints.clone()),
        ("FLANNEL_ETCD_ENDPOINTS", endpoints),
        ("FLANNELD_ETCD_PREFIX", prefix.clone()),
        ("FLANNEL_ETCD_PREFIX", prefix.clone()),
        // Its name in older packages.
        ("FLANNEL_ETCD_KEY", prefix),
    ];
    if let Some(address) = settings.address {
        variables.push(("FLANNELD_PUBLIC_IP", address.to_string()));
    }
    variables
}

/// Tells one set of files and variables from another.
pub(super) fn revision(files: &[Wanted], variables: &[(&str, String)]) -> Box<str> {
    let mut digest = Digest::new();
    for file in files {
        digest.field(file.path.as_bytes());
        digest.field(file.content.expose_secret());
    }
    for (name, value) in variables {
        digest.field(name.as_bytes());
        digest.field(value.as_bytes());
    }
    hex(&digest.finish()[..16]).into()
}

/// The file of variables; `was_enabled` is what it remembers.
pub(super) fn environment(variables: &[(&str, String)], was_enabled: bool) -> String {
    let mut text = format!("{HEADER}\n");
    if was_enabled {
        text += BEFORE;
        text += "\n";
    }
    for (name, value) in variables {
        // Writing to a String can't fail.
        let _ = writeln!(text, "{name}={value}");
    }
    text
}

/// Whether such a file remembers that the unit was enabled; `memory` is its line about that.
pub(super) fn was_enabled(memory: &str) -> bool {
    memory == BEFORE
}

pub(super) fn drop_in() -> String {
    format!("{HEADER}\n[Service]\nEnvironmentFile={ENVIRONMENT}\n")
}

/// A unit that runs `program`, which tells systemd when it has its part of the network.
pub(super) fn unit(program: &str) -> String {
    format!(
        "{HEADER}\n\
         [Unit]\n\
         Description=flanneld, as Drover runs it\n\
         Wants=network-online.target\n\
         After=network-online.target\n\
         [Service]\n\
         Type=notify\n\
         ExecStart={program}\n\
         Restart=on-failure\n\
         RestartSec=5\n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    )
}
