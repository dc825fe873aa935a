//! A real etcd with TLS, beside that of the control plane, spoken to by its JSON gateway.

use std::time::Duration;

use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::certificates::{Authority, Certificate};
use super::process::{Process, Signal, free_port, logs};
use super::wait::eventually;
use super::{init, paths};

/// A running etcd; it stops when dropped, or with the test process.
#[derive(Debug)]
pub struct Etcd {
    url: String,
    client: Certificate,
    process: Process,
}

impl Etcd {
    /// One on loopback that serves TLS, with a certificate of the shared authority, and takes client certificates
    /// of that authority only.
    pub async fn start() -> Self {
        Self::start_on("127.0.0.1").await
    }

    /// The same at another address of this machine, such as the hosts' gateway.
    pub async fn start_on(address: &str) -> Self {
        init();
        paths::control_plane();
        let dir = paths::scratch("etcd");
        let authority = Authority::shared();
        let server =
            authority.issue("etcd", &format!("DNS:localhost,IP:127.0.0.1,IP:{address}"), None);
        let files = [
            (server.certificate, "etcd.crt"),
            (server.key, "etcd.key"),
            (authority.file(), "etcd-clients.crt"),
        ];
        for (from, to) in files {
            std::fs::copy(from, dir.join(to)).expect("own folder");
        }
        let (port, peer_port) = (free_port().to_string(), free_port().to_string());
        let process = Process::spawn(
            "etcd of its own",
            &dir.join("output.log"),
            paths::script("run-control-plane.sh"),
            ["etcd", dir.to_str().expect("a plain path"), &port, &peer_port, address],
            &[],
        );
        let url = format!("https://{address}:{port}");
        let it = Self { url, client: authority.client("bed"), process };
        eventually("etcd is up", Duration::from_mins(1), async || {
            if let Some(status) = it.process.status() {
                panic!("etcd ended with {status}{}", logs());
            }
            it.call("/v3/maintenance/status", &json!({})).await
        })
        .await;
        it
    }

    /// As in `https://127.0.0.1:40001`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A certificate that it accepts: of the shared authority, as its own is.
    pub fn client_certificate(&self) -> &Certificate {
        &self.client
    }

    /// Freezes it: connections stay, nothing answers.
    pub fn freeze(&self) {
        self.process.signal(Signal::Stop);
    }

    /// Ends [`Self::freeze`].
    pub fn thaw(&self) {
        self.process.signal(Signal::Cont);
    }

    /// The value of a key; `None` when it is not there.
    pub async fn get(&self, key: &str) -> Option<String> {
        let answer = self.must("/v3/kv/range", &json!({"key": encode(key)})).await;
        answer["kvs"][0].get("value").map(decode)
    }

    /// All keys below a prefix, with their values.
    pub async fn list(&self, prefix: &str) -> Vec<(String, String)> {
        // The end of a prefix's range is the prefix with its last byte one higher.
        let mut end = prefix.to_owned();
        let last = end.pop().expect("not empty");
        end.push(char::from(u8::try_from(last).expect("ASCII") + 1));
        let range = json!({"key": encode(prefix), "range_end": encode(&end)});
        let answer = self.must("/v3/kv/range", &range).await;
        let found = answer["kvs"].as_array().into_iter().flatten();
        found.map(|it| (decode(&it["key"]), decode(&it["value"]))).collect()
    }

    /// Sets a key, as somebody else would.
    pub async fn put(&self, key: &str, value: &str) {
        self.must("/v3/kv/put", &json!({"key": encode(key), "value": encode(value)})).await;
    }

    /// Removes a key.
    pub async fn delete(&self, key: &str) {
        self.must("/v3/kv/deleterange", &json!({"key": encode(key)})).await;
    }

    async fn must(&self, path: &str, body: &Value) -> Value {
        self.call(path, body).await.unwrap_or_else(|error| panic!("etcd {path}: {error}{}", logs()))
    }

    /// One request to the gateway; keys and values are base64 there.
    pub async fn call(&self, path: &str, body: &Value) -> Result<Value, String> {
        let pem = self.client.pem() + &self.client.key_pem();
        let client = reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(Authority::shared().pem().as_bytes())
                .expect("our own authority")])
            .identity(reqwest::Identity::from_pem(pem.as_bytes()).expect("our own certificate"))
            .no_proxy()
            .timeout(Duration::from_secs(10))
            .build()
            .expect("a client");
        let answer = client
            .post(format!("{}{path}", self.url))
            .json(body)
            .send()
            .await
            .map_err(|error| format!("{error:?}"))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| format!("{error:?}"))?;
        if !status.is_success() {
            return Err(format!("{status} {text}"));
        }
        serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))
    }
}

/// Base64, as Kubernetes' own byte strings are.
fn encode(text: &str) -> ByteString {
    ByteString(text.as_bytes().to_vec())
}

fn decode(value: &Value) -> String {
    let bytes: ByteString = serde_json::from_value(value.clone()).expect("base64");
    String::from_utf8(bytes.0).expect("UTF-8")
}
