//! Whom a Cluster trusts: a server that is not trusted gets no byte after the handshake.

use serde_json::{Value, json};

use crate::{
    common::{
        certificates::{Authority, Certificate, LOOPBACK, fingerprint},
        paths,
        proxy::Proxy,
        wait::eventually,
    },
    world::{PASSWORD, SOON, Stage, USER, elasticsearch, get},
};

/// Applies the Cluster `es` before a server with this certificate: it is refused, nothing was sent
/// to it, and a good certificate later makes the Cluster Ready by itself.
async fn check_refused(certificate: &Certificate, tls: Value, words: &str) {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("refused", server).await;
    stage.elasticsearch.set_certificate(certificate);
    let mut connection = stage.connection();
    connection["tls"] = tls;
    stage.cluster("es", &connection);
    let cluster = stage.cluster_tells("es", "Reachable", "False", "CertificateRefused").await;
    let conditions = cluster.status.unwrap().conditions;
    let message = &get(&conditions, "Reachable").message;
    assert!(message.contains(words), "{message}");
    assert_eq!(get(&conditions, "Stalled").reason, "CertificateRefused");
    eventually("Drover tries again", SOON, async || {
        let failures = stage.elasticsearch.connections().handshake_failures;
        if failures.len() < 2 { Err(format!("{failures:?}")) } else { Ok(()) }
    })
    .await;
    let received = stage.elasticsearch.connections().bytes_received;
    assert_eq!(received, 0, "sent to a server that is not trusted");

    stage.elasticsearch.set_certificate(&Authority::shared().server());
    stage.cluster("es", &stage.connection());
    stage.cluster_until("es", "Ready", "True").await;
}

fn by_shared_authority() -> Value {
    json!({ "ca": { "configMapName": "ca" } })
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused_before_anything_is_sent() {
    let other = Authority::new();
    check_refused(&other.server(), by_shared_authority(), "no authority").await;
}

#[tokio::test]
async fn a_certificate_out_of_its_time_or_of_another_host_is_refused_and_each_is_told() {
    let authority = Authority::shared();
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("bad", server).await;
    stage.cluster("es", &stage.connection());
    stage.cluster_until("es", "Ready", "True").await;
    let cases = [
        (authority.expired(), "it expired at 2021-01-01"),
        (authority.not_yet_valid(), "it is not valid before 2070-01-01"),
        (authority.wrong_name(), "it is not for 127.0.0.1 but for"),
        (Authority::new().server(), "no authority"),
    ];
    for (certificate, words) in cases {
        stage.elasticsearch.set_certificate(&certificate);
        stage.elasticsearch.cut_connections();
        let before = stage.elasticsearch.connections();
        let message = eventually(&format!("'{words}' is told"), SOON, async || {
            let cluster = stage.clusters().get("es").await.map_err(|it| it.to_string())?;
            let conditions = cluster.status.unwrap_or_default().conditions;
            let reachable = get(&conditions, "Reachable").clone();
            let told =
                reachable.reason == "CertificateRefused" && reachable.message.contains(words);
            if told { Ok(reachable.message) } else { Err(format!("{reachable:?}")) }
        })
        .await;
        let after = stage.elasticsearch.connections();
        assert_eq!(after.bytes_received, before.bytes_received, "{message}: something was sent");
    }
    stage.elasticsearch.set_certificate(&authority.server());
    stage.cluster_until("es", "Ready", "True").await;
}

#[tokio::test]
async fn a_wrong_fingerprint_is_refused_whoever_signed_the_certificate() {
    let authority = Authority::shared();
    let certificate = authority.server();
    let tls = json!({
        "ca": { "configMapName": "ca" },
        "fingerprint": authority.client("other").fingerprint(),
    });
    check_refused(&certificate, tls, "has the given fingerprint").await;
}

/// A certificate with its authority's behind it, as servers should send it.
fn with_chain(authority: &Authority, certificate: &Certificate) -> Certificate {
    let file = paths::scratch("chain").join("chain.crt");
    std::fs::write(&file, certificate.pem() + &authority.pem()).expect("own folder");
    Certificate { certificate: file, key: certificate.key.clone() }
}

#[tokio::test]
async fn authorities_fingerprints_and_server_names_are_each_enough_where_they_fit() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("trusted", server).await;
    // Its authority is known to nobody but by fingerprint.
    let stranger = Authority::new();
    let leaf = stranger.issue("server", LOOPBACK, None);
    let before = |certificate: &Certificate| {
        let proxy = Proxy::before_elasticsearch(server);
        proxy.set_certificate(certificate);
        proxy
    };
    let (by_leaf, by_chain) = (before(&leaf), before(&with_chain(&stranger, &leaf)));
    let elsewhere = before(&Authority::shared().wrong_name());
    stage.secret("authority", &json!({ "authority.pem": Authority::shared().pem() }));
    let own = &stage.elasticsearch;
    let cases = [
        ("leaf", &by_leaf, json!({ "fingerprint": leaf.fingerprint() })),
        ("chain", &by_chain, json!({ "fingerprint": fingerprint(&stranger.file()) })),
        (
            "name",
            &elsewhere,
            json!({ "ca": { "configMapName": "ca" }, "serverName": "elsewhere.example" }),
        ),
        ("secret", own, json!({ "ca": { "secretName": "authority", "key": "authority.pem" } })),
        ("config-map", own, by_shared_authority()),
    ];
    for (name, proxy, tls) in &cases {
        let auth = json!({ "basic": { "secretName": "credentials" } });
        let connection = json!({ "endpoints": [proxy.url()], "auth": auth, "tls": tls });
        stage.cluster(name, &connection);
    }
    for (name, ..) in &cases {
        stage.cluster_until(name, "Ready", "True").await;
    }
}

#[tokio::test]
async fn a_new_authority_is_taken_over_without_a_restart() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("authority", server).await;
    let connection = |name: &str| {
        json!({
            "endpoints": [stage.elasticsearch.url()],
            "auth": { "basic": { "secretName": "credentials" } },
            "tls": { "ca": { "secretName": name } },
        })
    };
    stage.secret("rotated", &json!({ "ca.crt": Authority::shared().pem() }));
    stage.cluster("es", &connection("rotated"));
    stage.cluster_until("es", "Ready", "True").await;
    let next = Authority::new();
    stage.elasticsearch.set_certificate(&next.server());
    stage.elasticsearch.cut_connections();
    stage.cluster_tells("es", "Reachable", "False", "CertificateRefused").await;
    stage.event("es", "ConnectionLost").await;
    stage.secret("rotated", &json!({ "ca.crt": next.pem() }));
    stage.cluster_until("es", "Ready", "True").await;
}

#[tokio::test]
async fn a_renewed_certificate_is_noticed_though_the_connections_are_kept() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::with("renewed", server, |it| it.flag("--stats-interval", "1s")).await;
    let authority = Authority::shared();
    let until = |year: &str| {
        let validity = ("20250101000000Z", &*format!("{year}0101000000Z"));
        authority.issue("server", LOOPBACK, Some(validity))
    };
    stage.elasticsearch.set_certificate(&until("2071"));
    stage.cluster("es", &stage.connection());
    stage.cluster_until("es", "Ready", "True").await;
    let expires_in = async |year: i16| {
        let then = jiff::civil::date(year, 1, 1).to_zoned(jiff::tz::TimeZone::UTC).unwrap();
        let name = "drover_cluster_certificate_expiry_timestamp_seconds";
        eventually(&format!("the certificate expires in {year}"), SOON, async || {
            let found = stage.operator.metric(name, &[r#"name="es""#]).await;
            let fits = found.to_string() == then.timestamp().as_second().to_string();
            if fits { Ok(()) } else { Err(format!("{found}")) }
        })
        .await;
    };
    expires_in(2071).await;
    stage.elasticsearch.set_certificate(&until("2073"));
    expires_in(2073).await;
    assert_eq!(stage.events("es", "ConnectionLost").await, 0);
    // The warning comes with a new certificate just as well.
    stage.elasticsearch.set_certificate(&until("2072"));
    expires_in(2072).await;
}

#[tokio::test]
async fn credentials_over_plain_http_work_and_are_warned_of() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("plain", server).await;
    let upstream = crate::common::proxy::Upstream {
        address: server.address(0),
        authority: Some(Authority::shared().file()),
    };
    let plain = Proxy::start(None, Some(upstream));
    let auth = json!({ "basic": { "secretName": "credentials" } });
    stage.cluster("es", &json!({ "endpoints": [plain.url()], "auth": auth }));
    let cluster = stage.cluster_until("es", "Ready", "True").await;
    let diagnostics = cluster.status.unwrap().diagnostics;
    assert!(diagnostics.iter().any(|it| it.rule == "plaintext"), "{diagnostics:?}");

    // The other way round: https to a port that speaks plain HTTP sends nothing that can be read.
    let plain_port = plain.url().replace("http:", "https:");
    stage.secret("credentials", &json!({ "username": USER, "password": PASSWORD }));
    stage.cluster("tls", &json!({ "endpoints": [plain_port], "auth": auth }));
    let cluster = stage.cluster_tells("tls", "Reachable", "False", "Unreachable").await;
    let message = get(&cluster.status.unwrap().conditions, "Reachable").message.clone();
    assert!(message.contains("does not speak TLS"), "{message}");
}
