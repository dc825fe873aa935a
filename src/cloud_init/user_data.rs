//! The user-data of a machine that makes its own Host. Pure.

use serde_json::{Value, json};

use crate::{
    api::{APPROVED, GROUP, VERSION},
    transport::segment,
};

/// Where the files lie on the machine: gone with the next boot, token and all.
const FOLDER: &str = "/run/drover-registration";
const REGISTER: &str = include_str!("register.sh");

/// What a machine is told so that it can make its own Host.
#[derive(Clone, Debug)]
pub struct Registration {
    /// URL of the API server as the machine reaches it, without a path that is Drover's.
    pub server: String,
    /// PEM certificates of the server's authority; absent: the machine's own decide.
    pub authority: Option<String>,
    /// May make Hosts in the namespace, and nothing else.
    pub token: String,
    /// Until when the token is good, for people.
    pub expires: String,
    /// Where the Host comes to be.
    pub namespace: String,
    /// The Secret whose key Drover logs in with.
    pub credentials: String,
    /// The public half of that key, in one line of OpenSSH.
    pub authorized_key: String,
    /// Whom Drover logs in as; any but root is made, and may do all by sudo.
    pub user: String,
    /// The Cluster that the machine shall be a member of.
    pub cluster: Option<String>,
}

/// cloud-init's user-data, in its `#cloud-config` form.
///
/// # Errors
/// Those of the YAML library.
pub fn user_data(it: &Registration) -> Result<String, serde_yaml_ng::Error> {
    let mut files = vec![
        file("register.sh", "0700", REGISTER),
        file("hosts", "0600", &collection(&it.server, &it.namespace)),
        file("host.json", "0600", &host(it).to_string()),
        // Read by curl, so that the token is in no argument of a process.
        file("curl.conf", "0600", &format!("header = \"Authorization: Bearer {}\"\n", it.token)),
    ];
    if let Some(authority) = &it.authority {
        files.push(file("ca.crt", "0600", authority));
    }
    let keys = json!([it.authorized_key]);
    let mut config = json!({
        "write_files": files,
        // What the script sends with; cloud-init installs it only where it is missing.
        "packages": ["curl"],
        "runcmd": [[format!("{FOLDER}/register.sh")]],
    });
    if it.user == "root" {
        config["disable_root"] = json!(false);
        config["users"] = json!(["default", { "name": "root", "ssh_authorized_keys": keys }]);
    } else {
        let user = json!({
            "name": it.user,
            "ssh_authorized_keys": keys,
            "sudo": "ALL=(ALL) NOPASSWD:ALL",
            "shell": "/bin/sh",
            "lock_passwd": true,
        });
        config["users"] = json!(["default", user]);
    }
    let yaml = serde_yaml_ng::to_string(&config)?;
    Ok(format!(
        "#cloud-config\n\
         # The machine makes its Host in namespace {} and waits there for the label {APPROVED}=true.\n\
         # Keep this text to yourself until {}: its token may make Hosts until then.\n{yaml}",
        it.namespace, it.expires,
    ))
}

fn file(name: &str, mode: &str, content: &str) -> Value {
    json!({ "path": format!("{FOLDER}/{name}"), "permissions": mode, "content": content })
}

/// The URL that Hosts of a namespace are made at.
fn collection(server: &str, namespace: &str) -> String {
    let server = server.trim_end_matches('/');
    format!("{server}/apis/{GROUP}/{VERSION}/namespaces/{}/hosts", segment(namespace))
}

/// The object, with the gaps that the machine fills.
fn host(it: &Registration) -> Value {
    let mut spec = json!({
        "address": "@ADDRESS@",
        "user": it.user,
        "approval": "Required",
        "credentials": { "secretName": it.credentials },
        "hostKey": { "fingerprints": ["@FINGERPRINTS@"] },
    });
    if it.user != "root" {
        spec["sudo"] = json!("Passwordless");
    }
    if let Some(cluster) = &it.cluster {
        spec["clusterRef"] = json!({ "name": cluster });
    }
    json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": "Host",
        "metadata": { "name": "@NAME@" },
        "spec": spec,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration() -> Registration {
        Registration {
            server: "https://api.example:6443/".into(),
            authority: Some(
                "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".into(),
            ),
            token: "a.b.c".into(),
            expires: "2030-01-02T03:04:05Z".into(),
            namespace: "search".into(),
            credentials: "ssh-key".into(),
            authorized_key: "ssh-ed25519 AAAA drover".into(),
            user: "root".into(),
            cluster: None,
        }
    }

    fn read(it: &Registration) -> Value {
        let text = user_data(it).unwrap();
        assert!(text.starts_with("#cloud-config\n"), "{text}");
        serde_yaml_ng::from_str(&text).unwrap()
    }

    fn content(data: &Value, name: &str) -> Option<String> {
        let path = format!("{FOLDER}/{name}");
        let file = data["write_files"].as_array()?.iter().find(|it| it["path"] == path.as_str())?;
        assert!(["0600", "0700"].map(Value::from).contains(&file["permissions"]), "{file}");
        file["content"].as_str().map(str::to_owned)
    }

    #[test]
    fn root_lets_drover_in_and_the_machine_registers_once_booted() {
        let data = read(&registration());
        assert_eq!(data["runcmd"], json!([["/run/drover-registration/register.sh"]]));
        assert_eq!(data["disable_root"], json!(false));
        assert_eq!(data["users"][1]["ssh_authorized_keys"], json!(["ssh-ed25519 AAAA drover"]));
        let url = "https://api.example:6443/apis/drover.dev/v1alpha1/namespaces/search/hosts";
        assert_eq!(content(&data, "hosts").as_deref(), Some(url));
        assert!(content(&data, "ca.crt").unwrap().contains("BEGIN CERTIFICATE"));
        let host: Value = serde_json::from_str(&content(&data, "host.json").unwrap()).unwrap();
        assert_eq!(host["spec"]["approval"], "Required");
        assert_eq!(host["spec"].get("sudo"), None);
        assert_eq!(host["spec"].get("clusterRef"), None);
    }

    #[test]
    fn another_user_is_made_with_sudo_and_the_host_says_so() {
        let user = "drover".to_owned();
        let cluster = Some("logs".to_owned());
        let data = read(&Registration { user, cluster, ..registration() });
        assert_eq!(data["users"][1]["sudo"], "ALL=(ALL) NOPASSWD:ALL");
        assert_eq!(data.get("disable_root"), None);
        let host: Value = serde_json::from_str(&content(&data, "host.json").unwrap()).unwrap();
        assert_eq!(host["spec"]["user"], "drover");
        assert_eq!(host["spec"]["sudo"], "Passwordless");
        assert_eq!(host["spec"]["clusterRef"]["name"], "logs");
    }

    #[test]
    fn the_token_is_in_the_file_for_curl_alone() {
        let text = user_data(&registration()).unwrap();
        assert_eq!(text.matches("a.b.c").count(), 1);
        let data = read(&registration());
        let header = "header = \"Authorization: Bearer a.b.c\"\n";
        assert_eq!(content(&data, "curl.conf").as_deref(), Some(header));
    }

    #[test]
    fn without_an_authority_the_machine_s_own_decide() {
        let data = read(&Registration { authority: None, ..registration() });
        assert_eq!(content(&data, "ca.crt"), None);
    }
}
