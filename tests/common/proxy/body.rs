//! Bodies on their way back to the client: each is pumped frame by frame by a task, so that the proxy can freeze, slow or cut it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use futures::SinkExt;
use futures::channel::mpsc::{Receiver, Sender, channel};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use tokio::io::AsyncReadExt;
use tokio::sync::watch;

use super::fault::{Damage, Payload};

pub(super) type Body = StreamBody<Receiver<io::Result<Frame<Bytes>>>>;

/// Where a pump puts its frames. Sending fails once the client is gone.
struct Pump {
    frames: Sender<io::Result<Frame<Bytes>>>,
    frozen: watch::Receiver<bool>,
}

impl Pump {
    async fn send(&mut self, bytes: Bytes) -> Result<(), ()> {
        thawed(&mut self.frozen).await;
        self.frames.send(Ok(Frame::data(bytes))).await.map_err(drop)
    }

    /// Breaks the body off: hyper closes the connection.
    async fn cut(mut self) {
        let _ = self.frames.send(Err(io::Error::other("cut"))).await;
    }
}

fn pump<F: Future<Output = ()> + Send + 'static>(
    frozen: &watch::Receiver<bool>,
    run: impl FnOnce(Pump) -> F,
) -> Body {
    let (frames, body) = channel(1);
    tokio::spawn(run(Pump { frames, frozen: frozen.clone() }));
    StreamBody::new(body)
}

/// Returns once the proxy is not frozen.
pub(super) async fn thawed(frozen: &mut watch::Receiver<bool>) {
    // The sender outlives all connections, or the proxy is going.
    let _ = frozen.wait_for(|frozen| !frozen).await;
}

/// The upstream's body as it comes.
pub(super) fn forward(frozen: &watch::Receiver<bool>, mut body: Incoming) -> Body {
    pump(frozen, |mut pump| async move {
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => {
                    let Ok(data) = frame.into_data() else { continue };
                    if pump.send(data).await.is_err() {
                        return;
                    }
                }
                Err(_) => return pump.cut().await,
            }
        }
    })
}

/// All of it.
pub(super) fn whole(frozen: &watch::Receiver<bool>, bytes: Bytes) -> Body {
    pump(frozen, |mut pump| async move {
        if !bytes.is_empty() {
            let _ = pump.send(bytes).await;
        }
    })
}

/// Half of it, then the connection breaks.
pub(super) fn half(frozen: &watch::Receiver<bool>, bytes: Bytes) -> Body {
    pump(frozen, |mut pump| async move {
        let _ = pump.send(bytes.slice(..bytes.len() / 2)).await;
        // The half is to arrive before the connection breaks.
        tokio::time::sleep(Duration::from_millis(20)).await;
        pump.cut().await;
    })
}

/// A few bytes at a time.
pub(super) fn trickle(
    frozen: &watch::Receiver<bool>,
    bytes: Bytes,
    step: usize,
    pause: Duration,
) -> Body {
    pump(frozen, |mut pump| async move {
        for chunk in bytes.chunks(step.max(1)) {
            if pump.send(Bytes::copy_from_slice(chunk)).await.is_err() {
                return;
            }
            tokio::time::sleep(pause).await;
        }
    })
}

/// A body of the proxy's own.
pub(super) fn payload(frozen: &watch::Receiver<bool>, payload: Payload) -> Body {
    match payload {
        Payload::Bytes(bytes) => whole(frozen, bytes),
        Payload::Trickle(bytes, pause) => trickle(frozen, bytes, 1, pause),
        Payload::Spaces(count) => spaces(frozen, count),
        Payload::Endless => spaces(frozen, u64::MAX),
        Payload::File(path, damage) => file(frozen, path, damage),
    }
}

fn file(frozen: &watch::Receiver<bool>, path: PathBuf, damage: Option<Damage>) -> Body {
    pump(frozen, move |mut pump| async move {
        let mut file = tokio::fs::File::open(&path).await.expect("the file");
        let half = file.metadata().await.expect("the file").len() / 2;
        let (mut sent, mut buffer) = (0, vec![0; 16 * 1024]);
        loop {
            let count = file.read(&mut buffer).await.expect("the file");
            let end = sent + count as u64;
            let is_middle = sent <= half && half < end;
            match damage {
                _ if count == 0 => return,
                Some(Damage::Short) if is_middle => return pump.cut().await,
                Some(Damage::WrongByte) if is_middle => buffer[0] ^= 1,
                Some(Damage::Slow) => tokio::time::sleep(Duration::from_secs(1)).await,
                _ => {}
            }
            if pump.send(Bytes::copy_from_slice(&buffer[..count])).await.is_err() {
                return;
            }
            sent = end;
        }
    })
}

fn spaces(frozen: &watch::Receiver<bool>, mut left: u64) -> Body {
    static SPACES: [u8; 65536] = [b' '; 65536];
    pump(frozen, |mut pump| async move {
        while left > 0 {
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(SPACES.len());
            if pump.send(Bytes::from_static(&SPACES[..count])).await.is_err() {
                return;
            }
            left -= count as u64;
        }
    })
}

/// Reads a body whole.
pub(super) async fn read(body: Incoming) -> io::Result<Bytes> {
    body.collect().await.map(http_body_util::Collected::to_bytes).map_err(io::Error::other)
}
