//! One connection to a scripted server.

use std::{
    future::pending,
    sync::{Arc, atomic::Ordering},
};

use russh::{
    Channel, ChannelId, ChannelOpenFailure, Sig,
    keys::{Certificate, PublicKey},
    server::{self, Auth, ChannelOpenHandle, Msg, PublicKeyOffer, Session, VerifiedPublicKey},
};
use tokio::{io::copy_bidirectional, net::TcpStream};

use super::{Hang, Script, Seen, exec::serve};

pub(super) struct Peer {
    pub(super) script: Arc<Script>,
    pub(super) seen: Arc<Seen>,
}

impl Peer {
    async fn attempt(&self, taken: bool) -> Result<Auth, russh::Error> {
        self.seen.attempts.fetch_add(1, Ordering::SeqCst);
        match self.script.hang {
            Hang::Authenticate => pending::<()>().await,
            Hang::BreakOff => return Err(russh::Error::Disconnect),
            _ => {}
        }
        Ok(if taken { Auth::Accept } else { Auth::reject() })
    }
}

impl server::Handler for Peer {
    type Error = russh::Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, russh::Error> {
        Ok(self.script.banner.clone())
    }

    async fn auth_none(&mut self, _: &str) -> Result<Auth, russh::Error> {
        self.attempt(false).await
    }

    async fn auth_password(&mut self, _: &str, _: &str) -> Result<Auth, russh::Error> {
        self.attempt(false).await
    }

    async fn auth_publickey_offered(
        &mut self,
        _: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, russh::Error> {
        self.seen.algorithms.lock().unwrap().push(offer.algorithm.to_string());
        // A certificate is offered as the key that it is for.
        let known = *offer.public_key.key_data() == *self.script.user.key_data();
        self.attempt(known || self.script.authority.is_some()).await
    }

    async fn auth_publickey(
        &mut self,
        _: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        self.attempt(*key.public_key.key_data() == *self.script.user.key_data()).await
    }

    async fn auth_openssh_certificate(
        &mut self,
        _: &str,
        certificate: &Certificate,
    ) -> Result<Auth, russh::Error> {
        let authority = self.script.authority.as_ref().map(PublicKey::key_data);
        self.attempt(Some(certificate.signature_key()) == authority).await
    }

    async fn auth_succeeded(&mut self, session: &mut Session) -> Result<(), russh::Error> {
        if self.script.intrudes {
            let (handle, seen) = (session.handle(), Arc::clone(&self.seen));
            tokio::spawn(async move {
                for opened in [
                    handle.channel_open_session().await.is_ok(),
                    handle.channel_open_agent().await.is_ok(),
                    handle.channel_open_forwarded_tcpip("a", 1, "b", 2).await.is_ok(),
                    handle.channel_open_forwarded_streamlocal("/a").await.is_ok(),
                    handle.channel_open_direct_tcpip("a", 1, "b", 2).await.is_ok(),
                    handle.channel_open_direct_streamlocal("/a").await.is_ok(),
                    handle.channel_open_x11("a", 1).await.is_ok(),
                ] {
                    let counter = if opened { &seen.intrusions } else { &seen.rebuffs };
                    counter.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        if self.script.hang == Hang::Channel {
            withhold(reply);
            return Ok(());
        }
        if self.script.channels <= self.seen.open.load(Ordering::SeqCst) {
            reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
            return Ok(());
        }
        self.seen.open.fetch_add(1, Ordering::SeqCst);
        reply.accept().await;
        let seen = Arc::clone(&self.seen);
        tokio::spawn(async move {
            serve(channel, &seen).await;
            seen.open.fetch_sub(1, Ordering::SeqCst);
        });
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        if self.script.hang == Hang::Channel {
            withhold(reply);
            return Ok(());
        }
        let port = u16::try_from(port).unwrap();
        match TcpStream::connect((host, port)).await {
            Ok(mut onward) => {
                reply.accept().await;
                tokio::spawn(async move {
                    let _ = copy_bidirectional(&mut channel.into_stream(), &mut onward).await;
                });
            }
            Err(_) => reply.reject(ChannelOpenFailure::ConnectFailed).await,
        }
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        line: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let line = String::from_utf8_lossy(line).into_owned();
        self.seen.lines.lock().unwrap().push(line.clone());
        match line.as_str() {
            _ if self.script.hang == Hang::Exec => Ok(()),
            "refuse" => session.channel_failure(channel),
            "break" => Err(russh::Error::Disconnect),
            "killed" => {
                session.channel_success(channel)?;
                let handle = session.handle();
                tokio::spawn(async move {
                    let nothing = String::new;
                    let killed =
                        handle.exit_signal_request(channel, Sig::KILL, false, nothing(), nothing());
                    let _ = killed.await;
                    let _ = handle.close(channel).await;
                });
                Ok(())
            }
            _ => session.channel_success(channel),
        }
    }
}

/// Never answers: dropping the handle would be an answer.
fn withhold(reply: ChannelOpenHandle) {
    tokio::spawn(async move {
        let _reply = reply;
        pending::<()>().await;
    });
}
