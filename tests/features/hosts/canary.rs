//! Every text of a Host, made to run a command where it met a shell: it is refused, or nothing runs.

use drover::api::{condition::find, host::Host as HostObject};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::DeleteParams};
use serde_json::{Value, json};

use super::{Stage, spec_of};
use crate::common::hosts::{Os, Settings, SshKey};

/// What would leave a canary, here or on the machine, wherever it was not quoted.
fn traps(canary: &str) -> [String; 9] {
    [
        format!("; touch {canary}"),
        format!("x; touch {canary}"),
        format!("x$(touch {canary})"),
        format!("x`touch {canary}`"),
        format!("x' ; touch {canary} ; '"),
        format!("x\" ; touch {canary} ; \""),
        format!("x\ntouch {canary}\n"),
        format!("x (touch {canary})"),
        format!("-oProxyCommand=touch {canary}"),
    ]
}

/// Makes of a trap what stands in a field.
type Wrap = fn(&str) -> Value;

/// Every text in the spec, as a way there and what makes a text of a trap.
fn texts() -> Vec<(&'static str, Wrap)> {
    let plain: Wrap = |it| json!(it);
    let in_list: Wrap = |it| json!([it]);
    vec![
        ("/address", plain),
        ("/nodeAddress", plain),
        ("/nodeName", plain),
        ("/user", plain),
        ("/credentials/secretName", plain),
        ("/clusterRef/name", plain),
        ("/hostKey/fingerprints", in_list),
        ("/hostKey/certificateAuthorities", in_list),
        ("/hostKey/certificateAuthorities", |it| {
            json!([format!("{} {it}", SshKey::shared().public())])
        }),
        ("/hostKey/principals", in_list),
        ("/hostKey/policy", plain),
        ("/jumpHosts/0/address", plain),
        ("/jumpHosts/0/user", plain),
        ("/jumpHosts/0/credentials/secretName", plain),
        ("/jumpHosts/0/hostKey/fingerprints", in_list),
        ("/jumpHosts/0/hostKey/principals", in_list),
        ("/sysctls", |it| json!({ it: "1" })),
        ("/sysctls", |it| json!({ (format!("vm.{it}")): "1" })),
        ("/sysctls", |it| json!({ "kernel.core_pattern": it })),
        ("/sysctls", |it| json!({ "kernel.core_pattern": format!("a {it}") })),
        ("/approval", plain),
        ("/sudo", plain),
        ("/driftPolicy", plain),
        ("/deletionPolicy", plain),
    ]
}

fn put(spec: &mut Value, path: &str, value: Value) {
    let mut at = spec;
    for part in path.split('/').skip(1) {
        at = match part.parse::<usize>() {
            Ok(number) => &mut at[number],
            Err(_) => &mut at[part],
        };
    }
    *at = value;
}

/// Whether all that there is to do for the object was done, well or not.
fn is_judged(host: &HostObject) -> Result<(), String> {
    let conditions = host.status.as_ref().map(|it| it.conditions.as_slice()).unwrap_or_default();
    let ready = find(conditions, "Ready").ok_or("no condition yet")?;
    let is_under_way = ["InProgress", "NotChecked", "Waiting"].contains(&&*ready.reason);
    if is_under_way { Err(format!("{ready:?}")) } else { Ok(()) }
}

#[tokio::test]
async fn no_text_of_a_host_is_run_here_or_on_its_machine() {
    let stage = Stage::new("canary").await;
    let host = Settings::new(Os::Debian).start().await;
    let canary = format!("/tmp/{}", stage.namespace);
    let (mut accepted, mut refused) = (Vec::new(), 0);
    for (field, (path, text)) in texts().into_iter().enumerate() {
        for (trap, word) in traps(&canary).iter().enumerate() {
            let name = format!("f{field}-{trap}");
            let mut spec = spec_of(&host, &json!({ "deletionPolicy": "Reset" }));
            if path.starts_with("/jumpHosts") {
                let hop = json!({
                    "address": host.address(),
                    "credentials": { "secretName": "key" },
                    "hostKey": { "fingerprints": [host.fingerprint()] },
                });
                spec["jumpHosts"] = json!([hop]);
            }
            put(&mut spec, path, text(word));
            match stage.try_host(&name, &spec).await {
                Ok(()) => {
                    // One after the other: only the oldest object may work on a machine.
                    stage.when(&name, "it was worked with", is_judged).await;
                    stage.delete(&name).await;
                    stage.gone(&name).await;
                    accepted.push(name);
                }
                Err(problem) => {
                    let field = path.trim_start_matches('/').split('/').next().unwrap();
                    assert!(problem.contains(&format!("spec.{field}")), "{path}: {problem}");
                    refused += 1;
                }
            }
        }
    }
    // A comment beside a public key, and values of a kernel parameter: printable, and no word of
    // a command.
    assert!(accepted.len() < 24 && 180 < refused, "{refused} refused and not {accepted:?}");
    // What is not in the spec: annotations, labels, and what a Secret holds.
    stage.ready("marked", &host, &json!({ "sysctls": { "vm.swappiness": "7" } })).await;
    for word in traps(&canary) {
        let annotations = json!({
            "drover.dev/accept-machine-id": word,
            "drover.dev/reconcile-at": word,
        });
        stage.mark("marked", &json!({ "annotations": annotations })).await;
        let secret = json!({
            "ssh-privatekey": SshKey::shared().private(),
            "passphrase": word,
            "ssh-user-certificate": word,
        });
        stage.secret("key", &secret).await;
    }
    stage.tells("marked", "ResolvedRefs", "False", "InvalidContent").await;
    // What was once in a Secret stays there when it is applied without.
    let secrets: Api<Secret> = Api::namespaced(stage.client.clone(), &stage.namespace);
    secrets.delete("key", &DeleteParams::default()).await.unwrap();
    stage.key("key", SshKey::shared()).await;
    stage.until("marked", "Ready", "True").await;
    assert!(!std::path::Path::new(&canary).exists(), "{canary} was made here");
    host.inside(&format!("test ! -e {canary}"));
}
