//! Both TLS sides of the proxy, and a stream that counts what the client sends.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::super::certificates::Certificate;

/// A server behind the proxy.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// `address:port`.
    pub address: String,
    /// The authority of its certificate, as a PEM file; absent: plain HTTP.
    pub authority: Option<PathBuf>,
}

/// Any stream, plain or encrypted.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(super) fn acceptor(certificate: &Certificate) -> TlsAcceptor {
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(&certificate.certificate).expect("a PEM file").collect();
    let key = PrivateKeyDer::from_pem_file(&certificate.key).expect("a PEM file");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain.expect("certificates"), key)
        .expect("a key that fits");
    TlsAcceptor::from(Arc::new(config))
}

impl Upstream {
    pub(super) async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let tcp = TcpStream::connect(&self.address).await?;
        tcp.set_nodelay(true)?;
        let Some(authority) = &self.authority else { return Ok(Box::new(tcp)) };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(authority).expect("a PEM file") {
            roots.add(certificate.expect("a certificate")).expect("an authority");
        }
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let host = self.address.rsplit_once(':').expect("address:port").0.to_owned();
        let name = ServerName::try_from(host).expect("a host name or address");
        Ok(Box::new(TlsConnector::from(Arc::new(config)).connect(name, tcp).await?))
    }
}

/// Counts the bytes read.
pub(super) struct Counted<S> {
    pub stream: S,
    pub read: Arc<AtomicU64>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.read.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
