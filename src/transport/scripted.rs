//! Servers for tests that do exactly what a test says, over TCP or TLS, on loopback.

pub(crate) mod authority;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use reqwest::Url;
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

/// What a server does with a request.
pub(crate) enum Reply {
    /// Sends this and waits for the next request.
    Whole(String),
    /// Sends this and ends the connection.
    Cut(String),
    /// Sends this and then nothing more, ever.
    Stall(String),
    /// Sends this many bytes of body, without saying how many there will be.
    Stream(usize),
}

/// An answer with headers of one's own.
pub(crate) fn with_headers(status: u16, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Whole(format!(
        "HTTP/1.1 {status} Any\r\n{headers}\r\ncontent-length: {length}\r\n\r\n{body}"
    ))
}

/// A server on a free port, until it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    scheme: &'static str,
    log: Arc<Log>,
    task: JoinHandle<()>,
}

/// What a server saw.
#[derive(Default)]
struct Log {
    accepted: AtomicUsize,
    sent: AtomicUsize,
    requests: Mutex<Vec<String>>,
}

impl Server {
    pub(crate) async fn http(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(None, reply).await
    }

    pub(crate) async fn https(
        tls: ServerConfig,
        reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(tls), reply).await
    }

    async fn start(
        tls: Option<ServerConfig>,
        reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Log::default());
        let reply = Arc::new(reply);
        let scheme = if tls.is_some() { "https" } else { "http" };
        let acceptor = tls.map(|it| TlsAcceptor::from(Arc::new(it)));
        let seen = Arc::clone(&log);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                seen.accepted.fetch_add(1, Ordering::SeqCst);
                let (seen, reply, acceptor) =
                    (Arc::clone(&seen), Arc::clone(&reply), acceptor.clone());
                connections.spawn(async move {
                    match acceptor {
                        None => _ = serve(stream, &seen, &*reply).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                _ = serve(stream, &seen, &*reply).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, scheme, log, task }
    }

    pub(crate) fn url(&self) -> Url {
        self.url_for("127.0.0.1")
    }

    pub(crate) fn url_for(&self, host: &str) -> Url {
        let port = self.address.port();
        Url::parse(&format!("{}://{host}:{port}", self.scheme)).unwrap()
    }

    /// The requests so far: line, headers and body, as they came.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.log.requests.lock().unwrap().clone()
    }

    /// How many connections were made.
    pub(crate) fn accepted(&self) -> usize {
        self.log.accepted.load(Ordering::SeqCst)
    }

    /// How many bytes of a stream went out.
    pub(crate) fn sent(&self) -> usize {
        self.log.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    log: &Log,
    reply: &(impl Fn(&str) -> Reply + ?Sized),
) -> std::io::Result<()> {
    while let Some(request) = request(&mut stream).await? {
        log.requests.lock().unwrap().push(request.clone());
        match reply(&request) {
            Reply::Whole(text) => stream.write_all(text.as_bytes()).await?,
            Reply::Cut(text) => {
                stream.write_all(text.as_bytes()).await?;
                return stream.shutdown().await;
            }
            Reply::Stall(text) => {
                stream.write_all(text.as_bytes()).await?;
                stream.flush().await?;
                std::future::pending::<()>().await;
            }
            Reply::Stream(length) => {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
                stream.write_all(head.as_bytes()).await?;
                let blanks = vec![b' '; 64 * 1024];
                while log.sent.load(Ordering::SeqCst) < length {
                    stream.write_all(&blanks).await?;
                    log.sent.fetch_add(blanks.len(), Ordering::SeqCst);
                }
                return stream.shutdown().await;
            }
        }
        stream.flush().await?;
    }
    Ok(())
}

/// The next request, or nothing when the client is gone.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && header(head, "content-length").map_or(0, |it| it.parse().unwrap()) <= body.len()
        {
            return Ok(Some(text));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

/// The value of a header of `request`.
pub(crate) fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = request.split("\r\n").take_while(|it| !it.is_empty());
    lines.find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}
