//! 300 Index objects on a real Elasticsearch.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use serde_json::json;

use crate::{
    bed::{Bed, PASSWORD, Requests, USER, looked_at, quiet},
    common::{
        certificates::Authority,
        elasticsearch::{Elasticsearch, Settings, basic},
        proxy::Proxy,
    },
    load,
    table::{Table, each, milliseconds, progress, seconds},
};

const VERSION: &str = "8.19.0";
const INDICES: usize = 300;
/// How many of them get a new spec.
const UPDATES: usize = 50;
/// The role that the documentation tells people to give Drover's user.
const ROLE: &str = include_str!("../examples/elasticsearch/role.json");
/// Writes that the operator has under way at once in one cluster.
const AT_ONCE: usize = 4;

pub async fn run() -> Table {
    progress(&format!("starting Elasticsearch {VERSION}"));
    let server = Settings::new(VERSION).role(USER, ROLE).user(USER, PASSWORD, USER);
    let server = server.start().await;
    let bed = Bed::new("real", Proxy::before_elasticsearch(&server)).await;
    let mut table = Table::new(format!("{INDICES} Index objects on Elasticsearch {VERSION}"));

    progress("creating indices without Drover, to compare with");
    without_drover(&server, "warm", 20).await;
    let alone = without_drover(&server, "alone", 60).await;

    let operator = bed.operator().start().await;
    looked_at(&operator, "cluster", 1).await;
    quiet(&operator).await;
    bed.count_anew();
    progress(&format!("creating {INDICES} Index objects"));
    let began = Instant::now();
    tokio::join!(
        load::create(&bed.indices, INDICES, load::index),
        load::ready(&bed.indices, INDICES, 1)
    );
    let took = began.elapsed();
    quiet(&operator).await;
    let ratio = took.as_secs_f64() / INDICES as f64 / alone.as_secs_f64();
    let remark = format!(
        "{} an index; {ratio:.2} of what Elasticsearch takes by itself with {AT_ONCE} at once",
        milliseconds(took / u32::try_from(INDICES).expect("few")),
    );
    table.row("first apply to all Ready", seconds(took), remark);
    rows(&mut table, "create", bed.requests(), INDICES);

    progress(&format!("changing {UPDATES} of them"));
    bed.count_anew();
    let change = json!({ "spec": { "settings": { "refresh_interval": "31s" } } });
    let began = Instant::now();
    tokio::join!(
        load::patch(&bed.indices, UPDATES, &change),
        load::ready(&bed.indices, UPDATES, 2)
    );
    let took = began.elapsed();
    quiet(&operator).await;
    table.row("first change to all Ready", seconds(took), format!("{UPDATES} objects"));
    rows(&mut table, "update", bed.requests(), UPDATES);

    progress("watching a minute of rest");
    bed.count_anew();
    tokio::time::sleep(Duration::from_mins(1)).await;
    at_rest(&mut table, bed.requests());

    progress("restarting");
    operator.stop().await;
    bed.count_anew();
    let began = Instant::now();
    let operator = bed.operator().start().await;
    looked_at(&operator, "index", INDICES).await;
    let took = began.elapsed();
    quiet(&operator).await;
    let requests = bed.requests();
    table.row("restart to all Ready", seconds(took), "nothing changed");
    restarted(&mut table, requests);
    table
}

/// The mean time of a creation by a plain client.
async fn without_drover(server: &Elasticsearch, prefix: &str, count: usize) -> Duration {
    let authority = reqwest::Certificate::from_pem(Authority::shared().pem().as_bytes());
    let client = reqwest::Client::builder()
        .tls_certs_only([authority.expect("our own authority")])
        .no_proxy()
        .build()
        .expect("a client");
    let authorization = basic(USER, PASSWORD);
    let create = |number| {
        let url = format!("{}/{prefix}-{number}", server.url());
        let request = client.put(url).header("authorization", &authorization);
        async move {
            let answer = request.json(&load::content(number)).send().await.expect("an answer");
            assert!(answer.status().is_success(), "{:?}", answer.text().await);
        }
    };
    let began = Instant::now();
    // Numbers past those of the objects, whose aliases are their own.
    let numbers = stream::iter(0..count).map(|it| 10_000 + it);
    numbers.for_each_concurrent(AT_ONCE, create).await;
    began.elapsed() / u32::try_from(count).expect("few")
}

/// What one object cost.
pub fn rows(table: &mut Table, what: &str, requests: Requests, count: usize) {
    let Requests { polls, reads, writes, kubernetes_reads, kubernetes_writes, events } = requests;
    let remark = format!("{} writes, {} reads", each(writes, count), each(reads, count));
    let figure = each(reads + writes, count);
    table.row(&format!("  {what}: to Elasticsearch, an object"), figure, remark);
    let remark = "by the poller, for all objects together";
    table.row(&format!("  {what}: to Elasticsearch, in all"), polls.to_string(), remark);
    let remark = format!(
        "{} writes, {} events, {} reads",
        each(kubernetes_writes, count),
        each(events, count),
        each(kubernetes_reads, count)
    );
    let figure = each(kubernetes_writes + kubernetes_reads + events, count);
    table.row(&format!("  {what}: to the API server, an object"), figure, remark);
}

/// What a minute of rest cost, for all objects together.
pub fn at_rest(table: &mut Table, requests: Requests) {
    let Requests { polls, reads, writes, kubernetes_reads, kubernetes_writes, events } = requests;
    let remark = format!("{writes} writes; the poll interval is 10 s");
    let figure = (polls + reads + writes).to_string();
    table.row("  at rest: to Elasticsearch, a minute", figure, remark);
    let remark = format!("{} writes; without the Lease", kubernetes_writes + events);
    let figure = (kubernetes_reads + kubernetes_writes + events).to_string();
    table.row("  at rest: to the API server, a minute", figure, remark);
}

/// What a restart cost, for all objects together.
pub fn restarted(table: &mut Table, requests: Requests) {
    let Requests { polls, reads, writes, kubernetes_reads, kubernetes_writes, events } = requests;
    let remark = format!("{writes} writes");
    table.row("  restart: to Elasticsearch, in all", (polls + reads + writes).to_string(), remark);
    let figure = (kubernetes_reads + kubernetes_writes + events).to_string();
    let remark = format!("{} writes; without the Lease", kubernetes_writes + events);
    table.row("  restart: to the API server, in all", figure, remark);
}
