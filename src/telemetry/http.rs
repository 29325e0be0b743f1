//! The monitoring endpoint: `/metrics`, `/livez`, `/readyz`, and a page at `/`.

use std::future::Future;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::health::HealthBoard;
use super::metrics::{Metrics, TEXT_CONTENT_TYPE};
use super::page;

/// How long a stop waits for answers that are under way; a scraper that reads slowly is cut off.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// Why there is no monitoring endpoint.
#[derive(Debug, thiserror::Error)]
pub enum MonitoringError {
    /// Another program, or another instance of this one, listens there.
    #[error(
        "the monitoring address {address} is in use; choose another one with --monitoring-port, or end the program that listens there"
    )]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// The system does not let us listen there.
    #[error(
        "cannot listen on the monitoring address {address}: {source}; check `monitoring.address` and `monitoring.port`"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The running endpoint. Dropping it leaves it running until the runtime ends.
#[derive(Debug)]
pub struct MonitoringServer {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl MonitoringServer {
    /// Listens at `address` (port 0 takes a free one) and answers from now on.
    ///
    /// # Errors
    /// [`MonitoringError`]: the address is in use, or not ours to listen at.
    pub async fn start(
        address: SocketAddr,
        metrics: Arc<Metrics>,
        board: Arc<HealthBoard>,
    ) -> Result<Self, MonitoringError> {
        let cannot_listen = |source: std::io::Error| match source.kind() {
            ErrorKind::AddrInUse => MonitoringError::InUse { address },
            _ => MonitoringError::Listen { address, source },
        };
        let listener = TcpListener::bind(address).await.map_err(cannot_listen)?;
        let address = listener.local_addr().map_err(cannot_listen)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(serve(listener, router(metrics, board), async {
            // A dropped sender means that nobody will ever stop it: it must not look like a stop.
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        }));
        Ok(Self { address, stop, serving })
    }

    /// The address that it listens at.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts nothing more, finishes the answers that are under way, and ends.
    pub async fn stop(self) {
        let Self { stop, mut serving, .. } = self;
        // An error means that it has ended already.
        let _ = stop.send(());
        if tokio::time::timeout(STOP_PATIENCE, &mut serving).await.is_err() {
            serving.abort();
        }
    }
}

async fn serve(
    listener: TcpListener,
    router: Router,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(stopped).await
}

#[derive(Clone)]
struct Shown {
    metrics: Arc<Metrics>,
    board: Arc<HealthBoard>,
}

fn router(metrics: Arc<Metrics>, board: Arc<HealthBoard>) -> Router {
    Router::new()
        .route("/", get(show_page))
        .route("/metrics", get(show_metrics))
        .route("/livez", get(show_liveness))
        .route("/readyz", get(show_readiness))
        .with_state(Shown { metrics, board })
}

async fn show_metrics(State(shown): State<Shown>) -> Response {
    match shown.metrics.text(&shown.board) {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT_CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn show_liveness(State(shown): State<Shown>) -> Response {
    let liveness = shown.board.liveness();
    probe_answer(liveness.live, &liveness)
}

async fn show_readiness(State(shown): State<Shown>) -> Response {
    let readiness = shown.board.readiness();
    probe_answer(readiness.ready, &readiness)
}

async fn show_page(State(shown): State<Shown>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, page::CONTENT_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, page::render(&shown.board.readiness())).into_response()
}

fn probe_answer(good: bool, body: &impl Serialize) -> Response {
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    match serde_json::to_string(body) {
        Ok(json) => (status, [(header::CONTENT_TYPE, "application/json")], json + "\n").into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
