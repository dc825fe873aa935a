//! What comes of a command.

use std::{sync::atomic::Ordering, time::Duration};

use super::{super::scripted::*, *};
use crate::ssh::{
    command::Command,
    error::{Category, Ending, Error},
};

fn command(line: &str) -> Command {
    let mut words = line.split(' ');
    Command::new("test", words.next().unwrap(), words)
}

/// A server and a session with it.
async fn working() -> (Server, Arc<Session>) {
    let user = key();
    let server = Script::for_user(&user).serve().await;
    let session = session(&server, &user).await;
    (server, session)
}

/// No channel is left open: servers allow only so many.
async fn is_left_clean(server: &Server) {
    until("its channels are closed", || server.seen.open.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test]
async fn a_command_tells_its_output_and_its_status() {
    let (server, session) = working().await;
    let text = "echo out; echo err >&2; exit 3";
    let output = session.run(&Command::new("test", "sh", ["-c", text])).await.unwrap();
    assert_eq!(*output.ending(), Ending::Exited(3));
    assert_eq!(output.stdout(), b"out\n");
    assert_eq!(output.complaint().to_string(), "err");
    is_left_clean(&server).await;
}

#[tokio::test]
async fn a_script_and_a_secret_go_over_standard_input() {
    let (server, session) = working().await;
    let script = Command::script("test", "echo \"got $1\"\nexit 0", ["a b"]);
    assert_eq!(session.run(&script).await.unwrap().stdout(), b"got a b\n");
    let secret = Command::script("test", "wc -c", [""; 0]).stdin(b"s3cret".to_vec());
    assert_eq!(session.run(&secret).await.unwrap().text().trim(), "6");
    assert_eq!(server.lines(), ["sh -s -- 'a b'", "sh -c 'wc -c' sh"]);
}

#[tokio::test]
async fn a_command_that_reads_nothing_is_not_waited_for() {
    let (server, session) = working().await;
    let much = vec![b'x'; 8 * 1024 * 1024];
    let output = session.run(&command("true").stdin(much)).await.unwrap();
    assert_eq!(*output.ending(), Ending::Exited(0));
    is_left_clean(&server).await;
}

#[tokio::test]
async fn more_output_than_allowed_ends_the_command() {
    let (server, session) = working().await;
    let error = session.run(&command("endless").output_limit(100_000)).await.unwrap_err();
    assert!(matches!(error, Error::TooMuchOutput { limit: 100_000, .. }), "{error:?}");
    assert!(error.leaves_outcome_open());
    is_left_clean(&server).await;
    assert_eq!(*server.seen.signals.lock().unwrap(), ["TERM"]);
    // Exactly as much as allowed is allowed.
    let exact = command("printf 12345").output_limit(5);
    assert_eq!(session.run(&exact).await.unwrap().stdout(), b"12345");
    let error = session.run(&exact.output_limit(4)).await.unwrap_err();
    assert!(matches!(error, Error::TooMuchOutput { limit: 4, .. }));
}

#[tokio::test]
async fn a_command_that_does_not_end_in_time_is_told_to() {
    let (server, session) = working().await;
    let deadline = Duration::from_millis(300);
    let error = session.run(&command("hang").deadline(deadline)).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { limit, .. } if limit == deadline), "{error:?}");
    is_left_clean(&server).await;
    assert_eq!(*server.seen.signals.lock().unwrap(), ["TERM"]);
}

#[tokio::test]
async fn a_command_that_nobody_waits_for_any_more_is_told_to_end() {
    let (server, session) = working().await;
    let running = tokio::spawn({
        let session = Arc::clone(&session);
        async move { session.run(&command("hang")).await }
    });
    until("it runs", || !server.lines().is_empty()).await;
    running.abort();
    is_left_clean(&server).await;
    assert_eq!(*server.seen.signals.lock().unwrap(), ["TERM"]);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_at_each_stage_of_a_command() {
    let user = key();
    for hang in [Hang::Channel, Hang::Exec] {
        let server = Script { hang, ..Script::for_user(&user) }.serve().await;
        let session = session(&server, &user).await;
        let command = command("true").deadline(Duration::from_millis(300));
        let error = session.run(&command).await.unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn an_end_that_nobody_tells_is_unknown_and_not_failure() {
    let (server, session) = working().await;
    let output = session.run(&command("vanish")).await.unwrap();
    assert_eq!(*output.ending(), Ending::Unknown);
    assert_eq!(output.stdout(), b"so far");
    let error = output.succeeded().unwrap_err();
    assert_eq!(error.category(), Category::Unreachable);
    assert!(error.leaves_outcome_open());

    let running = tokio::spawn({
        let session = Arc::clone(&session);
        async move { session.run(&command("hang")).await }
    });
    until("it runs", || server.lines().len() == 2).await;
    server.cut();
    assert_eq!(*running.await.unwrap().unwrap().ending(), Ending::Unknown);
    until("it is noticed", || session.is_spent()).await;
    let error = session.run(&command("true")).await.unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error:?}");
    assert!(!error.leaves_outcome_open());
}

#[tokio::test]
async fn a_command_that_was_killed_says_so() {
    let (_server, session) = working().await;
    let output = session.run(&command("killed")).await.unwrap();
    assert_eq!(*output.ending(), Ending::Signalled("KILL".into()));
}

#[tokio::test]
async fn a_daemon_that_a_command_leaves_behind_is_not_waited_for() {
    let (server, session) = working().await;
    let output = session.run(&command("daemon")).await.unwrap();
    assert_eq!(*output.ending(), Ending::Exited(0));
    is_left_clean(&server).await;
    assert!(server.seen.signals.lock().unwrap().is_empty(), "the daemon was told to end");
}

#[tokio::test]
async fn a_server_that_runs_no_commands_says_so() {
    let (server, session) = working().await;
    let error = session.run(&command("refuse")).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert_eq!(error.category(), Category::Forbidden);
    is_left_clean(&server).await;
}

#[tokio::test]
async fn a_sudo_that_refuses_is_told_from_the_command() {
    let (server, session) = working().await;
    let refused = Command::new("test", "refused", [""; 0]).sudo(true);
    let error = session.run(&refused).await.unwrap_err();
    assert_eq!(server.lines(), ["sudo -n -- refused"]);
    assert!(chain(&error).ends_with(": sudo: a password is required"), "{}", chain(&error));
    assert_eq!(error.category(), Category::Forbidden);
}

#[tokio::test]
async fn only_so_many_commands_run_at_once_and_the_others_wait() {
    let user = key();
    let server = Script { channels: 2, ..Script::for_user(&user) }.serve().await;
    let limits = Limits { commands: 2, ..limits() };
    let session = pool_with(limits).session("a", &server.target(&user)).await.unwrap();
    let runs = (0..12).map(|_| {
        let session = Arc::clone(&session);
        async move { session.run(&command("sleep 0.02")).await.unwrap().succeeded().unwrap() }
    });
    assert_eq!(futures::future::join_all(runs).await.len(), 12);
}

#[tokio::test]
async fn a_command_that_finds_no_turn_in_time_was_not_sent() {
    let user = key();
    let server = Script::for_user(&user).serve().await;
    let limits = Limits { commands: 1, ..limits() };
    let session = pool_with(limits).session("a", &server.target(&user)).await.unwrap();
    let running = tokio::spawn({
        let session = Arc::clone(&session);
        async move { session.run(&command("hang")).await }
    });
    until("it runs", || !server.lines().is_empty()).await;
    let second = command("true").deadline(Duration::from_millis(200));
    let error = session.run(&second).await.unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error:?}");
    assert_eq!(server.lines(), ["hang"]);
    running.abort();
}

#[tokio::test]
async fn nothing_that_may_change_a_host_is_run_without_the_right_to() {
    let user = key();
    let server = Script::for_user(&user).serve().await;
    let gate = WriteGate::shut();
    let pool = Pool::new(limits(), gate.clone(), Arc::new(Notes::default()));
    let session = pool.session("a", &server.target(&user)).await.unwrap();
    let error = session.run(&command("true")).await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error:?}");
    assert!(server.lines().is_empty());
    // To look is always allowed.
    session.run(&command("true").read_only()).await.unwrap().succeeded().unwrap();

    gate.open_for(std::time::Instant::now(), Duration::from_mins(1));
    let running = tokio::spawn({
        let session = Arc::clone(&session);
        async move { session.run(&command("hang")).await }
    });
    until("it runs", || server.lines().len() == 2).await;
    gate.close();
    let error = running.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Interrupted { .. }), "{error:?}");
    assert!(error.leaves_outcome_open());
    is_left_clean(&server).await;
}
