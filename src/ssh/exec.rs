//! Runs one command in a channel of a session.

use std::{pin::pin, sync::Arc, time::Duration};

use russh::{Channel, ChannelMsg, ChannelWriteHalf, Sig, client::Msg};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep_until, timeout},
};

use super::error::Ending;

/// After a command has said how it ended, so long is waited for more of what it printed: a daemon
/// that it left behind may hold its output open for ever.
const LINGER: Duration = Duration::from_secs(5);
/// So long is tried to tell the server that a command is given up.
const FAREWELL: Duration = Duration::from_secs(5);
/// Data of this type is standard error (RFC 4254, 5.2).
const STDERR: u32 = 1;

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) ending: Ending,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// Why there is no such thing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotEnded {
    /// The connection was gone before the command was sent.
    NotSent,
    /// The server does not run commands for this user.
    Refused,
    /// It printed too much.
    TooMuchOutput,
}

/// Sends `line`, and `stdin` once the server has taken it, and reads at most `limit` bytes to the
/// end. Dropped before that, the command is told to end and the channel is closed.
pub(super) async fn run(
    channel: Channel<Msg>,
    line: String,
    stdin: Vec<u8>,
    limit: usize,
) -> Result<Ended, NotEnded> {
    let (mut reading, writing) = channel.split();
    let writing = Arc::new(writing);
    let mut guard = Guard { writing: Arc::clone(&writing), on_drop: OnDrop::End };
    writing.exec(true, line).await.map_err(|_| NotEnded::NotSent)?;

    let mut feeding = pin!(async {
        // A command may end without having read it all.
        let _ = writing.data_bytes(stdin).await;
        let _ = writing.eof().await;
    });
    let (mut taken, mut fed) = (false, false);
    let mut ended = Ended { ending: Ending::Unknown, stdout: Vec::new(), stderr: Vec::new() };
    let mut left = limit;
    let mut linger = Instant::now();
    loop {
        let said = !matches!(ended.ending, Ending::Unknown);
        let message = tokio::select! {
            message = reading.wait() => message,
            () = &mut feeding, if taken && !fed => {
                fed = true;
                continue;
            }
            () = sleep_until(linger), if said => {
                guard.on_drop = OnDrop::Close;
                return Ok(ended);
            }
        };
        linger = Instant::now() + LINGER;
        let (data, to) = match message {
            Some(ChannelMsg::Success) => {
                taken = true;
                continue;
            }
            Some(ChannelMsg::Failure) if !taken => return Err(NotEnded::Refused),
            Some(ChannelMsg::Data { data }) => (data, &mut ended.stdout),
            Some(ChannelMsg::ExtendedData { data, ext: STDERR }) => (data, &mut ended.stderr),
            Some(ChannelMsg::ExitStatus { exit_status }) => {
                ended.ending = Ending::Exited(exit_status);
                continue;
            }
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                ended.ending = Ending::Signalled(name(&signal_name));
                continue;
            }
            Some(ChannelMsg::Close) | None => {
                guard.on_drop = OnDrop::Nothing;
                return Ok(ended);
            }
            Some(_) => continue,
        };
        left = left.checked_sub(data.len()).ok_or(NotEnded::TooMuchOutput)?;
        to.extend_from_slice(&data);
    }
}

fn name(signal: &Sig) -> Box<str> {
    match signal {
        Sig::Custom(name) => crate::foreign::capped(name),
        known => format!("{known:?}").into(),
    }
}

/// Keeps a channel from being left behind: servers allow only so many.
struct Guard {
    writing: Arc<ChannelWriteHalf<Msg>>,
    on_drop: OnDrop,
}

enum OnDrop {
    /// Tell the command to end, and close the channel.
    End,
    /// Close the channel.
    Close,
    /// It is closed.
    Nothing,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let signal = match self.on_drop {
            OnDrop::End => Some(Sig::TERM),
            OnDrop::Close => None,
            OnDrop::Nothing => return,
        };
        // Without a runtime the session is gone too.
        let Ok(runtime) = Handle::try_current() else { return };
        let writing = Arc::clone(&self.writing);
        runtime.spawn(timeout(FAREWELL, async move {
            if let Some(signal) = signal {
                let _ = writing.signal(signal).await;
            }
            let _ = writing.close().await;
        }));
    }
}
