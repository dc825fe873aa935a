//! The connection to the API server.
//!
//! kube sets no time limit on the answer to a call that is not a watch, and sends a refused request
//! again by itself, up to 15 times over minutes. Drover does neither: each call has a deadline, a
//! failure goes to the back-off of the object that it concerns, and a write that was allowed once
//! can't be sent again later, when this process may not write any more.

use std::{
    path::Path,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{Method, Request, Uri};
use kube::{
    Client, Config,
    client::ClientBuilder,
    config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use tower::{BoxError, Layer, Service};

use crate::gate::WriteGate;

/// The longest that a connection may take to come up.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest that an answer may take to begin; watches and lists have no other limit for this.
const FIRST_BYTE: Duration = Duration::from_secs(30);
/// The longest silence within an answer. Watches end by themselves before, see
/// [`super::watch`].
const SILENCE: Duration = Duration::from_mins(5);

/// The API server can't be connected to: the configuration is missing or wrong.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The file that was named can't be used.
    #[error("failed to read the kubeconfig")]
    Kubeconfig(#[source] KubeconfigError),
    /// Neither a kubeconfig nor the service account of a pod can be used.
    #[error("found no kubeconfig ({kubeconfig}) and no service account of a pod")]
    Nothing {
        /// Why there is no kubeconfig.
        kubeconfig: KubeconfigError,
        /// Why there is no service account.
        #[source]
        in_cluster: InClusterError,
    },
    /// The configuration can't be made into a client.
    #[error("failed to set up the client of the API server")]
    Client(#[source] kube::Error),
}

/// Finds the API server as kubectl does: `file`, else `KUBECONFIG`, else `~/.kube/config`, else
/// the service account of the pod that this process runs in.
///
/// # Errors
/// [`ConnectError`] when a file that was named can't be used, or nothing was found.
pub async fn configuration(file: Option<&Path>) -> Result<Config, ConnectError> {
    let options = KubeConfigOptions::default();
    let found = match file {
        Some(path) => {
            let kubeconfig = Kubeconfig::read_from(path).map_err(ConnectError::Kubeconfig)?;
            Config::from_custom_kubeconfig(kubeconfig, &options).await
        }
        None => Config::from_kubeconfig(&options).await,
    };
    let named = file.is_some() || std::env::var_os("KUBECONFIG").is_some_and(|it| !it.is_empty());
    let mut config = match found {
        Ok(config) => config,
        Err(error) if named => return Err(ConnectError::Kubeconfig(error)),
        Err(kubeconfig) => Config::incluster()
            .map_err(|in_cluster| ConnectError::Nothing { kubeconfig, in_cluster })?,
    };
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    config.default_retry = false;
    config.proxy_url = config.proxy_url.filter(|it| !is_from_environment(it));
    Ok(config)
}

/// Whether kube took the proxy from the environment, where it stands for the way into the
/// internet: to the API server it is a detour at best, and this build has no way through it.
fn is_from_environment(proxy: &Uri) -> bool {
    let named = ["HTTPS_PROXY", "https_proxy"].map(std::env::var);
    named.into_iter().flatten().any(|it| it.parse::<Uri>().is_ok_and(|it| it == *proxy))
}

/// A client whose every write passes `gate` as the last thing before it is sent, and is given up
/// when the gate would shut.
///
/// # Errors
/// [`ConnectError::Client`] when certificates or credentials of `config` can't be used.
pub fn gated(config: Config, gate: WriteGate) -> Result<Client, ConnectError> {
    let builder = ClientBuilder::try_from(config).map_err(ConnectError::Client)?;
    Ok(builder.with_layer(&GateLayer { gate: Some(gate) }).build())
}

/// A client that asks no gate, on connections of its own: the Lease is what opens the gate.
///
/// # Errors
/// [`ConnectError::Client`] when certificates or credentials of `config` can't be used.
pub fn ungated(config: Config) -> Result<Client, ConnectError> {
    let builder = ClientBuilder::try_from(config).map_err(ConnectError::Client)?;
    Ok(builder.with_layer(&GateLayer { gate: None }).build())
}

/// Puts a [`Gated`] around a service.
#[derive(Clone, Debug)]
pub struct GateLayer {
    gate: Option<WriteGate>,
}

impl GateLayer {
    /// Lets writes pass only while `gate` is open.
    #[must_use]
    pub fn new(gate: WriteGate) -> Self {
        Self { gate: Some(gate) }
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { inner, gate: self.gate.clone() }
    }
}

/// Sends reads at once, writes only while the gate is open; limits the wait for an answer.
#[derive(Clone, Debug)]
pub struct Gated<S> {
    inner: S,
    gate: Option<WriteGate>,
}

impl<S, B, R> Service<Request<B>> for Gated<S>
where
    S: Service<Request<B>, Response = R>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    R: 'static,
{
    type Response = R;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<R, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        let limit = match &self.gate {
            Some(gate) if !reads => gate.remaining().map(|it| it.min(FIRST_BYTE)),
            _ => Ok(FIRST_BYTE),
        };
        let limit = match limit {
            Ok(limit) => limit,
            Err(closed) => return Box::pin(async move { Err(closed.into()) }),
        };
        let answer = self.inner.call(request);
        Box::pin(async move {
            match tokio::time::timeout(limit, answer).await {
                Ok(answer) => answer.map_err(Into::into),
                Err(elapsed) => Err(elapsed.into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use http::Response;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{Api, api::DeleteParams, client::Body};
    use tower_test::mock;

    use super::*;

    type Handle = mock::Handle<Request<Body>, Response<Body>>;

    fn client(gate: WriteGate) -> (Client, Handle) {
        let (service, handle) = mock::pair::<Request<Body>, Response<Body>>();
        (Client::new(GateLayer::new(gate).layer(service), "default"), handle)
    }

    fn config_maps(client: Client) -> Api<ConfigMap> {
        Api::namespaced(client, "default")
    }

    #[tokio::test]
    async fn a_shut_gate_lets_reads_pass_and_no_write() {
        let (client, mut handle) = client(WriteGate::shut());
        let api = config_maps(client);
        let delete = api.delete("a", &DeleteParams::default()).await.unwrap_err();
        assert!(matches!(delete, kube::Error::Service(it) if it.is::<crate::gate::Closed>()));
        let (read, ()) = tokio::join!(api.get_opt("a"), async {
            let (request, send) = handle.next_request().await.unwrap();
            assert_eq!(request.method(), Method::GET);
            let body = br#"{"metadata":{"name":"a"}}"#.to_vec();
            send.send_response(Response::new(Body::from(body)));
        });
        assert!(read.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_without_an_answer_is_given_up_when_the_gate_would_shut() {
        let gate = WriteGate::shut();
        gate.open_for(std::time::Instant::now(), Duration::from_secs(6));
        let (client, mut handle) = client(gate);
        let start = tokio::time::Instant::now();
        let (answer, _held) = tokio::join!(
            async { config_maps(client).delete("a", &DeleteParams::default()).await },
            handle.next_request()
        );
        assert!(answer.is_err());
        assert!(start.elapsed() <= Duration::from_secs(7), "{:?}", start.elapsed());
    }
}
