//! Which sessions are kept, and how many are opened at once.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::net::TcpListener;

use super::{super::scripted::*, *};
use crate::ssh::{
    command::Command,
    error::Error,
    host_key::{HostKeyPolicy, Otherwise},
};

fn nothing() -> Command {
    Command::new("nothing", "true", [""; 0])
}

fn connections(server: &Server) -> usize {
    server.seen.connections.load(Ordering::SeqCst)
}

#[tokio::test]
async fn one_session_serves_all_who_ask() {
    let user = key();
    let server = Script::for_user(&user).serve().await;
    let (pool, target) = (pool(), server.target(&user));
    let asking = (0..16).map(|_| pool.session("a", &target));
    for session in futures::future::join_all(asking).await {
        session.unwrap().run(&nothing()).await.unwrap().succeeded().unwrap();
    }
    assert_eq!(connections(&server), 1);
    // Another host may have the same address, and never shares a session.
    pool.session("b", &target).await.unwrap();
    assert_eq!(connections(&server), 2);
    assert_eq!(pool.len(), 2);
}

#[tokio::test]
async fn other_inputs_open_another_session_and_the_old_one_ends() {
    let user = key();
    let server = Script::for_user(&user).serve().await;
    let (pool, mut target) = (pool(), server.target(&user));
    let old = pool.session("a", &target).await.unwrap();
    target.host.user = "somebody-else".into();
    let new = pool.session("a", &target).await.unwrap();
    assert_eq!(connections(&server), 2);
    // What still runs in the old one comes to its end.
    old.run(&nothing()).await.unwrap().succeeded().unwrap();
    let other = Arc::downgrade(&old);
    drop(old);
    assert!(other.upgrade().is_none());
    new.run(&nothing()).await.unwrap().succeeded().unwrap();
}

#[tokio::test]
async fn inputs_that_no_longer_fit_leave_no_session_behind() {
    let user = key();
    let server = Script::for_user(&user).serve().await;
    let (pool, mut target) = (pool(), server.target(&user));
    pool.session("a", &target).await.unwrap();
    target.host.host_key = HostKeyPolicy::default();
    assert!(matches!(pool.session("a", &target).await, Err(Error::HostKey { .. })));
    assert!(matches!(pool.session("a", &target).await, Err(Error::HostKey { .. })));
}

#[tokio::test]
async fn that_the_first_key_was_recorded_opens_no_other_session_but_another_key_does() {
    let user = key();
    let server = Script::for_user(&user).serve().await;
    let (pool, mut target) = (pool(), server.target(&user));
    let trusting = |seen| HostKeyPolicy {
        otherwise: Otherwise::TrustOnFirstUse { seen },
        ..HostKeyPolicy::default()
    };
    target.host.host_key = trusting(None);
    pool.session("a", &target).await.unwrap();
    target.host.host_key = trusting(Some(server.fingerprint));
    pool.session("a", &target).await.unwrap();
    assert_eq!(connections(&server), 1);
    let other = Script::for_user(&user).serve().await.fingerprint;
    target.host.host_key = trusting(Some(other));
    assert!(matches!(pool.session("a", &target).await, Err(Error::HostKey { .. })));
}

#[tokio::test]
async fn a_session_that_broke_is_opened_anew() {
    let user = key();
    let server = Script::for_user(&user).serve().await;
    let (pool, target) = (pool(), server.target(&user));
    let session = pool.session("a", &target).await.unwrap();
    server.cut();
    until("it is noticed", || session.is_spent()).await;
    let session = pool.session("a", &target).await.unwrap();
    session.run(&nothing()).await.unwrap().succeeded().unwrap();
    assert_eq!(connections(&server), 2);
}

#[tokio::test]
async fn a_session_without_room_for_commands_is_opened_anew() {
    let user = key();
    let server = Script { channels: 1, ..Script::for_user(&user) }.serve().await;
    let (pool, target) = (pool(), server.target(&user));
    let session = pool.session("a", &target).await.unwrap();
    let held = tokio::spawn({
        let session = Arc::clone(&session);
        async move { session.run(&Command::new("hold", "hang", [""; 0])).await }
    });
    until("it is held", || !server.lines().is_empty()).await;
    let error = session.run(&nothing()).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    pool.session("a", &target).await.unwrap();
    assert_eq!(connections(&server), 2);
    held.abort();
}

#[tokio::test]
async fn a_session_that_is_forgotten_ends() {
    let user = key();
    let server = Script::for_user(&user).serve().await;
    let (pool, target) = (pool(), server.target(&user));
    let session = pool.session("a", &target).await.unwrap();
    pool.disconnect("a").await;
    assert!(pool.is_empty());
    // Who still has it may use it to the end.
    session.run(&nothing()).await.unwrap().succeeded().unwrap();
    drop(session);
    pool.disconnect("a").await;
    pool.session("a", &target).await.unwrap();
    assert_eq!(connections(&server), 2);
    pool.disconnect("a").await;
}

#[tokio::test]
async fn hosts_that_swallow_everything_hold_up_no_other() {
    let user = key();
    let swallowing = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Script::for_user(&user).serve().await;
    let pool = Arc::new(pool_with(Limits { connect: Duration::from_mins(1), ..limits() }));
    let mut target = server.target(&user);
    target.host.port = swallowing.local_addr().unwrap().port();
    let stuck: Vec<_> = (0..40)
        .map(|it| {
            let (pool, target) = (Arc::clone(&pool), target.clone());
            tokio::spawn(
                async move { pool.session(&format!("stuck-{it}"), &target).await.map(|_| ()) },
            )
        })
        .collect();
    until("all of them are tried", || pool.len() == 40).await;
    pool.session("a", &server.target(&user)).await.unwrap();
    assert!(stuck.iter().all(|it| !it.is_finished()));
    stuck.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn only_so_many_sessions_are_opened_at_once() {
    let user = key();
    let hanging = Script { hang: Hang::Authenticate, ..Script::for_user(&user) }.serve().await;
    let server = Script::for_user(&user).serve().await;
    let connect = Duration::from_millis(500);
    let limits = Limits { opening: 1, connect, authenticate: Duration::from_mins(1), ..limits() };
    let pool = Arc::new(pool_with(limits));
    let stuck = tokio::spawn({
        let (pool, target) = (Arc::clone(&pool), hanging.target(&user));
        async move { pool.session("stuck", &target).await.map(|_| ()) }
    });
    until("it hangs", || hanging.seen.attempts.load(Ordering::SeqCst) == 1).await;
    let error = pool.session("a", &server.target(&user)).await.unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error:?}");
    stuck.abort();
    until("its turn is over", || stuck.is_finished()).await;
    pool.session("a", &server.target(&user)).await.unwrap();
}

#[tokio::test]
async fn a_jump_host_is_asked_by_only_so_many_at_once() {
    let user = key();
    let jump = Script { hang: Hang::Authenticate, ..Script::for_user(&user) }.serve().await;
    let server = Script::for_user(&user).serve().await;
    let mut target = server.target(&user);
    target.jump_hosts = vec![jump.hop(&user)];
    let limits = Limits { opening_by_jump_host: 2, ..limits() };
    let pool = Arc::new(pool_with(limits));
    let asking: Vec<_> = (0..6)
        .map(|it| {
            let (pool, target) = (Arc::clone(&pool), target.clone());
            tokio::spawn(async move { pool.session(&format!("{it}"), &target).await.map(|_| ()) })
        })
        .collect();
    until("two are there", || jump.seen.attempts.load(Ordering::SeqCst) == 2).await;
    // Others need no jump host and do not wait for one.
    pool.session("a", &server.target(&user)).await.unwrap();
    assert_eq!(jump.seen.connections.load(Ordering::SeqCst), 2);
    asking.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn what_came_of_sessions_and_commands_is_counted() {
    let user = key();
    let server = Script::for_user(&user).serve().await;
    let notes = Arc::new(Notes::default());
    let pool = Pool::new(limits(), WriteGate::always_open(), Arc::clone(&notes) as Arc<dyn Meter>);
    let session = pool.session("a", &server.target(&user)).await.unwrap();
    session.run(&nothing()).await.unwrap();
    session.run(&Command::new("fail", "false", [""; 0])).await.unwrap();
    session.run(&Command::new("refuse", "refuse", [""; 0])).await.unwrap_err();
    let mut target = server.target(&user);
    target.host.host_key = HostKeyPolicy::default();
    pool.session("a", &target).await.unwrap_err();
    let expected = ["success", "nothing success", "fail failed", "refuse forbidden", "host_key"];
    assert_eq!(*notes.0.lock().unwrap(), expected);
}
