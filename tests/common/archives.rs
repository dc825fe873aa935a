//! Serves Elasticsearch's archives and their digests to hosts, in the shape and under the names of the official downloads.

use std::sync::Arc;

use super::certificates::Authority;
use super::hosts::{Host, HostNetwork};
use super::paths;
use super::proxy::{Answer, Damage, Entry, Fault, Payload, Proxy};

/// A running server at this machine's address on the hosts' network; it stops when dropped.
pub struct Archives {
    /// By https, with a certificate of [`Authority::shared`].
    pub secure: Proxy,
    /// By http.
    pub plain: Proxy,
}

impl Archives {
    /// Serves every version that `make bed` brings in.
    pub async fn start() -> Self {
        let gateway = HostNetwork::shared().await.gateway();
        let certificate = Authority::shared().issue("archives", &format!("IP:{gateway}"), None);
        Self {
            secure: Proxy::scripted_at(&gateway, Some(&certificate), |it| serve(it, None)),
            plain: Proxy::scripted_at(&gateway, None, |it| serve(it, None)),
        }
    }

    /// Where a version's archive is, by https; its digest is at the same place with `.sha512` at the end.
    pub fn url(&self, version: &str) -> String {
        format!("{}/{}", self.secure.url(), name(version))
    }

    /// The same by http.
    pub fn plain_url(&self, version: &str) -> String {
        format!("{}/{}", self.plain.url(), name(version))
    }

    /// From now on the archive of a version is damaged on its way, or, without a word about how, not there, until [`Self::mend`].
    /// The digest stays as it is.
    pub fn damage(&self, version: &str, damage: Option<Damage>) {
        for server in [&self.secure, &self.plain] {
            let path = format!("/{}", name(version));
            let fault = match damage {
                None => Fault::Answer(Answer::empty(404)),
                Some(damage) => Fault::Respond(Arc::new(move |it| serve(it, Some(damage)))),
            };
            server.inject(move |it| it.path == path, fault);
        }
    }

    /// Ends what [`Self::damage`] began.
    pub fn mend(&self) {
        for server in [&self.secure, &self.plain] {
            server.clear_faults();
            server.inject(|_| true, intact());
        }
    }

    /// How often a version's archive was asked for.
    pub fn fetched(&self, version: &str) -> usize {
        let path = format!("/{}", name(version));
        let count = |it: &Proxy| it.ledger().count(|entry: &Entry| entry.path == path);
        count(&self.secure) + count(&self.plain)
    }

    /// Lets a host's programs trust the certificate of [`Self::secure`], as they trust those of the official server.
    pub fn trust(host: &Host) {
        host.inside("mkdir -p /etc/ssl/certs");
        host.write("/etc/ssl/certs/ca-certificates.crt", &Authority::shared().pem());
    }

    /// The SHA-512 of a version's archive, in hex.
    pub fn digest(version: &str) -> String {
        let file = paths::archive(version).join(format!("{}.sha512", name(version)));
        let line = std::fs::read_to_string(file).expect("made with the archive");
        line.split(' ').next().expect("digest, name").to_owned()
    }
}

fn intact() -> Fault {
    Fault::Respond(Arc::new(|it| serve(it, None)))
}

fn name(version: &str) -> String {
    format!("elasticsearch-{version}-linux-x86_64.tar.gz")
}

fn serve(request: &Entry, damage: Option<Damage>) -> Answer {
    let file = request.path.trim_start_matches('/');
    let version = file.strip_prefix("elasticsearch-").and_then(|it| it.split('-').next());
    let asked = version.filter(|it| {
        let archive = name(it);
        request.method == "GET" && (file == archive || file == format!("{archive}.sha512"))
    });
    match asked.and_then(paths::archive_if_there) {
        Some(folder) => Answer::payload(200, Payload::File(folder.join(file), damage)),
        None => Answer::empty(404),
    }
}
