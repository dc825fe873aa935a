use serde_json::{Value, json};

use super::*;
use crate::kubernetes::scripted::{Script, api_server};

const REVIEWS: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews?";
const ACCESS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews?";

async fn version(script: &mut Script) {
    let asked = script.next().await;
    assert_eq!(asked.target, "/version");
    asked.answer(&json!({
        "major": "1", "minor": "35", "gitVersion": "v1.35.2", "gitCommit": "", "gitTreeState": "",
        "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
    }));
}

async fn user(script: &mut Script, name: &str) {
    let asked = script.next().await;
    assert_eq!(asked.target, REVIEWS);
    asked.answer(&json!({"status": {"userInfo": {"username": name}}}));
}

/// Answers all access reviews: yes to all but `missing`.
async fn access(script: &mut Script, missing: &[&str]) {
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    for _ in NEEDED {
        let asked = script.next().await;
        assert_eq!(asked.target, ACCESS);
        let wanted = &asked.body["spec"]["resourceAttributes"];
        let (verb, resource) = (text(&wanted["verb"]), text(&wanted["resource"]));
        let title = match wanted["subresource"].as_str() {
            Some(subresource) => format!("{verb} {resource}/{subresource}"),
            None => format!("{verb} {resource}"),
        };
        let allowed = !missing.contains(&&*title);
        asked.answer(&json!({"spec": {}, "status": {"allowed": allowed}}));
    }
}

fn client() -> (Client, Script) {
    let (kube, script) = api_server();
    (Client::scripted(kube), script)
}

#[tokio::test]
async fn every_permission_that_is_missing_is_named() {
    let (client, mut script) = client();
    let (probe, ()) = tokio::join!(probe(&client), async {
        version(&mut script).await;
        user(&mut script, "system:serviceaccount:drover:t0ken-of-a-test").await;
        access(&mut script, &["delete nodes", "create pods/eviction"]).await;
    });
    assert_eq!(probe.version.as_deref(), Some("v1.35.2"));
    assert_eq!(probe.user.as_deref(), Some("system:serviceaccount:drover:[redacted]"));
    let missing: Vec<_> = probe.missing.iter().map(ToString::to_string).collect();
    assert_eq!(missing, ["delete nodes", "create pods/eviction"]);
    assert_eq!(probe.fault, None);
}

#[tokio::test]
async fn refused_credentials_are_told_with_the_version() {
    let (client, mut script) = client();
    let (probe, ()) = tokio::join!(probe(&client), async {
        version(&mut script).await;
        script.next().await.refuse(401, "Unauthorized");
    });
    assert!(probe.version.is_some());
    assert_eq!(probe.fault.unwrap().category(), Category::Unauthorized);
}

#[tokio::test]
async fn nobody_is_not_authenticated() {
    let (client, mut script) = client();
    let (probe, ()) = tokio::join!(probe(&client), async {
        version(&mut script).await;
        user(&mut script, "system:anonymous").await;
    });
    assert_eq!(probe.fault.unwrap().category(), Category::Unauthorized);
}

#[tokio::test]
async fn an_older_openshift_is_asked_in_its_own_way() {
    let (client, mut script) = client();
    let (probe, ()) = tokio::join!(probe(&client), async {
        version(&mut script).await;
        script.next().await.refuse(404, "NotFound");
        let asked = script.next().await;
        assert_eq!(asked.target, "/apis/user.openshift.io/v1/users/~");
        asked.answer(&json!({"metadata": {"name": "drover"}}));
        access(&mut script, &[]).await;
    });
    assert_eq!((probe.user.as_deref(), probe.fault), (Some("drover"), None));
}

#[tokio::test]
async fn a_server_that_can_not_say_who_drover_is_can_still_say_what_it_may_do() {
    for code in [404, 403] {
        let (client, mut script) = client();
        let (probe, ()) = tokio::join!(probe(&client), async {
            version(&mut script).await;
            script.next().await.refuse(code, "Reason");
            if code == 404 {
                script.next().await.refuse(404, "NotFound");
            }
            access(&mut script, &["list pods"]).await;
        });
        assert_eq!((probe.user, probe.fault), (None, None));
        assert_eq!(probe.missing, [Permission::core("list", "pods")]);
    }
}

#[tokio::test]
async fn where_permissions_can_not_be_tested_that_itself_is_missing() {
    let (client, mut script) = client();
    let (probe, ()) = tokio::join!(probe(&client), async {
        version(&mut script).await;
        user(&mut script, "drover").await;
        script.next().await.refuse(403, "Forbidden");
    });
    let missing: Vec<_> = probe.missing.iter().map(ToString::to_string).collect();
    assert_eq!(missing, ["create selfsubjectaccessreviews.authorization.k8s.io"]);
}

#[test]
fn the_example_grants_what_is_needed_and_nothing_else() {
    use serde::Deserialize as _;

    let example = include_str!("../../../examples/kubernetes/nodes.yaml");
    let mut granted = Vec::new();
    for document in serde_yaml_ng::Deserializer::from_str(example) {
        let object = Value::deserialize(document).unwrap();
        for rule in object["rules"].as_array().into_iter().flatten() {
            assert_eq!(rule["apiGroups"], json!([""]));
            let words = |key: &str| serde_json::from_value::<Vec<String>>(rule[key].clone());
            for resource in words("resources").unwrap() {
                let verbs = words("verbs").unwrap();
                granted.extend(verbs.iter().map(|verb| format!("{verb} {resource}")));
            }
        }
    }
    let mut needed = NEEDED.map(|it| it.to_string());
    needed.sort();
    granted.sort();
    assert_eq!(granted, needed);
}
