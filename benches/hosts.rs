//! 300 Host objects on a scripted SSH server: sessions, commands, CPU, memory.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use drover::{
    api::host::Host,
    gate::WriteGate,
    ssh::{facts, pool::Pool, session::Meter, target::Limits},
};
use kube::Api;
use serde_json::json;

use crate::{
    bed::{Kubernetes, count_of, quiet},
    common::operator::Operator,
    fleet::{Counts, Fleet, Machine, USER},
    load,
    table::{Table, each, megabytes_text, milliseconds, progress, seconds},
};

const HOSTS: usize = 300;
/// How often hosts are probed where the cost of it is measured.
const PROBE: &str = "2s";
/// How long that is watched.
const SPAN: Duration = Duration::from_secs(20);
/// How long the operator is left alone before.
const SETTLE: Duration = Duration::from_secs(5);
/// How often the same is asked in a session that is kept, and in new ones.
const ASKED: [u32; 2] = [500, 100];
/// What all of this may take; it takes some two minutes.
const LIMIT: Duration = Duration::from_mins(5);

pub async fn run() -> Table {
    tokio::time::timeout(LIMIT, measure()).await.expect("the hosts are measured in time")
}

async fn measure() -> Table {
    let fleet = Fleet::start(HOSTS).await;
    let mut table = Table::new(format!("{HOSTS} Host objects on a scripted SSH server"));
    progress("asking one host in a kept session, and in new ones");
    let [kept, anew] = kept_and_anew(&fleet).await;

    progress("starting an API server");
    let kubernetes = Kubernetes::new("hosts").await;
    kubernetes.apply(&json!([{
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/ssh-auth",
        "metadata": { "name": "key" }, "stringData": { "ssh-privatekey": fleet.private_key() },
    }]));
    let operator = kubernetes.operator().start().await;
    quiet(&operator).await;
    let idle = operator.memory();
    table.row("resident memory without any object", megabytes_text(idle), "");

    progress(&format!("creating {HOSTS} Host objects"));
    fleet.seen.count_anew();
    kubernetes.proxy.ledger().clear();
    let (api, before): (Api<Host>, _) = (kubernetes.api().await, operator.cpu_time());
    let create = load::create(&api, HOSTS, |number| host(&fleet.machines[number], number));
    let began = Instant::now();
    tokio::join!(create, load::ready(&api, HOSTS, 1));
    let took = began.elapsed();
    quiet(&operator).await;
    table.row("first apply to all Ready", seconds(took), "");
    let cpu = operator.cpu_time().saturating_sub(before);
    table.row("CPU of that", milliseconds(cpu), format!("{} a host", per_host(cpu)));
    let counts = fleet.seen.counts();
    opened(&mut table, &operator, counts).await;
    let (probes, looks) = (each(counts.probes, HOSTS), each(counts.looks, HOSTS));
    let remark = format!("{probes} to ask who it is, {looks} for all facts");
    table.row("  commands, a host", each(counts.commands, HOSTS), remark);
    let rate = counts.commands as f64 / took.as_secs_f64();
    table.row("  commands, a second", format!("{rate:.0}"), "over all hosts");
    let (writes, events) = (kubernetes.writes(), kubernetes.events());
    let remark = format!("and {} events", each(events, HOSTS));
    table.row("  writes to the API server, a host", each(writes, HOSTS), remark);
    let (peak, rest) = (operator.peak_memory(), operator.memory());
    table.row("peak memory until all are Ready", megabytes_text(peak), "");
    table.row("resident memory after that", megabytes_text(rest), "");
    let memory = rest.saturating_sub(idle) as f64 / HOSTS as f64 / 1024.0;
    table.row(
        "resident memory of a host",
        format!("{memory:.0} KiB"),
        "its session and its object",
    );

    progress("watching a minute of rest");
    at_rest(&mut table, &operator, &kubernetes, &fleet).await;

    progress("restarting");
    operator.stop().await;
    fleet.seen.count_anew();
    kubernetes.proxy.ledger().clear();
    let began = Instant::now();
    let operator = kubernetes.operator().flag("--probe-interval", PROBE).start().await;
    // What the status says goes on to hold meanwhile, so the objects do not tell.
    while fleet.seen.counts().looks < HOSTS {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let remark = "nothing changed";
    table.row("restart until all were looked into", seconds(began.elapsed()), remark);
    opened(&mut table, &operator, fleet.seen.counts()).await;
    table.row("  writes to the API server", kubernetes.writes().to_string(), "without the Lease");

    progress("watching probes");
    tokio::time::sleep(SETTLE).await;
    fleet.seen.count_anew();
    let before = operator.cpu_time();
    tokio::time::sleep(SPAN).await;
    let cpu = operator.cpu_time().saturating_sub(before).as_secs_f64() * 1e3;
    let counts = fleet.seen.counts();
    let figure = format!("{:.3} ms", cpu / counts.probes as f64);
    let remark = format!("{} of them, one each {PROBE} from each host", counts.probes);
    table.row("CPU of a probe", figure, remark);
    assert_eq!(counts.connections, 0, "at rest no other session is opened");

    let microseconds = |it: Duration| format!("{:.0} us", it.as_secs_f64() * 1e6);
    let remark = "both ends of it, over loopback";
    table.row("a probe in the kept session", microseconds(kept), remark);
    let remark = "connect, authenticate, probe, take leave";
    table.row("a probe in a session of its own", microseconds(anew), remark);
    let ratio = anew.as_secs_f64() / kept.as_secs_f64();
    table.row("  reuse against reconnect", format!("1 : {ratio:.1}"), "");
    table
}

/// The object that stands for a machine.
fn host(machine: &Machine, number: usize) -> Host {
    let Machine { address, port, fingerprint } = machine;
    let object = json!({
        "apiVersion": "drover.dev/v1alpha1", "kind": "Host",
        "metadata": { "name": load::name(number) },
        "spec": {
            "address": address, "port": port, "user": USER,
            "credentials": { "secretName": "key" },
            "hostKey": { "fingerprints": [fingerprint] },
        },
    });
    serde_json::from_value(object).expect("a Host")
}

/// That each host was connected to once, and how many at a time.
async fn opened(table: &mut Table, operator: &Operator, counts: Counts) {
    let Counts { connections, sessions, most_opening, .. } = counts;
    assert_eq!((connections, sessions), (HOSTS, HOSTS), "one session each");
    table.row("  sessions opened", sessions.to_string(), "one each");
    let limit = Limits::default().opening;
    assert!(most_opening <= limit, "{most_opening} were being opened at once");
    let busy = operator.metric("drover_ssh_connections_total", &[r#"result="busy""#]).await;
    let remark = format!("the limit is {limit}; {} waited for a turn in vain", count_of(busy));
    table.row("  the most being opened at once", most_opening.to_string(), remark);
}

/// What a minute costs, with the intervals that the operator has by default.
async fn at_rest(table: &mut Table, operator: &Operator, kubernetes: &Kubernetes, fleet: &Fleet) {
    fleet.seen.count_anew();
    kubernetes.proxy.ledger().clear();
    let before = operator.cpu_time();
    tokio::time::sleep(Duration::from_mins(1)).await;
    let cpu = operator.cpu_time().saturating_sub(before);
    let Counts { connections, commands, probes, .. } = fleet.seen.counts();
    assert_eq!(connections, 0, "at rest no other session is opened");
    let remark = format!("{} a host, keepalives included", per_host(cpu));
    table.row("CPU at rest, a minute", milliseconds(cpu), remark);
    let remark = format!("{probes} of them only to ask who it is; no session opened");
    table.row("  commands", commands.to_string(), remark);
    let (reads, writes) = (kubernetes.reads(), kubernetes.writes() + kubernetes.events());
    let remark = format!("and {reads} reads; without the Lease");
    table.row("  writes to the API server", writes.to_string(), remark);
}

fn per_host(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3 / HOSTS as f64)
}

/// What a probe takes in a session that is kept, and in one of its own each time.
async fn kept_and_anew(fleet: &Fleet) -> [Duration; 2] {
    struct Nobody;
    impl Meter for Nobody {
        fn connection(&self, _: &'static str) {}
        fn command(&self, _: &'static str, _: &'static str, _: f64) {}
    }
    let pool = Pool::new(Limits::default(), WriteGate::always_open(), Arc::new(Nobody));
    let target = fleet.target(0);
    let probe = async || {
        let session = pool.session("a", &target).await.expect("a session");
        facts::probe(&session).await.expect("an answer");
    };
    probe().await;
    let began = Instant::now();
    for _ in 0..ASKED[0] {
        probe().await;
    }
    let kept = began.elapsed() / ASKED[0];
    assert_eq!(fleet.seen.counts().connections, 1, "it is kept");
    pool.disconnect("a").await;
    let began = Instant::now();
    for _ in 0..ASKED[1] {
        probe().await;
        pool.disconnect("a").await;
    }
    [kept, began.elapsed() / ASKED[1]]
}
