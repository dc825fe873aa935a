//! What an Elasticsearch cluster of the bed shall be like, and the files that make it so.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::super::certificates::{Authority, Certificate, LOOPBACK};
use super::super::paths;

/// The superuser that the tests themselves use.
pub const SUPERUSER: &str = "bed";
/// Its password.
pub const PASSWORD: &str = "superuser-of-the-bed";

/// A builder; [`Settings::start`] makes it run.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(in super::super) version: String,
    pub(in super::super) name: String,
    pub(super) nodes: u16,
    pub(super) tls: bool,
    pub(super) security: bool,
    pub(in super::super) heap_megabytes: u32,
    trial: bool,
    client_certificates: bool,
    certificate: Option<Certificate>,
    users: Vec<(String, String, String)>,
    roles: String,
    service_tokens: Vec<String>,
    extra: String,
}

impl Settings {
    /// One secured node with TLS, 400 MB of heap and no users but the superuser.
    pub fn new(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            name: "bed".to_owned(),
            nodes: 1,
            tls: true,
            security: true,
            heap_megabytes: 400,
            trial: false,
            client_certificates: false,
            certificate: None,
            users: Vec::new(),
            roles: String::new(),
            service_tokens: Vec::new(),
            extra: String::new(),
        }
    }

    /// The cluster's name; default `bed`.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Several nodes, on 127.0.0.11, 127.0.0.12, ...
    pub fn nodes(mut self, nodes: u16) -> Self {
        assert!((1..=5).contains(&nodes), "the certificates name five addresses");
        self.nodes = nodes;
        self
    }

    /// Plain HTTP.
    pub fn without_tls(mut self) -> Self {
        self.tls = false;
        self
    }

    /// No users, no TLS: whoever asks may do all.
    pub fn without_security(mut self) -> Self {
        self.security = false;
        self.without_tls()
    }

    /// Heap of each node.
    pub fn heap_megabytes(mut self, megabytes: u32) -> Self {
        self.heap_megabytes = megabytes;
        self
    }

    /// The trial licence, with the features that are paid for.
    pub fn trial(mut self) -> Self {
        self.trial = true;
        self
    }

    /// Accepts client certificates of the shared authority: the certificate's common name is the user, and has
    /// `role`. It needs the trial licence.
    pub fn client_certificate_user(mut self, common_name: &str, role: &str) -> Self {
        self.client_certificates = true;
        self.users.push((common_name.to_owned(), String::new(), role.to_owned()));
        self.trial()
    }

    /// Serves this certificate instead of a good one.
    pub fn certificate(mut self, certificate: Certificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// Adds a role in the words of the create-role API (JSON is YAML).
    pub fn role(mut self, name: &str, definition: &str) -> Self {
        let one_line: String = definition.split_whitespace().collect::<Vec<_>>().join(" ");
        writeln!(self.roles, "{name}: {one_line}").expect("a string");
        self
    }

    /// Adds a user with one role.
    pub fn user(mut self, name: &str, password: &str, role: &str) -> Self {
        self.users.push((name.to_owned(), password.to_owned(), role.to_owned()));
        self
    }

    /// Adds a file token of the service account elastic/fleet-server; see [`service_token`].
    pub fn service_token(mut self, name: &str) -> Self {
        self.service_tokens.push(name.to_owned());
        self
    }

    /// More lines for elasticsearch.yml.
    pub fn yml(mut self, lines: &str) -> Self {
        self.extra.push_str(lines.trim_end());
        self.extra.push('\n');
        self
    }

    /// Writes the configuration of one node to a folder. `peers` are all nodes.
    pub fn write(&self, config: &Path, node: &Node, peers: &[Node]) {
        fs::create_dir_all(config).expect("own folder");
        if self.security {
            self.write_certificates(config, &node.address);
            self.write_file_realm(config);
        }
        fs::write(config.join("elasticsearch.yml"), self.elasticsearch_yml(node, peers))
            .expect("own folder");
    }

    /// How full this machine's disk is, must not decide a test: not even what the health report says.
    fn elasticsearch_yml(&self, node: &Node, peers: &[Node]) -> String {
        let mut yml = format!(
            "cluster.name: {}\nnode.name: {}\npath.data: {}\npath.logs: {}\n\
             network.host: {}\nhttp.port: {}\ntransport.port: {}\n\
             cluster.routing.allocation.disk.threshold_enabled: false\n\
             cluster.routing.allocation.disk.watermark: {{low: 3mb, high: 2mb, flood_stage: 1mb}}\n\
             xpack.security.enabled: {}\nxpack.license.self_generated.type: {}\n",
            self.name,
            node.name,
            node.data,
            node.logs,
            node.address,
            node.http_port,
            node.transport_port,
            self.security,
            if self.trial { "trial" } else { "basic" },
        );
        if peers.len() == 1 {
            yml.push_str("discovery.type: single-node\n");
        } else {
            let seeds: Vec<String> = peers
                .iter()
                .map(|node| format!("{}:{}", node.address, node.transport_port))
                .collect();
            let names: Vec<&str> = peers.iter().map(|node| node.name.as_str()).collect();
            let _ = writeln!(yml, "discovery.seed_hosts: [{}]", seeds.join(", "));
            let _ = writeln!(yml, "cluster.initial_master_nodes: [{}]", names.join(", "));
        }
        if self.security {
            let files = "key: server.key, certificate: server.crt, certificate_authorities: ca.crt";
            if peers.len() > 1 {
                let _ = writeln!(yml, "xpack.security.transport.ssl: {{enabled: true, {files}}}");
            }
            if self.tls {
                let asks = if self.client_certificates { "optional" } else { "none" };
                let _ = writeln!(
                    yml,
                    "xpack.security.http.ssl: {{enabled: true, client_authentication: {asks}, {files}}}"
                );
            }
            if self.client_certificates {
                yml.push_str(
                    "xpack.security.authc.realms.file.file1.order: 0\n\
                     xpack.security.authc.realms.pki.pki1: {order: 1, certificate_authorities: ca.crt}\n",
                );
            }
        }
        yml + &self.extra
    }

    fn write_certificates(&self, config: &Path, address: &str) {
        let authority = Authority::shared();
        let names = format!("{LOOPBACK},IP:{address}");
        let server =
            self.certificate.clone().unwrap_or_else(|| authority.issue("node", &names, None));
        let files = [
            (authority.file(), "ca.crt"),
            (server.certificate, "server.crt"),
            (server.key, "server.key"),
        ];
        for (from, to) in files {
            fs::copy(from, config.join(to)).expect("made before");
        }
    }

    /// Users, roles and tokens as files: they are there from the start, and work without the
    /// security index. The cheapest hash keeps authentication out of the measurements.
    fn write_file_realm(&self, config: &Path) {
        let mut users = format!("{SUPERUSER}:{}\n", hash(PASSWORD));
        let mut user_roles = format!("superuser:{SUPERUSER}\n");
        let mut mapping = String::new();
        for (name, password, role) in &self.users {
            if password.is_empty() {
                let _ = writeln!(mapping, "{role}: [\"CN={name},O=Drover test bed\"]");
            } else {
                let _ = writeln!(users, "{name}:{}", hash(password));
                let _ = writeln!(user_roles, "{role}:{name}");
            }
        }
        let mut tokens = String::new();
        for name in &self.service_tokens {
            let secret = hash(&token_secret(name));
            let _ = writeln!(tokens, "elastic/fleet-server/{name}:{secret}");
        }
        let files = [
            ("users", users),
            ("users_roles", user_roles),
            ("roles.yml", self.roles.clone()),
            ("role_mapping.yml", mapping),
            ("service_tokens", tokens),
        ];
        for (name, text) in files {
            fs::write(config.join(name), text).expect("own folder");
        }
    }
}

/// Where one node listens, and where its files are.
#[derive(Clone, Debug)]
pub struct Node {
    pub name: String,
    pub address: String,
    pub http_port: u16,
    pub transport_port: u16,
    pub data: String,
    pub logs: String,
}

/// The bearer token that [`Settings::service_token`] made.
pub fn service_token(name: &str) -> String {
    let secret = token_secret(name);
    let text =
        format!("printf '\\0\\1\\0\\1elastic/fleet-server/{name}:{secret}' | openssl base64 -A");
    shell(&text)
}

fn token_secret(name: &str) -> String {
    format!("secret-of-the-token-{name}")
}

fn hash(secret: &str) -> String {
    let digest = format!("printf '%s' '{secret}' | openssl dgst -sha1 -binary | openssl base64 -A");
    format!("{{SHA}}{}", shell(&digest))
}

fn shell(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().expect("sh runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

pub(super) fn run_script() -> std::path::PathBuf {
    paths::script("run-elasticsearch.sh")
}
