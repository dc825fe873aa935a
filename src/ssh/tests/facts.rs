//! The script that gathers facts, run by a real shell on the machine of the test.

use std::fs;

use super::{super::scripted::*, *};
use crate::ssh::{
    facts::{self, Places},
    path::RemotePath,
};

fn first_line(path: &str) -> String {
    fs::read_to_string(path).unwrap().trim().to_owned()
}

#[tokio::test]
async fn the_facts_of_this_machine_are_as_it_tells_them_itself() {
    let user = key();
    let server = Script::for_user(&user).serve().await;
    let session = session(&server, &user).await;
    let data = Some(RemotePath::new("/tmp/no such; touch canary/'deep").unwrap());
    let places = Places { data, ..Places::default() };
    let facts = facts::gather(&session, &places).await.unwrap();
    assert_eq!(facts.kernel.as_deref(), Some(&*first_line("/proc/sys/kernel/osrelease")));
    assert_eq!(facts.architecture.as_deref(), Some(std::env::consts::ARCH));
    assert_eq!(facts.hostname.as_deref(), Some(&*first_line("/proc/sys/kernel/hostname")));
    let cpus = std::thread::available_parallelism().unwrap().get();
    assert!(facts.cpus.is_some_and(|it| cpus <= it as usize), "{facts:?}");
    let boot_id = first_line("/proc/sys/kernel/random/boot_id");
    assert_eq!(facts.identity.boot_id.as_deref(), Some(&*boot_id));
    assert!(facts.identity.init_started.is_some());
    assert!(facts.memory_bytes.is_some_and(|it| 64 * 1024 * 1024 < it), "{facts:?}");
    for disk in [facts.root_disk, facts.data_disk] {
        assert!(disk.is_some_and(|it| it.free_bytes <= it.total_bytes), "{facts:?}");
    }
    assert!(facts.os.id.is_some() && facts.ostree.is_none(), "{facts:?}");
    assert_eq!(facts.clock_skew_seconds, Some(0));

    let probe = facts::probe(&session).await.unwrap();
    assert_eq!(probe.identity, facts.identity);
    assert_eq!(probe.kernel, None);
}
