//! What an API server takes and permits, and what stands in the status of one that does not.

use drover::api::container_manager::ContainerManager;
use serde_json::json;

use super::Yard;
use crate::{common::certificates::Authority, registration::rules};

#[tokio::test]
async fn what_the_server_does_not_take_or_permit_is_named_and_mended_by_a_new_secret() {
    let yard = Yard::new("grants").await;
    let control = &yard.bed.control;
    let namespace = control.namespace("grants");
    let all_but_one = rules(|it| it != "create pods/eviction");
    let weak = control.service_account(&namespace, "weak", &all_but_one);
    yard.secret("weak", &json!({ "token": weak })).await;
    yard.secret("wrong", &json!({ "token": "no-such-token-anywhere" })).await;
    let by_token = |secret: &str| {
        let mut options = yard.options();
        options["auth"] = json!({ "token": { "secretName": secret } });
        options
    };
    let strange = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "strange-ca" },
        "data": { "ca.crt": Authority::new().pem() },
    });
    yard.stage.apply(&strange).await;
    let mut of_another = yard.options();
    of_another["ca"]["configMapName"] = json!("strange-ca");
    let certificate = yard.bed.authority.client("nobody-in-particular");
    let data = json!({ "tls.crt": certificate.pem(), "tls.key": certificate.key_pem() });
    yard.secret("certificate", &data).await;
    let mut by_certificate = yard.options();
    by_certificate["auth"] = json!({ "clientCertificate": { "secretName": "certificate" } });
    let certificate = yard.bed.authority.client("drover-certified");
    let data = json!({ "tls.crt": certificate.pem(), "tls.key": certificate.key_pem() });
    yard.secret("certified", &data).await;
    let mut certified = yard.options();
    certified["auth"] = json!({ "clientCertificate": { "secretName": "certified" } });
    let role = ["--clusterrole=default-drover", "--user=drover-certified"];
    control.kubectl(&[&["create", "clusterrolebinding", "certified"], &role[..]].concat(), "");
    let kubeconfig = |server: &str| {
        let file = control.kubeconfig().with_token(&yard.bed.token).at(server).write();
        let text = std::fs::read_to_string(file).unwrap();
        let mut whole: serde_json::Value = serde_json::from_str(&text).unwrap();
        // It names a file; the authority is that of the spec.
        whole["clusters"][0]["cluster"].as_object_mut().unwrap().remove("certificate-authority");
        json!({ "kubeconfig": whole.to_string() })
    };
    yard.secret("kubeconfig", &kubeconfig(&control.kubeconfig().server)).await;
    yard.secret("elsewhere", &kubeconfig("https://127.0.0.1:9")).await;
    let by_kubeconfig = |secret: &str| {
        let mut options = yard.options();
        options["auth"] = json!({ "kubeconfig": { "secretName": secret } });
        options
    };
    let mut anonymous = yard.options();
    anonymous.as_object_mut().unwrap().remove("auth");
    let mut nowhere = yard.options();
    nowhere["server"] = json!("https://127.0.0.1:9");

    // It lets connect, and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut hanging = yard.options();
    hanging["server"] = json!(format!("https://{}", silent.local_addr().unwrap()));

    yard.manager("good", &yard.options()).await;
    yard.manager("hanging", &hanging).await;
    yard.manager("weak", &by_token("weak")).await;
    yard.manager("wrong", &by_token("wrong")).await;
    yard.manager("late", &by_token("late")).await;
    yard.manager("of-another", &of_another).await;
    yard.manager("by-certificate", &by_certificate).await;
    yard.manager("certified", &certified).await;
    yard.manager("by-kubeconfig", &by_kubeconfig("kubeconfig")).await;
    yard.manager("elsewhere", &by_kubeconfig("elsewhere")).await;
    yard.manager("anonymous", &anonymous).await;
    yard.manager("nowhere", &nowhere).await;

    let shift = json!({ "type": "OpenShift", "options": yard.options() });
    yard.drover("ContainerManager", "shift", &shift).await;
    yard.drover("ContainerManager", "trivial", &json!({ "type": "Trivial" })).await;

    let tells = async |name: &str, kind: &str, reason: &str, words: &str| {
        let message = yard.manager_tells(name, kind, "False", reason).await;
        assert!(message.contains(words), "{name}: {message}");
        assert!(!message.contains("no-such-token"), "{message}");
        yard.manager_tells(name, "Ready", "False", reason).await;
    };
    for name in ["good", "shift", "trivial", "certified", "by-kubeconfig"] {
        yard.manager_tells(name, "Ready", "True", "AsExpected").await;
    }
    tells("weak", "Permitted", "PrivilegeMissing", "create pods/eviction").await;
    tells("wrong", "Authenticated", "AuthenticationFailed", "credentials").await;
    tells("late", "ResolvedRefs", "SecretNotFound", "spec.options.auth.token").await;
    tells("of-another", "Reachable", "CertificateRefused", "authority").await;
    tells("by-certificate", "Permitted", "PrivilegeMissing", "delete nodes").await;
    tells("elsewhere", "ResolvedRefs", "InvalidContent", "its server is https://127.0.0.1:9").await;
    tells("anonymous", "Authenticated", "AuthenticationFailed", "anonymous").await;
    tells("hanging", "Reachable", "Unreachable", "").await;
    tells("nowhere", "Reachable", "Unreachable", "127.0.0.1:9").await;

    for secret in ["late", "wrong", "weak"] {
        yard.secret(secret, &json!({ "token": yard.bed.token })).await;
        yard.manager_tells(secret, "Ready", "True", "AsExpected").await;
    }
    for name in ["good", "late", "wrong", "weak", "of-another", "by-certificate", "nowhere"] {
        yard.delete::<ContainerManager>(name).await;
        yard.gone::<ContainerManager>(name).await;
    }
}
