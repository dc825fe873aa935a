use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

use super::{
    archive::{Archive, Sha512, archive, read},
    config::{flatten, render},
    node::{NodePlan, Site, plan},
    *,
};
use crate::{
    api::elasticsearch::{Distribution, ElasticsearchSpec, NodeGroup},
    elasticsearch::version::Version,
    ssh::deploy::{File, layout},
};

const MIB: u64 = 1024 * 1024;

fn member(name: &str, labels: &[(&str, &str)]) -> Member {
    Member {
        name: name.into(),
        labels: labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        address: format!("192.168.0.{}", name.len()).into(),
        hostname: Some(format!("{name}.example").into()),
        memory_bytes: Some(4096 * MIB),
        architecture: Some("x86_64".into()),
        is_bare: false,
    }
}

/// Three hosts, alike.
fn three() -> Vec<Member> {
    ["a", "bb", "ccc"].map(|it| member(it, &[])).into()
}

fn spec(groups: &Value) -> ElasticsearchSpec {
    let url = "https://mirror.example/es-{version}-{arch}.tar.gz";
    let mut spec = json!({ "version": "8.19.0", "distribution": { "url": url } });
    if !groups.is_null() {
        spec["nodeGroups"] = groups.clone();
    }
    serde_json::from_value(spec).unwrap()
}

fn planned(
    groups: &Value,
    members: &[Member],
    change: impl FnOnce(&mut Site),
) -> Result<BTreeMap<Box<str>, NodePlan>, Vec<Problem>> {
    let spec = spec(groups);
    let hash = SecretString::from("{PBKDF2}hash");
    let mut site = Site {
        name: "logs",
        version: Version(8, 19, 0),
        distribution: spec.distribution.as_ref().unwrap(),
        groups: &spec.node_groups,
        authorities: b"an authority",
        hash: &hash,
        bootstrap: None,
    };
    change(&mut site);
    plan(&site, members).map(|it| it.nodes)
}

fn problems(groups: &Value, members: &[Member]) -> Vec<String> {
    let found = planned(groups, members, |_| {}).unwrap_err();
    found.into_iter().map(|it| format!("{}: {}", it.path, it.message)).collect()
}

fn file(files: &[File], path: &str) -> String {
    let file = files.iter().find(|it| it.path == path).unwrap();
    let text = String::from_utf8(file.content.expose_secret().to_vec()).unwrap();
    text.strip_prefix(crate::ssh::steps::HEADER).unwrap().trim_start().to_owned()
}

fn settings(plan: &NodePlan) -> String {
    file(&plan.at_start, layout::SETTINGS)
}

fn object(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_node_of_a_cluster_without_groups_has_every_role_and_these_files() {
    let plans = planned(&Value::Null, &three(), |_| {}).unwrap();
    let plan = &plans["bb"];
    assert_eq!(
        settings(plan),
        r#"cluster.name: "logs"
discovery.seed_providers: "file"
network.bind_host: ["_local_","192.168.0.2"]
network.publish_host: "192.168.0.2"
node.name: "bb"
path.data: "/var/lib/drover-elasticsearch"
path.logs: "/var/log/drover-elasticsearch"
xpack.security.autoconfiguration.enabled: "false"
xpack.security.enabled: "true"
xpack.security.http.ssl.certificate: "/etc/drover-elasticsearch/node.crt"
xpack.security.http.ssl.certificate_authorities: "/etc/drover-elasticsearch/ca.crt"
xpack.security.http.ssl.enabled: "true"
xpack.security.http.ssl.key: "/etc/drover-elasticsearch/node.key"
xpack.security.transport.ssl.certificate: "/etc/drover-elasticsearch/node.crt"
xpack.security.transport.ssl.certificate_authorities: "/etc/drover-elasticsearch/ca.crt"
xpack.security.transport.ssl.enabled: "true"
xpack.security.transport.ssl.key: "/etc/drover-elasticsearch/node.key"
xpack.security.transport.ssl.verification_mode: "certificate"
"#
    );
    let options = file(&plan.at_start, layout::JAVA_OPTIONS);
    assert_eq!(options, "-Xms2048m\n-Xmx2048m\n-XX:HeapDumpPath=/var/lib/drover-elasticsearch\n");
    let seeds = file(&plan.live, layout::SEEDS);
    assert_eq!(seeds, "192.168.0.1:9300\n192.168.0.2:9300\n192.168.0.3:9300\n");
    assert_eq!(file(&plan.live, layout::USERS), "drover:{PBKDF2}hash\n");
    assert_eq!(file(&plan.live, layout::USERS_ROLES), "superuser:drover\n");
    assert_eq!(&*plan.endpoint, "https://192.168.0.2:9200");
    let names = ["127.0.0.1", "192.168.0.2", "::1", "bb", "bb.example", "localhost"];
    assert_eq!(plan.names, names.map(Into::into));
    assert!(plan.votes && plan.holds_data);
    assert!(!format!("{plan:?}").contains("PBKDF2"));
}

#[test]
fn the_unit_says_which_version_and_which_settings_it_was_started_with() {
    let plans = planned(&Value::Null, &three(), |_| {}).unwrap();
    let plan = &plans["a"];
    let unit = file(&plan.at_start, layout::UNIT_FILE);
    for line in [
        "RequiresMountsFor=/var/lib/drover-elasticsearch",
        "User=elasticsearch",
        "Environment=ES_PATH_CONF=/etc/drover-elasticsearch",
        "Environment=DROVER_VERSION=8.19.0",
        &format!("Environment=DROVER_REVISION={}", plan.revision),
        "ExecStart=/opt/drover/elasticsearch/current/bin/elasticsearch",
        "LimitNOFILE=65535",
        "LimitMEMLOCK=infinity",
        "TimeoutStopSec=0",
        "Restart=on-failure",
    ] {
        assert!(unit.lines().any(|it| it == line), "no '{line}' in {unit}");
    }
    assert!(!unit.contains("ES_JAVA_HOME"));
    let java: Distribution = serde_json::from_value(
        json!({ "url": "https://m.example/a.tar.gz", "javaHome": "/usr/lib/jvm/j21" }),
    )
    .unwrap();
    let plans = plan_with(&java);
    let unit = file(&plans["a"].at_start, layout::UNIT_FILE);
    assert!(unit.contains("\nEnvironment=ES_JAVA_HOME=/usr/lib/jvm/j21\n"), "{unit}");
}

fn plan_with(distribution: &Distribution) -> BTreeMap<Box<str>, NodePlan> {
    let hash = SecretString::from("h");
    let site = Site {
        name: "logs",
        version: Version(8, 19, 0),
        distribution,
        groups: &[],
        authorities: b"an authority",
        hash: &hash,
        bootstrap: None,
    };
    plan(&site, &three()).unwrap().nodes
}

#[test]
fn groups_say_roles_heap_data_and_settings_and_masters_are_the_seeds() {
    let groups = json!([
        {
            "name": "masters",
            "hostSelector": { "matchLabels": { "tier": "master" } },
            "roles": ["master"],
            "heap": "1g",
            "config": { "transport": { "port": 9301 } },
            "dataPath": "/srv/es"
        },
        {
            "name": "hot",
            "roles": ["data_hot", "data_content", "ingest"],
            "config": {
                "node": { "attr.zone": "a" },
                "network.bind_host": "0.0.0.0",
                "http.port": 9201.0,
                "xpack.security.http.ssl.client_authentication": "optional"
            }
        }
    ]);
    let members = [member("a", &[("tier", "master")]), member("bb", &[])];
    let plans = planned(&groups, &members, |_| {}).unwrap();
    let (master, hot) = (&plans["a"], &plans["bb"]);
    assert_eq!((&*master.group, &*hot.group), ("masters", "hot"));
    assert_eq!((master.votes, master.holds_data), (true, false));
    assert_eq!((hot.votes, hot.holds_data), (false, true));
    assert_eq!(master.roles, Some(["master".into()].into()));
    assert_eq!(&*master.data, "/srv/es");
    assert!(file(&master.at_start, layout::JAVA_OPTIONS).contains("-Xmx1024m\n"));
    assert_eq!(file(&hot.live, layout::SEEDS), "192.168.0.1:9301\n");
    assert_eq!(&*hot.endpoint, "https://192.168.0.2:9201");
    let text = settings(hot);
    for line in [
        r#"node.roles: ["data_content","data_hot","ingest"]"#,
        r#"node.attr.zone: "a""#,
        r#"network.bind_host: "0.0.0.0""#,
        r#"http.port: "9201""#,
        r#"xpack.security.http.ssl.client_authentication: "optional""#,
    ] {
        assert!(text.lines().any(|it| it == line), "no '{line}' in {text}");
    }
}

#[test]
fn a_host_in_two_groups_or_in_none_is_named() {
    let select = |name: &str, label: &str| {
        let roles = ["master", "data"];
        let selector = json!({ "matchLabels": { label: "yes" } });
        json!({ "name": name, "hostSelector": selector, "roles": roles })
    };
    let two = json!([select("hot", "h"), select("warm", "w")]);
    let members = [
        member("both", &[("h", "yes"), ("w", "yes")]),
        member("none", &[]),
        member("one", &[("h", "yes")]),
    ];
    let found = problems(&two, &members);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].contains("host 'both' is in the groups 'hot' and 'warm'"), "{found:#?}");
    assert!(found[1].contains("no group selects host 'none'"), "{found:#?}");
    let rest = json!([select("hot", "h"), { "name": "rest" }]);
    let plans = planned(&rest, &members, |_| {}).unwrap();
    assert_eq!((&*plans["both"].group, &*plans["none"].group), ("hot", "rest"));
    let rests = problems(&json!([{ "name": "x" }, { "name": "y" }]), &members);
    assert!(rests[0].contains("'x' and 'y' are both without"), "{rests:#?}");
}

#[test]
fn what_can_not_be_about_a_bare_host_keeps_nothing_from_the_others() {
    let distribution = json!({ "url": "https://m.example/es-{version}-{arch}.tar.gz" });
    let distribution: Distribution = serde_json::from_value(distribution).unwrap();
    let labels = json!({ "matchLabels": { "is": "node" } });
    let groups = json!([{ "name": "all", "hostSelector": labels }]);
    let spec = spec(&groups);
    let node = |name: &str| member(name, &[("is", "node")]);
    let of = |members: &[Member]| {
        let hash = SecretString::from("h");
        let site = Site {
            name: "logs",
            version: Version(8, 19, 0),
            distribution: &distribution,
            groups: &spec.node_groups,
            authorities: b"an authority",
            hash: &hash,
            bootstrap: None,
        };
        plan(&site, members)
    };
    let unlabelled = Member { is_bare: true, ..member("bb", &[]) };
    let unknown = Member { is_bare: true, architecture: Some("s390x".into()), ..node("ccc") };
    let plans = of(&[node("a"), unlabelled.clone(), unknown.clone()]).unwrap();
    assert_eq!(plans.nodes.keys().map(|it| &**it).collect::<Vec<_>>(), ["a"]);
    assert!(plans.aside["bb"].message.contains("no group selects host 'bb'"));
    assert!(plans.aside["ccc"].message.contains("s390x"));
    // A member whose node is, or was, there is never left out in silence.
    for it in [&unlabelled, &unknown] {
        let member = Member { is_bare: false, ..it.clone() };
        assert_eq!(of(&[node("a"), member]).unwrap_err().len(), 1);
        assert_eq!(of(std::slice::from_ref(it)).unwrap_err().len(), 1, "there are no others");
    }
}

#[test]
fn what_could_never_be_a_cluster_is_refused() {
    let data = json!([{ "name": "data", "roles": ["data"] }]);
    assert!(problems(&data, &three())[0].contains("no host is in a group with the role master"));
    let voters = json!([{ "name": "v", "roles": ["master", "voting_only"] }]);
    assert!(problems(&voters, &three())[0].contains("no cluster could be formed"));
    let voting = json!([{ "name": "v", "roles": ["voting_only"] }]);
    let found = problems(&voting, &three());
    assert!(found[0].starts_with("elasticsearch.nodeGroups[v].roles"), "{found:#?}");
    assert!(planned(&data, &[], |_| {}).unwrap().is_empty(), "hosts may come later");
}

#[test]
fn settings_that_drover_writes_are_refused_with_their_path_however_they_are_spelled() {
    let cases = [
        json!({ "cluster.name": "mine" }),
        json!({ "cluster": { "initial_master_nodes": ["a"] } }),
        json!({ "cluster.routing": { "allocation.enable": "all" } }),
        json!({ "node.name": "x" }),
        json!({ "node": { "roles": ["master"] } }),
        json!({ "node.master": true }),
        json!({ "path": { "data": "/x" } }),
        json!({ "discovery": { "type": "single-node" } }),
        json!({ "network.publish_host": "x" }),
        json!({ "xpack.security.enabled": false }),
        json!({ "xpack": { "security": { "http": { "ssl": { "key": "x" } } } } }),
        json!({ "xpack.security.transport.ssl.verification_mode": "none" }),
        json!({ "index.number_of_replicas": 0 }),
    ];
    for case in cases {
        let found = flatten(&object(case.clone()), "config").unwrap_err();
        assert_eq!(found.len(), 1, "{case}");
        let mut path = String::from("config");
        let mut rest = &case;
        while let Some((key, inner)) = rest.as_object().and_then(|it| it.iter().next()) {
            path = format!("{path}.{key}");
            rest = inner;
        }
        assert_eq!(found[0].path, path);
        assert!(found[0].message.starts_with("may not be specified: "), "{found:?}");
    }
    let others = ["node.attr.cluster", "clusters.x", "node.named", "xpack.security.audit.enabled"];
    for key in others.into_iter().chain(["cluster.routing.allocation.disk.watermark.high"]) {
        assert!(flatten(&object(json!({ key: "x" })), "config").is_ok(), "{key}");
    }
}

#[test]
fn values_that_are_no_settings_are_refused_and_one_said_twice_has_to_be_the_same() {
    let check = |config: Value, path: &str, words: &str| {
        let found = flatten(&object(config), "config").unwrap_err();
        assert_eq!(found[0].path, path);
        assert!(found[0].message.contains(words), "{found:?}");
    };
    check(json!({ "a": null }), "config.a", "a text, a number");
    check(json!({ "a": [{ "b": 1 }] }), "config.a", "a text, a number");
    check(json!({ "a b": 1 }), "config.a b", "not the name");
    check(json!({ "a": { "": 1 } }), "config.a.", "not the name");
    check(json!({ "a\nnode.name": 1 }), "config.a\nnode.name", "not the name");
    check(json!({ "a.b": 1, "a": { "b": 2 } }), "config.a.b", "twice");
    let same = flatten(&object(json!({ "a.b": 1.0, "a": { "b": "1" } })), "config").unwrap();
    assert!(render(&same).ends_with("\na.b: \"1\"\n"), "{}", render(&same));
    let text = flatten(&object(json!({ "a": "x\n\"cluster.name\": y" })), "config").unwrap();
    assert_eq!(render(&text).lines().count(), 2, "a value is one line: {}", render(&text));
    let groups = json!([{ "name": "g", "config": { "http.port": "9200-9300" } }]);
    let found = problems(&groups, &three());
    assert!(found[0].starts_with("elasticsearch.nodeGroups[g].config.http.port: "), "{found:#?}");
    for config in [json!({ "http.port": 9300 }), json!({ "transport.port": 9200 })] {
        let found = problems(&json!([{ "name": "g", "config": config }]), &three());
        assert!(
            found[0].starts_with("elasticsearch.nodeGroups[g].config.http.port: is 9"),
            "{found:#?}"
        );
    }
}

#[test]
fn the_heap_is_half_of_the_memory_within_bounds() {
    let heap = |group: &Value, memory: Option<u64>| {
        let members = [Member { memory_bytes: memory.map(|it| it * MIB), ..member("a", &[]) }];
        planned(&json!([group]), &members, |_| {}).map(|it| {
            let text = file(&it["a"].at_start, layout::JAVA_OPTIONS);
            text.lines().next().unwrap().to_owned()
        })
    };
    let any = json!({ "name": "g" });
    assert_eq!(heap(&any, Some(8192)).unwrap(), "-Xms4096m");
    assert_eq!(heap(&any, Some(300_000)).unwrap(), "-Xms31744m");
    assert_eq!(heap(&any, Some(600)).unwrap(), "-Xms512m");
    // What kernels leave of 2, 4 and 16 GiB.
    for (memory, expected) in [([1970, 1958], 1024), ([3910, 3888], 2048), ([15_990, 15_871], 8192)]
    {
        let found = memory.map(|it| heap(&any, Some(it)).unwrap());
        assert_eq!(found, [(); 2].map(|()| format!("-Xms{expected}m")), "{memory:?}");
    }
    let small = json!({ "name": "g", "heap": "300m" });
    assert_eq!(heap(&small, Some(600)).unwrap(), "-Xms300m");
    assert_eq!(heap(&small, None).unwrap(), "-Xms300m");
    assert!(heap(&any, None).unwrap_err()[0].message.contains("not known yet"));
    let large = json!({ "name": "g", "heap": "8g" });
    assert!(heap(&large, Some(8192)).unwrap_err()[0].message.contains("all the memory"));
}

#[test]
fn a_plan_is_the_same_each_time_and_only_what_matters_makes_another_revision() {
    let base = planned(&Value::Null, &three(), |_| {}).unwrap();
    let revisions = |plans: &BTreeMap<Box<str>, NodePlan>| {
        let of = |it: &NodePlan| (it.revision.clone(), it.live_revision.clone());
        plans.values().map(of).collect::<Vec<_>>()
    };
    assert_eq!(revisions(&planned(&Value::Null, &three(), |_| {}).unwrap()), revisions(&base));

    // What forms a cluster is read once, and is no reason for a restart.
    let first = planned(&Value::Null, &three(), |it| it.bootstrap = Some("a")).unwrap();
    assert_eq!(revisions(&first), revisions(&base));
    let line = r#"cluster.initial_master_nodes: ["a"]"#;
    assert!(settings(&first["a"]).contains(line), "{}", settings(&first["a"]));
    assert!(!settings(&first["bb"]).contains("initial_master_nodes"), "one alone forms it");
    assert!(!settings(&base["a"]).contains("initial_master_nodes"));

    // Another member, authority or password needs none either.
    let mut more = three();
    more.push(member("dddd", &[]));
    let joined = planned(&Value::Null, &more, |_| {}).unwrap();
    let trusting = planned(&Value::Null, &three(), |it| it.authorities = b"another").unwrap();
    for plans in [&joined, &trusting] {
        assert_eq!(plans["a"].revision, base["a"].revision);
        assert_ne!(plans["a"].live_revision, base["a"].live_revision);
    }

    let upgraded = planned(&Value::Null, &three(), |it| it.version = Version(8, 19, 1)).unwrap();
    let config = json!([{ "name": "g", "config": { "a.b": 1 } }]);
    let heap = json!([{ "name": "g", "heap": "1g" }]);
    let changed = [config, heap].map(|it| planned(&it, &three(), |_| {}).unwrap());
    for plans in changed.iter().chain([&upgraded]) {
        assert_ne!(plans["a"].revision, base["a"].revision);
        assert_eq!(plans["a"].live_revision, base["a"].live_revision);
    }
    let renamed = planned(&json!([{ "name": "g" }]), &three(), |_| {}).unwrap();
    assert_eq!(revisions(&renamed), revisions(&base), "a group's name is nobody's setting");
}

#[test]
fn the_oldest_version_is_told_nothing_that_it_does_not_know() {
    let plans = planned(&Value::Null, &three(), |it| it.version = Version(7, 17, 29)).unwrap();
    assert!(!settings(&plans["a"]).contains("autoconfiguration"));
}

#[test]
fn an_archive_is_found_by_version_and_machine_and_known_by_its_digest() {
    let digest = "AB".repeat(64);
    let distribution = |value: Value| -> Distribution { serde_json::from_value(value).unwrap() };
    let url = "https://m.example/{version}/es-{version}-{arch}.tar.gz";
    let given = distribution(
        json!({ "url": url, "sha512": { "es-8.19.0-x86_64.tar.gz": digest.clone() } }),
    );
    let version = Version(8, 19, 0);
    assert_eq!(
        archive(&given, version, "amd64").unwrap(),
        Archive {
            url: "https://m.example/8.19.0/es-8.19.0-x86_64.tar.gz".into(),
            file: "es-8.19.0-x86_64.tar.gz".into(),
            sha512: Sha512::Given("ab".repeat(64).into()),
        }
    );
    let at =
        |distribution: &Distribution| archive(distribution, version, "arm64").map(|it| it.sha512);
    let expected = "https://m.example/8.19.0/es-8.19.0-aarch64.tar.gz.sha512";
    assert_eq!(at(&given), Ok(Sha512::At(expected.into())));
    let named = distribution(json!({ "url": url, "sha512Url": "https://d.example/{arch}" }));
    assert_eq!(at(&named), Ok(Sha512::At("https://d.example/aarch64".into())));
    let open = distribution(json!({ "url": "http://m.example/a.tar.gz", "sha512": {} }));
    assert!(at(&open).unwrap_err().message.contains("no digest of 'a.tar.gz'"));
    assert!(archive(&given, version, "s390x").unwrap_err().message.contains("s390x"));
}

#[test]
fn a_digest_is_read_as_sha512sum_writes_it() {
    let digest = "0f".repeat(64);
    let other = "11".repeat(64);
    let found = Some(Box::from(&*digest));
    for text in [
        format!("{digest}  es.tar.gz\n"),
        format!("{} *es.tar.gz\r\n", digest.to_uppercase()),
        format!("{other}  x.tar.gz\n{digest}  ./es.tar.gz\n"),
        format!("{digest}\n"),
    ] {
        assert_eq!(read(&text, "es.tar.gz"), found, "{text}");
    }
    for text in [
        String::new(),
        format!("{digest}  x.tar.gz"),
        format!("{}  es.tar.gz", &digest[1..]),
        "<html>es.tar.gz</html>".into(),
    ] {
        assert_eq!(read(&text, "es.tar.gz"), None, "{text}");
    }
}

#[test]
fn a_password_is_hashed_as_elasticsearch_reads_it() {
    let hash = realm::hash("uid-1", "drover", &SecretString::from("secret-word"));
    // As Python's hashlib.pbkdf2_hmac has it.
    assert_eq!(
        hash.expose_secret(),
        "{PBKDF2}10000$YNIkK42ng/8Rire8MO27pmdeTOxuhqlUKLxwxn9OsSc=$poO6IaRLscA8Mx4fu3bbAdf4FrZ2IomfIs9zgQsRyzM="
    );
    let other = realm::hash("uid-2", "drover", &SecretString::from("secret-word"));
    assert_ne!(hash.expose_secret(), other.expose_secret());
}

#[test]
fn a_group_of_all_is_what_an_empty_group_is() {
    let group: NodeGroup = serde_json::from_value(json!({ "name": "default" })).unwrap();
    assert_eq!(group, NodeGroup::of_all());
}
