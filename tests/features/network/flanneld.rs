//! flanneld on real machines: installed by a stand-in for their package manager, which brings a
//! program that asks a real etcd, and run by a real systemd.

use drover::api::{condition, host::Host as HostObject, host_status::NetworkMembership};
use serde_json::{Value, json};

use super::flannel::spec;
use crate::{
    common::{
        certificates::Authority,
        etcd::Etcd,
        hosts::{Host, HostNetwork, Os, Settings},
        operator,
        wait::eventually,
    },
    hosts::{SOON, Stage, crash::die_in},
};

const DROP_IN: &str = "/etc/systemd/system/flanneld.service.d/zz-drover.conf";

/// A stage with an etcd that hosts reach, and a network in it that a Cluster uses.
async fn stage_with_etcd(name: &str) -> (Stage, Etcd) {
    // One that dies holds no Lease that the next would have to wait for.
    let flags = |it: operator::Settings| {
        it.switch("--leader-elect=false").environment("DROVER_LOG", "info,drover=debug")
    };
    let stage = Stage::with(name, flags).await;
    let etcd = Etcd::start_on(&HostNetwork::shared().await.gateway()).await;
    stage.etcd_ca(Authority::shared()).await;
    stage.etcd_client(etcd.client_certificate()).await;
    stage.network("net", &spec(&etcd, "10.5.0.0/16")).await;
    stage.cluster_with("es", "net").await;
    (stage, etcd)
}

fn member() -> Value {
    json!({ "clusterRef": { "name": "es" }, "deletionPolicy": "Reset" })
}

/// How often flanneld was started there.
fn starts(host: &Host) -> usize {
    host.inside("cat /var/log/flanneld.log 2>/dev/null; true").lines().count()
}

fn installs(host: &Host, manager: &str) -> usize {
    let calls = host.calls();
    calls.iter().filter(|it| it.starts_with(manager) && it.contains("install")).count()
}

async fn started(host: &Host, times: usize) {
    eventually(&format!("flanneld is started {times} times"), SOON, async || {
        let now = starts(host);
        if now == times { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
}

/// Whether it runs, whether it is started at boot, and what of Drover's is there.
fn remains(host: &Host) -> Vec<String> {
    let look = "systemctl is-active flanneld; systemctl is-enabled flanneld 2>/dev/null; \
                ls -d /etc/drover-flanneld /etc/systemd/system/flanneld.service* 2>/dev/null; true";
    host.inside(look).lines().map(str::to_owned).collect()
}

impl Stage {
    /// Waits until the operator has looked at flanneld twice more on each of these hosts: the second
    /// look began after this was called.
    async fn looks_again(&self, hosts: &[Host]) {
        let looks = |host: &Host| {
            let address = format!("\"{}:", host.address());
            let of_host = |it: &&str| it.contains("inspect flanneld") && it.contains(&address);
            self.operator.log().lines().filter(of_host).count()
        };
        let before: Vec<_> = hosts.iter().map(looks).collect();
        eventually("flanneld is looked at on each host", SOON, async || {
            let now: Vec<_> = hosts.iter().map(looks).collect();
            let all = before.iter().zip(&now).all(|(before, now)| before + 2 <= *now);
            if all { Ok(()) } else { Err(format!("{before:?}, {now:?}")) }
        })
        .await;
    }

    async fn membership(
        &self,
        name: &str,
        what: &str,
        check: impl Fn(Option<&NetworkMembership>) -> bool,
    ) {
        self.when(name, what, |it| {
            let now = it.status.as_ref().and_then(|it| it.network.as_ref());
            if check(now) { Ok(()) } else { Err(format!("{now:?}")) }
        })
        .await;
    }
}

#[tokio::test]
async fn flanneld_is_brought_to_hosts_kept_as_told_and_taken_back() {
    let (mut stage, etcd) = stage_with_etcd("flanneld").await;
    let systems = [Os::Fedora, Os::Debian, Os::Opensuse];
    let hosts = Host::start_all(systems.map(Settings::new)).await;
    let [fedora, debian, suse] = &hosts[..] else { panic!("three") };
    for (name, host) in [("fedora", fedora), ("debian", debian), ("suse", suse)] {
        stage.host(name, host, &member()).await;
    }
    for (name, host, manager) in [("fedora", fedora, "dnf"), ("suse", suse, "zypper")] {
        stage.membership(name, "it is a member", |it| it.is_some_and(|it| it.configured)).await;
        stage.until(name, "Ready", "True").await;
        stage.event(name, "HostPrepared").await;
        assert_eq!((installs(host, manager), starts(host)), (1, 1), "{name}");
        let log = host.inside("cat /var/log/flanneld.log");
        assert!(log.contains(&format!("{} /coreos.com/network ", etcd.url())), "{log}");
        host.inside("systemctl is-enabled flanneld && systemctl is-active flanneld");
        let modes = host.inside("stat -c '%a %U' /etc/drover-flanneld/*");
        assert_eq!(modes.lines().collect::<Vec<_>>(), ["600 root"; 4], "{name}");
    }

    // Where Drover can't bring it, the Network says so; all else goes on.
    stage.until("debian", "Ready", "True").await;
    let message = stage.network_lacks("net", "Accepted", "UnsupportedHosts").await;
    assert!(message.contains(": debian (Debian)."), "{message}");
    stage.network_until("net", "Configured", "True").await;
    debian.inside("systemd-run --quiet --unit=flanneld sleep infinity");
    stage.membership("debian", "somebody else runs it", |it| it.unwrap().configured).await;
    let key = "/coreos.com/network/subnets/10.5.99.0-24";
    let lease = json!({ "PublicIP": debian.address(), "BackendType": "vxlan" });
    etcd.put(key, &lease.to_string()).await;
    let network = stage.network_until("net", "Ready", "True").await;
    let leases = network.status.unwrap().leases;
    let mut holders: Vec<_> = leases.iter().filter_map(|it| it.host.as_deref()).collect();
    holders.sort_unstable();
    assert_eq!(holders, ["debian", "fedora", "suse"]);

    // At rest, and after a restart of Drover, nothing is done.
    stage.looks_again(&hosts).await;
    stage.operator.stop().await;
    stage.operator.restart().await;
    stage.looks_again(&hosts).await;
    assert_eq!((installs(fedora, "dnf"), starts(fedora)), (1, 1));
    assert_eq!((installs(suse, "zypper"), starts(suse)), (1, 1));

    // Others' changes are put back.
    fedora.inside("systemctl stop flanneld");
    started(fedora, 2).await;
    stage.event("fedora", "DriftCorrected").await;
    fedora.inside(&format!("echo Environment=X=1 >>{DROP_IN}"));
    started(fedora, 3).await;
    assert!(!fedora.inside(&format!("cat {DROP_IN}")).contains("X=1"));

    // Another certificate restarts it once.
    stage.etcd_client(&Authority::shared().client("second")).await;
    started(fedora, 4).await;
    started(suse, 2).await;
    stage.looks_again(&hosts).await;
    stage.until("fedora", "Ready", "True").await;
    assert_eq!((starts(fedora), starts(suse)), (4, 2));

    // A host that leaves the Cluster while nobody looks, and one whose Cluster names no Network.
    stage.operator.stop().await;
    stage.host("fedora", fedora, &json!({})).await;
    stage.operator.restart().await;
    stage.membership("fedora", "it has left", |it| it.is_none()).await;
    assert_eq!(remains(fedora), ["inactive", "disabled"]);
    stage.until("fedora", "Ready", "True").await;
    fedora.inside("test -x /usr/bin/flanneld");
    assert!(remains(suse).contains(&"active".to_owned()));
    // That the Network is gone, by mistake or for good, stops nothing.
    stage.delete_network("net").await;
    stage.look_anew("suse").await;
    assert!(remains(suse).contains(&"active".to_owned()));
    stage.object("Cluster", "es", &json!({})).await;
    for (name, host) in [("suse", suse), ("debian", debian)] {
        stage.membership(name, "it has left", |it| it.is_none()).await;
        assert!(!remains(host).iter().any(|it| it.starts_with('/')), "{:?}", remains(host));
    }
    assert_eq!(debian.inside("systemctl is-active flanneld"), "active", "it is not Drover's");
}

#[tokio::test]
async fn what_fails_on_the_way_to_flanneld_is_told_and_an_operator_that_dies_there_is_followed() {
    let (mut stage, _etcd) = stage_with_etcd("flanneld-faults").await;
    let host = Settings::new(Os::Fedora).start().await;
    host.failing_command("dnf", 1, "Error: Unable to find a match: flannel");
    stage.host("es", &host, &member()).await;
    let message = stage.tells("es", "Prepared", "False", "CommandFailed").await;
    assert!(message.contains("Unable to find a match: flannel"), "{message}");
    stage.until("es", "Stalled", "True").await;

    // The package comes though Drover dies meanwhile.
    host.slow_command("dnf", 10);
    eventually("it is being installed", SOON, async || {
        // One that fails is gone at once.
        let look = "it=$(pgrep -x dnf) && sleep 0.5 && kill -0 $it 2>&1 && echo runs; true";
        let seen = host.inside(look);
        if seen == "runs" { Ok(()) } else { Err(seen) }
    })
    .await;
    stage.operator.kill();
    eventually("the package is there", SOON, async || {
        let output = host.inside("ls /usr/bin/flanneld 2>&1; true");
        if output == "/usr/bin/flanneld" { Ok(()) } else { Err(output) }
    })
    .await;
    let installed = installs(&host, "dnf");
    host.mend_commands();
    assert_eq!(remains(&host)[0], "inactive");

    // What keeps flanneld from its network is told in its own words.
    host.failing_command("curl", 7, "curl: (7) Failed to connect");
    stage.operator.restart().await;
    let prepared = |it: &HostObject| {
        let conditions = it.status.clone().unwrap_or_default().conditions;
        condition::find(&conditions, "Prepared").expect("it was judged").message.to_string()
    };
    let told = stage
        .when("es", "flanneld's words are told", |it| {
            let message = prepared(it);
            let words = ["start flanneld", "curl: (7) Failed to connect", "fetch network config"];
            let is_told = words.iter().all(|it| message.contains(it));
            if is_told { Ok(()) } else { Err(message) }
        })
        .await;
    assert!(!prepared(&told).contains("main.go"), "{}", prepared(&told));
    let tries = stage.ran("start flanneld").await;
    eventually("it is tried twice more", SOON, async || {
        let now = stage.ran("start flanneld").await;
        if tries + 2.0 <= now { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
    let again = stage.hosts().get("es").await.unwrap();
    assert_eq!(prepared(&again), prepared(&told), "the same failure is told in the same words");
    host.mend_commands();
    stage.until("es", "Ready", "True").await;
    assert_eq!(installs(&host, "dnf"), installed, "installed twice");

    // Between the new files, and between them and the start.
    let mut key = String::new();
    for (name, command) in [("files", "mktemp"), ("start", "timeout 120 systemctl")] {
        let other = Authority::shared().client(name);
        key = other.key_pem();
        let begin = async |stage: &Stage| stage.etcd_client(&other).await;
        die_in(&mut stage, &host, command, &key, begin).await;
        let sum = "sha256sum </etc/drover-flanneld/client.pem | cut -c 1-16";
        eventually("it runs with the new certificate", SOON, async || {
            let sum = host.inside(sum);
            let last = host.inside("tail -n 1 /var/log/flanneld.log");
            let file = host.inside("tail -n +2 /etc/drover-flanneld/client.pem");
            let is_new = file == other.pem().trim() && last.ends_with(&sum);
            if is_new { Ok(()) } else { Err(format!("{last}, not {sum}")) }
        })
        .await;
        stage.until("es", "Ready", "True").await;
    }
    // The same for what takes it back.
    die_in(&mut stage, &host, "rm", &key, async |stage| stage.delete("es").await).await;
    stage.gone("es").await;
    assert_eq!(remains(&host), ["inactive", "disabled"]);
    stage.event("es", "HostReset").await;
    let conditions = stage.networks().get("net").await.unwrap().status.unwrap().conditions;
    assert!(condition::is_true(&conditions, "Configured"));
}
