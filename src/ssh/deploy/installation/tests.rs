use super::*;
use crate::ssh::{
    deploy::{File, report::Tree},
    path::RemotePath,
};

fn installation(starts: bool) -> Installation {
    Installation {
        run: "install-0123456789ab".into(),
        attempt: 1,
        deployment: Deployment {
            version: "8.19.0".into(),
            data: RemotePath::new("/var/lib/drover-elasticsearch").unwrap(),
            at_start: vec![File::readable(layout::SETTINGS, b"one".to_vec())],
            live: vec![],
            revision: "one".into(),
        },
        source: Some(Source {
            url: "https://mirror.example/es.tar.gz".into(),
            sha512: "ab".repeat(64).into(),
            java_home: None,
            family: None,
        }),
        cluster_uuid: None,
        starts,
    }
}

/// A host on which that has run.
fn stopped() -> Report {
    let mut report = Report::bare();
    report.stage(&installation(true).deployment);
    report.swap(&installation(true).deployment, "first");
    report.stop("failed");
    report
}

fn refused(next: Next) -> String {
    match next {
        Next::End(Outcome::Refused(why)) => why.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_bare_host_fetches_then_starts_and_is_done_when_it_runs_for_a_while() {
    let wanted = installation(true);
    let mut report = Report::bare();
    assert_eq!(wanted.next(&report), Next::AskFetching);
    report.stage(&wanted.deployment);
    assert_eq!(wanted.next(&report), Next::AskStarting);
    report.swap(&wanted.deployment, "first");
    let done = Next::End(Outcome::Done(Box::new(report.without_figures())));
    assert_eq!(wanted.next(&report), done);
    let up_at = |second: u64| {
        let mut report = report.clone();
        report.came_up_at(second, 1000);
        wanted.next(&report)
    };
    assert_eq!(up_at(990), Next::Wait, "it may fall yet");
    assert!(matches!(up_at(980), Next::End(Outcome::Done(_))));
}

#[test]
fn what_is_only_fetched_is_done_when_it_waits_and_leaves_what_runs_alone() {
    let wanted = installation(false);
    let mut report = stopped();
    report.trees.clear();
    report.current = Some("8.18.0".into());
    report.revision = Some("old".into());
    assert_eq!(wanted.next(&report), Next::AskFetching);
    report.stage(&wanted.deployment);
    assert!(matches!(wanted.next(&report), Next::End(Outcome::Done(_))));
    let plugins = ["analysis-icu".into()].into();
    report.trees.insert("8.18.0".into(), Tree { build: "".into(), plugins });
    let why = refused(wanted.next(&report));
    assert!(why.contains("has plugins that 8.19.0 lacks: analysis-icu"), "{why}");
}

#[test]
fn a_node_that_ended_is_started_again_with_its_data() {
    assert_eq!(installation(true).next(&stopped()), Next::AskStarting);
}

#[test]
fn nothing_is_started_over_the_data_of_others_or_of_another_cluster() {
    let said = |change: &dyn Fn(&mut Report), uuid: Option<&str>| {
        let mut report = Report::bare();
        report.stage(&installation(true).deployment);
        change(&mut report);
        let wanted = Installation { cluster_uuid: uuid.map(Into::into), ..installation(true) };
        wanted.next(&report)
    };
    let why = refused(said(&|it| it.data = DataDirectory::Used, None));
    assert!(why.contains("Drover did not put there"), "{why}");
    let why = refused(said(&|it| it.data = DataDirectory::Used, Some("uuid")));
    assert!(why.contains("Drover did not put there"), "{why}");
    let why = refused(said(&|it| it.data = DataDirectory::Unknown, None));
    assert!(why.contains("nobody can tell"), "{why}");
    let noted = |it: &mut Report| it.cluster_uuid = Some("noted".into());
    let why = refused(said(&noted, Some("uuid")));
    assert!(why.contains("of the cluster noted, and this is uuid"), "{why}");
    // A machine that was a member never forms another cluster, whatever is left of its data.
    let why = refused(said(&noted, None));
    assert!(why.contains("nobody knows whether it shall be again"), "{why}");
    let used = |it: &mut Report| {
        it.data = DataDirectory::Used;
        it.cluster_uuid = Some("uuid".into());
    };
    assert_eq!(said(&used, Some("uuid")), Next::AskStarting);
    assert_eq!(said(&|it| it.data = DataDirectory::Empty, None), Next::AskStarting);
}

#[test]
fn a_member_whose_data_is_not_where_it_is_to_be_is_neither_started_nor_made_ready_to_be() {
    let mut running = stopped();
    running.swap(&Deployment { revision: "old".into(), ..installation(false).deployment }, "first");
    running.stage(&installation(false).deployment);
    assert!(matches!(installation(false).next(&running), Next::End(Outcome::Done(_))));
    running.data = DataDirectory::Missing;
    let why = refused(installation(false).next(&running));
    assert!(why.contains("its data is not in the data directory"), "{why}");
    let mut down = stopped();
    (down.data, down.cluster_uuid) = (DataDirectory::Empty, Some("uuid".into()));
    let member = Installation { cluster_uuid: Some("uuid".into()), ..installation(true) };
    let why = refused(member.next(&down));
    assert!(why.contains("its data is not in the data directory"), "{why}");
    down.cluster_uuid = None;
    assert_eq!(member.next(&down), Next::AskStarting, "it never was one");
}

#[test]
fn what_is_in_service_is_not_stopped_by_an_installation() {
    let mut report = stopped();
    let mut other = installation(true).deployment;
    other.revision = "two".into();
    report.stage(&other);
    report.swap(&other, "second");
    let why = refused(installation(true).next(&report));
    assert!(why.contains("is in service"), "{why}");
}

#[test]
fn a_failure_that_differs_by_numbers_alone_is_told_as_it_was_first() {
    let first = "curl: (28) Failed to connect to mirror.example port 443 after 20001 ms: timed out";
    let so_far = Outcome::Failed(first.into());
    let told = |why: &str| worded(Some(&so_far), why.into());
    assert_eq!(&*told(&first.replace("20001", "1987")), first);
    let other = "curl: (22) The requested URL returned error: 404";
    assert_eq!(&*told(other), other);
    assert_eq!(&*worded(Some(&Outcome::Fetching), other.into()), other);
}

#[test]
fn a_cluster_is_not_formed_a_second_time_by_a_node_that_has_lost_its_data() {
    let forming = |text: &str| {
        let mut deployment = installation(true).deployment;
        deployment.at_start = vec![File::readable(layout::SETTINGS, text.as_bytes().to_vec())];
        deployment
    };
    let forms = forming("cluster.initial_master_nodes: [\"es-1\"]\ncluster.name: \"logs\"\n");
    let joins = forming("cluster.name: \"logs\"\nnode.attr.x: \"cluster.initial_master_nodes:\"\n");
    let mut report = stopped();
    assert_eq!(may_have_formed(&forms, &report), None, "its data tells");
    for data in [DataDirectory::Missing, DataDirectory::Empty] {
        report.data = data;
        let why = may_have_formed(&forms, &report).unwrap();
        assert!(why.contains("remove /etc/drover-elasticsearch/revision"), "{why}");
        assert_eq!(may_have_formed(&joins, &report), None);
    }
    report.revision = None;
    assert_eq!(may_have_formed(&forms, &report), None, "nothing was started there");
}
