//! The commands of a scripted server: some of its own, and those of a real shell.

use std::process::Stdio;

use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, server::Msg};
use tokio::{io::AsyncWriteExt, process::Command};

use super::Seen;

/// Serves one channel until it is closed.
pub(super) async fn serve(channel: Channel<Msg>, seen: &Seen) {
    let (mut reading, writing) = channel.split();
    let mut stdin = Vec::new();
    let mut line = None;
    while let Some(message) = reading.wait().await {
        match message {
            ChannelMsg::Exec { command, .. } => {
                line = Some(String::from_utf8(command).unwrap());
                if exec(&mut reading, &writing, line.as_deref().unwrap(), seen).await {
                    return;
                }
            }
            ChannelMsg::Data { data } => stdin.extend_from_slice(&data),
            ChannelMsg::Eof => {
                let Some(line) = line.take() else { continue };
                if !SPECIAL.contains(&&*line) {
                    shell(&writing, &line, &stdin).await;
                    return;
                }
            }
            ChannelMsg::Signal { signal } => {
                seen.signals.lock().unwrap().push(format!("{signal:?}"));
            }
            _ => {}
        }
    }
}

/// Commands that do not end as commands of a real server do.
const SPECIAL: [&str; 4] = ["hang", "refuse", "break", "killed"];

/// Whether the command was one of the server's own and is done.
async fn exec(
    reading: &mut ChannelReadHalf,
    writing: &ChannelWriteHalf<Msg>,
    line: &str,
    seen: &Seen,
) -> bool {
    match line {
        "endless" => {
            let data = vec![b'y'; 32 * 1024];
            loop {
                tokio::select! {
                    sent = writing.data_bytes(data.clone()) => if sent.is_err() { return true },
                    message = reading.wait() => match message {
                        Some(ChannelMsg::Signal { signal }) => {
                            seen.signals.lock().unwrap().push(format!("{signal:?}"));
                        }
                        Some(ChannelMsg::Close) | None => return true,
                        Some(_) => {}
                    },
                }
            }
        }
        "vanish" => {
            let _ = writing.data_bytes(b"so far".to_vec()).await;
            let _ = writing.close().await;
        }
        "daemon" => {
            let _ = writing.exit_status(0).await;
            // Its output stays open; the client has to end it.
            while !matches!(reading.wait().await, Some(ChannelMsg::Close) | None) {}
        }
        _ if line.starts_with("sudo -n -- refused") => {
            let words = b"sudo: a password is required\n".to_vec();
            let _ = writing.extended_data_bytes(1, words).await;
            let _ = writing.exit_status(1).await;
            let _ = writing.close().await;
        }
        _ => return false,
    }
    true
}

/// Runs `line` as sshd would.
async fn shell(writing: &ChannelWriteHalf<Msg>, line: &str, stdin: &[u8]) {
    let mut process = Command::new("sh")
        .args(["-c", line])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    // A command may end without reading.
    let _ = process.stdin.take().unwrap().write_all(stdin).await;
    let output = process.wait_with_output().await.unwrap();
    let _ = writing.data_bytes(output.stdout).await;
    let _ = writing.extended_data_bytes(1, output.stderr).await;
    let status = output.status.code().unwrap().cast_unsigned();
    let _ = writing.exit_status(status).await;
    let _ = writing.eof().await;
    let _ = writing.close().await;
}
