//! The promises of the bed's other servers: each start is one of its own, and leaves nothing.
#![allow(clippy::unwrap_used)]

#[path = "common/mod.rs"]
mod common;

use std::time::Duration;

use common::certificates::Authority;
use common::control_plane::ControlPlane;
use common::etcd::Etcd;
use common::kubernetes_node::KubernetesNode;
use common::leftovers::left_of;
use common::wait::eventually;

#[tokio::test]
async fn an_etcd_of_its_own_speaks_json_over_tls_to_clients_with_a_certificate() {
    let etcd = Etcd::start().await;
    assert_eq!(etcd.get("/network/config").await, None);
    etcd.put("/network/config", r#"{"Network":"10.5.0.0/16"}"#).await;
    etcd.put("/network/subnets/10.5.1.0-24", "{}").await;
    etcd.put("/networks", "no part of it").await;
    assert_eq!(etcd.get("/network/config").await.unwrap(), r#"{"Network":"10.5.0.0/16"}"#);
    let keys: Vec<String> = etcd.list("/network/").await.into_iter().map(|it| it.0).collect();
    assert_eq!(keys, ["/network/config", "/network/subnets/10.5.1.0-24"]);
    etcd.delete("/network/config").await;
    assert_eq!(etcd.get("/network/config").await, None);

    let anonymous = reqwest::Client::builder()
        .tls_certs_only([
            reqwest::Certificate::from_pem(Authority::shared().pem().as_bytes()).unwrap()
        ])
        .no_proxy()
        .build()
        .unwrap();
    let url = format!("{}/v3/maintenance/status", etcd.url());
    let error = anonymous.post(url).body("{}").send().await.unwrap_err();
    assert!(format!("{error:?}").contains("CertificateRequired"), "{error:?}");
}

#[tokio::test]
async fn two_control_planes_have_nothing_in_common() {
    let authority = Authority::new();
    let (first, second) =
        tokio::join!(ControlPlane::shared(), ControlPlane::start_under(&authority));
    second.kubectl(&["create", "namespace", "only-here"], "");
    assert!(second.get("", "namespace", "only-here").is_some());
    assert!(first.get("", "namespace", "only-here").is_none());

    // Neither trusts the other's certificate, tokens or clients.
    let whoami = |of: &ControlPlane, way: &[&str]| {
        let server = format!("--server={}", of.kubeconfig().server);
        let mut arguments = vec!["--kubeconfig=/dev/null", &server, "auth", "whoami", "-oname"];
        arguments.extend(way);
        of.try_kubectl(&arguments, "")
    };
    let trusting =
        |authority: &Authority| format!("--certificate-authority={}", authority.file().display());
    let token = |of: &ControlPlane| format!("--token={}", of.kubeconfig().token);
    let own = trusting(&authority);
    assert!(whoami(&second, &[&own, &token(&second)]).success);
    let refused = whoami(&second, &[&own, &token(first)]);
    assert!(refused.stderr.contains("Unauthorized"), "{refused:?}");
    let refused = whoami(&second, &[&trusting(Authority::shared()), &token(&second)]);
    assert!(refused.stderr.contains("unknown authority"), "{refused:?}");

    let client = |authority: &Authority| {
        let certificate = authority.client("somebody");
        [
            format!("--client-certificate={}", certificate.certificate.display()),
            format!("--client-key={}", certificate.key.display()),
        ]
    };
    let [certificate, key] = client(&authority);
    let known =
        whoami(&second, &[&own, &certificate, &key, "-ojsonpath={.status.userInfo.username}"]);
    assert_eq!(known.stdout, "somebody", "{known:?}");
    let [certificate, key] = client(Authority::shared());
    let refused = whoami(&second, &[&own, &certificate, &key]);
    assert!(!refused.success, "{refused:?}");
}

#[tokio::test]
async fn a_kubernetes_node_runs_a_pod_and_nothing_is_left_of_it() {
    const SOON: Duration = Duration::from_mins(1);
    let control = ControlPlane::shared().await;
    let machine_id = "0123456789abcdef0123456789abcdef";
    let overcommit = || std::fs::read_to_string("/proc/sys/vm/overcommit_memory").unwrap();
    let before = overcommit();
    let node = KubernetesNode::start(control, "one", machine_id).await;
    let condition = |wanted: &str| {
        let node = control.get("", "node", "one").ok_or("no Node")?;
        let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.into_iter().find(|it| it["type"] == "Ready").unwrap_or_default();
        if ready["status"] == wanted { Ok(node) } else { Err(ready.to_string()) }
    };
    eventually("it waits for a network", SOON, async || condition("False")).await;
    node.connect();
    let ready = eventually("it is Ready", SOON, async || condition("True")).await;
    assert_eq!(ready["status"]["nodeInfo"]["machineID"], machine_id);
    control.apply("default", &node.pod("web").to_string());
    eventually("the pod runs", SOON, async || {
        let pod = control.get("default", "pod", "web").ok_or("no pod")?;
        if pod["status"]["phase"] == "Running" { Ok(()) } else { Err(pod["status"].to_string()) }
    })
    .await;
    assert_eq!(overcommit(), before, "the machine's own parameters are as they were");
    let (pid, dir) = (node.pid(), node.dir().to_owned());
    assert!(left_of(pid, &dir).len() > 5, "{:?}", left_of(pid, &dir));
    drop(node);
    eventually("it is all gone", SOON, async || {
        let left = left_of(pid, &dir);
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
}
