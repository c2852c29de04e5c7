//! Connections answered with a router, on the event loop that took them: HTTP/1.1 with the
//! listener's limits. For listeners with few connections, such as the admin listener.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;

use axum::Router;
use axum::routing::RouterIntoService;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;

use super::paced::Paced;
use super::{Answer, Stage, Taken};
use crate::config::Listener as Settings;
use crate::observe::logs::{Level, Logs};
use crate::probe::SelfProbe;

/// A router as what answers connections.
pub struct Routed {
    name: Arc<str>,
    routes: RouterIntoService<Incoming>,
    settings: watch::Receiver<Settings>,
    logs: Logs,
}

impl Routed {
    /// Answers with `routes`; `settings` are the limits of connections that come from now on.
    #[must_use]
    pub fn new(
        name: &Arc<str>,
        routes: Router,
        settings: watch::Receiver<Settings>,
        logs: &Logs,
    ) -> Box<Self> {
        let (name, logs) = (Arc::clone(name), logs.clone());
        Box::new(Self { name, routes: routes.into_service(), settings, logs })
    }
}

/// HTTP/1.1 with the listener's limits.
fn http(settings: &Settings) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        // Runs from the first wait for a head, so it ends idle connections as well.
        .header_read_timeout(settings.header_read_timeout)
        .max_header_size(settings.header_bytes_max)
        // What a connection may hold of what its peer sent; hyper refuses less than 8 KiB.
        .max_buf_size(settings.header_bytes_max);
    http
}

impl Answer for Routed {
    /// Answers a connection in a task of its own.
    fn answer(&self, taken: Taken) {
        let Taken { stream, peer: _, is_own, seat } = taken;
        let (http, write_timeout) = {
            let settings = self.settings.borrow();
            (http(&settings), settings.write_timeout)
        };
        let routes = TowerToHyperService::new(self.routes.clone());
        let (departure, mut stages) = (Arc::clone(&seat.departure), seat.departure.stages());
        // Who was let in before the listener ends what is idle is answered, which ends it.
        if *stages.borrow_and_update() == Stage::Cut {
            return;
        }
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            if is_own {
                request.extensions_mut().insert(SelfProbe);
            }
            let (answer, departure) = (routes.call(request), Arc::clone(&departure));
            async move {
                let mut response = answer.await?;
                if departure.is_leaving() {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(CONNECTION, close);
                }
                Ok::<_, Infallible>(response)
            }
        });
        let io = TokioIo::new(Paced::new(stream, write_timeout));
        let connection = http.serve_connection(io, service);
        let (logs, name) = (self.logs.clone(), Arc::clone(&self.name));
        tokio::spawn(async move {
            if let Err(error) =
                until_end(connection, stages, http1::Connection::graceful_shutdown).await
            {
                // What a peer does wrong is no news for operators: it can be sent at will.
                logs.record(Level::Debug, "listener", "connection ended by an error")
                    .field("listener", name)
                    .field("error", error)
                    .emit();
            }
            drop(seat);
        });
    }
}

/// Drives a connection to its end, or to that of its listener.
async fn until_end<C>(
    connection: C,
    mut stages: watch::Receiver<Stage>,
    end_when_idle: fn(Pin<&mut C>),
) -> Result<(), hyper::Error>
where
    C: Future<Output = Result<(), hyper::Error>>,
{
    let mut connection = pin!(connection);
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => return ended,
            stage = stages.changed() => {
                let stage = stage.map(|()| *stages.borrow_and_update());
                match stage {
                    Ok(Stage::Open) => {}
                    Ok(Stage::Ending) => end_when_idle(connection.as_mut()),
                    // Nothing lasts here but answers.
                    Ok(Stage::Closing) => {}
                    Ok(Stage::Cut) | Err(_) => return Ok(()),
                }
            }
        }
    }
}
