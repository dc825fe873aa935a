//! A Cluster that is connected to an Elasticsearch which a package has put on its hosts.

use drover::api::{
    cluster::Cluster,
    cluster_status::{ClusterState, Health},
};

use super::{Stage, VERSION};

/// The Cluster tells how many of its three hosts are available, and of their nodes; one goes dark and comes back.
pub async fn counts_its_hosts(stage: &Stage) {
    // How many hosts are available of three, and how many nodes are there at least.
    let counts = |available: u32, nodes: u32| {
        move |cluster: &Cluster| {
            let status = cluster.status.clone().unwrap_or_default();
            let hosts = status.hosts.unwrap_or_default();
            let seen = status.elasticsearch.map_or(0, |it| it.nodes);
            let fits = (hosts.total, hosts.available) == (3, available) && seen >= nodes;
            if fits { Ok(()) } else { Err(format!("{hosts:?}, {seen} nodes")) }
        }
    };
    let status = stage.cluster_when("its hosts are counted", counts(3, 3)).await;
    assert_eq!(status.state, Some(ClusterState::Ok));
    let seen = status.elasticsearch.unwrap();
    assert_eq!((seen.health, seen.data_nodes), (Health::Green, 3));
    assert_eq!(seen.version, VERSION);
    let mut names: Vec<&str> = status.nodes.iter().map(|it| it.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["es-1", "es-2", "es-3"]);

    // A machine whose power fails is a host less, long before Elasticsearch gives its node up; both come back with it.
    stage.field.hosts[2].cut_power();
    let status = stage.cluster_when("one is missed", counts(2, 2)).await;
    assert_eq!(status.state, Some(ClusterState::Degraded));
    stage.field.hosts[2].power_on();
    let status = stage.cluster_when("it is back", counts(3, 3)).await;
    assert_eq!(status.state, Some(ClusterState::Ok));
}
