//! A kubeconfig out of a Secret: only what it holds itself is used. It may not make Drover run a
//! program, read a file of the operator's own, trust anybody, or take another way.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::config::{AuthInfo, Cluster, Kubeconfig};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};

use super::connection::{Auth, Connection, ConnectionError};
use crate::foreign::capped;

/// The connection that the current context of a kubeconfig means.
///
/// `server` is the address that was declared beside it: the kubeconfig must name the same, so that
/// its credentials go nowhere that whoever wrote it did not mean. `ca` holds PEM certificates for
/// where the kubeconfig brings none.
///
/// # Errors
/// [`ConnectionError::Kubeconfig`] or [`ConnectionError::Server`]; no text of the kubeconfig but the
/// name of a server is in them.
pub fn connection(
    text: &SecretString,
    server: Option<&Url>,
    ca: Option<Vec<u8>>,
) -> Result<Connection, ConnectionError> {
    // The parser's words are left out: they may show a part of what it could not read.
    let kubeconfig = Kubeconfig::from_yaml(text.expose_secret())
        .map_err(|_| unusable("it is not the YAML of a kubeconfig"))?;
    let (cluster, user) = current(&kubeconfig)?;
    check_cluster(cluster)?;
    check_user(user)?;

    let address = cluster.server.as_deref().unwrap_or_default();
    let address = Url::parse(address).map_err(|_| unusable("its server is no URL"))?;
    if let Some(server) = server.filter(|it| !is_same(it, &address)) {
        let shown = |it: &Url| crate::transport::origin(it).into_string() + it.path();
        let message = format!("its server is {}, not {}", shown(&address), shown(server));
        return Err(ConnectionError::Kubeconfig(capped(&message)));
    }
    let inline = cluster.certificate_authority_data.as_deref();
    let inline = inline.map(|it| decode("certificate-authority-data", it)).transpose()?;
    let connection = Connection {
        server: address,
        ca: inline.or(ca),
        server_name: cluster.tls_server_name.clone(),
        auth: auth(user)?,
    };
    connection.check()?;
    Ok(connection)
}

fn current(kubeconfig: &Kubeconfig) -> Result<(&Cluster, &AuthInfo), ConnectionError> {
    let name = kubeconfig.current_context.as_deref().unwrap_or_default();
    let context = kubeconfig.contexts.iter().find(|it| it.name == name);
    let context = context.and_then(|it| it.context.as_ref());
    let context = context.ok_or_else(|| unusable("its current context is not in it"))?;
    let cluster = kubeconfig.clusters.iter().find(|it| it.name == context.cluster);
    let cluster = cluster.and_then(|it| it.cluster.as_ref());
    let cluster = cluster.ok_or_else(|| unusable("the cluster of its context is not in it"))?;
    let user = kubeconfig.auth_infos.iter().find(|it| Some(&it.name) == context.user.as_ref());
    let user = user.and_then(|it| it.auth_info.as_ref());
    let user = user.ok_or_else(|| unusable("the user of its context is not in it"))?;
    Ok((cluster, user))
}

fn check_cluster(cluster: &Cluster) -> Result<(), ConnectionError> {
    let problem = match cluster {
        it if it.insecure_skip_tls_verify == Some(true) => {
            "`insecure-skip-tls-verify` may not be set: TLS is always verified"
        }
        it if it.certificate_authority.is_some() => {
            "`certificate-authority` names a file: only `certificate-authority-data` is taken"
        }
        it if it.proxy_url.as_deref().is_some_and(|it| !it.is_empty()) => {
            "`proxy-url` may not be set: no proxy is used"
        }
        _ => return Ok(()),
    };
    Err(unusable(problem))
}

fn check_user(user: &AuthInfo) -> Result<(), ConnectionError> {
    let impersonates = user.impersonate.is_some()
        || user.impersonate_uid.is_some()
        || user.impersonate_groups.is_some()
        || user.impersonate_user_extra.is_some();
    let problem = match user {
        it if it.exec.is_some() => "`exec` may not be set: no program is run",
        it if it.auth_provider.is_some() => "`auth-provider` may not be set: no plugin is used",
        it if it.token_file.is_some() => "`tokenFile` names a file: only `token` is taken",
        it if it.client_certificate.is_some() => {
            "`client-certificate` names a file: only `client-certificate-data` is taken"
        }
        it if it.client_key.is_some() => {
            "`client-key` names a file: only `client-key-data` is taken"
        }
        it if it.username.is_some() || it.password.is_some() => {
            "`username` and `password` may not be set: Kubernetes no longer takes them"
        }
        _ if impersonates => "`as` may not be set: give the credentials of that user",
        _ => return Ok(()),
    };
    Err(unusable(problem))
}

fn auth(user: &AuthInfo) -> Result<Auth, ConnectionError> {
    match (&user.token, &user.client_certificate_data, &user.client_key_data) {
        (Some(token), None, None) => Ok(Auth::Token(token.clone())),
        (None, Some(certificate), Some(key)) => Ok(Auth::ClientCertificate {
            certificate: decode("client-certificate-data", certificate)?,
            key: decode("client-key-data", key.expose_secret())?.into(),
        }),
        (Some(_), _, _) => Err(unusable("its user has both a token and a client certificate")),
        (None, None, None) => Err(unusable("its user has no credentials")),
        (None, _, _) => {
            Err(unusable("its user needs both `client-certificate-data` and `client-key-data`"))
        }
    }
}

fn decode(field: &str, text: &str) -> Result<Vec<u8>, ConnectionError> {
    // YAML may have folded it over several lines.
    let text: String = text.split_whitespace().collect();
    let wrong = |_| ConnectionError::Kubeconfig(format!("`{field}` is not base64").into());
    STANDARD.decode(text).map_err(wrong)
}

/// Whether both name one server, whatever ends their paths.
fn is_same(one: &Url, other: &Url) -> bool {
    let path = |it: &Url| it.path().trim_end_matches('/').to_owned();
    one.origin() == other.origin() && path(one) == path(other)
}

fn unusable(problem: &str) -> ConnectionError {
    ConnectionError::Kubeconfig(problem.into())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn kubeconfig() -> Value {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "one",
            "contexts": [
                {"name": "other", "context": {"cluster": "other", "user": "other"}},
                {"name": "one", "context": {"cluster": "here", "user": "me"}},
            ],
            "clusters": [
                {"name": "here", "cluster": {
                    "server": "https://nodes.example:6443/", "certificate-authority-data": "Q0E=",
                    "tls-server-name": "kubernetes",
                }},
            ],
            "users": [{"name": "me", "user": {"token": "t0ken"}}],
        })
    }

    fn read(kubeconfig: &Value) -> Result<Connection, ConnectionError> {
        connection(&kubeconfig.to_string().into(), None, None)
    }

    fn refused(kubeconfig: &Value) -> String {
        let message = read(kubeconfig).unwrap_err().to_string();
        assert!(!message.contains("t0ken"), "{message}");
        message
    }

    #[test]
    fn the_current_context_is_what_counts() {
        let found = read(&kubeconfig()).unwrap();
        assert_eq!(found.server.as_str(), "https://nodes.example:6443/");
        assert_eq!(found.ca.as_deref(), Some(b"CA".as_slice()));
        assert_eq!(found.server_name.as_deref(), Some("kubernetes"));
        let Auth::Token(token) = &found.auth else { panic!("{found:?}") };
        assert_eq!(token.expose_secret(), "t0ken");
    }

    #[test]
    fn a_client_certificate_is_taken_from_its_data() {
        let mut text = kubeconfig();
        text["users"][0]["user"] =
            json!({"client-certificate-data": "QV\n  A=", "client-key-data": "S0VZ"});
        let found = read(&text).unwrap();
        let Auth::ClientCertificate { certificate, key } = &found.auth else { panic!("{found:?}") };
        assert_eq!(
            (certificate.as_slice(), key.expose_secret()),
            (b"AP".as_slice(), b"KEY".as_slice())
        );
    }

    #[test]
    fn the_declared_authority_is_trusted_only_where_the_kubeconfig_brings_none() {
        let declared = Some(b"declared".to_vec());
        let ca = |text: &Value| {
            connection(&text.to_string().into(), None, declared.clone()).unwrap().ca.unwrap()
        };
        let mut text = kubeconfig();
        assert_eq!(ca(&text), b"CA");
        text["clusters"][0]["cluster"]["certificate-authority-data"] = Value::Null;
        assert_eq!(ca(&text), b"declared");
    }

    #[test]
    fn credentials_go_to_no_other_server_than_the_kubeconfig_names() {
        let ask = |server: &str| {
            let server = Url::parse(server).unwrap();
            connection(&kubeconfig().to_string().into(), Some(&server), None)
        };
        assert!(ask("https://nodes.example:6443").is_ok());
        for other in
            ["https://sink.example:6443", "https://nodes.example", "https://nodes.example:6443/x"]
        {
            let message = ask(other).unwrap_err().to_string();
            assert!(
                message.contains("its server is https://nodes.example:6443/, not"),
                "{message}"
            );
        }
    }

    #[test]
    fn what_would_run_programs_read_files_or_weaken_tls_is_refused_by_name() {
        let cases = [
            ("cluster", json!({"insecure-skip-tls-verify": true}), "`insecure-skip-tls-verify`"),
            ("cluster", json!({"certificate-authority": "/etc/ca.crt"}), "`certificate-authority`"),
            ("cluster", json!({"proxy-url": "http://proxy.example"}), "`proxy-url`"),
            ("user", json!({"exec": {"command": "/bin/sh"}}), "`exec`"),
            ("user", json!({"auth-provider": {"name": "gcp"}}), "`auth-provider`"),
            ("user", json!({"tokenFile": "/etc/token"}), "`tokenFile`"),
            ("user", json!({"client-certificate": "/etc/c.crt"}), "`client-certificate`"),
            ("user", json!({"client-key": "/etc/c.key"}), "`client-key`"),
            ("user", json!({"username": "a", "password": "b"}), "`username`"),
            ("user", json!({"as": "admin"}), "`as`"),
            ("user", json!({"as-groups": ["system:masters"]}), "`as`"),
        ];
        for (place, more, named) in cases {
            let mut text = kubeconfig();
            let list = if place == "cluster" { "clusters" } else { "users" };
            let object = text[list][0][place].as_object_mut().unwrap();
            object.extend(more.as_object().unwrap().clone());
            let message = refused(&text);
            assert!(message.starts_with("the kubeconfig can't be used: "), "{message}");
            assert!(message.contains(named), "{message}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let with = |change: &dyn Fn(&mut Value)| {
            let mut text = kubeconfig();
            change(&mut text);
            refused(&text)
        };
        let user = |user: Value| with(&move |it| it["users"][0]["user"] = user.clone());
        let cases = [
            (with(&|it| it["current-context"] = json!("none")), "its current context is not in it"),
            (with(&|it| it["clusters"] = json!([])), "the cluster of its context is not in it"),
            (with(&|it| it["users"] = json!([])), "the user of its context is not in it"),
            (user(json!({})), "its user has no credentials"),
            (user(json!({"client-key-data": "S0VZ"})), "its user needs both"),
            (
                user(json!({"token": "t0ken", "client-key-data": "S0VZ"})),
                "its user has both a token and a client certificate",
            ),
            (
                user(json!({"client-certificate-data": "QVA=", "client-key-data": "t0ken!"})),
                "`client-key-data` is not base64",
            ),
            (
                with(&|it| it["clusters"][0]["cluster"]["server"] = json!("nodes")),
                "its server is no URL",
            ),
            (
                with(&|it| it["clusters"][0]["cluster"]["server"] = json!("http://nodes.example")),
                "the server 'http://nodes.example' is not https",
            ),
        ];
        for (message, expected) in cases {
            assert!(message.contains(expected), "{message}");
        }
        let text: SecretString = "token: t0ken\n  users: [".into();
        let message = connection(&text, None, None).unwrap_err().to_string();
        assert_eq!(message, "the kubeconfig can't be used: it is not the YAML of a kubeconfig");
    }
}
