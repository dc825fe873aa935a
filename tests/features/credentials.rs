//! Whom Elasticsearch sees, and what is told when it does not take the credentials.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    common::{certificates::Authority, proxy::lines},
    common::{
        elasticsearch::{basic, service_token},
        proxy::{Answer, Entry, Fault},
        wait::eventually,
    },
    world::{
        CERTIFICATE_USER, MONITOR_USER, PASSWORD, ROLE, SECOND_USER, SOON, Stage, TOKEN, USER,
        USER_WITHOUT_RIGHTS, elasticsearch, get,
    },
};

/// Waits until Elasticsearch was sent exactly these credentials, past what was sent before.
async fn sent(stage: &Stage, authorization: &str) {
    let ledger = stage.elasticsearch.ledger();
    eventually("the credentials arrive", SOON, async || {
        let found = ledger.count(|it| it.authorization.as_deref() == Some(authorization));
        if 0 < found { Ok(()) } else { Err(ledger.text()) }
    })
    .await;
}

fn credentials(user: &str, password: &str) -> Value {
    json!({ "username": user, "password": password })
}

#[tokio::test]
async fn every_kind_of_credentials_gets_a_cluster_ready() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("kinds", server).await;
    let role: Value = serde_json::from_str(ROLE).expect("the documented role is JSON");
    let key = server.api_key("drover", &role).await;
    let certificate = Authority::shared().client(CERTIFICATE_USER);
    stage.secret("key", &json!({ "apiKey": key }));
    // Files often end with a line break.
    stage.secret("token", &json!({ "token.txt": format!("{}\n", service_token(TOKEN)) }));
    let files = json!({ "tls.crt": certificate.pem(), "tls.key": certificate.key_pem() });
    stage.secret("certificate", &files);
    let proxy = stage.elasticsearch.url();
    let kinds = [
        ("basic", &proxy, json!({ "basic": { "secretName": "credentials" } })),
        ("api-key", &proxy, json!({ "apiKey": { "secretName": "key" } })),
        ("bearer", &proxy, json!({ "bearer": { "secretName": "token", "key": "token.txt" } })),
        // The proxy ends TLS, and with it the certificate.
        (
            "certificate",
            &server.url(),
            json!({ "clientCertificate": { "secretName": "certificate" } }),
        ),
    ];
    for (name, endpoint, auth) in &kinds {
        let tls = json!({ "ca": { "configMapName": "ca" } });
        stage.cluster(name, &json!({ "endpoints": [endpoint], "auth": auth, "tls": tls }));
    }
    let uuid = server.uuid().await;
    for (name, ..) in &kinds {
        let cluster = stage.cluster_until(name, "Ready", "True").await;
        assert_eq!(cluster.status.unwrap().elasticsearch.unwrap().uuid, uuid);
    }
    for header in
        [basic(USER, PASSWORD), format!("ApiKey {key}"), format!("Bearer {}", service_token(TOKEN))]
    {
        sent(&stage, &header).await;
    }
}

#[tokio::test]
async fn what_the_spec_names_and_is_missing_is_told_and_waited_for() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("missing", server).await;
    let ca = Authority::shared().pem();
    let connection = |secret: &str, ca: Value| {
        json!({
            "endpoints": [stage.elasticsearch.url()],
            "auth": { "basic": { "secretName": secret } },
            "tls": { "ca": ca },
        })
    };
    let good = json!({ "configMapName": "ca" });
    let map = |name: &str, data: Value| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": data,
        })
    };
    stage.secret("half", &json!({ "username": USER }));
    stage.secret("blank", &credentials(USER, ""));
    stage.apply(&map("empty", json!({ "ca.crt": "" })));
    stage.apply(&map("other-key", json!({ "ca.pem": ca })));
    let cases = [
        ("no-secret", connection("later", good.clone()), "SecretNotFound", "'later'"),
        ("no-key", connection("half", good.clone()), "KeyNotFound", "'password'"),
        ("empty-key", connection("blank", good.clone()), "InvalidContent", "'password'"),
        (
            "no-map",
            connection("credentials", json!({ "configMapName": "later" })),
            "ConfigMapNotFound",
            "'later'",
        ),
        (
            "no-map-key",
            connection("credentials", json!({ "configMapName": "other-key" })),
            "KeyNotFound",
            "'ca.crt'",
        ),
        (
            "empty-ca",
            connection("credentials", json!({ "configMapName": "empty" })),
            "InvalidContent",
            "CA certificates",
        ),
        (
            "no-ca-secret",
            connection("credentials", json!({ "secretName": "later-ca" })),
            "SecretNotFound",
            "'later-ca'",
        ),
    ];
    for (name, connection, ..) in &cases {
        stage.cluster(name, connection);
    }
    for (name, _, reason, words) in &cases {
        let cluster = stage.cluster_tells(name, "ResolvedRefs", "False", reason).await;
        let conditions = cluster.status.unwrap().conditions;
        let message = &get(&conditions, "ResolvedRefs").message;
        assert!(message.contains(words), "{name}: {message}");
        assert_eq!(get(&conditions, "Ready").reason, *reason, "{name}");
    }
    let requests = stage.elasticsearch.ledger().all();
    assert!(requests.is_empty(), "asked without credentials or trust:\n{}", lines(&requests));

    stage.secret("later", &credentials(USER, PASSWORD));
    stage.secret("half", &credentials(USER, PASSWORD));
    stage.secret("blank", &credentials(USER, PASSWORD));
    stage.secret("later-ca", &json!({ "ca.crt": ca }));
    for name in ["later", "empty", "other-key"] {
        stage.apply(&map(name, json!({ "ca.crt": ca })));
    }
    for (name, ..) in &cases {
        stage.cluster_until(name, "Ready", "True").await;
    }
}

#[tokio::test]
async fn rotated_credentials_are_used_without_a_restart() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("rotation", server).await;
    stage.connect().await;
    sent(&stage, &basic(USER, PASSWORD)).await;

    stage.secret("credentials", &credentials(SECOND_USER, PASSWORD));
    sent(&stage, &basic(SECOND_USER, PASSWORD)).await;
    stage.cluster_until("es", "Ready", "True").await;
    stage.index("rotation", &json!({ "settings": { "number_of_replicas": 0 } }));
    stage.index_until("rotation", "Ready", "True").await;
    let writes = stage.elasticsearch.ledger().writes();
    let second = basic(SECOND_USER, PASSWORD);
    assert!(writes.iter().all(|it| it.authorization.as_ref() == Some(&second)));

    stage.secret("credentials", &credentials(SECOND_USER, "out of date"));
    let cluster = stage.cluster_tells("es", "Authenticated", "False", "AuthenticationFailed").await;
    let conditions = cluster.status.unwrap().conditions;
    assert_eq!(get(&conditions, "Reachable").status, "True");
    assert_eq!(get(&conditions, "Stalled").reason, "AuthenticationFailed");
    stage.event("es", "AuthenticationFailed").await;
    stage.secret("credentials", &credentials(USER, PASSWORD));
    stage.cluster_until("es", "Ready", "True").await;
}

#[tokio::test]
async fn credentials_that_elasticsearch_sends_back_turn_up_nowhere() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::with("echo", server, |it| {
        it.flag("--stats-interval", "1s").environment("DROVER_LOG", "debug")
    })
    .await;
    stage.connect().await;
    let spec = |interval: &str| {
        json!({
            "settings": { "refresh_interval": interval }, "aliases": { "echo-alias": {} },
            "driftPolicy": "Report",
        })
    };
    stage.ready_index("echo", &spec("5s")).await;
    // In good answers: as the name of the cluster and of its nodes, and as a value in the index.
    let named = |body: Vec<u8>| {
        let mut body: Value = serde_json::from_slice(&body).unwrap();
        let header = basic(USER, PASSWORD);
        for name in ["name", "cluster_name"] {
            if body.get(name).is_some() {
                body[name] = json!(format!("{header} {PASSWORD}"));
            }
        }
        for (_, node) in body["nodes"].as_object_mut().into_iter().flatten() {
            node["name"] = json!(PASSWORD);
        }
        body.to_string().into_bytes()
    };
    let is_named = |it: &Entry| it.path == "/" || it.path.starts_with("/_nodes/_all");
    stage.elasticsearch.inject(is_named, Fault::Rewrite(Arc::new(named)));
    let routed = json!({ "actions": [{ "add": {
        "index": "echo", "alias": "echo-alias", "index_routing": PASSWORD,
    } }] });
    server.ok("POST", "/_aliases", Some(&routed)).await;
    let index = stage.index_until("echo", "Drifted", "True").await;
    let live = index.status.unwrap().drift[0].live.clone().unwrap();
    assert!(live.contains("[redacted]"), "{live}");
    eventually("the names are told", SOON, async || {
        let cluster = stage.clusters().get("es").await.map_err(|it| it.to_string())?;
        let name = cluster.status.unwrap_or_default().elasticsearch.unwrap_or_default().name;
        if name.contains("[redacted]") { Ok(()) } else { Err(name) }
    })
    .await;
    // In a refusal, spelled as JSON may spell it.
    let spell = |it: char| format!("\\u{:04x}", u32::from(it));
    let spelled = PASSWORD.chars().map(spell).collect::<Vec<_>>().concat();
    let reason = format!(r#"{{"error":{{"type":"x","reason":"no to {spelled}"}},"status":400}}"#);
    let refusal = Answer::text(400, "application/json", &reason);
    stage.elasticsearch.inject(Entry::is_write, Fault::Answer(refusal));
    stage.index("echo", &spec("7s"));
    let message = stage.index_reason("echo", "Synced", "Rejected").await;
    assert!(message.contains("no to [redacted]"), "{message}");
    let note = stage.event("echo", "IndexUpdateRejected").await;
    assert!(note.contains("no to [redacted]"), "{note}");

    let header = basic(USER, PASSWORD);
    let encoded = header.strip_prefix("Basic ").unwrap();
    let kubernetes = stage.kubernetes.ledger().all();
    let sent: Vec<String> = kubernetes
        .iter()
        .filter(|it| it.is_write())
        .map(|it| String::from_utf8_lossy(&it.body).into_owned())
        .collect();
    assert!(sent.len() > 5);
    for text in sent.iter().chain([&stage.operator.log()]) {
        assert!(!text.contains(PASSWORD) && !text.contains(encoded), "{text}");
    }
}

#[tokio::test]
async fn a_role_that_lacks_a_privilege_is_told_with_the_privilege() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("role", server).await;
    stage.secret("credentials", &credentials(USER_WITHOUT_RIGHTS, PASSWORD));
    stage.cluster("es", &stage.connection());
    let cluster = stage.cluster_tells("es", "Authenticated", "False", "PrivilegeMissing").await;
    let conditions = cluster.status.unwrap().conditions;
    let message = &get(&conditions, "Authenticated").message;
    assert!(message.contains("monitor"), "the privilege is not named: {message}");
    assert_eq!(get(&conditions, "Ready").reason, "PrivilegeMissing");
    stage.event("es", "AuthenticationFailed").await;

    stage.secret("credentials", &credentials(USER, PASSWORD));
    stage.cluster_until("es", "Ready", "True").await;
}

#[tokio::test]
async fn monitor_alone_is_enough_for_a_cluster_without_indices() {
    for version in ["7.17.29", "8.19.0"] {
        let server = elasticsearch(version).await;
        // Full checks too, with all that is ever asked.
        let stage = Stage::with("monitor", server, |it| it.flag("--stats-interval", "1s")).await;
        stage.secret("credentials", &credentials(MONITOR_USER, PASSWORD));
        stage.connect().await;
        stage.polls(3).await;
        stage.cluster_until("es", "Ready", "True").await;
        let ledger = stage.elasticsearch.ledger();
        let refused = ledger.find(|it| matches!(it.status(), Some(401 | 403)));
        assert!(refused.is_empty(), "{version}:\n{}", lines(&refused));
        let monitor = basic(MONITOR_USER, PASSWORD);
        assert!(ledger.all().iter().all(|it| it.authorization.as_ref() == Some(&monitor)));
    }
}

#[tokio::test]
async fn credentials_that_are_refused_are_sent_less_and_less_often() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("lockout", server).await;
    let refused = Answer::elasticsearch_error(401, "security_exception", "unable to authenticate");
    stage.elasticsearch.inject(|_| true, Fault::Answer(refused));
    stage.cluster("es", &stage.connection());
    let ledger = stage.elasticsearch.ledger();
    eventually("Drover tries again", SOON, async || match ledger.all().len() {
        seen if seen < 4 => Err(format!("{seen} requests")),
        _ => Ok(()),
    })
    .await;
    // The operator polls each second; a slow machine only makes these longer.
    let tries = ledger.all();
    let gap = |at: usize| tries[at + 1].at - tries[at].at;
    assert!(gap(0).as_millis() >= 900 && gap(1).as_millis() >= 1800, "{:?}", [gap(0), gap(1)]);
    assert!(gap(2).as_millis() >= 3600, "{:?}", gap(2));
}
