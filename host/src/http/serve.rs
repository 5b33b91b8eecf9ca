//! What runs each connection. It does what `axum::serve` does, but it asks whether the server stops without a lock that all
//! connections share, and lets the one request that comes far more often than all others go to its handler at once: the way
//! through the router cost it a tenth of its allocations.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, Request};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::sync::{mpsc, watch};

use super::connection::{Connection, Connections};
use super::publish::{Write, post_events};
use super::{App, router};

/// Answers requests until the server stops, and then what was asked before.
pub async fn serve(mut connections: Connections, app: App, mut stop: watch::Receiver<bool>) {
    let site = Arc::new(Site { router: TowerToHyperService::new(router(app.clone())), app });
    let (open, mut all_closed) = mpsc::channel::<Infallible>(1);
    loop {
        let stopping = stop.clone();
        let connection = tokio::select! {
            connection = connections.accept() => connection,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (site, open) = (site.clone(), open.clone());
        tokio::spawn(async move {
            converse(connection, site, stopping).await;
            drop(open);
        });
    }
    drop((connections, open));
    all_closed.recv().await;
}

/// One connection, to its end. When the server stops, that is after the answer that it waits for.
async fn converse(connection: Connection, site: Arc<Site>, stop: watch::Receiver<bool>) {
    let answer = service_fn(move |request| answer(site.clone(), request));
    let mut builder = Builder::new(TokioExecutor::new());
    // For WebSockets over HTTP/2.
    builder.http2().enable_connect_protocol();
    let mut served = pin!(builder.serve_connection_with_upgrades(TokioIo::new(connection), answer));
    let (mut told, news) = (stop.clone(), stop);
    let mut told = pin!(told.wait_for(|stop| *stop));
    let (mut listening, mut first) = (true, true);
    let ended = poll_fn(|context| {
        // A task has the same waker all its life: having asked once, it is woken up. From then on one look at a number tells
        // whether to ask again.
        let ask = listening && (first || news.has_changed().unwrap_or(true));
        if ask && told.as_mut().poll(context).is_ready() {
            served.as_mut().graceful_shutdown();
            listening = false;
        }
        first = false;
        served.as_mut().poll(context)
    });
    if let Err(error) = ended.await {
        tracing::trace!(%error, "a connection ended");
    }
}

struct Site {
    app: App,
    router: TowerToHyperService<Router>,
}

async fn answer(site: Arc<Site>, request: Request<Incoming>) -> Result<Response, Infallible> {
    if request.uri().path() != "/events" || request.method() != Method::POST {
        return site.router.call(request).await;
    }
    let app = site.app.clone();
    Ok(match Write::read(request, &app).await {
        Ok(write) => post_events(State(app), write).await.into_response(),
        Err(problem) => problem.into_response(),
    })
}
