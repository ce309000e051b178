//! The admin port: for those who run the host, not for those who use its data.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use malla_pipeline::Mesh;
use tokio::net::TcpListener;

/// Prometheus' text format, version 0.0.4.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The admin port cannot be served.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on `{address}`: {source}; choose another address for `listen` of [admin] in malla.toml"
)]
pub struct ServeError {
    address: SocketAddr,
    source: std::io::Error,
}

/// A bound admin port.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
}

impl Admin {
    /// Takes the port.
    ///
    /// # Errors
    /// It is taken, or not of this machine.
    pub async fn bind(address: SocketAddr) -> Result<Self, ServeError> {
        match TcpListener::bind(address).await {
            Ok(listener) => Ok(Self { listener }),
            Err(source) => Err(ServeError { address, source }),
        }
    }

    /// Answers `GET /metrics` until it is dropped.
    pub async fn serve(self, mesh: Arc<Mesh>) {
        let router = Router::new().route("/metrics", get(metrics)).with_state(mesh);
        if let Err(error) = axum::serve(self.listener, router).await {
            tracing::error!(%error, "The admin port is closed.");
        }
    }
}

async fn metrics(State(mesh): State<Arc<Mesh>>) -> Response {
    match mesh.metrics().text() {
        Ok(text) => ([(header::CONTENT_TYPE, METRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "The metrics cannot be told.");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
