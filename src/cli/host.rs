//! `drover host`: what has to do with machines before they are Hosts.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};

use super::namespace;
use crate::api::fields::DurationText;

/// What to do about machines.
#[derive(Clone, Debug, Subcommand)]
pub enum HostCommand {
    /// Print user-data for cloud-init, with which a machine makes its own Host object. It sends the
    /// fingerprints of its host keys, and nothing is done to it before a person approves it. The
    /// token in it may make Hosts in one namespace, and nothing else.
    ///
    /// Example: drover host cloud-init -n search --credentials ssh-key --authorized-key
    /// `id_ed25519.pub` > user-data
    CloudInit(CloudInitArguments),
}

/// What the machine is told.
#[derive(Clone, Debug, Args)]
pub struct CloudInitArguments {
    /// Kubeconfig of the API server. Default: as kubectl finds it (KUBECONFIG, then
    /// ~/.kube/config), then the service account of the pod.
    #[arg(long, env = "DROVER_KUBECONFIG", value_name = "PATH")]
    pub kubeconfig: Option<PathBuf>,

    /// Where the Host comes to be. Default: the namespace of the kubeconfig's context.
    #[arg(long, short, value_name = "NAME", value_parser = namespace)]
    pub namespace: Option<String>,

    /// URL of the API server as machines reach it. Default: that of the kubeconfig.
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,

    /// The service account whose token the machine is given (examples/kubernetes/registration.yaml).
    #[arg(long, value_name = "NAME", default_value = "drover-registration", value_parser = object)]
    pub service_account: String,

    /// How long the token is good; from 10m to 24h. The API server may shorten it.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = lifetime)]
    pub token_lifetime: Duration,

    /// The Secret, in that namespace, with the private key that Drover logs in with.
    #[arg(long, value_name = "NAME", value_parser = object)]
    pub credentials: String,

    /// File with the public half of that key, in one line of OpenSSH: the machine lets it in.
    #[arg(long, value_name = "PATH")]
    pub authorized_key: PathBuf,

    /// Whom Drover logs in as. Any but root is made on the machine, and may do all by sudo.
    #[arg(long, value_name = "NAME", default_value = "root", value_parser = user)]
    pub user: String,

    /// The Cluster that the machine shall be a member of. Default: none.
    #[arg(long, value_name = "NAME", value_parser = object)]
    pub cluster: Option<String>,
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let span = DurationText::parse(text)?.0;
    // Kubernetes gives none for less.
    let range = Duration::from_mins(10)..=Duration::from_hours(24);
    if range.contains(&span) { Ok(span) } else { Err("must be from '10m' to '24h'".into()) }
}

fn object(name: &str) -> Result<String, String> {
    let fits = |it: &str| !it.is_empty() && it.len() <= 63 && namespace(it).is_ok();
    if name.len() <= 253 && name.split('.').all(fits) {
        return Ok(name.to_owned());
    }
    Err(format!("'{name}' is not the name of an object"))
}

fn user(name: &str) -> Result<String, String> {
    let plain = |it: char| it.is_ascii_alphanumeric() || "_.-".contains(it);
    let begins = name.starts_with(|it: char| it.is_ascii_alphanumeric() || it == '_');
    if begins && name.len() <= 32 && name.chars().all(plain) {
        return Ok(name.to_owned());
    }
    Err(format!("'{name}' is not the name of a user"))
}
