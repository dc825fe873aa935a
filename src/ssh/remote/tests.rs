use std::time::Duration;

use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::ssh::{credentials::Credentials, host_key::HostKeyPolicy, operation::Deed, target::Hop};

fn watch(run: &str) -> Watch {
    let host_key = HostKeyPolicy {
        fingerprints: Vec::new(),
        authorities: Vec::new(),
        otherwise: Otherwise::Refuse,
        revoked: Vec::new(),
    };
    let credentials = Credentials::new("a key".into());
    let host = Hop { address: "h1".into(), port: 22, user: "root".into(), host_key, credentials };
    Watch {
        target: Target { host, jump_hosts: Vec::new() },
        machine: None,
        sudo: false,
        places: Places::default(),
        unit: None,
        treatment: None,
        work: Work::new((run, 1), Deed::Reboot, None, None, "boot-1").map(Box::new),
        installation: None,
        spent: None,
        wish: None,
        occasion: None,
        glance: None,
    }
}

#[test]
fn leave_to_begin_is_good_once_for_one_work_and_not_for_long() {
    let key = ObjectKey { namespace: "shop".into(), name: "es-1".into() };
    let remote = Remote::new(key, watch("r-1"), unbounded_channel().0);
    let name = "drover-r-1-1.service";
    let soon = || Instant::now() + Duration::from_mins(1);
    assert_eq!(remote.take_leave(name), None);
    remote.let_begin(name, soon());
    assert_eq!(remote.take_leave("drover-r-2-1.service"), None);
    assert!(remote.take_leave(name).is_some());
    assert_eq!(remote.take_leave(name), None, "used up");
    remote.let_begin(name, Instant::now());
    assert_eq!(remote.take_leave(name), None, "too late");
    remote.let_begin(name, soon());
    remote.change(watch("r-2"));
    assert_eq!(remote.take_leave(name), None, "withdrawn");
}
