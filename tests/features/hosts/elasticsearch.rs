//! What a machine needs for Elasticsearch, made so by the same steps that a member of a managed
//! Cluster gets.

use std::sync::Arc;

use drover::{
    gate::WriteGate,
    ssh::{
        credentials::Credentials,
        host_key::HostKeyPolicy,
        path::RemotePath,
        pool::Pool,
        preparation::Preparation,
        session::{Meter, Session},
        target::{Hop, Limits, Target},
    },
};

use crate::common::hosts::{Host, Os, Settings, SshKey};

struct Deaf;

impl Meter for Deaf {
    fn connection(&self, _: &'static str) {}
    fn command(&self, _: &'static str, _: &'static str, _: f64) {}
}

pub(super) async fn session(host: &Host) -> (Pool, Arc<Session>) {
    let pool = Pool::new(Limits::default(), WriteGate::always_open(), Arc::new(Deaf));
    let key = SshKey::shared().private().into();
    let hop = Hop {
        address: host.address().into(),
        port: 22,
        user: host.user().into(),
        host_key: HostKeyPolicy {
            fingerprints: vec![host.fingerprint().parse().unwrap()],
            ..HostKeyPolicy::default()
        },
        credentials: Credentials::new(key),
    };
    let session = pool.session("host", &Target { host: hop, jump_hosts: vec![] }).await.unwrap();
    (pool, session)
}

#[tokio::test]
async fn a_bare_machine_of_any_family_is_made_fit_for_elasticsearch_once_and_stays_so_over_a_boot()
{
    let systems = [Os::Debian, Os::Fedora, Os::Rhel, Os::Atomic];
    let hosts = Host::start_all(systems.map(Settings::new)).await;
    let unit = "/etc/systemd/system/elasticsearch.service";
    let data = RemotePath::new("/var/lib/drover/data").unwrap();
    let extra = [("vm.swappiness", "1")];
    let wanted = Preparation::new(extra, Some(data), Some("elasticsearch.service")).unwrap();
    for host in &hosts {
        host.inside(&format!(
            "printf '[Service]\\nExecStart=/bin/true\\nLimitNOFILE=1024\\n' >{unit} && systemctl daemon-reload"
        ));
        let (_pool, session) = session(host).await;
        let first = wanted.apply(&session, true).await.unwrap();
        assert!(first.failures.is_empty() && first.left.is_empty(), "{first:?}");
        let paths: Vec<&str> = first.before.iter().map(|it| &*it.path).collect();
        for path in ["user", "sysctls.vm.max_map_count", "/var/lib/drover/data"] {
            assert!(paths.contains(&path), "{paths:?}");
        }
        assert_eq!(host.inside("cat /proc/sys/vm/max_map_count"), "1048576");
        let owner = host.inside("stat -c '%a %U:%G' /var/lib/drover/data");
        assert_eq!(owner, "750 elasticsearch:elasticsearch");
        let limits = host.inside("systemctl show -p LimitNOFILE -p LimitMEMLOCK elasticsearch");
        assert!(limits.contains("LimitNOFILE=65535"), "{limits}");
        assert!(limits.contains("LimitMEMLOCK=infinity"), "{limits}");
        let second = wanted.apply(&session, true).await.unwrap();
        assert!(second.before.is_empty() && second.failures.is_empty(), "{second:?}");
    }
    let host = &hosts[0];
    host.reboot().await;
    let (_pool, session) = session(host).await;
    let report = wanted.inspect(&session, true).await.unwrap();
    assert_eq!(wanted.drift(&report), [], "after a boot");
    // Undone, but for the user and the data, which hold what is not Drover's.
    assert!(wanted.reset(&session, true).await.unwrap().failures.is_empty());
    assert_eq!(host.inside("cat /proc/sys/vm/max_map_count /proc/sys/vm/swappiness"), "65530\n60");
    host.inside("test ! -e /etc/sysctl.d/zz-drover.conf && test -d /var/lib/drover/data");
    host.inside("test ! -e /etc/systemd/system/elasticsearch.service.d && id elasticsearch");
}
