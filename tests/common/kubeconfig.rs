//! Kubeconfig files: the operator finds its API server, or the proxy before it, by one.

use std::path::PathBuf;

use serde_json::json;

use super::paths;

/// Who talks to which server.
#[derive(Clone, Debug)]
pub struct Kubeconfig {
    /// As in `https://127.0.0.1:6443`.
    pub server: String,
    /// The server's authority, as a PEM file.
    pub authority: PathBuf,
    /// A bearer token.
    pub token: String,
}

impl Kubeconfig {
    /// The same identity at another address, such as a proxy's.
    pub fn at(&self, server: &str) -> Self {
        Self { server: server.to_owned(), ..self.clone() }
    }

    /// The same server, for somebody else.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// Writes it to a file of its own.
    pub fn write(&self) -> PathBuf {
        let file = paths::scratch("kubeconfig").join("config");
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "bed",
            "contexts": [{"name": "bed", "context": {"cluster": "bed", "user": "bed"}}],
            "clusters": [{"name": "bed", "cluster": {
                "server": self.server, "certificate-authority": self.authority,
            }}],
            "users": [{"name": "bed", "user": {"token": self.token}}],
        });
        std::fs::write(&file, config.to_string()).expect("own folder");
        file
    }
}
