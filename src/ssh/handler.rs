//! What Drover answers when a server takes the word: one yes or no to its key, and no to all else.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use russh::{
    Channel, ChannelId,
    client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session},
    keys::PublicKeyOrCertificate,
};

use super::{
    error::Cause,
    host_key::{Accepted, HostKeyPolicy, Refusal},
};

/// The most that is kept of what a server wants to be shown to the user, in bytes.
const BANNER: usize = 512;

/// Why a connection ends.
#[derive(Debug)]
pub(super) enum Stop {
    HostKey(Box<Refusal>),
    Ssh(russh::Error),
}

impl From<russh::Error> for Stop {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

/// What the connection's own task tells.
#[derive(Debug, Default)]
pub(super) struct Told {
    accepted: OnceLock<Accepted>,
    banner: Mutex<String>,
    end: OnceLock<End>,
}

#[derive(Debug)]
struct End {
    cause: Cause,
    refused: bool,
}

impl Told {
    pub(super) fn accepted(&self) -> Option<Accepted> {
        self.accepted.get().copied()
    }

    /// Whether the connection ended because the server takes no way to authenticate any more.
    pub(super) fn was_refused(&self) -> bool {
        self.end.get().is_some_and(|it| it.refused)
    }

    /// Why the connection ended. A server may have said more before, such as that it is booting.
    pub(super) fn end(&self) -> Cause {
        let end =
            self.end.get().map_or_else(|| "it is closed".to_owned(), |it| it.cause.to_string());
        let banner = self.banner();
        match banner.trim() {
            "" => Cause::new(&end),
            banner => Cause::new(&format!("{end}; it said before: {banner}")),
        }
    }

    fn banner(&self) -> MutexGuard<'_, String> {
        self.banner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Judges the server's key, and opens nothing for the server.
#[derive(Debug)]
pub(super) struct Verifier {
    policy: HostKeyPolicy,
    address: Box<str>,
    told: Arc<Told>,
}

impl Verifier {
    pub(super) fn new(policy: HostKeyPolicy, address: Box<str>, told: Arc<Told>) -> Self {
        Self { policy, address, told }
    }
}

impl Handler for Verifier {
    type Error = Stop;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Stop> {
        match self.policy.decide(&self.address, key, Timestamp::now()) {
            // Asked once for each connection; a second answer could only be the same.
            Ok(accepted) => Ok(self.told.accepted.set(accepted).is_ok()),
            Err(refusal) => Err(Stop::HostKey(Box::new(refusal))),
        }
    }

    async fn auth_banner(&mut self, banner: &str, _: &mut Session) -> Result<(), Stop> {
        let mut kept = self.told.banner();
        let room = BANNER.saturating_sub(kept.len());
        kept.extend(banner.chars().take(room / 4));
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Stop>) -> Result<(), Stop> {
        let (cause, refused) = match &reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                (format!("it disconnected: {}", info.message), false)
            }
            DisconnectReason::Error(Stop::HostKey(refusal)) => (refusal.to_string(), false),
            DisconnectReason::Error(Stop::Ssh(error)) => {
                (error.to_string(), matches!(error, russh::Error::NoAuthMethod))
            }
        };
        let _ = self.told.end.set(End { cause: Cause::new(&cause), refused });
        match reason {
            DisconnectReason::ReceivedDisconnect(_) => Ok(()),
            DisconnectReason::Error(stop) => Err(stop),
        }
    }

    // A handle that is dropped says no. The library's own answer to these would be yes.

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Stop> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Stop> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Stop> {
        Ok(())
    }

    async fn should_accept_unknown_server_channel(&mut self, _: ChannelId, _: &str) -> bool {
        false
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Stop> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Stop> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Stop> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Stop> {
        Ok(())
    }
}
