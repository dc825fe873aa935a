//! A real etcd and kube-apiserver, with RBAC on. There is no controller manager: namespaces do not
//! finish deleting, nothing is garbage-collected, no pod runs.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kube::config::KubeConfigOptions;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::certificates::Authority;
use super::kubeconfig::Kubeconfig;
use super::process::{Process, Signal, free_port};
use super::wait::eventually;
use super::{init, paths};

/// A running control plane; it stops when dropped, or with the test process.
#[derive(Debug)]
pub struct ControlPlane {
    etcd: Process,
    apiserver: Process,
    admin: Kubeconfig,
    kubeconfig: PathBuf,
    kubectl: PathBuf,
}

/// What a kubectl command said.
#[derive(Debug)]
pub struct Output {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

impl ControlPlane {
    /// The one of this test process, started by whoever asks first.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// One of its own, for a test that stops or breaks it.
    pub async fn start() -> Self {
        Self::start_under(Authority::shared()).await
    }

    /// One that has nothing in common with the shared one: its own etcd, tokens and service accounts, and whatever
    /// authority signs its certificate and those of its clients (whose common name is the user).
    pub async fn start_under(authority: &Authority) -> Self {
        init();
        let bin = paths::control_plane();
        let dir = paths::scratch("control-plane");
        let (client_port, peer_port, port) = (free_port(), free_port(), free_port());
        let names = "DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.0.0.1";
        let certificate = authority.issue("kube-apiserver", names, None);
        let files = [
            (certificate.certificate, "server.crt"),
            (certificate.key, "server.key"),
            (authority.file(), "clients.crt"),
        ];
        for (from, to) in files {
            std::fs::copy(from, dir.join(to)).expect("own folder");
        }
        // Worth nothing at another API server.
        let token = format!("admin-of-the-bed-{port}");
        std::fs::write(dir.join("tokens.csv"), format!("{token},admin,admin,system:masters\n"))
            .expect("own folder");
        let run = |program: &str, port: u16, other: u16| {
            let log = dir.join(format!("{program}.log"));
            let dir = dir.to_str().expect("a plain path");
            let arguments =
                [program, dir, &port.to_string(), &other.to_string()].map(str::to_owned);
            Process::spawn(program, &log, paths::script("run-control-plane.sh"), arguments, &[])
        };
        let etcd = run("etcd", client_port, peer_port);
        let apiserver = run("kube-apiserver", port, client_port);
        let admin = Kubeconfig {
            server: format!("https://127.0.0.1:{port}"),
            authority: authority.file(),
            token,
        };
        let kubeconfig = admin.write();
        let it = Self { etcd, apiserver, admin, kubeconfig, kubectl: bin.join("kubectl") };
        eventually("the API server is ready", Duration::from_mins(2), async || {
            if let Some(status) = it.apiserver.status().or_else(|| it.etcd.status()) {
                panic!("the control plane ended with {status}{}", super::process::logs());
            }
            // Ready, and its bootstrap roles are there.
            let client = it.client().await;
            let ready = hyper::Request::get("/readyz").body(Vec::new()).expect("a request");
            client.request_text(ready).await.map_err(|error| format!("{error:?}"))?;
            let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> =
                kube::Api::all(client);
            namespaces.get("default").await.map_err(|error| error.to_string())
        })
        .await;
        it
    }

    /// The administrator's way in; `at` and `with_token` derive others.
    pub fn kubeconfig(&self) -> &Kubeconfig {
        &self.admin
    }

    /// An administrator's client. Each test makes its own, since it belongs to the test's runtime.
    pub async fn client(&self) -> kube::Client {
        let text = std::fs::read_to_string(&self.kubeconfig).expect("written before");
        let parsed = kube::config::Kubeconfig::from_yaml(&text).expect("our own kubeconfig");
        let config = kube::Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default())
            .await
            .expect("our own kubeconfig");
        kube::Client::try_from(config).expect("a client")
    }

    /// Runs kubectl as the administrator.
    pub fn try_kubectl(&self, arguments: &[&str], stdin: &str) -> Output {
        let mut kubectl = Command::new(&self.kubectl)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl runs");
        // kubectl reads its input whole before it prints.
        let _ = kubectl.stdin.take().expect("piped").write_all(stdin.as_bytes());
        let output = kubectl.wait_with_output().expect("kubectl runs");
        Output {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs kubectl and returns what it printed; panics when it fails.
    pub fn kubectl(&self, arguments: &[&str], stdin: &str) -> String {
        let output = self.try_kubectl(arguments, stdin);
        assert!(output.success, "kubectl {}: {}", arguments.join(" "), output.stderr);
        output.stdout
    }

    /// `kubectl apply` of YAML or JSON into a namespace.
    pub fn apply(&self, namespace: &str, manifest: &str) -> String {
        self.try_apply(namespace, manifest).unwrap_or_else(|refused| panic!("{refused}"))
    }

    /// The same, where it may be refused: the API server's words.
    pub fn try_apply(&self, namespace: &str, manifest: &str) -> Result<String, String> {
        let output = self.try_kubectl(&["apply", "-n", namespace, "-f", "-"], manifest);
        if output.success { Ok(output.stdout) } else { Err(output.stderr) }
    }

    /// An object as JSON, or `None` when there is none.
    pub fn get(&self, namespace: &str, kind: &str, name: &str) -> Option<Value> {
        let output = self.try_kubectl(&["get", "-n", namespace, kind, name, "-o", "json"], "");
        if output.success {
            return Some(serde_json::from_str(&output.stdout).expect("kubectl prints JSON"));
        }
        assert!(output.stderr.contains("NotFound"), "kubectl get {kind} {name}: {}", output.stderr);
        None
    }

    /// Installs CRDs and waits until the API server serves them.
    pub fn install_crds(&self, yaml: &str) {
        self.kubectl(&["apply", "--server-side", "-f", "-"], yaml);
        self.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "-f", "-"], yaml);
    }

    /// A namespace that no other test has.
    pub fn namespace(&self, prefix: &str) -> String {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("{prefix}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.kubectl(&["create", "namespace", &name], "");
        name
    }

    /// Makes a service account in a namespace with a cluster role of these rules, and returns its token:
    /// what the operator runs as.
    pub fn service_account(&self, namespace: &str, name: &str, rules: &Value) -> String {
        let role = format!("{namespace}-{name}");
        let manifest = json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "ServiceAccount",
             "metadata": {"name": name, "namespace": namespace}},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
             "metadata": {"name": role}, "rules": rules},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
             "metadata": {"name": role},
             "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
             "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}]},
        ]});
        self.kubectl(&["apply", "--server-side", "-f", "-"], &manifest.to_string());
        self.token(namespace, name)
    }

    /// A token of a service account.
    pub fn token(&self, namespace: &str, name: &str) -> String {
        let create = ["create", "token", name, "-n", namespace, "--duration=12h"];
        self.kubectl(&create, "").trim().to_owned()
    }

    /// Freezes the API server: connections stay, nothing answers.
    pub fn freeze(&self) {
        self.apiserver.signal(Signal::Stop);
    }

    /// Ends [`Self::freeze`].
    pub fn thaw(&self) {
        self.apiserver.signal(Signal::Cont);
    }
}
