//! Two nodes on one machine, and a node that hangs: what is on the machine goes down with it, and who does not answer
//! serves nobody.

use std::time::Duration;

use serde_json::{Value, json};

use super::{LONG, Stage};
use crate::common::{
    hosts::Host,
    wait::{eventually, holds},
};

/// systemd's id of the run of the second node.
const SECOND: &str = "systemctl show --value -p InvocationID elasticsearch-2";

/// Starts another node on the machine of a node, as a service of its own: it holds data, and nothing else.
fn start_second(host: &Host, name: &str) {
    host.inside(&format!(
        r"set -e
        cp -a /etc/elasticsearch /etc/elasticsearch-2
        cd /etc/elasticsearch-2
        sed -i 's/^node.name: .*/node.name: {name}/
            s/^http.port: .*/http.port: 9201/
            s/^transport.port: .*/transport.port: 9301/
            s|^path.data: .*|path.data: /var/lib/elasticsearch-2|
            s|^path.logs: .*|path.logs: /var/log/elasticsearch-2|
            /^cluster.initial_master_nodes/d' elasticsearch.yml
        echo 'node.roles: [data]' >>elasticsearch.yml
        sed -i 's/320m/256m/' jvm.options.d/bed.options
        sed -i 's|/var/l[a-z]*/elasticsearch|&-2|' jvm.options
        install -d -o elasticsearch -g elasticsearch /var/lib/elasticsearch-2 /var/log/elasticsearch-2
        sed 's|/etc/elasticsearch|&-2|; s|/run/elasticsearch|&-2|; s|RuntimeDirectory=.*|&-2|' \
            /usr/lib/systemd/system/elasticsearch.service >/etc/systemd/system/elasticsearch-2.service
        systemctl daemon-reload
        systemctl start elasticsearch-2"
    ));
}

/// Sends a signal to the server itself, which from 8.x on is a child of what systemd has started.
pub fn signal(host: &Host, signal: &str) {
    host.inside(&format!("kill -{signal} $(cat /run/elasticsearch/elasticsearch.pid)"));
}

/// The first machine whose node is not the elected master, which is the first to go; and the second one.
async fn who_goes_first(stage: &Stage) -> (usize, usize) {
    let master = stage.elasticsearch("GET", "/_cat/master?format=json", None).await;
    let names = stage.machines().map(|it| it.0).enumerate();
    let others: Vec<usize> = names.filter(|it| master[0]["node"] != it.1).map(|it| it.0).collect();
    (others[0], others[1])
}

#[tokio::test]
#[ignore = "minutes long: `make soak` runs it"]
async fn a_machine_with_both_copies_stays_up_and_so_do_all_while_a_node_hangs() {
    let stage = Stage::brownfield("crowded", 3).await;
    let (before, settings) = (stage.runs(), stage.settings().await);
    let (crowded, hanging) = who_goes_first(&stage).await;
    let names: Vec<String> = stage.machines().map(|it| it.0).collect();
    let second = format!("{}-second", names[crowded]);
    start_second(&stage.field.hosts[crowded], &second);
    eventually("the second node is in the cluster", LONG, async || {
        let nodes = stage.elasticsearch("GET", "/_cat/nodes?format=json&h=name", None).await;
        if nodes.as_array().is_some_and(|it| it.len() == 4) { Ok(()) } else { Err(nodes) }
    })
    .await;
    let run_of_second = stage.field.hosts[crowded].inside(SECOND);

    // Green, and with both copies of it on one machine.
    let include = "index.routing.allocation.include._name";
    let pair = json!({ "settings": {
        "number_of_shards": 1,
        "number_of_replicas": 1,
        include: format!("{},{second}", names[crowded]),
    } });
    stage.elasticsearch("PUT", "/pair", Some(&pair)).await;
    let green = "/_cluster/health/pair?wait_for_status=green&timeout=20s";
    stage.elasticsearch("GET", green, None).await;

    // Kept back by a word until another node hangs.
    let exclude =
        |name: Value| json!({ "persistent": { "cluster.routing.allocation.exclude._name": name } });
    stage.elasticsearch("PUT", "/_cluster/settings", Some(&exclude(json!("es-9")))).await;
    stage.ask("one", "Elasticsearch", &json!({}), &json!({})).await;
    stage.blocked_by("ForeignExclusion").await;
    signal(&stage.field.hosts[hanging], "STOP");
    stage.blocked_by("Evidence").await;
    stage.elasticsearch("PUT", "/_cluster/settings", Some(&exclude(Value::Null))).await;

    // The others do without it before long. Nobody takes another one down, nor that one for the cure.
    let words = stage.blocked_by("NodeNotFound").await;
    assert!(words.contains(&names[hanging]), "{words}");
    holds("no host goes down", Duration::from_secs(15), async || {
        let now = stage.runs();
        if now == before { Ok(()) } else { Err(format!("{before:?} {now:?}")) }
    })
    .await;
    signal(&stage.field.hosts[hanging], "CONT");

    let words = stage.blocked_by("ShardCopies").await;
    assert!(words.contains(&names[crowded]) && words.contains("pair[0]"), "{words}");
    assert_eq!(stage.run_at(crowded), before[crowded], "both copies went down at once");

    // One of them moves to another machine.
    let apart = json!({ include: format!("{},{}", names[crowded], names[hanging]) });
    stage.elasticsearch("PUT", "/pair/_settings", Some(&apart)).await;
    let status = stage.restarted("one").await;
    assert_eq!(status.restart.unwrap().restarted.len(), 3);
    let now = stage.field.hosts[crowded].inside(SECOND);
    assert_eq!(now, run_of_second, "what is not of the unit was restarted");
    stage.elasticsearch("DELETE", "/pair", None).await;
    stage.field.hosts[crowded].inside("systemctl stop elasticsearch-2");
    stage.assert_nothing_left(&settings).await;
}
