//! What is told to a person instead of being taken up, formed or changed.

use super::*;

#[test]
fn a_host_that_comes_from_another_cluster_does_not_make_this_one_the_same() {
    let mut world = World::new();
    world.tell(1, &json!({ "version": "8.19.0", "data": "Used", "clusterUuid": "theirs" }));
    let others = || [("theirs".into(), "ns/main".into())].into();
    let seen = |it: &World| Seen::among(others(), &it.cluster, it.found.clone(), it.hosts.clone());
    let plan = plan::next(&world.cluster, &seen(&world));
    let Stand::Refused(problem) = &plan.stand else { panic!("{:?}", plan.stand) };
    assert_eq!((problem.reason, plan.remembered()), (Reason::Conflict, None));
    assert!(problem.message.contains("Cluster ns/main: theirs (host 'b')"), "{}", problem.message);
    // Without that Cluster it is taken up.
    assert_eq!(world.stand(), Stand::Remembered("theirs".into()));
    // Its nodes trust the authority of that one.
    world.found = Found::default();
    let plan = plan::next(&world.cluster, &seen(&world));
    assert_eq!(plan.make, [Kind::Admin, Kind::AuthorityKey]);
}

#[test]
fn none_is_formed_beside_the_elasticsearch_that_the_spec_connects_to() {
    let connects = |it: &mut World| {
        it.spec(|it| it["connection"] = json!({ "endpoints": ["https://es.example:9200"] }));
    };
    refuses(connects, Reason::Conflict, "spec.connection names an Elasticsearch");
}

#[test]
fn a_cluster_that_is_remembered_and_that_nobody_has_is_told_with_what_to_take_away() {
    refuses(
        |it| {
            it.remember(Kind::Admin, "old");
            it.remember(Kind::AuthorityKey, "old");
        },
        Reason::Conflict,
        "annotation drover.dev/cluster-uuid of the Secrets 'logs-admin', 'logs-ca-key' away",
    );
    let noted = json!({ "data": "Missing", "clusterUuid": "old" });
    let words = "remove /etc/drover-elasticsearch/cluster-uuid on the hosts 'b'";
    refuses(|it| it.tell(1, &noted), Reason::Conflict, words);
    refuses(|it| it.pin("old"), Reason::Conflict, "delete this object under deletionPolicy Retain");
    // What is left without a note may be anybody's.
    let left = json!({ "data": "Used" });
    refuses(
        |it| {
            it.pin("old");
            it.tell(0, &left);
        },
        Reason::Conflict,
        "no host runs the cluster old",
    );
    let mut world = World::new();
    world.pin("old");
    assert_eq!(world.plan().note, None, "it is not written anywhere else");
    world.tell(0, &json!({ "staged": ["8.19.0"], "data": "Used" }));
    assert_eq!(world.stand(), Stand::Known, "it is only down");
    // As long as one is being formed, hosts may be behind.
    let mut world = World::new();
    world.turn();
    world.pin("formed");
    assert_eq!(world.stand(), Stand::Known);
}

#[test]
fn an_authority_that_nodes_trust_is_never_replaced_by_a_new_one_without_a_word() {
    let lose = |change: &dyn Fn(&mut World)| {
        let mut world = World::new();
        change(&mut world);
        (world.found[1], world.found[2]) = (None, None);
        assert_eq!(world.plan().make, []);
        let problem = world.seen().connection(&world.cluster).unwrap_err();
        assert_eq!(problem.reason, Reason::SecretNotFound);
        assert!(problem.message.contains("'logs-ca-key' is gone"), "{}", problem.message);
    };
    lose(&|it| it.pin("known"));
    lose(&|it| it.tell(1, &json!({ "version": "8.19.0", "data": "Used" })));
    lose(&|it| it.tell(1, &json!({ "data": "Used", "clusterUuid": "known" })));
    lose(&|it| it.remember(Kind::Admin, "known"));
    // A password is no reason.
    let mut world = World::new();
    world.pin("known");
    world.found = Found::default();
    assert_eq!(world.plan().make, [Kind::Admin]);
}

#[test]
fn a_cluster_of_another_name_is_left_as_it_is() {
    let mut world = World::new();
    world.tell(0, &json!({ "version": "8.19.0", "revision": "r", "data": "Used" }));
    world.pin("known");
    let mut name = |it: &str| {
        let status = world.cluster.status.as_mut().unwrap();
        status.elasticsearch.as_mut().unwrap().name = it.into();
        world.stand()
    };
    assert_eq!(name("logs"), Stand::Known);
    let Stand::Refused(problem) = name("other") else { panic!() };
    assert_eq!(problem.reason, Reason::Conflict);
    assert!(problem.message.contains("has the name 'other' in Elasticsearch"), "{problem:?}");
}

#[test]
fn a_host_that_can_not_be_a_member_is_told_of_and_the_others_are_cared_for() {
    let mut world = World::new();
    for at in 0..2 {
        world.tell(at, &json!({ "version": "8.19.0", "revision": "r", "data": "Used" }));
    }
    world.pin("known");
    world.host(2, |it| it["status"]["facts"]["architecture"] = json!("s390x"));
    let seen = world.seen();
    assert_eq!(seen.invalid(), None);
    let problem = seen.set_aside().unwrap();
    assert_eq!(problem.reason, Reason::InvalidSpec);
    assert!(problem.message.contains("s390x"), "{}", problem.message);
    let connection = seen.connection(&world.cluster).unwrap().unwrap();
    assert_eq!(connection.endpoints.len(), 2);
    // No cluster is formed without it.
    waits(
        |it| it.host(2, |it| it["status"]["facts"]["architecture"] = json!("s390x")),
        "host 'c': spec.elasticsearch",
    );
}

#[test]
fn nodes_are_asked_on_the_port_that_they_have_while_the_spec_has_another_one() {
    let mut world = World::new();
    let runs = |port: u16| json!({ "version": "8.19.0", "data": "Used", "httpPort": port });
    (0..3).for_each(|at| world.tell(at, &runs(9200)));
    world.pin("known");
    let endpoints = |world: &World| {
        let connection = world.seen().connection(&world.cluster).unwrap().unwrap();
        let of = |it: &reqwest::Url| format!("{}:{}", it.host_str().unwrap(), it.port().unwrap());
        connection.endpoints.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(endpoints(&world), ["a.example:9200", "b.example:9200", "c.example:9200"]);
    let group = json!([{ "name": "all", "config": { "http.port": 9201 } }]);
    world.spec(|it| it["elasticsearch"]["nodeGroups"] = group);
    world.tell(0, &runs(9201));
    world.tell(2, &json!({ "data": "Empty" }));
    let both = ["a.example:9201", "b.example:9200", "c.example:9201", "b.example:9201"];
    assert_eq!(endpoints(&world), both);
    // And on the way back, where nothing says so any more.
    (0..3).for_each(|at| world.tell(at, &runs(9201)));
    world.spec(|it| it["elasticsearch"]["nodeGroups"] = json!([{ "name": "all" }]));
    let back: Vec<_> = endpoints(&world).into_iter().filter(|it| it.ends_with("9201")).collect();
    assert_eq!(back, ["a.example:9201", "b.example:9201", "c.example:9201"]);
}
