//! The proxy at work: accepts, reads a request, forwards it unless a fault says otherwise, and answers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};

use super::Shared;
use super::body::{self, Body};
use super::fault::{Answer, Fault, Moment, Payload};
use super::ledger::{Entry, Outcome};
use super::tls::{Counted, Stream, Upstream};

/// Accepts until the proxy is dropped.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((tcp, _)) = listener.accept().await {
        let number = shared.connections.accepted.fetch_add(1, Ordering::Relaxed) + 1;
        let shared = shared.clone();
        tokio::spawn(async move {
            let mut end = shared.cut.subscribe();
            let mut gone = shared.gone.subscribe();
            tokio::select! {
                () = connection(tcp, number, shared) => {}
                _ = end.changed() => {}
                _ = gone.wait_for(|gone| *gone) => {}
            }
        });
    }
}

async fn connection(tcp: TcpStream, number: u64, shared: Arc<Shared>) {
    let _ = tcp.set_nodelay(true);
    body::thawed(&mut shared.frozen.subscribe()).await;
    let acceptor = shared.acceptor.lock().unwrap().clone();
    let stream: Box<dyn Stream> = match acceptor {
        None => Box::new(tcp),
        Some(acceptor) => match acceptor.accept(tcp).await {
            Ok(stream) => Box::new(stream),
            Err(error) => {
                shared.connections.failures.lock().unwrap().push(error.to_string());
                return;
            }
        },
    };
    let stream = Counted { stream, read: shared.connections.received.clone() };
    let upstream = Arc::new(Mutex::new(Connection::default()));
    let service = service_fn(|request| {
        let (shared, upstream) = (shared.clone(), upstream.clone());
        async move { exchange(request, number, shared, upstream).await }
    });
    // An error here is a client that went, or a cut that was asked for.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The way from one client connection to the server; a new one after a swap or a close.
#[derive(Default)]
struct Connection {
    to: Option<(String, SendRequest<Full<Bytes>>)>,
}

impl Connection {
    async fn send(
        &mut self,
        to: &Upstream,
        request: Request<Full<Bytes>>,
    ) -> io::Result<Response<Incoming>> {
        let usable = match &mut self.to {
            Some((address, sender)) => *address == to.address && sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            let stream = to.connect().await?;
            let (sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
                .await
                .map_err(io::Error::other)?;
            tokio::spawn(driver);
            self.to = Some((to.address.clone(), sender));
        }
        let (_, sender) = self.to.as_mut().expect("set above");
        sender.send_request(request).await.map_err(io::Error::other)
    }
}

/// One request. An error makes hyper close the connection without an answer.
async fn exchange(
    request: Request<Incoming>,
    connection: u64,
    shared: Arc<Shared>,
    upstream: Arc<Mutex<Connection>>,
) -> io::Result<Response<Body>> {
    let (parts, incoming) = request.into_parts();
    let bytes = body::read(incoming).await?;
    let entry = Entry::new(shared.next_request(), connection, &parts, bytes.clone());
    shared.ledger.add(entry.clone());
    body::thawed(&mut shared.frozen.subscribe()).await;
    let fault = shared.rules.choose(&entry);
    if matches!(fault, Some(Fault::Hold)) {
        // Ends with the client's patience.
        return std::future::pending().await;
    }
    let request = Request::from_parts(parts, Full::new(bytes));
    // In a task of its own: what has arrived here goes on, even when the client is gone meanwhile.
    let work = Exchange { shared, entry, upstream };
    tokio::spawn(work.run(request, fault)).await.map_err(io::Error::other)?
}

struct Exchange {
    shared: Arc<Shared>,
    entry: Entry,
    upstream: Arc<Mutex<Connection>>,
}

impl Exchange {
    async fn run(
        self,
        request: Request<Full<Bytes>>,
        fault: Option<Fault>,
    ) -> io::Result<Response<Body>> {
        match &fault {
            Some(Fault::Delay(time)) => tokio::time::sleep(*time).await,
            Some(Fault::Cut(Moment::BeforeForward)) => return Err(self.cut(Outcome::CutBefore)),
            Some(Fault::Hook(Moment::BeforeForward, hook)) => {
                self.call(hook.clone()).await;
                return Err(self.cut(Outcome::CutBefore));
            }
            Some(Fault::Answer(answer)) => return Ok(self.inject(answer.clone())),
            Some(Fault::Respond(respond)) => {
                let answer = respond(&self.entry);
                return Ok(self.inject(answer));
            }
            _ => {}
        }
        let response = self.forward(request).await?;
        body::thawed(&mut self.frozen()).await;
        let status = response.status().as_u16();
        let (mut parts, incoming) = response.into_parts();
        for hop in [CONNECTION, TRANSFER_ENCODING, HeaderName::from_static("keep-alive")] {
            parts.headers.remove(hop);
        }
        let frozen = self.frozen();
        let mut outcome = Outcome::Answered(status);
        let body = match fault {
            Some(Fault::Cut(Moment::AfterAnswer)) => {
                body::read(incoming).await?;
                return Err(self.cut(Outcome::CutAfter(status)));
            }
            Some(Fault::Hook(moment, hook)) => {
                let bytes = body::read(incoming).await?;
                self.call(hook).await;
                if moment == Moment::AfterAnswer {
                    return Err(self.cut(Outcome::CutAfter(status)));
                }
                outcome = Outcome::CutAfter(status);
                body::half(&frozen, bytes)
            }
            Some(Fault::Cut(Moment::MidBody)) => {
                let bytes = body::read(incoming).await?;
                outcome = Outcome::CutAfter(status);
                body::half(&frozen, bytes)
            }
            Some(Fault::Trickle(step, pause)) => {
                body::trickle(&frozen, body::read(incoming).await?, step, pause)
            }
            Some(Fault::Rewrite(rewrite)) => {
                let bytes = rewrite(body::read(incoming).await?.to_vec());
                parts.headers.insert(CONTENT_LENGTH, bytes.len().into());
                body::whole(&frozen, bytes.into())
            }
            _ => body::forward(&frozen, incoming),
        };
        self.settle(outcome);
        Ok(Response::from_parts(parts, body))
    }

    async fn forward(&self, mut request: Request<Full<Bytes>>) -> io::Result<Response<Incoming>> {
        let to = self.shared.upstream.lock().unwrap().clone();
        let Some(to) = to else { return Err(self.cut(Outcome::Unreachable)) };
        for hop in [CONNECTION, TRANSFER_ENCODING] {
            request.headers_mut().remove(hop);
        }
        let mut upstream = self.upstream.lock().await;
        upstream.send(&to, request).await.map_err(|_| self.cut(Outcome::Unreachable))
    }

    /// A hook may block, and mostly kills whoever sent this request.
    async fn call(&self, hook: Arc<dyn Fn(&Entry) + Send + Sync>) {
        let entry = self.entry.clone();
        tokio::task::spawn_blocking(move || hook(&entry)).await.expect("a hook that returns");
    }

    fn inject(&self, answer: Answer) -> Response<Body> {
        self.settle(Outcome::Injected(answer.status));
        let mut response = Response::builder().status(answer.status);
        for (name, value) in answer.headers {
            response = response.header(name, value);
        }
        let length = match &answer.body {
            Payload::Bytes(bytes) | Payload::Trickle(bytes, _) => Some(bytes.len() as u64),
            Payload::Spaces(count) => Some(*count),
            Payload::File(file, _) => Some(std::fs::metadata(file).expect("the file").len()),
            Payload::Endless => None,
        };
        if let Some(length) = length {
            response = response.header(CONTENT_LENGTH, length);
        }
        response.body(body::payload(&self.frozen(), answer.body)).expect("a valid answer")
    }

    fn cut(&self, outcome: Outcome) -> io::Error {
        self.settle(outcome);
        io::Error::other("cut")
    }

    fn settle(&self, outcome: Outcome) {
        self.shared.ledger.settle(self.entry.id, outcome);
    }

    fn frozen(&self) -> watch::Receiver<bool> {
        self.shared.frozen.subscribe()
    }
}
